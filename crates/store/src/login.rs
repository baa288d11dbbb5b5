//! Who a caller is: the check of what it presents.

use crate::{Answer, Error, ErrorKind, Principal, Result};

/// What a role logs in with, in brief: another once its password changed, or it was dropped and made again. What was
/// given for a log-in is good as long as the stamp is the same. It tells nothing about the password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp(pub [u8; Stamp::LENGTH]);

impl Stamp {
    /// Half a SHA-256: two of one role are never the same by chance, and a token stays short.
    pub const LENGTH: usize = 16;
}

/// Checks credentials, for every API alike. An engine that keeps roles implements it; in front of a cluster the
/// cluster is asked.
pub trait Login: Send + Sync + 'static {
    /// Whether a caller that presents nothing is refused.
    fn is_required(&self) -> bool;

    /// Who this name and password belong to, or [`ErrorKind::BadCredentials`]. Comparing with a stored hash takes
    /// tens of milliseconds of CPU on purpose, so the answer comes later.
    fn with_password(&self, name: &str, password: &str) -> Answer<Principal>;

    /// Who the identity of a verified client certificate belongs to (Cassandra's `system_auth.identity_to_role`).
    fn with_identity(&self, identity: &str) -> Answer<Principal>;

    /// The stamp of a role at this moment; any, if there is no such role. Taken before a log-in, it never vouches for a
    /// password that was changed during it.
    fn stamp(&self, name: &str) -> Stamp;

    /// Whether a principal that logged in earlier, when its role had this stamp, and shows a token for it, may still do
    /// so: its role is there, may log in, and has the stamp still.
    fn check_again(&self, principal: &Principal, stamp: Stamp) -> Result<()>;
}

/// No authentication: whatever is presented, the caller is [`Principal::Anonymous`], as with Cassandra's
/// `AllowAllAuthenticator`.
#[derive(Debug, Clone, Copy)]
pub struct NoLogin;

impl Login for NoLogin {
    fn is_required(&self) -> bool {
        false
    }

    fn with_password(&self, _name: &str, _password: &str) -> Answer<Principal> {
        Answer::Ready(Ok(Principal::Anonymous))
    }

    fn with_identity(&self, _identity: &str) -> Answer<Principal> {
        Answer::Ready(Ok(Principal::Anonymous))
    }

    fn stamp(&self, _name: &str) -> Stamp {
        Stamp::default()
    }

    fn check_again(&self, principal: &Principal, _stamp: Stamp) -> Result<()> {
        match principal {
            Principal::Anonymous => Ok(()),
            Principal::Role(_) | Principal::System => Err(Error::new(
                ErrorKind::BadCredentials,
                "this token is of a server with authentication; ask this one for another",
            )),
        }
    }
}
