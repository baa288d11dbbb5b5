//! Who a caller is: the check of what it presents.

use std::net::SocketAddr;

use crate::{Answer, Error, ErrorKind, Principal, Result};

/// Checks credentials, for every API alike. An engine that keeps roles implements it; in front of a cluster the
/// cluster is asked.
///
/// A log-in gives a [`Principal`] that carries its own *proof* ([`Role::proof`](crate::Role::proof)), which goes into a
/// token and comes back with it:
///
/// | | proof | what `check_again` does |
/// |---|---|---|
/// | the embedded engine | 16 bytes of a digest of the role's making and its password's hash | compares them with the role as it is now |
/// | a cluster | the password | logs in with it again, unless it did a short time ago |
/// | [`NoLogin`] | none: nobody is a role | refuses roles |
pub trait Login: Send + Sync + 'static {
    /// Whether a caller that presents nothing is refused.
    fn is_required(&self) -> bool;

    /// Who this name and password belong to, or [`ErrorKind::BadCredentials`]. Comparing with a stored hash takes
    /// tens of milliseconds of CPU on purpose, so the answer comes later. `from` is where the caller is: each try is counted
    /// there, before anything is compared. `None`: this server itself logs a role in.
    fn with_password(&self, name: &str, password: &str, from: Option<SocketAddr>) -> Answer<Principal>;

    /// Logs in a role that a cluster knows by a certificate, which this server has and shows on its behalf. An engine of
    /// its own has nobody to show one to.
    fn with_certificate(&self, role: &str) -> Answer<Principal> {
        let message = format!("there is no cluster to show a certificate of role {role} to");
        Answer::Ready(Err(Error::new(ErrorKind::BadCredentials, message)))
    }

    /// Who the identity of a verified client certificate belongs to (Cassandra's `system_auth.identity_to_role`).
    fn with_identity(&self, identity: &str) -> Answer<Principal>;

    /// Whether a principal that logged in earlier, here or on another replica, and shows a token for it, may still do
    /// so: its role is there, may log in, and its proof holds. Else [`ErrorKind::BadCredentials`].
    fn check_again(&self, principal: &Principal) -> Answer<()>;
}

/// No authentication: whatever is presented, the caller is [`Principal::Anonymous`], as with Cassandra's
/// `AllowAllAuthenticator`.
#[derive(Debug, Clone, Copy)]
pub struct NoLogin;

impl Login for NoLogin {
    fn is_required(&self) -> bool {
        false
    }

    fn with_password(&self, _name: &str, _password: &str, _from: Option<SocketAddr>) -> Answer<Principal> {
        Answer::Ready(Ok(Principal::Anonymous))
    }

    fn with_identity(&self, _identity: &str) -> Answer<Principal> {
        Answer::Ready(Ok(Principal::Anonymous))
    }

    fn check_again(&self, principal: &Principal) -> Answer<()> {
        Answer::Ready(anonymous_only(principal))
    }
}

/// Refuses the token of a role where there are none.
fn anonymous_only(principal: &Principal) -> Result<()> {
    match principal {
        Principal::Anonymous => Ok(()),
        Principal::Role(_) | Principal::System => Err(Error::new(
            ErrorKind::BadCredentials,
            "this token is of a server with authentication; ask this one for another",
        )),
    }
}
