//! A log-in whose tries are admitted by the limits, before a password is compared. Where nothing is limited it is not put in
//! between.
//!
//! Only a try that fails, or that nobody waits for, is held against the rate of its address: with HTTP Basic each request has a
//! log-in of its own, and would else count twice.

use std::net::SocketAddr;
use std::sync::Arc;

use ilium_store::{Answer, Login, Principal, Result};

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
        let counted = move |known: Result<Principal>| {
            if known.is_ok() {
                permit.take_back();
            }
            known
        };
        match self.login.with_password(name, password, from) {
            Answer::Ready(known) => Answer::Ready(counted(known)),
            Answer::Later(known) => Answer::Later(Box::pin(async move { counted(known.await) })),
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
    use ilium_store::{Error, ErrorKind, Role};
    use tokio::sync::Semaphore;

    /// Knows everybody whose password is not `wrong`, once it is their turn.
    struct Slow(Arc<Semaphore>);

    impl Login for Slow {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str, _: Option<SocketAddr>) -> Answer<Principal> {
            let known = match password {
                "wrong" => Err(Error::new(ErrorKind::BadCredentials, "wrong")),
                _ => Ok(Principal::Role(Role::new(name, password.as_bytes()))),
            };
            let turns = Arc::clone(&self.0);
            Answer::Later(Box::pin(async move {
                let _turn = turns.acquire().await;
                known
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

    #[tokio::test]
    async fn a_log_in_counts_towards_the_rate_of_its_address_unless_it_is_accepted() {
        let each_address = Limit { requests_per_second: Some(1), ..Limit::default() };
        let limits = Limits::new(LimitOptions { each_address, ..LimitOptions::default() });
        let login = LimitedLogin::around(Arc::new(Slow(Arc::new(Semaphore::new(1)))), limits);
        let attempt = |from: [u8; 4], password: &str| {
            login.with_password("ada", password, Some((from, 1).into())).wait()
        };
        for _ in 0..20 {
            assert!(attempt([10, 0, 0, 1], "loom").await.is_ok());
        }
        // However many were accepted there: nothing was saved up.
        let mut over = 0;
        for _ in 0..20 {
            let error = attempt([10, 0, 0, 1], "wrong").await.unwrap_err();
            over += usize::from(error.kind == ErrorKind::Overloaded);
        }
        // Twenty take no ten seconds.
        assert!(over >= 10, "{over} of 20");
        // Who left before the answer was there has tried all the same.
        for _ in 0..20 {
            drop(login.with_password("ada", "loom", Some(([10, 0, 0, 2], 1).into())));
        }
        assert_eq!(attempt([10, 0, 0, 2], "loom").await.unwrap_err().kind, ErrorKind::Overloaded);
    }
}
