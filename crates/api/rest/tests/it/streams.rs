//! Whole results as lines of JSON and as CSV.

use std::sync::atomic::Ordering;

use crate::driver::Rest;

fn rest() -> Rest {
    let rest = Rest::with(&["CREATE TABLE t (id int, c int, v text, PRIMARY KEY (id, c))"]);
    for c in 0..25 {
        rest.post("/v2/keyspaces/ks/t", &format!(r#"{{"id":1,"c":{c},"v":"a,{c}"}}"#)).ok(201);
    }
    rest
}

#[test]
fn lines_and_csv_hold_every_row_whatever_the_page() {
    let rest = rest();
    let lines = rest.get_as("/v2/keyspaces/ks/t/1?page-size=10", "application/x-ndjson");
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let rows: Vec<&str> = lines.ok(200).lines().collect();
    assert_eq!(
        (rows.len(), rows[0], rows[24]),
        (25, r#"{"id":1,"c":0,"v":"a,0"}"#, r#"{"id":1,"c":24,"v":"a,24"}"#)
    );
    let csv = rest.get_as("/v2/keyspaces/ks/t/rows?page-size=7&fields=c,v", "text/csv");
    let rows: Vec<&str> = csv.ok(200).split("\r\n").collect();
    assert_eq!(
        (rows.len(), rows[0], rows[1], rows[25], rows[26]),
        (27, "c,v", "0,\"a,0\"", "24,\"a,24\"", "")
    );
}

#[test]
fn an_empty_result_has_a_head_as_csv_and_nothing_as_lines() {
    let rest = rest();
    assert_eq!(rest.get_as("/v2/keyspaces/ks/t/9", "text/csv").ok(200), "id,c,v\r\n");
    assert_eq!(rest.get_as("/v2/keyspaces/ks/t/9", "application/x-ndjson").ok(200), "");
}

#[test]
fn what_is_wrong_with_a_request_is_told_before_the_stream_begins() {
    let rest = rest();
    rest.get_as("/v2/keyspaces/ks/t/x", "text/csv").error(400);
    rest.get_as("/v2/keyspaces/ks/t/1", "image/png").error(406);
    rest.get_as("/v2/keyspaces/ks/t/1", "text/html, */*;q=0.8").ok(200);
}

#[test]
fn the_rest_of_a_stream_is_not_read_once_its_caller_is_gone() {
    let rest = rest();
    let before = rest.store.executed.load(Ordering::Relaxed);
    let request =
        axum::http::Request::builder().uri("/v2/keyspaces/ks/t/1?page-size=1").header("accept", "text/csv");
    let part = rest.begin(request.body(axum::body::Body::empty()).unwrap());
    assert_eq!(part, "id,c,v\r\n1,0,\"a,0\"\r\n");
    // One page that was written, and one ahead of it.
    assert_eq!(rest.store.executed.load(Ordering::Relaxed) - before, 2);
}

#[test]
fn what_is_read_for_a_caller_that_is_gone_is_stopped() {
    let rest = rest();
    let query = r#"{"query":"SELECT * FROM ks.t"}"#;
    for (method, path, accept, body) in [
        ("GET", "/v2/keyspaces/ks/t/1", "application/json", ""),
        ("GET", "/v2/keyspaces/ks/t/rows", "text/csv", ""),
        ("POST", "/v2/cql", "application/json", query),
    ] {
        let request = axum::http::Request::builder().method(method).uri(path).header("accept", accept);
        let request = request.header("content-type", "application/json").body(body.into()).unwrap();
        assert_eq!(rest.leave(request), (false, true), "{method} {path} as {accept}");
    }
}

#[test]
fn a_csv_whose_columns_change_amid_it_is_cut_and_lines_go_on() {
    let rest = rest();
    for (accept, change, cut) in [
        ("application/x-ndjson", "ALTER TABLE t ADD w int", false),
        ("text/csv", "ALTER TABLE t ADD a int", true),
    ] {
        let request = axum::http::Request::builder().uri("/v2/keyspaces/ks/t/rows?page-size=5");
        let request = request.header("accept", accept).body(axum::body::Body::empty()).unwrap();
        assert_eq!(rest.cut_after(request, change), cut, "{accept}");
    }
}
