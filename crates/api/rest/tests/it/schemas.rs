//! Keyspaces, tables, columns, indexes and types.

use serde_json::json;

use crate::driver::Rest;

#[test]
fn a_keyspace_is_created_read_altered_and_dropped() {
    let rest = Rest::with(&[]);
    let path = "/v2/schemas/keyspaces";
    assert_eq!(rest.post(path, r#"{"name":"simple","replicas":1}"#).ok(201), r#"{"name":"simple"}"#);
    rest.post(path, r#"{"name":"simple"}"#).ok(201);
    rest.post(path, r#"{"name":"dcs","datacenters":[{"name":"datacenter1","replicas":1}]}"#).ok(201);
    assert_eq!(rest.get(&format!("{path}/simple")).ok(200), r#"{"data":{"name":"simple"}}"#);
    let expected = json!({"name": "dcs", "datacenters": [{"name": "datacenter1", "replicas": 1}]});
    assert_eq!(rest.get(&format!("{path}/dcs?raw=true")).json(), expected);
    rest.put(&format!("{path}/dcs"), r#"{"datacenters":[{"name":"datacenter1","replicas":3}]}"#).ok(200);
    assert_eq!(rest.get(&format!("{path}/dcs?raw=true")).json()["datacenters"][0]["replicas"], 3);
    let all = rest.get(path).json();
    assert!(all["data"].as_array().unwrap().contains(&json!({"name": "system"})), "{all}");
    rest.delete(&format!("{path}/dcs")).ok(204);
    rest.delete(&format!("{path}/dcs")).ok(204);
    assert_eq!(rest.get(&format!("{path}/dcs")).error(404), "Unable to describe keyspace 'dcs'");
    for body in [
        r#"{"name" "x"}"#,
        "[]",
        "{}",
        r#"{"name":"x","datacenters":[]}"#,
        r#"{"name":"x","datacenters":[{"replicas":1}]}"#,
        r#"{"name":"x","replicas":"many"}"#,
        r#"{"name":7}"#,
    ] {
        rest.post(path, body).error(400);
    }
}

const TABLE: &str = r#"{
    "name": "events",
    "columnDefinitions": [
        {"name": "pk1", "typeDefinition": "int"},
        {"name": "v", "typeDefinition": "map<text, frozen<list<int>>>"},
        {"name": "ck2", "typeDefinition": "text"},
        {"name": "Ck1", "typeDefinition": "timestamp"},
        {"name": "s", "typeDefinition": "varchar", "static": true}
    ],
    "primaryKey": {"partitionKey": ["pk1"], "clusteringKey": ["Ck1", "ck2"]},
    "tableOptions": {"defaultTimeToLive": 60, "clusteringExpression": [{"column": "Ck1", "order": "desc"}]}
}"#;

#[test]
fn a_table_is_created_read_altered_and_dropped() {
    let rest = Rest::with(&[]);
    let path = "/v2/schemas/keyspaces/ks/tables";
    assert_eq!(rest.post(path, TABLE).ok(201), r#"{"name":"events"}"#);
    let expected = json!({
        "name": "events",
        "keyspace": "ks",
        "columnDefinitions": [
            {"name": "pk1", "typeDefinition": "int", "static": false},
            {"name": "Ck1", "typeDefinition": "timestamp", "static": false},
            {"name": "ck2", "typeDefinition": "text", "static": false},
            {"name": "s", "typeDefinition": "text", "static": true},
            {"name": "v", "typeDefinition": "map<text, frozen<list<int>>>", "static": false}
        ],
        "primaryKey": {"partitionKey": ["pk1"], "clusteringKey": ["Ck1", "ck2"]},
        "tableOptions": {
            "defaultTimeToLive": 60,
            "clusteringExpression": [{"column": "Ck1", "order": "DESC"}, {"column": "ck2", "order": "ASC"}]
        }
    });
    assert_eq!(rest.get(&format!("{path}/events?raw=true")).json(), expected);
    assert_eq!(rest.get(&format!("{path}/events")).json()["data"], expected);
    assert_eq!(rest.get(path).json()["data"], json!([expected]));
    rest.post(path, TABLE).error(409);
    rest.post(path, &TABLE.replacen('{', r#"{"ifNotExists": true,"#, 1)).ok(201);
    let update = r#"{"name":"events","tableOptions":{"defaultTimeToLive":5}}"#;
    assert_eq!(rest.put(&format!("{path}/events"), update).ok(200), r#"{"name":"events"}"#);
    let altered = rest.get(&format!("{path}/events?raw=true")).json();
    assert_eq!(altered["tableOptions"]["defaultTimeToLive"], 5);
    rest.put(&format!("{path}/events"), "{}").error(400);
    rest.put(
        &format!("{path}/events"),
        r#"{"tableOptions":{"clusteringExpression":[{"column":"ck2","order":"ASC"}]}}"#,
    )
    .error(400);
    rest.put(&format!("{path}/nope"), update).error(400);
    rest.delete(&format!("{path}/events")).ok(204);
    rest.delete(&format!("{path}/events")).ok(204);
    assert!(rest.get(&format!("{path}/events")).error(404).contains("Table 'events' not found"));
    rest.get("/v2/schemas/keyspaces/nope/tables").error(400);
}

#[test]
fn a_table_that_makes_no_sense_is_refused() {
    let rest = Rest::with(&[]);
    let column = r#"{"name":"a","typeDefinition":"int"}"#;
    for body in [
        "{}".to_owned(),
        r#"{"name":"t"}"#.to_owned(),
        format!(r#"{{"name":"t","columnDefinitions":[{column}]}}"#),
        format!(r#"{{"name":"t","columnDefinitions":[{column}],"primaryKey":{{"partitionKey":[]}}}}"#),
        format!(r#"{{"name":"t","columnDefinitions":[{column}],"primaryKey":{{"partitionKey":["b"]}}}}"#),
        format!(r#"{{"name":"t","columnDefinitions":[{column}],"primaryKey":{{"partitionKey":"a"}}}}"#),
        r#"{"name":"t","columnDefinitions":[{"name":"a","typeDefinition":"nope"}],"primaryKey":{"partitionKey":["a"]}}"#.to_owned(),
        r#"{"name":"t","columnDefinitions":[{"name":"a"}],"primaryKey":{"partitionKey":["a"]}}"#.to_owned(),
        r#"{"name":"t","columnDefinitions":[{"name":"a","typeDefinition":"map<int"}],"primaryKey":{"partitionKey":["a"]}}"#.to_owned(),
    ] {
        rest.post("/v2/schemas/keyspaces/ks/tables", &body).error(400);
    }
}

#[test]
fn columns_are_added_renamed_and_dropped() {
    let rest = Rest::with(&[
        "CREATE TYPE address (street text)",
        "CREATE TABLE t (id int, c int, v int, PRIMARY KEY (id, c))",
    ]);
    let path = "/v2/schemas/keyspaces/ks/tables/t/columns";
    rest.post(path, r#"{"name":"Home","typeDefinition":"frozen<udt<address>>"}"#).ok(201);
    rest.post(path, r#"{"name":"s","typeDefinition":"text","static":true}"#).ok(201);
    assert_eq!(
        rest.get(&format!("{path}/Home")).ok(200),
        r#"{"data":{"name":"Home","typeDefinition":"frozen<udt<address>>","static":false}}"#
    );
    assert_eq!(rest.get(&format!("{path}/s?raw=true")).json()["static"], true);
    assert_eq!(rest.get(path).json()["data"].as_array().unwrap().len(), 5);
    assert_eq!(
        rest.put(&format!("{path}/c"), r#"{"name":"C2","typeDefinition":"int"}"#).ok(200),
        r#"{"name":"C2"}"#
    );
    rest.get(&format!("{path}/c")).error(404);
    rest.put(&format!("{path}/nope"), r#"{"name":"x","typeDefinition":"int"}"#).error(400);
    rest.delete(&format!("{path}/v")).ok(204);
    rest.delete(&format!("{path}/v")).error(400);
    rest.delete(&format!("{path}/id")).error(400);
    rest.post(path, r#"{"typeDefinition":"int"}"#).error(400);
    rest.post(path, r#"{"name":"x","typeDefinition":"badtype"}"#).error(400);
    rest.get("/v2/schemas/keyspaces/ks/tables/nope/columns").error(400);
}

#[test]
fn indexes_are_created_listed_and_dropped() {
    let rest = Rest::with(&["CREATE TABLE t (id int PRIMARY KEY, \"firstName\" text, m map<text, int>)"]);
    let path = "/v2/schemas/keyspaces/ks/tables/t/indexes";
    assert_eq!(rest.post(path, r#"{"column":"firstName","name":"by_name"}"#).ok(201), r#"{"success":true}"#);
    rest.post(path, r#"{"column":"firstName","name":"by_name"}"#).error(400);
    rest.post(path, r#"{"column":"firstName","name":"by_name","ifNotExists":true}"#).ok(201);
    rest.post(path, r#"{"column":"m","name":"by_entry","kind":"ENTRIES"}"#).ok(201);
    let indexes = rest.get(path).json();
    assert_eq!(
        indexes,
        json!([
            {"keyspace_name": "ks", "table_name": "t", "index_name": "by_entry", "kind": "COMPOSITES",
             "options": {"target": "entries(m)"}},
            {"keyspace_name": "ks", "table_name": "t", "index_name": "by_name", "kind": "COMPOSITES",
             "options": {"target": "\"firstName\""}}
        ])
    );
    let listed = rest.get(&format!("{path}?compactMapData=false")).json();
    assert_eq!(listed[0]["options"], json!([{"key": "target", "value": "entries(m)"}]));
    rest.post(path, r#"{"column":"nope"}"#).error(404);
    rest.post(path, r#"{"column":"firstName","name":"x","kind":"ENTRIES"}"#).error(400);
    rest.post(path, r#"{"column":"firstName","kind":"SOME"}"#).error(400);
    rest.post(path, r#"{"column":"firstName","options":{"a":"b"}}"#).error(400);
    rest.post(path, "{}").error(400);
    rest.delete(&format!("{path}/by_name")).ok(204);
    rest.delete(&format!("{path}/by_name")).error(400);
    rest.delete(&format!("{path}/by_name?ifExists=true")).ok(204);
    rest.delete("/v2/schemas/keyspaces/ks/tables/nope/indexes/x").error(400);
}

#[test]
fn types_are_created_read_altered_and_dropped() {
    let rest = Rest::with(&[]);
    let path = "/v2/schemas/keyspaces/ks/types";
    let fields = r#""fields":[{"name":"arrival","typeDefinition":"timestamp"},{"name":"props","typeDefinition":"frozen<map<text,text>>"}]"#;
    assert_eq!(rest.post(path, &format!(r#"{{"name":"visit",{fields}}}"#)).ok(201), r#"{"name":"visit"}"#);
    rest.post(path, &format!(r#"{{"name":"visit",{fields}}}"#)).error(400);
    rest.post(path, &format!(r#"{{"name":"visit","ifNotExists":true,{fields}}}"#)).ok(201);
    let expected = json!({"name": "visit", "keyspace": "ks", "fields": [
        {"name": "arrival", "typeDefinition": "timestamp"},
        {"name": "props", "typeDefinition": "frozen<map<text, text>>"}
    ]});
    assert_eq!(rest.get(&format!("{path}/visit?raw=true")).json(), expected);
    assert_eq!(rest.get(path).json()["data"], json!([expected]));
    let update = r#"{"name":"visit","addFields":[{"name":"a","typeDefinition":"int"},{"name":"b","typeDefinition":"int"}],
                     "renameFields":[{"from":"arrival","to":"at"}]}"#;
    assert_eq!(rest.put(path, update).ok(200), "");
    let names: Vec<String> = rest.get(&format!("{path}/visit?raw=true")).json()["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["at", "props", "a", "b"]);
    rest.put(path, r#"{"name":"visit"}"#).error(400);
    rest.put(path, r#"{"name":"visit","addFields":[{"name":"a","typeDefinition":"int"}]}"#).error(400);
    for body in [
        r#"{"name":"x","fields":[]}"#,
        r#"{"name":"x","fields":[{"name":"a"}]}"#,
        r#"{"name":"x","fields":[{"typeDefinition":"int"}]}"#,
        r#"{"fields":[{"name":"a","typeDefinition":"int"}]}"#,
        r#"{"name":"x","fields":[{"name":"a","typeDefinition":"nope"}]}"#,
    ] {
        rest.post(path, body).error(400);
    }
    rest.delete(&format!("{path}/visit")).ok(204);
    rest.delete(&format!("{path}/visit")).ok(204);
    rest.get(&format!("{path}/visit")).error(404);
}

#[test]
fn a_change_of_the_schema_is_a_small_body() {
    let rest = Rest::with(&[]);
    let keyspaces = "/v2/schemas/keyspaces";
    let body = |bytes: usize| format!(r#"{{"name":"wide"{}}}"#, " ".repeat(bytes - 15));
    rest.post(keyspaces, &body(1 << 20)).ok(201);
    rest.post(keyspaces, &body((1 << 20) + 1)).error(413);
    rest.post("/v2/schemas/keyspaces/ks/tables", &body((1 << 20) + 1)).error(413);
}

#[test]
fn an_index_is_dropped_under_its_own_table_only() {
    let rest = Rest::with(&[
        "CREATE TABLE t (id int PRIMARY KEY, v int)",
        "CREATE TABLE u (id int PRIMARY KEY, v int)",
        "CREATE INDEX of_t ON t (v)",
    ]);
    let under = |table: &str| format!("/v2/schemas/keyspaces/ks/tables/{table}/indexes/of_t");
    let refused = rest.delete(&under("u")).error(404);
    assert_eq!(refused, "Index 'of_t' not found in table 'u'; it is of table 't'");
    rest.delete(&(under("u") + "?ifExists=true")).ok(204);
    assert_eq!(rest.get("/v2/schemas/keyspaces/ks/tables/t/indexes").json()[0]["index_name"], "of_t");
    rest.delete(&under("t")).ok(204);
}
