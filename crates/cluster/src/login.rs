//! Logging in at the cluster: it checks name and password, and what it accepted stands for a short while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_protocol::ProtocolVersion;
use ilium_store::{Error, ErrorKind, Principal};
use parking_lot::Mutex;

use crate::Credentials;
use crate::cluster::Cluster;
use crate::error::ConnectError;
use crate::session::{Session, SessionKey};

/// Log-ins that the cluster accepted.
pub(crate) struct Logins {
    validity: Duration,
    accepted: Mutex<HashMap<Arc<str>, Accepted>>,
}

struct Accepted {
    credentials: Credentials,
    at: Instant,
}

impl Logins {
    pub fn new(validity: Duration) -> Logins {
        Logins { validity, accepted: Mutex::default() }
    }

    fn is_fresh(&self, credentials: &Credentials) -> bool {
        let accepted = self.accepted.lock();
        accepted
            .get(&credentials.name)
            .is_some_and(|known| known.credentials == *credentials && known.at.elapsed() < self.validity)
    }

    fn accept(&self, credentials: Credentials) {
        let name = Arc::clone(&credentials.name);
        self.accepted.lock().insert(name, Accepted { credentials, at: Instant::now() });
    }

    /// What the role last logged in with.
    pub fn credentials(&self, name: &str) -> Option<Credentials> {
        self.accepted.lock().get(name).map(|known| known.credentials.clone())
    }
}

impl Cluster {
    /// Asks the cluster who this is. The connection that is opened for it becomes the first of that role's session.
    pub(crate) async fn log_in(self: &Arc<Self>, credentials: Credentials) -> Result<Principal, Error> {
        if !self.facts.asks_for_login {
            return Ok(Principal::Anonymous);
        }
        let principal = Principal::Role(Arc::clone(&credentials.name));
        if self.logins.is_fresh(&credentials) {
            return Ok(principal);
        }
        let key = self.key_of(Some(credentials.clone()), self.facts.newest.number());
        // Not yet one of those that are kept: the password may be wrong.
        let trial = Session::new(key.clone(), self.facts.newest, self);
        let (place, link) = self.open_link(&trial).await.map_err(ConnectError::into_error)?;
        self.logins.accept(credentials);
        self.session(key)?.add(place, link);
        Ok(principal)
    }

    /// The key of the session that speaks for a principal.
    pub(crate) fn key_for(&self, principal: &Principal, version: ProtocolVersion) -> Result<SessionKey, Error> {
        let role = match principal {
            Principal::Anonymous | Principal::System => self.options.user.clone(),
            Principal::Role(name) => {
                let known = self.logins.credentials(name);
                Some(known.ok_or_else(|| {
                    Error::new(ErrorKind::BadCredentials, format!("role {name} has not logged in here"))
                })?)
            }
        };
        Ok(self.key_of(role, version.number()))
    }
}
