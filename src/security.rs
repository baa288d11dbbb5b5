//! Puts together who may come in, and how much of it: tokens, JWTs, certificates, limits; the same for both commands.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use ilium_http::Access;
use ilium_server::{
    GivenKeys, JwtLogin, JwtOptions, LimitedLogin, Limits, MappedLogin, MappedRoles, open_token_keys,
    passing_token_keys, rotate_token_keys,
};
use ilium_store::{DEFAULT_LIFETIME, Login};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::now;
use crate::config::security::Security;
use crate::exit::Failure;

/// What stands between callers and the store.
pub struct Guards {
    /// The store's log-in, and what is mapped to its roles.
    pub login: Arc<dyn Login>,
    pub access: Arc<Access>,
    pub limits: Option<Arc<Limits>>,
    tasks: Vec<Task>,
}

/// Reads what came from files again.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done for mapped roles while the server runs.
fn of_mapped(roles: Arc<MappedRoles>, login: Arc<dyn Login>, stopping: &watch::Receiver<bool>) -> [Task; 2] {
    let (tried, one, two) = (Arc::clone(&roles), stopping.clone(), stopping.clone());
    [
        Box::pin(async move { tried.try_each(&*login, one).await }),
        Box::pin(async move { roles.renew(two).await }),
    ]
}

impl Guards {
    /// `kept` is where this process keeps keys of its own, unless it was given some.
    pub async fn open(
        settings: Security,
        login: Arc<dyn Login>,
        kept: Option<PathBuf>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Guards, Failure> {
        let mut tasks: Vec<Task> = Vec::new();
        let store_login = Arc::clone(&login);
        let limits = Limits::new(settings.limits);
        let login = LimitedLogin::around(login, limits.clone());
        let certificates = Arc::new(MappedRoles::read(settings.certificates).map_err(Failure::config)?);
        let login: Arc<dyn Login> = Arc::new(MappedLogin::new(login, Arc::clone(&certificates)));
        tasks.extend(of_mapped(certificates, Arc::clone(&store_login), stopping));

        let (tokens, given) = match (&settings.token_keys, &kept) {
            (Some(file), _) => {
                let (given, tokens) = GivenKeys::open(file, DEFAULT_LIFETIME).map_err(Failure::config)?;
                (tokens, Some(given))
            }
            (None, Some(file)) => {
                (open_token_keys(file, DEFAULT_LIFETIME, now()).map_err(Failure::io)?, None)
            }
            (None, None) => (passing_token_keys(DEFAULT_LIFETIME).map_err(Failure::io)?, None),
        };
        let mut access = Access::new(Arc::clone(&login), tokens, now);
        if let Some(jwt) = settings.jwt {
            let roles = Arc::new(MappedRoles::read(jwt.roles).map_err(Failure::config)?);
            let options = JwtOptions {
                rules: jwt.rules,
                jwks: jwt.jwks,
                authorities: jwt.ca,
                role_claim: jwt.role_claim,
                roles: Arc::clone(&roles),
            };
            let bearers =
                JwtLogin::open(options, Arc::clone(&store_login), now).await.map_err(Failure::config)?;
            access = access.with_bearers(Arc::new(bearers.clone()));
            let stops = stopping.clone();
            tasks.extend(of_mapped(roles, store_login, stopping));
            tasks.push(Box::pin(async move { bearers.renew(stops).await }));
        }
        let access = Arc::new(access);
        let (of_task, stops) = (Arc::clone(&access), stopping.clone());
        match (given, kept) {
            (Some(given), _) => tasks.push(Box::pin(async move { given.renew(&of_task, stops).await })),
            (None, Some(file)) => {
                tasks.push(Box::pin(async move { rotate_token_keys(&of_task, &file, now, stops).await }));
            }
            (None, None) => {}
        }
        Ok(Guards { login, access, limits, tasks })
    }

    /// Keeps what came from files up to date, until the server stops.
    pub fn keep_up(&mut self, serving: &mut JoinSet<()>) {
        for task in self.tasks.drain(..) {
            serving.spawn(task);
        }
    }
}
