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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::net::SocketAddr;

    use data_encoding::BASE64URL_NOPAD;
    use ilium_store::Role;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use tokio::runtime::Runtime;

    use super::*;
    use crate::{MappedRole, RoleProof};

    const NOW: u64 = 1_700_000_000;

    /// Logs everybody in by the password that is mapped.
    struct Anybody;

    impl Login for Anybody {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str, _: Option<SocketAddr>) -> Answer<Principal> {
            Answer::Ready(Ok(Principal::Role(Role::new(name, password.as_bytes()))))
        }
        fn with_identity(&self, identity: &str) -> Answer<Principal> {
            Answer::Ready(Err(refused(identity)))
        }
        fn check_again(&self, _: &Principal) -> Answer<()> {
            Answer::Ready(Ok(()))
        }
    }

    /// Where `x` stands for ada and `y z` for bob, and the key that signs.
    fn issued(runtime: &Runtime) -> (JwtLogin, EcdsaKeyPair) {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        let folder = std::env::temp_dir().join(format!("ilium-jwt-login-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (jwks, file) = (folder.join("keys.json"), folder.join("password"));
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let key = format!(r#"{{"kty": "EC", "crv": "P-256", "kid": "one", "x": "{x}", "y": "{y}"}}"#);
        fs::write(&jwks, format!(r#"{{"keys": [{key}]}}"#)).unwrap();
        fs::write(&file, "loom").unwrap();
        let mapped =
            |role: &str| MappedRole { role: role.to_owned(), proof: RoleProof::Password(file.clone()) };
        let roles = BTreeMap::from([("x".to_owned(), mapped("ada")), ("y z".to_owned(), mapped("bob"))]);
        let options = JwtOptions {
            rules: JwtRules { issuer: "i".to_owned(), audience: "a".to_owned() },
            jwks: jwks.to_str().unwrap().to_owned(),
            authorities: None,
            role_claim: "groups".to_owned(),
            roles: Arc::new(MappedRoles::read(roles).unwrap()),
        };
        let login = runtime.block_on(JwtLogin::open(options, Arc::new(Anybody), || NOW)).unwrap();
        fs::remove_dir_all(folder).unwrap();
        (login, pair)
    }

    fn signed(by: &EcdsaKeyPair, claims: &str) -> String {
        let header = BASE64URL_NOPAD.encode(br#"{"alg": "ES256", "kid": "one"}"#);
        let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let signature = by.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    #[test]
    fn a_token_stands_for_the_first_of_its_values_that_is_mapped_and_for_nobody_without_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (login, pair) = issued(&runtime);
        // What is no text stands for nobody.
        let value = prop_oneof![
            Just(r#""x""#),
            Just(r#""y z""#),
            Just(r#""y""#),
            Just(r#""X""#),
            Just(r#""""#),
            Just(r#"["x"]"#),
            Just(r#"{"x": "x"}"#),
            Just("null"),
            Just("1"),
        ];
        let values = prop::collection::vec(value, 0..6);
        let expiry = NOW - 100..NOW + 100;
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(values in values, ends in expiry)| {
            let groups = values.join(",");
            let token = signed(&pair, &format!(r#"{{"iss": "i", "aud": "a", "exp": {ends}, "groups": [{groups}]}}"#));
            let known = runtime.block_on(login.whose(&token).wait());
            let role = values.iter().find_map(|value| match *value {
                r#""x""# => Some("ada"),
                r#""y z""# => Some("bob"),
                _ => None,
            });
            // The clocks may differ by thirty seconds.
            match role.filter(|_| ends + 30 > NOW) {
                Some(role) => prop_assert_eq!(known.unwrap(), Principal::Role(Role::new(role, *b"loom"))),
                None => prop_assert_eq!(known.unwrap_err().kind, ErrorKind::BadCredentials),
            }
        });
    }
}
