//! Log-ins by tokens of another server: whose keys sign them, and which role a claim stands for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_http::Bearers;
use ilium_http::jwt::{self, JwtError, JwtRules, KeySet};
use ilium_store::{Answer, Error, ErrorKind, Login, Principal, Result};
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use crate::MappedRoles;
use crate::jwks::{JwksError, JwksSource};

/// A token may name a key that is not known once in so long: it makes the set be asked for again, and anybody can send one.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A key that its issuer took back is forgotten after so long.
const ASK_EVERY: Duration = Duration::from_secs(600);

/// Whose tokens are taken, and for whom.
pub struct JwtOptions {
    pub rules: JwtRules,
    /// Where the issuer's keys are: a file, or an address with `https://`.
    pub jwks: String,
    /// Authorities of that address; `None`: those of the system.
    pub authorities: Option<PathBuf>,
    /// The claim whose values are mapped; see [`jwt::Claims::values`].
    pub role_claim: String,
    pub roles: Arc<MappedRoles>,
}

/// Knows callers by their JWTs.
#[derive(Clone)]
pub struct JwtLogin(Arc<Inner>);

struct Inner {
    options: JwtOptions,
    login: Arc<dyn Login>,
    source: JwksSource,
    keys: RwLock<Arc<KeySet>>,
    /// When the keys were last asked for because a token named one that was not known.
    asked: Mutex<Option<Instant>>,
    /// Seconds since the epoch.
    now: fn() -> u64,
}

impl JwtLogin {
    /// Reads the keys. Those of a file must be there; where they cannot be had from an address, that is logged, and they are
    /// asked for again with the first token.
    pub async fn open(
        options: JwtOptions,
        login: Arc<dyn Login>,
        now: fn() -> u64,
    ) -> std::result::Result<JwtLogin, JwksError> {
        let source = JwksSource::of(&options.jwks, options.authorities.as_deref())?;
        let keys = match source.read().await {
            Ok(keys) => keys,
            Err(error) if source.is_remote() => {
                tracing::warn!(%error, "no JWT is good until its issuer's keys can be had");
                KeySet::default()
            }
            Err(error) => return Err(error),
        };
        let keys = RwLock::new(Arc::new(keys));
        Ok(JwtLogin(Arc::new(Inner { options, login, source, keys, asked: Mutex::new(None), now })))
    }

    /// Asks for the keys again from time to time, until `stopping` turns true.
    pub async fn renew(&self, mut stopping: watch::Receiver<bool>) {
        let every = match self.0.source.is_remote() {
            true => ASK_EVERY,
            false => crate::watched::LOOK_EVERY,
        };
        loop {
            tokio::select! {
                () = sleep(every) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            self.0.ask().await;
        }
    }
}

impl Bearers for JwtLogin {
    fn whose(&self, token: &str) -> Answer<Principal> {
        let (inner, token) = (Arc::clone(&self.0), token.to_owned());
        Answer::Later(Box::pin(async move { inner.whose(&token).await }))
    }
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::BadCredentials, format!("Role unauthorized: {why}"))
}

impl Inner {
    async fn whose(&self, token: &str) -> Result<Principal> {
        let verified = match self.verify(token) {
            Err(JwtError::UnknownKey) if self.ask_for_unknown().await => self.verify(token),
            verified => verified,
        };
        let claims = verified.map_err(refused)?;
        let JwtOptions { role_claim, roles, .. } = &self.options;
        let login = &*self.login;
        let mapped = claims.values(role_claim).into_iter().find_map(|value| roles.log_in(value, login));
        let mapped = mapped.ok_or_else(|| {
            refused(format!("no value of the token's claim `{role_claim}` stands for a role here"))
        })?;
        mapped.wait().await
    }

    fn verify(&self, token: &str) -> std::result::Result<jwt::Claims, JwtError> {
        let keys = Arc::clone(&self.keys.read());
        jwt::verify(token, &keys, &self.options.rules, (self.now)())
    }

    /// Asks for the keys, unless that was done a moment ago; whether it is worth looking again.
    async fn ask_for_unknown(&self) -> bool {
        // Whoever comes while another asks waits, and then finds that it was done.
        let before = Arc::clone(&self.keys.read());
        let mut asked = self.asked.lock().await;
        if !Arc::ptr_eq(&before, &self.keys.read()) {
            return true;
        }
        if asked.is_some_and(|at| at.elapsed() < ASK_AGAIN_AFTER) {
            return false;
        }
        *asked = Some(Instant::now());
        self.ask().await
    }

    /// Whether there was an answer.
    async fn ask(&self) -> bool {
        match self.source.read().await {
            Ok(keys) => {
                *self.keys.write() = Arc::new(keys);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of JWTs cannot be read again; the last good ones stay");
                false
            }
        }
    }
}
