//! Loopback is no defence against a browser: a page from anywhere can make its visitor's browser send requests to
//! 127.0.0.1. So, where nobody logs in, a request must look like one that no foreign page can make.
//!
//! - Its host must be a loopback name. A name of the attacker's that resolves to 127.0.0.1 (DNS rebinding) would make the
//!   page and this server one origin to the browser.
//! - A write must carry JSON, or a token, which a page may not send elsewhere without asking first (the Fetch standard's
//!   CORS-safelisted headers and content types), and asking is answered by no CORS header; or it must come from a page of
//!   this server's own, which its `Origin` says. A token opens nothing here, but clients of Stargate send one with everything,
//!   statements as plain text among it. Basic credentials do not count: a browser that has some for another server of this
//!   name adds them by itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, StatusCode, Uri};

use crate::Refusal;

/// Whether a request may go on although nobody logged in.
pub fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = host(uri, headers);
    if !host.is_some_and(is_loopback) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this server runs without authentication and answers only requests to a loopback name, such as localhost or \
             127.0.0.1; the Host header names another",
        ));
    }
    check_source(method, uri, headers)
}

/// Refuses what a page from anywhere can make a browser send by itself: also where the browser shows a certificate.
pub fn check_source(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if reads
        || is_json(headers)
        || has_token(headers)
        || has_no_body(method, headers)
        || is_own_page(host(uri, headers), headers)
    {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "a request that may write must have the header Content-Type: application/json, or a token in X-Cassandra-Token",
    ))
}

/// Where the request says it goes: in HTTP/2 the authority, in HTTP/1.1 the Host header, which wins nothing when the
/// target names another (RFC 9112, section 3.2.2).
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

fn is_loopback(authority: &str) -> bool {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(rest) = authority.strip_prefix('[') {
        let address = rest.split_once(']').map_or(rest, |(address, _)| address);
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let name = authority.split_once(':').map_or(authority, |(name, _)| name);
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return address.is_loopback();
    }
    // RFC 6761, section 6.3: localhost and what is below it.
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn has_token(headers: &HeaderMap) -> bool {
    let is_bearer =
        |value: &[u8]| value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    headers.contains_key("x-cassandra-token")
        || headers.get(AUTHORIZATION).is_some_and(|value| is_bearer(value.as_bytes()))
}

/// PUT, PATCH and DELETE are never simple requests: a page asks first. A POST without a body is one.
fn has_no_body(method: &Method, headers: &HeaderMap) -> bool {
    *method != Method::POST
        && !headers.contains_key(CONTENT_TYPE)
        && !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
}

/// Browsers set `Origin` on every request but plain reads, and no page can set it itself.
fn is_own_page(host: Option<&str>, headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let of_origin = origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    of_origin.is_some() && of_origin == host
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn verdict(method: Method, headers: &[(HeaderName, &str)]) -> Result<(), StatusCode> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let headers: HeaderMap = headers.collect();
        check(&method, &Uri::from_static("/v2/x"), &headers).map_err(|refusal| refusal.status)
    }

    #[test]
    fn only_loopback_names_are_served() {
        for host in
            ["localhost", "LOCALHOST:8080", "db.localhost:1", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"]
        {
            assert_eq!(verdict(Method::GET, &[(HOST, host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
            "",
            "0.0.0.0",
        ] {
            assert_eq!(verdict(Method::GET, &[(HOST, host)]), Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        assert_eq!(verdict(Method::GET, &[]), Err(StatusCode::MISDIRECTED_REQUEST));
        let target = Uri::from_static("http://evil.example/v2/x");
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        assert!(check(&Method::GET, &target, &headers).is_err());
    }

    #[test]
    fn a_write_is_one_that_no_foreign_page_can_send() {
        let json = (CONTENT_TYPE, "application/json; charset=utf-8");
        let form = (CONTENT_TYPE, "application/x-www-form-urlencoded");
        let host = (HOST, "localhost:8080");
        let refused = Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(verdict(Method::POST, &[host.clone(), json.clone()]), Ok(()));
        assert_eq!(verdict(Method::DELETE, std::slice::from_ref(&host)), Ok(()));
        assert_eq!(verdict(Method::POST, std::slice::from_ref(&host)), refused);
        assert_eq!(verdict(Method::PUT, &[host.clone(), (CONTENT_TYPE, "text/plain")]), refused);
        assert_eq!(verdict(Method::PUT, &[host.clone(), (CONTENT_LENGTH, "4")]), refused);
        let token = (HeaderName::from_static("x-cassandra-token"), "any");
        assert_eq!(verdict(Method::POST, &[host.clone(), (CONTENT_TYPE, "text/plain"), token]), Ok(()));
        let basic = (AUTHORIZATION, "Basic YTpi");
        assert_eq!(verdict(Method::POST, &[host.clone(), (CONTENT_TYPE, "text/plain"), basic]), refused);
        let bearer = (AUTHORIZATION, "bearer any");
        assert_eq!(verdict(Method::POST, &[host.clone(), (CONTENT_TYPE, "text/plain"), bearer]), Ok(()));
        let from = |origin| verdict(Method::POST, &[host.clone(), form.clone(), (ORIGIN, origin)]);
        assert_eq!(from("http://localhost:8080"), Ok(()));
        assert_eq!(from("http://localhost:3000"), refused);
        assert_eq!(from("http://evil.example"), refused);
        assert_eq!(from("null"), refused);
        // JSON from a foreign page arrives only after a question that nobody answered.
        assert_eq!(verdict(Method::POST, &[host, json, (ORIGIN, "http://evil.example")]), Ok(()));
    }
}
