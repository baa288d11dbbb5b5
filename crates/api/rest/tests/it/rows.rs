//! Rows: read, written and deleted.

use crate::driver::{Rest, encoded};

const SPENDING: &[&str] = &[
    "CREATE TABLE spending (id int, expense_id int, \"firstName\" text, PRIMARY KEY (id, expense_id))",
    "INSERT INTO spending (id, expense_id, \"firstName\") VALUES (1, 1, 'John')",
    "INSERT INTO spending (id, expense_id, \"firstName\") VALUES (1, 2, 'John')",
    "INSERT INTO spending (id, expense_id, \"firstName\") VALUES (2, 1, 'Jane')",
];

#[test]
fn rows_are_read_by_a_whole_key_and_by_its_first_columns() {
    let rest = Rest::with(SPENDING);
    assert_eq!(
        rest.get("/v2/keyspaces/ks/spending/1/2").ok(200),
        r#"{"count":1,"data":[{"id":1,"expense_id":2,"firstName":"John"}]}"#
    );
    assert_eq!(rest.get("/v2/keyspaces/ks/spending/1").json()["count"], 2);
    assert_eq!(rest.get("/v2/keyspaces/ks/spending/7").ok(200), r#"{"count":0,"data":[]}"#);
    assert_eq!(
        rest.get(
            "/v2/keyspaces/ks/spending/1?raw=true&fields=expense_id&sort=%7B%22expense_id%22:%22desc%22%7D"
        )
        .ok(200),
        r#"[{"expense_id":2},{"expense_id":1}]"#
    );
    assert_eq!(rest.get("/v2/keyspaces/ks/spending/rows").json()["count"], 3);
}

#[test]
fn pages_follow_each_other_until_there_is_no_state() {
    let rest = Rest::with(SPENDING);
    let first = rest.get("/v2/keyspaces/ks/spending/rows?page-size=2").json();
    assert_eq!(first["count"], 2);
    let state = first["pageState"].as_str().unwrap();
    let second =
        rest.get(&format!("/v2/keyspaces/ks/spending/rows?page-size=2&page-state={}", encoded(state))).json();
    assert_eq!((&second["count"], second.get("pageState")), (&1.into(), None));
    let other = rest.get(&format!("/v2/keyspaces/ks/spending/1?page-state={}", encoded(state)));
    other.error(400);
    rest.get("/v2/keyspaces/ks/spending/rows?page-state=AAAA").error(400);
}

#[test]
fn a_filter_finds_rows_by_every_operator() {
    let rest = Rest::with(&[
        "CREATE TABLE t (id text, age int, name text, tags set<text>, props map<text, int>, nums list<int>, ok boolean, \
         PRIMARY KEY (id, age, name))",
        "CREATE INDEX ON t (tags)",
        "CREATE INDEX ON t (KEYS(props))",
        "CREATE INDEX ON t (ENTRIES(props))",
        "CREATE INDEX ON t (nums)",
        "CREATE INDEX ON t (ok)",
        "INSERT INTO t (id, age, name, tags, props, nums, ok) VALUES ('1', 25, 'Bob', {'a', 'b'}, {'x': 1}, [1], true)",
        "INSERT INTO t (id, age, name, tags, props, nums, ok) VALUES ('1', 40, 'Dave', {'b', 'c'}, {'y': 2}, [2], false)",
        "INSERT INTO t (id, age, name, tags, props, nums, ok) VALUES ('1', 63, 'Fred', {'x'}, {'x': 3}, [2, 1], true)",
    ]);
    for (filter, names) in [
        (r#"{"id":{"$eq":"1"}}"#, "Bob Dave Fred"),
        (r#"{"id":{"$eq":1},"age":{"$gt":30,"$lt":50}}"#, "Dave"),
        (r#"{"id":{"$eq":"1"},"age":{"$gte":"40","$lte":63}}"#, "Dave Fred"),
        (r#"{"id":{"$eq":"1"},"age":{"$in":[25,63]}}"#, "Bob Fred"),
        (r#"{"id":{"$in":["1","2"]},"age":{"$eq":25}}"#, "Bob"),
        (r#"{"id":{"$eq":"1"},"tags":{"$contains":"b"}}"#, "Bob Dave"),
        (r#"{"id":{"$eq":"1"},"props":{"$containsKey":"x"}}"#, "Bob Fred"),
        (r#"{"id":{"$eq":"1"},"props":{"$containsEntry":{"key":"x","value":3}}}"#, "Fred"),
        (r#"{"id":{"$eq":"1"},"nums":{"$contains":"1"}}"#, "Bob Fred"),
        (r#"{"ok":{"$exists":true}}"#, "Bob Fred"),
        (r#"{"id":{"$EQ":"9"}}"#, ""),
    ] {
        let rows = rest.find("t", filter, "&fields=name").json();
        let mut found: Vec<&str> =
            rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), names, "{filter}");
    }
}

#[test]
fn a_filter_that_makes_no_sense_is_refused_by_what_is_wrong_with_it() {
    let rest = Rest::with(SPENDING);
    for (filter, message) in [
        ("[]", "Invalid 'where' parameter, problem: Was expecting a JSON object"),
        ("{", "Invalid 'where' parameter, problem: Input provided is not valid json"),
        (r#"{"id":1}"#, "Entry for field id was expecting a JSON object"),
        (r#"{"nope":{"$eq":1}}"#, "Unknown field name 'nope'"),
        (r#"{"id":{"$ne":1}}"#, "Operation $ne is not supported"),
        (r#"{"id":{"$nine":1}}"#, "Operation $nine is not supported"),
        (r#"{"id":{"$eq":null}}"#, "was expecting a value, but found null"),
        (r#"{"id":{"$eq":"x"}}"#, "Invalid String value ('x')"),
        (r#"{"id":{"$in":1}}"#, "must be a non-empty array"),
        (r#"{"id":{"$in":[1,"x"]}}"#, "Invalid String value ('x')"),
        (r#"{"id":{"$exists":false}}"#, "`$exists` only supports the value `true`"),
        (r#"{"id":{"$contains":1}}"#, "not of container type"),
        (r#"{"id":{"$containsKey":1}}"#, "not of map type"),
        (r#"{"id":{"$eq":1},"id":{"$eq":2}}"#, "duplicate key"),
        (r#"{"id":{"$eq":1.5}}"#, "Cannot coerce"),
        (r#"{"id":{"$eq":99999999999}}"#, "Cannot coerce"),
    ] {
        let error = rest.find("spending", filter, "").error(400);
        assert!(error.contains(message), "{filter}: {error}");
    }
    let missing = rest.get("/v2/keyspaces/ks/spending").error(400);
    assert!(missing.contains("'where' must be provided"), "{missing}");
}

#[test]
fn a_filter_that_no_index_serves_names_the_index_to_create() {
    let rest = Rest::with(SPENDING);
    let filter = r#"{"firstName":{"$eq":"Jane"}}"#;
    let error = rest.find("spending", filter, "").error(400);
    assert!(
        error
            .contains(r#"POST /v2/schemas/keyspaces/ks/tables/spending/indexes with {"column":"firstName"}"#),
        "{error}"
    );
    let found = rest.find("spending", filter, "&allow-filtering=true&fields=id");
    assert_eq!(found.ok(200), r#"[{"id":2}]"#);
    rest.post("/v2/schemas/keyspaces/ks/tables/spending/indexes", r#"{"column":"firstName"}"#).ok(201);
    assert_eq!(rest.find("spending", filter, "&fields=id").ok(200), r#"[{"id":2}]"#);
}

#[test]
fn fields_give_columns_elements_functions_and_other_names() {
    let rest = Rest::with(&[
        "CREATE TABLE t (id int PRIMARY KEY, m map<text, int>, \"Name\" text)",
        "INSERT INTO t (id, m, \"Name\") VALUES (1, {'a': 7}, 'x') USING TIMESTAMP 5",
    ]);
    for (fields, row) in [
        ("Name", r#"{"Name":"x"}"#),
        (" id , Name,", r#"{"id":1,"Name":"x"}"#),
        ("m['a'] as a", r#"{"a":7}"#),
        ("writetime(Name) as at, id AS key", r#"{"at":5,"key":1}"#),
        ("count(*) as rows", r#"{"rows":1}"#),
        ("max(id) as highest", r#"{"highest":1}"#),
    ] {
        let reply = rest.get(&format!("/v2/keyspaces/ks/t/1?raw=true&fields={}", encoded(fields)));
        assert_eq!(reply.ok(200), format!("[{row}]"), "{fields}");
    }
    let deep = format!("m{}", "['a']".repeat(5_000));
    for fields in [&*deep, &"max(".repeat(5_000), "name", "m['a", "count(", "id id", "nosuch(id)", "id;DROP"]
    {
        rest.get(&format!("/v2/keyspaces/ks/t/1?fields={}", encoded(fields))).error(400);
    }
}

#[test]
fn a_row_is_added_and_answered_as_it_was_sent() {
    let rest = Rest::with(&["CREATE TABLE t (id uuid PRIMARY KEY, \"firstName\" text, n bigint)"]);
    let row = r#"{"id":"af2603d2-8c03-11eb-a03f-0ada685e0000","firstName":"John","n":9007199254740993}"#;
    let reply = rest.post("/v2/keyspaces/ks/t", row);
    assert_eq!(reply.ok(201), row);
    assert_eq!(reply.headers["content-type"], "application/json");
    let read = rest.get("/v2/keyspaces/ks/t/af2603d2-8c03-11eb-a03f-0ada685e0000?raw=true");
    assert_eq!(read.ok(200), format!("[{row}]"));
}

#[test]
fn a_body_that_makes_no_sense_is_refused_by_what_is_wrong_with_it() {
    let rest = Rest::with(&["CREATE TABLE t (id int PRIMARY KEY, l list<frozen<map<text, int>>>, v text)"]);
    for (body, message) in [
        ("", "Invalid JSON payload: it is empty"),
        ("[1]", "Invalid JSON payload: it must be a JSON object"),
        (r#"{"id": 1, "v: "x"}"#, "Invalid JSON payload"),
        (r#"{"id":1,"id":2}"#, "duplicate key `id`"),
        ("{}", "no column"),
        (r#"{"id":1,"nope":2}"#, "Unknown field name 'nope'"),
        (r#"{"id":"x"}"#, "Invalid path for row to create, problem: Failed to deserialize field 't.id'"),
        (r#"{"id":1,"l":[{"a":1},{"b":"x"}]}"#, "field 't.l[1].b'"),
        (r#"{"id":2147483648}"#, "Cannot coerce Long 2147483648 to the type int"),
        (r#"{"id":1,"v":{"a":1}}"#, "Cannot coerce"),
        (r#"{"v":"x"}"#, "Some partition key parts are missing: id"),
        (r#"{"id":null}"#, "null"),
    ] {
        let error = rest.post("/v2/keyspaces/ks/t", body).error(400);
        assert!(error.contains(message), "{body}: {error}");
    }
    let mut invalid = br#"{"id":1,"v":"x"}"#.to_vec();
    invalid[13] = 0xff;
    let error = rest.ask(axum::http::Method::POST, "/v2/keyspaces/ks/t", invalid).error(400);
    assert!(error.contains("not UTF-8"), "{error}");
}

#[test]
fn put_and_patch_write_the_columns_that_are_given() {
    let rest = Rest::with(&[
        "CREATE TABLE t (id int, c int, a text, b text, s text static, PRIMARY KEY (id, c))",
        "INSERT INTO t (id, c, a, b) VALUES (1, 2, 'a', 'b')",
    ]);
    assert_eq!(rest.put("/v2/keyspaces/ks/t/1/2", r#"{"a": "x"}"#).ok(200), r#"{"data":{"a": "x"}}"#);
    assert_eq!(rest.patch("/v2/keyspaces/ks/t/1/2?raw=true", r#"{"b":null}"#).ok(200), r#"{"b":null}"#);
    rest.put("/v2/keyspaces/ks/t/1", r#"{"s":"shared"}"#).ok(200);
    assert_eq!(
        rest.get("/v2/keyspaces/ks/t/1/2?raw=true").ok(200),
        r#"[{"id":1,"c":2,"s":"shared","a":"x","b":null}]"#
    );
    for (path, body) in [
        ("/v2/keyspaces/ks/t/1/2", "{}"),
        ("/v2/keyspaces/ks/t/1/2", r#"{"a""#),
        ("/v2/keyspaces/ks/t/x/2", r#"{"a":"x"}"#),
        ("/v2/keyspaces/ks/t/1", r#"{"a":"x"}"#),
        ("/v2/keyspaces/ks/t/1/2/3", r#"{"a":"x"}"#),
        ("/v2/keyspaces/ks/t/1/2", r#"{"c":3}"#),
    ] {
        rest.put(path, body).error(400);
    }
}

#[test]
fn counters_are_added_to_and_read_as_strings() {
    let rest = Rest::with(&["CREATE TABLE t (id text PRIMARY KEY, up counter, down counter)"]);
    rest.put("/v2/keyspaces/ks/t/a", r#"{"up":"+1","down":-1}"#).ok(200);
    rest.patch("/v2/keyspaces/ks/t/a", r#"{"up":9007199254740993}"#).ok(200);
    assert_eq!(
        rest.get("/v2/keyspaces/ks/t/a?raw=true").ok(200),
        r#"[{"id":"a","down":"-1","up":"9007199254740994"}]"#
    );
    rest.post("/v2/keyspaces/ks/t", r#"{"id":"a","up":1}"#).error(400);
}

#[test]
fn rows_are_deleted_by_a_whole_key_and_by_its_first_columns() {
    let rest = Rest::with(SPENDING);
    assert_eq!(rest.delete("/v2/keyspaces/ks/spending/1/2").ok(204), "");
    assert_eq!(rest.get("/v2/keyspaces/ks/spending/1").json()["count"], 1);
    rest.delete("/v2/keyspaces/ks/spending/1").ok(204);
    rest.delete("/v2/keyspaces/ks/spending/99").ok(204);
    assert_eq!(rest.get("/v2/keyspaces/ks/spending/rows").json()["count"], 1);
    let error = rest.delete("/v2/keyspaces/ks/spending/x").error(400);
    assert!(error.contains("Invalid path for row to delete, problem"), "{error}");
}

#[test]
fn a_key_may_hold_slashes_blanks_and_be_empty() {
    let rest = Rest::with(&["CREATE TABLE t (a text, b text, v text, PRIMARY KEY (a, b))"]);
    rest.put("/v2/keyspaces/ks/t/x%2Fy/%20%E2%82%ac%25+", r#"{"v":"1"}"#).ok(200);
    rest.put("/v2/keyspaces/ks/t/x/", r#"{"v":"2"}"#).error(400);
    rest.put("/v2/keyspaces/ks/t/x//", r#"{"v":"3"}"#).ok(200);
    assert_eq!(
        rest.get("/v2/keyspaces/ks/t/x%2Fy/%20%E2%82%ac%25+?raw=true").ok(200),
        r#"[{"a":"x/y","b":" €%+","v":"1"}]"#
    );
    assert_eq!(rest.get("/v2/keyspaces/ks/t/x?raw=true").ok(200), r#"[{"a":"x","b":"","v":"3"}]"#);
    rest.get("/v2/keyspaces/ks/t/%zz").error(400);
    rest.get("/v2/keyspaces/ks/t/%ff").error(400);
    rest.get("/v2/keyspaces/ks/t//b").error(400);
}

#[test]
fn what_is_not_there_is_told_by_name() {
    let rest = Rest::with(SPENDING);
    assert_eq!(rest.get("/v2/keyspaces/nope/t/1").error(400), "Keyspace 'nope' not found");
    let error = rest.get("/v2/keyspaces/ks/spendings/rows").error(400);
    assert_eq!(error, "Table 'spendings' not found (in keyspace 'ks'); did you mean 'spending'?");
    rest.get("/v2/keyspaces//t/rows").error(400);
    rest.get("/v2/nothing").error(404);
    let wrong = rest.put("/v2/keyspaces/ks/spending", "{}");
    wrong.error(405);
    assert_eq!(wrong.headers["allow"], "POST, GET, HEAD");
    let error = rest.get("/v2/keyspaces/ks/spending/rows?page_size=2").error(400);
    assert_eq!(error, "this endpoint has no query parameter 'page_size'; did you mean 'page-size'?");
}

#[test]
fn a_change_of_the_schema_is_seen_at_once() {
    let rest = Rest::with(SPENDING);
    let read = || rest.get("/v2/keyspaces/ks/spending/2/1?raw=true").text;
    assert_eq!(read(), r#"[{"id":2,"expense_id":1,"firstName":"Jane"}]"#);
    rest.cql("ALTER TABLE spending ADD amount int");
    assert_eq!(read(), r#"[{"id":2,"expense_id":1,"amount":null,"firstName":"Jane"}]"#);
    rest.cql("DROP TABLE spending");
    rest.cql(
        "CREATE TABLE spending (id int, expense_id int, \"firstName\" int, PRIMARY KEY (id, expense_id))",
    );
    rest.post("/v2/keyspaces/ks/spending", r#"{"id":2,"expense_id":1,"firstName":7}"#).ok(201);
    assert_eq!(read(), r#"[{"id":2,"expense_id":1,"firstName":7}]"#);
}

#[test]
fn calls_of_one_shape_are_prepared_once() {
    let rest = Rest::with(SPENDING);
    let prepared = || rest.store.prepared.load(std::sync::atomic::Ordering::Relaxed);
    let twice = |ask: &dyn Fn(i32)| {
        let before = prepared();
        ask(1);
        ask(2);
        prepared() - before
    };
    let get = |path: String| {
        rest.get(&path).ok(200);
    };
    assert_eq!(twice(&|id| get(format!("/v2/keyspaces/ks/spending/{id}?page-size={id}"))), 1);
    assert_eq!(twice(&|id| get(format!("/v2/keyspaces/ks/spending/{id}/1?fields=id"))), 1);
    assert_eq!(twice(&|id| drop(rest.find("spending", &format!("{{\"id\":{{\"$eq\":{id}}}}}"), ""))), 1);
    let body = |id: i32| format!("{{\"id\":{id},\"expense_id\":{id}}}");
    assert_eq!(twice(&|id| drop(rest.post("/v2/keyspaces/ks/spending", &body(id)))), 1);
    assert_eq!(twice(&|id| drop(rest.delete(&format!("/v2/keyspaces/ks/spending/{id}")))), 1);
    let put =
        |id: i32| rest.put(&format!("/v2/keyspaces/ks/spending/{id}/1?ttl={id}"), r#"{"firstName":"x"}"#);
    assert_eq!(twice(&|id| drop(put(id))), 1);
}

#[test]
fn a_statement_is_run_with_values_and_without() {
    let rest = Rest::with(SPENDING);
    let run = |body: &str| rest.post("/v2/cql", body);
    assert_eq!(
        run(r#"{"query":"SELECT id FROM ks.spending WHERE id = ? AND expense_id = ?","values":[1,"2"]}"#)
            .ok(200),
        r#"{"count":1,"data":[{"id":1}]}"#
    );
    assert_eq!(
        run(r#"{"query":"INSERT INTO ks.spending (id, expense_id) VALUES (7, 7)"}"#).ok(200),
        r#"{"count":0,"data":[]}"#
    );
    let reply =
        rest.post("/v2/cql?keyspace=ks&raw=true", r#"{"query":"SELECT id FROM spending WHERE id = 7"}"#);
    assert_eq!(reply.ok(200), r#"[{"id":7}]"#);
    // It would do nothing: the next request is another.
    let refused = rest.post("/v2/cql", r#"{"query":"USE ks"}"#).error(400);
    assert!(refused.contains("/v2/cql?keyspace=NAME"), "{refused}");
    for body in [
        "",
        "{}",
        r#"{"query":""}"#,
        r#"{"query":"NONSENSE"}"#,
        r#"{"query":"SELECT * FROM ks.spending WHERE id = ?"}"#,
    ] {
        run(body).error(400);
    }
    let plain =
        axum::http::Request::builder().method("POST").uri("/v2/cql").header("content-type", "text/plain");
    let reply = rest.send(plain.body("SELECT key FROM system.local".into()).unwrap());
    assert_eq!(reply.ok(200), r#"{"count":1,"data":[{"key":"local"}]}"#);
}

#[test]
fn a_name_given_by_as_is_bounded() {
    let rest = Rest::with(SPENDING);
    for (bytes, status) in [(256, 200), (257, 400)] {
        let name = "n".repeat(bytes);
        let query = format!(r#"{{"query":"SELECT id AS {name} FROM ks.spending"}}"#);
        assert_eq!(rest.post("/v2/cql", &query).status.as_u16(), status, "{bytes}");
        let reply = rest.get(&format!("/v2/keyspaces/ks/spending/rows?fields=id%20as%20{name}"));
        assert_eq!(reply.status.as_u16(), status, "{bytes}: {}", reply.text);
    }
}

#[test]
fn a_name_of_megabytes_is_not_sent_back_whole() {
    let rest = Rest::with(SPENDING);
    let body = format!(r#"{{"{}":1}}"#, "n".repeat(1 << 20));
    let refused = rest.post("/v2/keyspaces/ks/spending", &body).error(400);
    assert!(refused.contains("Unknown field name 'nnn") && refused.len() < 1000, "{} bytes", refused.len());
    let filter =
        rest.find("spending", &format!(r#"{{"{}":{{"$eq":1}}}}"#, "n".repeat(30_000)), "").error(400);
    assert!(filter.len() < 1000, "{} bytes", filter.len());
}
