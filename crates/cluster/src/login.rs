//! Logging in at the cluster: it checks name and password, and what it accepted stands for a short while.
//!
//! The proof of a log-in ([`ilium_store::Role::proof`]) is the password: with it connections are made on the role's behalf. Of
//! a role that is known by its certificate it says so; the certificate is this gateway's to show.

use std::sync::Arc;

use ilium_protocol::ProtocolVersion;
use ilium_store::{Error, ErrorKind, Principal, Role};

use crate::Credentials;
use crate::cluster::Cluster;
use crate::session::SessionKey;

/// What a principal logs in with; `None`: it is nobody. An error for a proof that was given elsewhere.
pub(crate) fn credentials_of(principal: &Principal) -> Option<Result<Credentials, Error>> {
    let Principal::Role(role) = principal else { return None };
    let foreign =
        || Error::new(ErrorKind::BadCredentials, "this log-in is of another kind of server; log in again");
    Some(Credentials::of_proof(role.name(), role.proof()).ok_or_else(foreign))
}

impl Cluster {
    /// Asks the cluster who this is. The connection that is opened for it becomes one of that role's session.
    pub(crate) async fn log_in(self: &Arc<Self>, credentials: Credentials) -> Result<Principal, Error> {
        if !self.facts.asks_for_login {
            return Ok(Principal::Anonymous);
        }
        if !credentials.can_be_said() {
            return Err(Error::new(ErrorKind::BadCredentials, "a name and a password have no NUL in them"));
        }
        let role = Role::new(Arc::clone(&credentials.name), credentials.proof());
        if self.logins.is_fresh(&credentials) {
            return Ok(Principal::Role(role));
        }
        let key = self.key_of(Some(credentials), self.facts.newest.number());
        self.prove(key).await?;
        Ok(Principal::Role(role))
    }

    /// The key of the session that speaks for a principal; for the server itself that of the gateway's own role.
    pub(crate) fn key_for(
        &self,
        principal: &Principal,
        version: ProtocolVersion,
    ) -> Result<SessionKey, Error> {
        let role = match credentials_of(principal) {
            Some(credentials) => Some(credentials?),
            None if *principal == Principal::Anonymous && self.facts.asks_for_login => {
                return Err(Error::new(ErrorKind::BadCredentials, "this cluster asks for a log-in"));
            }
            None => self.user(),
        };
        Ok(self.key_of(role, version.number()))
    }
}
