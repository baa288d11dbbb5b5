//! The OpenAPI documents and the page.

use std::net::SocketAddr;
use std::sync::Arc;

use ilium_store::{Answer, Error, ErrorKind, Login, Principal, Result};

use crate::driver::Rest;

#[test]
fn the_document_lists_the_endpoints_and_is_not_sent_twice() {
    let rest = Rest::with(&[]);
    let document = rest.get("/v2/openapi.json");
    let json = document.json();
    assert_eq!(json["openapi"], "3.1.0");
    assert!(json["paths"]["/v2/keyspaces/{keyspaceName}/{tableName}/{primaryKey}"]["patch"].is_object());
    let again = axum::http::Request::builder()
        .uri("/v2/openapi.json")
        .header("if-none-match", &document.headers["etag"])
        .body(axum::body::Body::empty());
    assert_eq!(rest.send(again.unwrap()).ok(304), "");
}

#[test]
fn the_live_document_has_the_tables_as_they_are_now() {
    let rest =
        Rest::with(&["CREATE TABLE orders (id uuid, line int, price decimal, PRIMARY KEY (id, line))"]);
    let document = || rest.get("/v2/schemas/keyspaces/ks/openapi.json").json();
    let json = document();
    let by_key = &json["paths"]["/v2/keyspaces/ks/orders/{id}/{line}"];
    assert!(by_key["put"].is_object() && by_key["delete"].is_object(), "{json}");
    assert!(json["paths"]["/v2/keyspaces/ks/orders/{id}"]["get"].is_object());
    assert_eq!(json["components"]["schemas"]["orders"]["properties"]["price"]["type"][0], "number");
    rest.cql("ALTER TABLE orders ADD note text");
    assert!(document()["components"]["schemas"]["orders"]["properties"]["note"].is_object());
    rest.get("/v2/schemas/keyspaces/nope/openapi.json").error(404);
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let rest = Rest::with(&[]);
    let page = rest.get("/v2/docs");
    let text = page.ok(200);
    assert!(
        text.contains("<title>REST API</title>") && !text.contains("http://") && !text.contains("https://")
    );
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));
    for closed in ["frame-ancestors", "base-uri", "form-action"] {
        assert!(policy.contains(&format!("{closed} 'none'")), "{policy}");
    }
}

/// Lets nobody in.
struct Shut;

impl Shut {
    fn refused<T>() -> Result<T> {
        Err(Error::new(ErrorKind::BadCredentials, "nobody comes in"))
    }
}

impl Login for Shut {
    fn is_required(&self) -> bool {
        true
    }
    fn with_password(&self, _: &str, _: &str, _: Option<SocketAddr>) -> Answer<Principal> {
        Answer::Ready(Shut::refused())
    }
    fn with_identity(&self, _: &str) -> Answer<Principal> {
        Answer::Ready(Shut::refused())
    }
    fn check_again(&self, _: &Principal) -> Answer<()> {
        Answer::Ready(Shut::refused())
    }
}

#[test]
fn the_page_and_its_document_are_for_everyone_and_nothing_else_is() {
    let rest = Rest::behind(Arc::new(Shut), &[]);
    rest.get("/v2/docs").ok(200);
    rest.get("/v2/openapi.json").ok(200);
    for path in ["/v2/schemas/keyspaces/ks/openapi.json", "/v2/schemas/keyspaces", "/v2/nothing"] {
        rest.get(path).error(401);
    }
}

#[test]
fn no_answer_is_taken_for_another_type_than_it_says() {
    let rest = Rest::with(&[]);
    for path in ["/v2/docs", "/v2/openapi.json", "/v2/schemas/keyspaces", "/v2/nothing"] {
        assert_eq!(rest.get(path).headers["x-content-type-options"], "nosniff", "{path}");
    }
}
