//! Who a request is from, told by its headers, or by its connection's certificate.
//!
//! `X-Cassandra-Token` (Stargate's), `Authorization: Bearer` and `Authorization: Basic` are understood, in this order; a
//! token is ours, or a JWT where those are taken.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use data_encoding::BASE64;
use ilium_store::{
    Answer, Error, ErrorKind, Login, Principal, Result as StoreResult, SealError, Seals, TokenError, Tokens,
    audit,
};
use parking_lot::{Mutex, RwLock};

use crate::{Peer, Refusal, guard};

/// Tells whom a token belongs to that another server made.
pub trait Bearers: Send + Sync + 'static {
    fn whose(&self, token: &str) -> Answer<Principal>;
}

/// Tells callers apart and gives out tokens. One for all HTTP APIs.
pub struct Access {
    login: Arc<dyn Login>,
    tokens: RwLock<Arc<Tokens>>,
    /// `None`: no JWT is taken.
    bearers: Option<Arc<dyn Bearers>>,
    /// Seconds since the epoch.
    now: fn() -> u64,
    /// When a log-in that comes with every request was last written down.
    written_down: Mutex<HashMap<Comer, Instant>>,
}

/// A role, where it logs in from, and how.
type Comer = (Arc<str>, IpAddr, &'static str);

/// A log-in that comes with every request (HTTP Basic, a JWT, a certificate) is in the audit log once in so long for each
/// role and address.
const WRITTEN_DOWN_EVERY: Duration = Duration::from_secs(600);

/// Such log-ins that are remembered. Past it all are forgotten, and written down again.
const REMEMBERED: usize = 4096;

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
        let tokens = RwLock::new(Arc::new(tokens));
        Access { login, tokens, bearers: None, now, written_down: Mutex::default() }
    }

    /// Takes JWTs as well.
    #[must_use]
    pub fn with_bearers(self, bearers: Arc<dyn Bearers>) -> Access {
        Access { bearers: Some(bearers), ..self }
    }

    /// Whether a caller that presents nothing is refused.
    pub fn is_required(&self) -> bool {
        self.login.is_required()
    }

    /// Replaces the keys of tokens.
    pub fn rotate(&self, tokens: Tokens) {
        *self.tokens.write() = Arc::new(tokens);
    }

    /// The same as [`Access::caller`] for a request that waits no longer than this: a cluster that is asked may take its time.
    pub async fn caller_within(&self, head: &Parts, patience: Duration) -> Result<Principal, Refusal> {
        match tokio::time::timeout(patience, self.caller(head)).await {
            Ok(known) => known,
            Err(_) => Err(Refusal {
                grpc_status: Some("DEADLINE_EXCEEDED"),
                ..Refusal::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "Operation timed out: who sent this could not be checked in the time this request has; allow more time",
                )
            }),
        }
    }

    /// Who sent a request with this head. Without authentication nobody is asked, and what is presented is not looked at.
    pub async fn caller(&self, head: &Parts) -> Result<Principal, Refusal> {
        if !self.login.is_required() {
            return Ok(Principal::Anonymous);
        }
        let peer = Peer::of(&head.extensions);
        let presented = credentials(&head.headers).map_err(|Unreadable { how, what }| {
            let error = Error::new(ErrorKind::BadCredentials, format!("Role unauthorized: {what}"));
            if let Some(how) = how {
                audit::login("http", peer.address, None, how, &Err(error.clone()));
            }
            error
        })?;
        match (presented, &peer.identity) {
            (Credentials::Token(token), _) => self.of_token(&token, &peer).await,
            (Credentials::Password { name, password }, _) => {
                let known = self.login.with_password(&name, &password, peer.address).wait().await;
                self.comes_again(&peer, Some(&name), "password", &known);
                Ok(known?)
            }
            (Credentials::None, Some(identity)) => {
                // A browser shows its certificate for any page that makes it call.
                guard::check_source(&head.method, &head.uri, &head.headers)?;
                let known = self.login.with_identity(identity).wait().await;
                self.comes_again(&peer, Some(identity), "certificate", &known);
                Ok(known?)
            }
            (Credentials::None, None) => Err(Refusal::unauthorized(
                "Role unauthorized for operation: no credentials; send a token in X-Cassandra-Token (POST /v1/auth gives \
                 one), or a name and password as HTTP Basic",
            )),
        }
    }

    /// Who a token was made for, if that role may still log in, with what it logged in with then.
    pub async fn of_token(&self, token: &str, peer: &Peer) -> Result<Principal, Refusal> {
        // Ours have no dots.
        if let Some(bearers) = self.bearers.as_ref().filter(|_| token.contains('.')) {
            let known = bearers.whose(token).wait().await;
            self.comes_again(peer, None, "jwt", &known);
            return Ok(known?);
        }
        let opened = self.tokens.read().open(token, (self.now)());
        let opened = opened
            .map_err(|error| Error::new(ErrorKind::BadCredentials, format!("Role unauthorized: {error}")));
        let name = opened.as_ref().ok().and_then(Principal::role_name).cloned();
        let known = match opened {
            Ok(principal) => self.login.check_again(&principal).wait().await.map(|()| principal),
            Err(error) => Err(error),
        };
        // Who has one logged in before.
        if known.is_err() {
            audit::login("http", peer.address, name.as_deref(), "token", &known);
        }
        Ok(known?)
    }

    /// Checks a name and password, and gives a token for them.
    pub async fn token(&self, name: &str, password: &str, peer: &Peer) -> Result<String, Refusal> {
        let known = self.login.with_password(name, password, peer.address).wait().await;
        if self.login.is_required() {
            audit::login("http", peer.address, Some(name), "password", &known);
        }
        let issued = self.tokens.read().issue(&known?, (self.now)());
        issued.map_err(|error: TokenError| Error::new(ErrorKind::Internal, error.to_string()).into())
    }

    /// How long tokens are good for.
    pub fn token_lifetime(&self) -> Duration {
        self.tokens.read().lifetime()
    }

    /// Writes down a log-in of those that come with every request.
    fn comes_again(
        &self,
        peer: &Peer,
        name: Option<&str>,
        how: &'static str,
        known: &StoreResult<Principal>,
    ) {
        if !audit::is_on() {
            return;
        }
        if let (Ok(Principal::Role(role)), Some(address)) = (known, peer.address) {
            let key = (Arc::clone(role.name()), address.ip(), how);
            let mut written = self.written_down.lock();
            if written.get(&key).is_some_and(|at| at.elapsed() < WRITTEN_DOWN_EVERY) {
                return;
            }
            if written.len() >= REMEMBERED {
                written.clear();
            }
            written.insert(key, Instant::now());
        }
        audit::login("http", peer.address, name, how, known);
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

/// Credentials that cannot be read.
struct Unreadable {
    /// As the audit log has it; `None`: it is no way to log in here.
    how: Option<&'static str>,
    what: &'static str,
}

/// What the headers present.
fn credentials(headers: &HeaderMap) -> Result<Credentials, Unreadable> {
    let unreadable = |how, what| Unreadable { how, what };
    if let Some(token) = headers.get("x-cassandra-token") {
        let broken = |_| unreadable(Some("token"), "the token in X-Cassandra-Token is not a text");
        let token = token.to_str().map_err(broken)?;
        return Ok(Credentials::Token(token.to_owned()));
    }
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(Credentials::None) };
    let value = value.to_str().map_err(|_| unreadable(None, "the Authorization header is not a text"))?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Token(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable(None, "the Authorization header must be Bearer or Basic"));
    }
    let broken = || {
        let what = "the Authorization header does not hold base64 of name:password in UTF-8";
        unreadable(Some("password"), what)
    };
    let decoded = BASE64.decode(rest.trim().as_bytes()).map_err(|_| broken())?;
    let decoded = String::from_utf8(decoded).map_err(|_| broken())?;
    let (name, password) = decoded.split_once(':').ok_or_else(broken)?;
    Ok(Credentials::Password { name: name.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue, StatusCode};
    use ilium_store::Role;
    use std::net::SocketAddr;

    /// Knows `ada` with the password `loom`, and no `gone` any more.
    struct OneRole;

    impl Login for OneRole {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str, _: Option<SocketAddr>) -> Answer<Principal> {
            Answer::Ready(match (name, password) {
                ("ada", "loom") | ("gone", _) => Ok(Principal::Role(Role::new(name, password.as_bytes()))),
                _ => Err(Error::new(ErrorKind::BadCredentials, "wrong")),
            })
        }
        fn with_identity(&self, identity: &str) -> Answer<Principal> {
            Answer::Ready(match identity {
                "spiffe://x/ada" => Ok(Principal::Role(Role::new("ada", *b"loom"))),
                _ => Err(Error::new(ErrorKind::BadCredentials, "unknown")),
            })
        }
        fn check_again(&self, principal: &Principal) -> Answer<()> {
            Answer::Ready(match principal {
                Principal::Role(role) if *role == Role::new("ada", *b"loom") => Ok(()),
                _ => Err(Error::new(ErrorKind::BadCredentials, "gone")),
            })
        }
    }

    /// Asks somebody who does not answer.
    struct Nobody;

    impl Login for Nobody {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, _: &str, _: &str, _: Option<SocketAddr>) -> Answer<Principal> {
            Answer::Later(Box::pin(std::future::pending()))
        }
        fn with_identity(&self, _: &str) -> Answer<Principal> {
            Answer::Later(Box::pin(std::future::pending()))
        }
        fn check_again(&self, _: &Principal) -> Answer<()> {
            Answer::Later(Box::pin(std::future::pending()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_in_is_waited_for_no_longer_than_the_request_has_time() {
        let tokens = Tokens::new(&[[7; 32]], Duration::from_secs(60)).unwrap();
        let access = Access::new(Arc::new(Nobody), tokens, || 1000);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Basic YWRhOmxvb20=".parse().unwrap());
        let begun = tokio::time::Instant::now();
        let patience = Duration::from_millis(500);
        let refusal = access.caller_within(&head(headers), patience).await.unwrap_err();
        assert_eq!((refusal.status.as_u16(), begun.elapsed()), (504, patience));
        assert!(refusal.json().contains("DEADLINE_EXCEEDED"), "{}", refusal.json());
    }

    fn access() -> Access {
        Access::new(Arc::new(OneRole), Tokens::new(&[[7; 32]], Duration::from_secs(60)).unwrap(), || 1000)
    }

    /// The head of a request with these headers.
    fn head(headers: HeaderMap) -> Parts {
        let (mut head, ()) = axum::http::Request::new(()).into_parts();
        head.headers = headers;
        head
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[tokio::test]
    async fn a_caller_is_known_by_token_bearer_and_basic() {
        let access = access();
        let ada = Principal::Role(Role::new("ada", *b"loom"));
        let token = access.token("ada", "loom", &Peer::default()).await.unwrap();
        let basic = format!("Basic {}", BASE64.encode(b"ada:loom"));
        for headers in [
            headers("x-cassandra-token", &token),
            headers("authorization", &format!("bearer {token}")),
            headers("authorization", &basic),
        ] {
            assert_eq!(access.caller(&head(headers)).await.as_ref(), Ok(&ada));
        }
    }

    #[tokio::test]
    async fn who_is_not_known_is_refused() {
        let access = access();
        let gone = access.token("gone", "", &Peer::default()).await.unwrap();
        for headers in [
            HeaderMap::new(),
            headers("x-cassandra-token", "nonsense"),
            headers("x-cassandra-token", &gone),
            headers("authorization", &format!("Basic {}", BASE64.encode(b"ada:wrong"))),
            headers("authorization", &format!("Basic {}", BASE64.encode(b"ada"))),
            headers("authorization", "Basic !"),
            headers("authorization", "Digest x"),
        ] {
            let refusal = access.caller(&head(headers)).await.unwrap_err();
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED, "{refusal:?}");
        }
        assert!(access.token("ada", "wrong", &Peer::default()).await.is_err());
    }

    #[tokio::test]
    async fn a_certificate_is_enough_for_who_is_known_by_it_but_not_for_what_a_foreign_page_may_send() {
        let access = access();
        let of = |identity: &str, method: axum::http::Method, content_type: &str| {
            let mut head = head(headers("content-type", content_type));
            head.method = method;
            head.extensions.insert(Peer { identity: Some(identity.into()), ..Peer::default() });
            head
        };
        let (post, get) = (axum::http::Method::POST, axum::http::Method::GET);
        let ada = Principal::Role(Role::new("ada", *b"loom"));
        let known = of("spiffe://x/ada", post.clone(), "application/json");
        assert_eq!(access.caller(&known).await, Ok(ada.clone()));
        assert_eq!(access.caller(&of("spiffe://x/ada", get, "text/plain")).await, Ok(ada));
        let form = access.caller(&of("spiffe://x/ada", post.clone(), "text/plain")).await.unwrap_err();
        assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let other = access.caller(&of("eve", post, "application/json")).await.unwrap_err();
        assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    }

    /// Knows one token of another server.
    struct OneBearer;

    impl Bearers for OneBearer {
        fn whose(&self, token: &str) -> Answer<Principal> {
            Answer::Ready(match token {
                "a.b.c" => Ok(Principal::Role(Role::new("ada", *b"loom"))),
                _ => Err(Error::new(ErrorKind::BadCredentials, "unknown")),
            })
        }
    }

    #[tokio::test]
    async fn tokens_of_others_go_to_who_knows_them_where_they_are_taken() {
        let bearer = |token: &str| head(headers("authorization", &format!("Bearer {token}")));
        assert!(access().caller(&bearer("a.b.c")).await.is_err());
        let access = access().with_bearers(Arc::new(OneBearer));
        assert!(access.caller(&bearer("a.b.c")).await.is_ok());
        assert!(access.caller(&bearer("a.b.d")).await.is_err());
        let own = access.token("ada", "loom", &Peer::default()).await.unwrap();
        assert!(access.caller(&bearer(&own)).await.is_ok());
    }
}
