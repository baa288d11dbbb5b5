//! The OpenAPI documents and the page.

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
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
}
