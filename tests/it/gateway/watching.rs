//! What a gateway tells of itself: metrics, and its log of slow statements.

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;
use crate::http::{listed_metrics, metrics_of};
use crate::rest::get;
use crate::security::send;

#[test]
fn every_statement_is_counted_by_kind_and_node_and_the_slow_ones_are_logged_without_their_values() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &["--slow", "0"]).unwrap();
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    let mut ask = |text: &str| client.query(text, &Binds::None, &Settings::default()).unwrap().outcome;
    for table in ["tables", "types"] {
        let text = format!("SELECT * FROM system_schema.{table} WHERE keyspace_name = 'Schwejk' LIMIT 4321");
        assert!(matches!(ask(&text), Outcome::Rows(_)));
    }
    assert!(matches!(ask("SELECT nothing FROM system_schema.tables"), Outcome::Error(_)));
    let http = gateway.http();
    assert_eq!(get(http, "/v2/keyspaces/system_schema/views/Schwejk?page-size=4321").status, 200);
    // One that a node does not prepare, and one that it does not execute.
    for query in ["SELECT nothing FROM system_schema.views", "SELECT * FROM system_schema.views LIMIT -4321"]
    {
        let json = [("content-type", "application/json")];
        let body = format!(r#"{{"query": "{query}"}}"#);
        assert_eq!(send(http, "POST", "/v2/cql", &body, &json).status, 400, "{query}");
    }

    let page = String::from_utf8(get(gateway.http(), "/metrics").body).unwrap();
    assert_eq!(metrics_of(&page), listed_metrics("Of `ilium up` alone"));
    let node = cassandra.address();
    for line in [
        r#"ilium_statement_duration_seconds_count{api="cql",kind="select",role_class="anonymous"} 3"#,
        r#"ilium_statement_errors_total{api="cql",class="invalid",role_class="anonymous"} 1"#,
        r#"ilium_statement_duration_seconds_count{api="rest",kind="select",role_class="anonymous"} 2"#,
        r#"ilium_statement_errors_total{api="rest",class="invalid",role_class="anonymous"} 1"#,
        r#"ilium_statement_errors_total{api="rest",class="invalid",role_class="unknown"} 1"#,
        &format!(r#"ilium_upstream_statement_duration_seconds_count{{node="{node}"}} 6"#),
        &format!(r#"ilium_upstream_statement_errors_total{{node="{node}"}} 3"#),
        "ilium_upstream_nodes_connected 1",
        "ilium_rest_prepared_statements 1",
        "ilium_upstream_own_prepared_statements 2",
        "ilium_cql_unread_bytes 0",
    ] {
        assert!(page.lines().any(|shown| shown.starts_with(line)), "no {line} in {page}");
    }
    let said = gateway.output().unwrap();
    let refused = r#"error="the statement is not valid""#;
    for (api, statement, error) in [
        ("cql", "SELECT * FROM system_schema.types WHERE keyspace_name = ? LIMIT ?", ""),
        ("cql", "SELECT nothing FROM system_schema.tables", refused),
        ("rest", "SELECT * FROM system_schema.views WHERE keyspace_name = ?", ""),
        ("rest", "SELECT nothing FROM system_schema.views", refused),
        ("rest", "SELECT * FROM system_schema.views LIMIT ?", refused),
    ] {
        let (api, statement) = (format!(r#"api="{api}""#), format!(r#"statement="{statement}""#));
        let by = format!("node={node}");
        let words = ["a statement took long", &api, &statement, &by, error];
        let is_it = |line: &str| words.iter().all(|words| line.contains(words));
        assert!(said.lines().any(is_it), "no line with {words:?} in {said}");
    }
    assert!(!said.contains("Schwejk") && !said.contains("4321"), "{said}");
    gateway.stop().unwrap();
}

/// What Cassandra says of a statement that it cannot read quotes it.
#[test]
fn what_is_wrong_with_a_statement_is_logged_without_quoting_it() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &["--slow", "0"]).unwrap();
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    for text in [
        "CREATE ROLE bob WITH PASSWORD = 'hush-role' AN LOGIN = true",
        "CREATE ROLE bob WITH PASSWORD: 'hush-role' AND LOGIN = true",
        "CREATE ROLE bob WITH PASSWORD \"hush-role\"",
        "ALTER ROLE bob WITH PASSWORD = \"hush-role\"",
        "ALTER ROLE bob WITH PASSWORD = 'hush-role",
        "CREATE USER bob WITH PASSWORD hush-role",
        "INSERT INTO system_traces.events (session_id) VALUES ('hush-value')",
        "INSERT INTO system_traces.events (session_id) VALU ('hush-value')",
    ] {
        let answer = client.query(text, &Binds::None, &Settings::default()).unwrap();
        assert!(matches!(answer.outcome, Outcome::Error(_)), "{text}: {answer:?}");
    }
    let said = gateway.output().unwrap();
    for words in [
        r#"event="statement" verdict="failed" api="cql""#,
        r#"error="the statement is no CQL""#,
        r#"error="the statement is not valid""#,
        "a statement took long",
    ] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    assert!(!said.contains("hush-"), "{said}");
    gateway.stop().unwrap();
}
