//! Who asks, and from which page.
//!
//! Where callers log in, a cookie holds the token that [`Access`](ilium_http::Access) gave. The browser sends it along
//! with whatever makes it call here, so a POST must also come from a page of this server, which its `Origin` says. That
//! holds without log in, too, where the front asks for it before.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use ilium_http::Peer;
use ilium_store::{Principal, Trace};

use crate::page::Failure;
use crate::{Console, link};

/// The cookie that holds the token.
pub const TOKEN: &str = "ilium_token";

pub struct Caller {
    pub principal: Principal,
    pub address: Option<SocketAddr>,
    pub trace: Trace,
}

impl Caller {
    /// The name of the role that logged in.
    pub fn role(&self) -> Option<String> {
        self.principal.role_name().map(|name| name.to_string())
    }
}

impl FromRequestParts<Arc<Console>> for Caller {
    type Rejection = TurnedAway;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Caller, TurnedAway> {
        if parts.method == Method::POST {
            own_page(&parts.uri, &parts.headers).map_err(TurnedAway::Refused)?;
        }
        let peer = Peer::of(&parts.extensions);
        let (address, trace) = (peer.address, peer.trace);
        if !console.access.is_required() {
            return Ok(Caller { principal: Principal::Anonymous, address, trace });
        }
        if let Some(token) = token(&parts.headers) {
            match console.access.of_token(token, &peer).await {
                Ok(principal) => return Ok(Caller { principal, address, trace }),
                Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {}
                // A log-in would help as little, while the cluster cannot be asked.
                Err(refusal) => return Err(TurnedAway::Refused(refusal.into())),
            }
        }
        // What a form held is lost; the login leads on to its page.
        let asked = parts.uri.path_and_query().map_or("/", |asked| asked.as_str());
        Err(TurnedAway::ToLogin(link::login(asked)))
    }
}

/// Why a caller sees another page than the one asked for.
pub enum TurnedAway {
    /// Nobody is logged in; where to do so.
    ToLogin(String),
    Refused(Failure),
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        match self {
            TurnedAway::ToLogin(link) => Redirect::to(&link).into_response(),
            TurnedAway::Refused(failure) => failure.into_response(),
        }
    }
}

/// Refuses what was not sent by a page of this server. Browsers set `Origin` on every POST, and no page can set it itself.
pub fn own_page(uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // In HTTP/2 the authority is part of the target, in HTTP/1.1 the Host header.
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    if origin.is_some() && origin == host {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::FORBIDDEN,
        "This form was not sent by a page of this server: its Origin header is missing or names another. Open the console \
         itself and send it from there.",
    ))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(TOKEN)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(axum::http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let found = |cookies| token(&headers(&[(COOKIE, cookies)])).map(str::to_owned);
        assert_eq!(found("a=b; ilium_token=abc-_; c=d").as_deref(), Some("abc-_"));
        assert_eq!(found("xilium_token=abc"), None);
        assert_eq!(found("ilium_tokens=abc"), None);
        assert_eq!(token(&HeaderMap::new()), None);
    }

    #[test]
    fn a_form_is_taken_from_a_page_of_the_same_host_and_port_only() {
        let check =
            |origin, host| own_page(&Uri::from_static("/x"), &headers(&[(ORIGIN, origin), (HOST, host)]));
        assert!(check("http://db.example:8080", "db.example:8080").is_ok());
        for (origin, host) in [
            ("http://evil.example", "db.example:8080"),
            ("http://db.example:8081", "db.example:8080"),
            ("http://db.example", "db.example:8080"),
            ("null", "db.example:8080"),
            ("", "db.example:8080"),
        ] {
            assert!(check(origin, host).is_err(), "{origin}");
        }
        assert!(own_page(&Uri::from_static("/x"), &headers(&[(HOST, "db.example")])).is_err());
        let http2 = Uri::from_static("https://db.example/x");
        assert!(own_page(&http2, &headers(&[(ORIGIN, "https://db.example")])).is_ok());
    }
}
