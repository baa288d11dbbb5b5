//! Beyond Stargate: conditions, time stamps, times to live, preferences, warnings.

use axum::http::Request;

use crate::driver::{Rest, encoded};

fn rest() -> Rest {
    Rest::with(&["CREATE TABLE t (id int PRIMARY KEY, v int, w text)", "INSERT INTO t (id, v) VALUES (1, 7)"])
}

#[test]
fn a_row_is_added_only_where_there_is_none() {
    let rest = rest();
    rest.post("/v2/keyspaces/ks/t?if-not-exists=true", r#"{"id":2,"v":1}"#).ok(201);
    let refused = rest.post("/v2/keyspaces/ks/t?if-not-exists=true", r#"{"id":1,"v":8}"#);
    refused.error(409);
    assert_eq!(refused.json()["data"][0]["v"], 7);
    assert_eq!(rest.get("/v2/keyspaces/ks/t/1?raw=true&fields=v").ok(200), r#"[{"v":7}]"#);
}

#[test]
fn a_row_is_changed_only_where_the_condition_holds() {
    let rest = rest();
    let path = |condition: &str| format!("/v2/keyspaces/ks/t/1?if={}", encoded(condition));
    rest.put(&path(r#"{"v":{"$eq":7}}"#), r#"{"w":"x"}"#).ok(200);
    let refused = rest.put(&path(r#"{"v":{"$eq":8}}"#), r#"{"w":"y"}"#);
    refused.error(412);
    assert_eq!(refused.json()["data"][0]["v"], 7);
    rest.patch(&path(r#"{"v":{"$in":[6,"7"]},"w":{"$ne":"z"}}"#), r#"{"v":9}"#).ok(200);
    assert_eq!(rest.get("/v2/keyspaces/ks/t/1?raw=true").ok(200), r#"[{"id":1,"v":9,"w":"x"}]"#);
    rest.put("/v2/keyspaces/ks/t/5?if-exists=true", r#"{"w":"x"}"#).error(412);
    rest.delete("/v2/keyspaces/ks/t/5?if-exists=true").error(412);
    rest.delete(&path(r#"{"v":{"$gt":9}}"#)).error(412);
    rest.delete(&path(r#"{"v":{"$gte":9}}"#)).ok(204);
    for condition in ["[]", "{}", r#"{"v":7}"#, r#"{"v":{"$like":7}}"#, r#"{"nope":{"$eq":7}}"#] {
        rest.put(&path(condition), r#"{"w":"y"}"#).error(400);
    }
    rest.put("/v2/keyspaces/ks/t/1?if-exists=true&if=%7B%7D", r#"{"w":"y"}"#).error(400);
}

#[test]
fn time_stamps_and_times_to_live_go_with_the_write() {
    let rest = rest();
    rest.put("/v2/keyspaces/ks/t/3?timestamp=5&ttl=1000", r#"{"w":"x"}"#).ok(200);
    rest.post("/v2/keyspaces/ks/t?timestamp=6", r#"{"id":4,"w":"x"}"#).ok(201);
    let read = |id: i32, fields: &str| {
        rest.get(&format!("/v2/keyspaces/ks/t/{id}?raw=true&fields={}", encoded(fields))).json()[0].clone()
    };
    assert_eq!(read(3, "writetime(w) as at")["at"], 5);
    assert!(read(3, "ttl(w) as left")["left"].as_i64().unwrap() > 900);
    assert_eq!(read(4, "writetime(w) as at, ttl(w) as left").to_string(), r#"{"at":6,"left":null}"#);
    rest.delete("/v2/keyspaces/ks/t/4?timestamp=5").ok(204);
    assert_eq!(read(4, "w")["w"], "x");
    rest.delete("/v2/keyspaces/ks/t/4?timestamp=6").ok(204);
    assert!(read(4, "w").is_null());
    rest.put("/v2/keyspaces/ks/t/3?ttl=-1", r#"{"w":"x"}"#).error(400);
    rest.put("/v2/keyspaces/ks/t/3?ttl=x", r#"{"w":"x"}"#).error(400);
}

#[test]
fn a_caller_that_prefers_no_body_gets_none() {
    let rest = rest();
    let send = |method: &str, path: &str, body: &'static str| {
        let request =
            Request::builder().method(method).uri(path).header("prefer", "respond-async, return=minimal");
        rest.send(request.body(body.into()).unwrap())
    };
    let added = send("POST", "/v2/keyspaces/ks/t", r#"{"id":2}"#);
    assert_eq!(
        (added.ok(201), added.headers["preference-applied"].to_str().unwrap()),
        ("", "return=minimal")
    );
    assert_eq!(send("PUT", "/v2/keyspaces/ks/t/2", r#"{"v":2}"#).ok(204), "");
}

#[test]
fn consistency_and_time_limits_are_the_callers() {
    let rest = rest();
    rest.get("/v2/keyspaces/ks/t/1?consistency=ONE&serial-consistency=local_serial&timeout=5s").ok(200);
    rest.get("/v2/keyspaces/ks/t/1?consistency=NONE").error(400);
    rest.get("/v2/keyspaces/ks/t/1?timeout=0").error(400);
}

#[test]
fn what_the_store_warns_of_is_in_headers_of_answers_and_errors() {
    let rest = rest();
    let warnings = |reply: crate::driver::Reply| -> Vec<String> {
        let all = reply.headers.get_all("cassandra-warning").iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let keyspace = r#"{"name": "far", "replicas": 3}"#;
    let made = rest.post("/v2/schemas/keyspaces", keyspace);
    assert_eq!(made.status.as_u16(), 201, "{}", made.text);
    let said = warnings(made);
    assert!(said.len() == 1 && said[0].contains("replication factor 3 for keyspace far"), "{said:?}");
    assert_eq!(warnings(rest.get("/v2/keyspaces/ks/t/1")), [""; 0]);
    // This engine keeps no traces.
    let read = rest.get("/v2/keyspaces/ks/t/1?tracing=true");
    assert_eq!((read.status.as_u16(), read.headers.contains_key("cassandra-tracing-id")), (200, false));
}
