//! Who a request is from, told by its headers.
//!
//! `X-Cassandra-Token` (Stargate's), `Authorization: Bearer` and `Authorization: Basic` are understood, in this order.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use data_encoding::BASE64;
use ilium_store::{Error, ErrorKind, Login, Principal, SealError, Seals, TokenError, Tokens};
use parking_lot::RwLock;

use crate::Refusal;

/// Tells callers apart and gives out tokens. One for all HTTP APIs.
pub struct Access {
    login: Arc<dyn Login>,
    tokens: RwLock<Arc<Tokens>>,
    /// Seconds since the epoch.
    now: fn() -> u64,
}

/// What a caller presents.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    None,
    Token(String),
    Password { name: String, password: String },
}

impl Access {
    /// `now` gives seconds since the epoch.
    pub fn new(login: Arc<dyn Login>, tokens: Tokens, now: fn() -> u64) -> Access {
        Access { login, tokens: RwLock::new(Arc::new(tokens)), now }
    }

    /// Whether a caller that presents nothing is refused.
    pub fn is_required(&self) -> bool {
        self.login.is_required()
    }

    /// Replaces the keys of tokens.
    pub fn rotate(&self, tokens: Tokens) {
        *self.tokens.write() = Arc::new(tokens);
    }

    /// Who sent a request with these headers. Without authentication nobody is asked, and what is presented is not
    /// looked at.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        if !self.login.is_required() {
            return Ok(Principal::Anonymous);
        }
        match credentials(headers)? {
            Credentials::None => Err(Refusal::unauthorized(
                "Role unauthorized for operation: no credentials; send a token in X-Cassandra-Token (POST /v1/auth gives \
                 one), or a name and password as HTTP Basic",
            )),
            Credentials::Token(token) => self.of_token(&token).await,
            Credentials::Password { name, password } => {
                Ok(self.login.with_password(&name, &password).wait().await?)
            }
        }
    }

    /// Who a token was made for, if that role may still log in, with what it logged in with then.
    pub async fn of_token(&self, token: &str) -> Result<Principal, Refusal> {
        let opened = self.tokens.read().open(token, (self.now)());
        let principal =
            opened.map_err(|error| Refusal::unauthorized(format!("Role unauthorized: {error}")))?;
        self.login.check_again(&principal).wait().await?;
        Ok(principal)
    }

    /// Checks a name and password, and gives a token for them.
    pub async fn token(&self, name: &str, password: &str) -> Result<String, Refusal> {
        let principal = self.login.with_password(name, password).wait().await?;
        let issued = self.tokens.read().issue(&principal, (self.now)());
        issued.map_err(|error: TokenError| Error::new(ErrorKind::Internal, error.to_string()).into())
    }

    /// How long tokens are good for.
    pub fn token_lifetime(&self) -> Duration {
        self.tokens.read().lifetime()
    }
}

/// Page states, under the keys of tokens.
impl Seals for Access {
    fn seal(&self, bound_to: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError> {
        Seals::seal(&**self.tokens.read(), bound_to, text)
    }

    fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        Seals::open(&**self.tokens.read(), bound_to, sealed)
    }
}

/// What the headers present.
fn credentials(headers: &HeaderMap) -> Result<Credentials, Refusal> {
    let unreadable = |what: &str| Refusal::unauthorized(format!("Role unauthorized: {what}"));
    if let Some(token) = headers.get("x-cassandra-token") {
        let token = token.to_str().map_err(|_| unreadable("the token in X-Cassandra-Token is not a text"))?;
        return Ok(Credentials::Token(token.to_owned()));
    }
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(Credentials::None) };
    let value = value.to_str().map_err(|_| unreadable("the Authorization header is not a text"))?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Token(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable("the Authorization header must be Bearer or Basic"));
    }
    let broken = || unreadable("the Authorization header does not hold base64 of name:password in UTF-8");
    let decoded = BASE64.decode(rest.trim().as_bytes()).map_err(|_| broken())?;
    let decoded = String::from_utf8(decoded).map_err(|_| broken())?;
    let (name, password) = decoded.split_once(':').ok_or_else(broken)?;
    Ok(Credentials::Password { name: name.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue, StatusCode};
    use ilium_store::{Answer, Role};

    /// Knows `ada` with the password `loom`, and no `gone` any more.
    struct OneRole;

    impl Login for OneRole {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str) -> Answer<Principal> {
            Answer::Ready(match (name, password) {
                ("ada", "loom") | ("gone", _) => Ok(Principal::Role(Role::new(name, password.as_bytes()))),
                _ => Err(Error::new(ErrorKind::BadCredentials, "wrong")),
            })
        }
        fn with_identity(&self, _: &str) -> Answer<Principal> {
            Answer::Ready(Err(Error::new(ErrorKind::BadCredentials, "unknown")))
        }
        fn check_again(&self, principal: &Principal) -> Answer<()> {
            Answer::Ready(match principal {
                Principal::Role(role) if *role == Role::new("ada", *b"loom") => Ok(()),
                _ => Err(Error::new(ErrorKind::BadCredentials, "gone")),
            })
        }
    }

    fn access() -> Access {
        Access::new(Arc::new(OneRole), Tokens::new(&[[7; 32]], Duration::from_secs(60)).unwrap(), || 1000)
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[tokio::test]
    async fn a_caller_is_known_by_token_bearer_and_basic() {
        let access = access();
        let ada = Principal::Role(Role::new("ada", *b"loom"));
        let token = access.token("ada", "loom").await.unwrap();
        let basic = format!("Basic {}", BASE64.encode(b"ada:loom"));
        for headers in [
            headers("x-cassandra-token", &token),
            headers("authorization", &format!("bearer {token}")),
            headers("authorization", &basic),
        ] {
            assert_eq!(access.caller(&headers).await.as_ref(), Ok(&ada));
        }
    }

    #[tokio::test]
    async fn who_is_not_known_is_refused() {
        let access = access();
        let gone = access.token("gone", "").await.unwrap();
        for headers in [
            HeaderMap::new(),
            headers("x-cassandra-token", "nonsense"),
            headers("x-cassandra-token", &gone),
            headers("authorization", &format!("Basic {}", BASE64.encode(b"ada:wrong"))),
            headers("authorization", &format!("Basic {}", BASE64.encode(b"ada"))),
            headers("authorization", "Basic !"),
            headers("authorization", "Digest x"),
        ] {
            let refusal = access.caller(&headers).await.unwrap_err();
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED, "{refusal:?}");
        }
        assert!(access.token("ada", "wrong").await.is_err());
    }
}
