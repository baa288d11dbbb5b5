//! What a gateway tells of itself: metrics, and its log of slow statements.

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;
use crate::http::{listed_metrics, metrics_of};
use crate::rest::get;

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

    let page = String::from_utf8(get(gateway.http(), "/metrics").body).unwrap();
    assert_eq!(metrics_of(&page), listed_metrics("Of `ilium up` alone"));
    let node = cassandra.address();
    for line in [
        r#"ilium_statement_duration_seconds_count{api="cql",kind="select"} 3"#,
        r#"ilium_statement_errors_total{api="cql",class="invalid"} 1"#,
        &format!(r#"ilium_upstream_statement_duration_seconds_count{{node="{node}"}} 3"#),
        &format!(r#"ilium_upstream_statement_errors_total{{node="{node}"}} 1"#),
        "ilium_upstream_nodes_connected 1",
        "ilium_cql_unread_bytes 0",
    ] {
        assert!(page.lines().any(|shown| shown.starts_with(line)), "no {line} in {page}");
    }
    let said = gateway.output().unwrap();
    let shown = "SELECT * FROM system_schema.types WHERE keyspace_name = ? LIMIT ?";
    assert!(said.contains(shown) && said.contains("a statement took long"), "{said}");
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
