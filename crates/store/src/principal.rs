//! Who a request is from.

use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The identity a request carries from the first byte to the engine's permission check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// No authentication is configured: may do everything, as Cassandra's `AllowAllAuthenticator` user may.
    Anonymous,
    /// A role that logged in.
    Role(Role),
    /// The server itself: start-up files, maintenance.
    System,
}

/// A role that logged in, and the *proof* of it: what [`Login`](crate::Login) gave with the log-in, by which the role
/// may act later without another. Only who gave a proof knows what it means: the embedded engine's tells whether the
/// password is still the same, a cluster's is the password, with which connections are made on the role's behalf. So
/// it is a secret: it is never shown, logged, or stored.
///
/// Two are equal if both name and proof are.
#[derive(Clone)]
pub struct Role(Arc<Parts>);

struct Parts {
    name: Arc<str>,
    proof: Box<[u8]>,
}

impl Role {
    pub fn new(name: impl Into<Arc<str>>, proof: impl Into<Box<[u8]>>) -> Role {
        Role(Arc::new(Parts { name: name.into(), proof: proof.into() }))
    }

    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    pub fn proof(&self) -> &[u8] {
        &self.0.proof
    }
}

impl Principal {
    /// The name of the role that logged in.
    pub fn role_name(&self) -> Option<&Arc<str>> {
        match self {
            Principal::Role(role) => Some(role.name()),
            Principal::Anonymous | Principal::System => None,
        }
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Role) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.name == other.0.name && self.0.proof == other.0.proof)
    }
}

impl Eq for Role {}

impl Hash for Role {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
        self.0.proof.hash(state);
    }
}

impl Debug for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Role").field(&self.0.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_another_with_another_proof_and_never_shows_it() {
        let ada = Role::new("ada", *b"loom");
        assert_eq!(ada, Role::new("ada", *b"loom"));
        assert_ne!(ada, Role::new("ada", *b"mill"));
        assert_ne!(ada, Role::new("bob", *b"loom"));
        let shown = format!("{:?}", Principal::Role(ada));
        assert!(shown.contains("ada") && !shown.contains("loom") && !shown.contains("108"), "{shown}");
    }
}
