//! A log-in whose tries are admitted by the limits, before a password is compared. Where nothing is limited it is not put in
//! between.

use std::net::SocketAddr;
use std::sync::Arc;

use ilium_store::{Answer, Login, Principal};

use crate::Limits;

pub struct LimitedLogin {
    login: Arc<dyn Login>,
    limits: Arc<Limits>,
}

impl LimitedLogin {
    /// The same, if there are no limits.
    pub fn around(login: Arc<dyn Login>, limits: Option<Arc<Limits>>) -> Arc<dyn Login> {
        match limits {
            None => login,
            Some(limits) => Arc::new(LimitedLogin { login, limits }),
        }
    }
}

impl Login for LimitedLogin {
    fn is_required(&self) -> bool {
        self.login.is_required()
    }

    fn with_password(&self, name: &str, password: &str, from: Option<SocketAddr>) -> Answer<Principal> {
        if !self.login.is_required() {
            return self.login.with_password(name, password, from);
        }
        let permit = match self.limits.admit_login(from) {
            Ok(permit) => permit,
            Err(error) => return Answer::Ready(Err(error)),
        };
        match self.login.with_password(name, password, from) {
            Answer::Ready(known) => Answer::Ready(known),
            Answer::Later(known) => Answer::Later(Box::pin(async move {
                let known = known.await;
                drop(permit);
                known
            })),
        }
    }

    fn with_certificate(&self, role: &str) -> Answer<Principal> {
        self.login.with_certificate(role)
    }

    fn with_identity(&self, identity: &str) -> Answer<Principal> {
        self.login.with_identity(identity)
    }

    fn check_again(&self, principal: &Principal) -> Answer<()> {
        self.login.check_again(principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limit, LimitOptions};
    use ilium_store::{ErrorKind, Role};
    use tokio::sync::Semaphore;

    /// Knows everybody, once it is their turn.
    struct Slow(Arc<Semaphore>);

    impl Login for Slow {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str, _: Option<SocketAddr>) -> Answer<Principal> {
            let (turns, role) = (Arc::clone(&self.0), Role::new(name, password.as_bytes()));
            Answer::Later(Box::pin(async move {
                let _turn = turns.acquire().await;
                Ok(Principal::Role(role))
            }))
        }
        fn with_identity(&self, _: &str) -> Answer<Principal> {
            Answer::Ready(Ok(Principal::Anonymous))
        }
        fn check_again(&self, _: &Principal) -> Answer<()> {
            Answer::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn one_address_has_so_many_log_ins_under_way_and_others_are_not_kept_out() {
        let each_address = Limit { in_flight: Some(2), ..Limit::default() };
        let limits = Limits::new(LimitOptions { each_address, ..LimitOptions::default() });
        let turns = Arc::new(Semaphore::new(0));
        let login = LimitedLogin::around(Arc::new(Slow(Arc::clone(&turns))), limits);
        let attempt = |from: [u8; 4]| login.with_password("ada", "loom", Some((from, 1).into()));
        let first = [attempt([10, 0, 0, 1]), attempt([10, 0, 0, 1])];
        let Answer::Ready(Err(error)) = attempt([10, 0, 0, 1]) else { panic!("a third is under way") };
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert!(error.message.contains("address 10.0.0.1 has 2 requests in flight"), "{error}");
        assert!(error.retry_after.is_some());
        let other = attempt([10, 0, 0, 2]);
        // What the server does for itself is not counted.
        let own = login.with_password("ada", "loom", None);
        assert!(matches!(own, Answer::Later(_)));
        turns.add_permits(1);
        for known in first.into_iter().chain([other, own]) {
            assert!(known.wait().await.is_ok());
        }
        assert!(matches!(attempt([10, 0, 0, 1]), Answer::Later(_)));
    }
}
