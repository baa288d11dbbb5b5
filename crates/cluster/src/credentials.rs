//! What a role logs in with.

use std::fmt;
use std::sync::Arc;

/// A role's name and password. Its debug form leaves the password out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    pub name: Arc<str>,
    pub password: Arc<str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.name)
    }
}

impl Credentials {
    pub fn new(name: &str, password: &str) -> Credentials {
        Credentials { name: name.into(), password: password.into() }
    }

    /// The message of SASL PLAIN (RFC 4616).
    pub(crate) fn plain(&self) -> Vec<u8> {
        [&[0], self.name.as_bytes(), &[0], self.password.as_bytes()].concat()
    }
}
