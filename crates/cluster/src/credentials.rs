//! What a role logs in with, and with what roles were let in of late.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A role, and how the cluster knows it: by a password, or by the certificate that is shown for it
/// ([`TlsConfigs`](crate::TlsConfigs)). Its debug form leaves the password out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    pub name: Arc<str>,
    by: By,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum By {
    Password(Arc<str>),
    Certificate,
}

/// The proof of a role that is known by its certificate. No password is like it: SASL PLAIN has no NUL in one.
const CERTIFICATE: &[u8] = b"\0certificate";

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.name)
    }
}

impl Credentials {
    pub fn new(name: &str, password: &str) -> Credentials {
        Credentials { name: name.into(), by: By::Password(password.into()) }
    }

    /// A role whose certificate is shown to the nodes. Without a name it is the gateway itself, whoever its own is of.
    pub(crate) fn by_certificate(name: &str) -> Credentials {
        Credentials { name: name.into(), by: By::Certificate }
    }

    pub(crate) fn is_by_certificate(&self) -> bool {
        self.by == By::Certificate
    }

    /// Whether SASL PLAIN can say it: with a NUL in it, it would say something else.
    pub(crate) fn can_be_said(&self) -> bool {
        match &self.by {
            By::Password(password) => !self.name.contains('\0') && !password.contains('\0'),
            By::Certificate => true,
        }
    }

    /// What AUTH_RESPONSE carries: the message of SASL PLAIN (RFC 4616), or nothing, as the certificate says it all.
    pub(crate) fn response(&self) -> Vec<u8> {
        match &self.by {
            By::Password(password) => [&[0], self.name.as_bytes(), &[0], password.as_bytes()].concat(),
            By::Certificate => Vec::new(),
        }
    }

    /// The proof of this log-in ([`ilium_store::Role::proof`]).
    pub(crate) fn proof(&self) -> &[u8] {
        match &self.by {
            By::Password(password) => password.as_bytes(),
            By::Certificate => CERTIFICATE,
        }
    }

    /// What a proof is of; `None`: it was given elsewhere.
    pub(crate) fn of_proof(name: &str, proof: &[u8]) -> Option<Credentials> {
        match proof {
            CERTIFICATE => Some(Credentials::by_certificate(name)),
            password => std::str::from_utf8(password).ok().map(|password| Credentials::new(name, password)),
        }
    }
}

/// Log-ins that are remembered at most; past it those that are stale go.
const REMEMBERED: usize = 4096;

/// Log-ins that the cluster accepted, and when.
pub(crate) struct Logins {
    validity: Duration,
    accepted: Mutex<HashMap<Credentials, Instant>>,
}

impl Logins {
    pub fn new(validity: Duration) -> Logins {
        Logins { validity, accepted: Mutex::default() }
    }

    pub fn is_fresh(&self, credentials: &Credentials) -> bool {
        self.accepted.lock().get(credentials).is_some_and(|at| at.elapsed() < self.validity)
    }

    /// How many are remembered, those that are no longer fresh among them.
    pub fn len(&self) -> usize {
        self.accepted.lock().len()
    }

    pub fn accept(&self, credentials: Credentials) {
        let mut accepted = self.accepted.lock();
        if accepted.len() >= REMEMBERED {
            accepted.retain(|_, at| at.elapsed() < self.validity);
        }
        accepted.insert(credentials, Instant::now());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn no_password_passes_for_a_certificate() {
        let shown = Credentials::by_certificate("ada");
        assert_eq!(Credentials::of_proof("ada", shown.proof()), Some(shown));
        let said = Credentials::new("ada", "\0certificate");
        assert!(!said.can_be_said() && !Credentials::new("a\0da", "x").can_be_said());
        assert!(Credentials::new("ada", "certificate").can_be_said());
        assert_eq!(Credentials::of_proof("ada", &[0xff]), None);
    }
}
