//! HTML documents as responses, and the headers that keep a browser from doing more with them than it should.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use ilium_http::Refusal;

use crate::caller::Caller;

/// Nothing is loaded but our own style sheet, script and icon; nothing is sent but to this server; no page may show this
/// one in a frame, where its buttons could be clicked unseen.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);

/// Each header with its value. A referrer would tell other sites names and keys; `no-referrer` would go too far: browsers
/// then send forms with `Origin: null` (the Fetch standard, section 3.1), by which our own are told.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Adds the headers that every response of the console has.
pub async fn guarded(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}

/// What stands around the content of every page.
pub struct Frame {
    pub title: String,
    /// The role that is logged in; `None`: nobody needs to.
    pub role: Option<String>,
    /// Which entry of the navigation this page is: `/`, `/console/statement`, or none.
    pub at: &'static str,
}

impl Frame {
    pub fn new(title: impl Into<String>, caller: &Caller, at: &'static str) -> Frame {
        Frame { title: title.into(), role: caller.role(), at }
    }

    /// Of a page that shows nothing of what is kept.
    pub fn outside(title: impl Into<String>) -> Frame {
        Frame { title: title.into(), role: None, at: "" }
    }
}

/// A rendered page. No cache keeps it: it shows what may change at any moment, and only its caller may see.
pub fn respond(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
            (status, headers, html).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered").into_response()
        }
    }
}

/// A page that says why there is no other.
#[derive(Template)]
#[template(path = "failure.html")]
pub struct Failure {
    frame: Frame,
    status: StatusCode,
    message: String,
}

impl Failure {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        let title = status.canonical_reason().unwrap_or("Error");
        Failure { frame: Frame::outside(title), status, message: message.into() }
    }

    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::new(refusal.status, refusal.description)
    }
}

impl From<ilium_store::Error> for Failure {
    fn from(error: ilium_store::Error) -> Failure {
        Refusal::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        respond(self.status, &self)
    }
}

/// Who types an address may well type this one.
pub async fn to_overview() -> Redirect {
    Redirect::to("/")
}

pub async fn nothing_here(uri: Uri) -> Failure {
    Failure::not_found(format!("There is nothing at {}.", uri.path()))
}
