//! The log of slow statements of the embedded engine. That of a gateway is in `gateway/watching.rs`.

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{BatchItem, BatchKind, Bind, Binds, Connection, Outcome, Settings};
use serde_json::Value;

use crate::clients::dialogue::binary;
use crate::rest::get;

#[test]
fn slow_statements_of_every_api_are_lines_of_the_log_without_their_values() {
    let folder = Folder::new().unwrap();
    let env = [("ILIUM_LOG_FORMAT", "json")];
    let server = Ilium::start_with(binary(), &folder, &["--slow", "0"], &env).unwrap();
    let mut client = Connection::open(server.address(), 5).unwrap();
    for statement in [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE k.t (p text PRIMARY KEY, v int)",
        "INSERT INTO k.t (p, v) VALUES ('hush-text', 7654321)",
        "SELECT nothing FROM k.t WHERE p = 'hush-text'",
    ] {
        client.query(statement, &Binds::None, &Settings::default()).unwrap();
    }
    let prepared = client.prepare("UPDATE k.t SET v = 7654321 WHERE p = ?", None).unwrap().outcome;
    let Outcome::Prepared(update) = prepared else { panic!("not prepared: {prepared:?}") };
    let item = || BatchItem::Prepared(update.id.clone(), vec![Bind::Bytes("hush-key".into())]);
    client.batch(BatchKind::Unlogged, &[item(), item()], &Settings::default()).unwrap();
    assert_eq!(get(server.http(), "/v2/keyspaces/k/t/hush-key").status, 200);

    let said = server.output().unwrap();
    server.stop().unwrap();
    assert!(!said.contains("hush") && !said.contains("7654321"), "{said}");
    let lines: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["target"] == "slow")
        .map(|line| line["fields"].clone())
        .collect();
    let told = |api: &str, statement: &str| {
        let mut of_it = lines.iter().filter(|line| line["api"] == api && line["statement"] == statement);
        of_it.next_back().unwrap_or_else(|| panic!("no line of {statement} in {said}"))
    };
    let insert = told("cql", "INSERT INTO k.t (p, v) VALUES (?, ?)");
    assert!(insert["milliseconds"].is_u64() && insert["client"].is_string(), "{insert}");
    assert_eq!((&insert["node"], &insert["error"]), (&Value::Null, &Value::Null));
    let refused = told("cql", "SELECT nothing FROM k.t WHERE p = ?");
    assert_eq!(refused["error"], "the statement is not valid");
    // The batch, by its first statement: preparing that is a line, too, but names nobody.
    assert!(told("cql", "UPDATE k.t SET v = ? WHERE p = ?")["client"].is_string(), "{said}");
    assert!(told("rest", "SELECT * FROM k.t WHERE p = ?")["client"].is_string(), "{said}");
}
