//! Logging in and out: a token of [`Access`](ilium_http::Access), kept in a cookie that no script reads and no other site
//! makes the browser send.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use ilium_http::{BodyLimits, Peer};

use crate::caller::{TOKEN, own_page};
use crate::form::Fields;
use crate::page::{Failure, Frame, respond};
use crate::{Console, link};

/// A name and a password are short; more is not read.
const LIMITS: BodyLimits = BodyLimits { bytes: 64 << 10, patience: Duration::from_secs(30) };

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    next: String,
    name: String,
    /// Why the last try failed.
    refusal: String,
}

impl LoginPage {
    fn new(next: &str) -> LoginPage {
        let next = link::safe_next(next).to_owned();
        LoginPage { frame: Frame::outside("Log in"), next, name: String::new(), refusal: String::new() }
    }
}

pub async fn show(State(console): State<Arc<Console>>, uri: Uri) -> Response {
    if !console.access.is_required() {
        return Redirect::to("/").into_response();
    }
    respond(StatusCode::OK, &LoginPage::new(Fields::of_query(&uri).get("next")))
}

pub async fn log_in(
    State(console): State<Arc<Console>>,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    own_page(&uri, &headers)?;
    let fields = Fields::of_body(body, &LIMITS).await?;
    let next = link::safe_next(fields.get("next"));
    let peer = Peer::of(&extensions);
    match console.access.token(fields.get("name"), fields.get("password"), &peer).await {
        Ok(token) => {
            let lifetime = console.access.token_lifetime().as_secs();
            let cookie = cookie(&token, lifetime, console.options.speaks_tls);
            Ok(([(SET_COOKIE, cookie)], Redirect::to(next)).into_response())
        }
        Err(refusal) => {
            let mut page = LoginPage::new(next);
            (page.name, page.refusal) = (fields.get("name").to_owned(), refusal.description);
            Ok(respond(refusal.status, &page))
        }
    }
}

pub async fn log_out(
    State(console): State<Arc<Console>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    own_page(&uri, &headers)?;
    let gone = cookie("", 0, console.options.speaks_tls);
    Ok(([(SET_COOKIE, gone)], Redirect::to("/console/login")).into_response())
}

/// `lifetime` in seconds: as long as the token opens.
fn cookie(token: &str, lifetime: u64, speaks_tls: bool) -> String {
    let secure = if speaks_tls { "; Secure" } else { "" };
    format!("{TOKEN}={token}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_for_this_server_alone_and_goes_with_its_token() {
        assert_eq!(cookie("t", 60, false), "ilium_token=t; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
        assert!(cookie("t", 60, true).ends_with("; SameSite=Strict; Secure"));
    }
}
