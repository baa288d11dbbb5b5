//! Traces of what goes to a cluster, and the way from them to Cassandra's own.

use ilium_testbed::collector::Collector;
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{BatchItem, BatchKind, Bind, Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use super::faults::until;
use crate::clients::dialogue::binary;
use crate::security::send;
use crate::traces::{CALLER, TRACE, called, named, traceparent};

#[test]
fn a_statement_is_a_span_that_names_the_node_and_the_trace_that_cassandra_keeps_of_it() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let (folder, collector) = (Folder::new().unwrap(), Collector::start().unwrap());
    let flags = ["--otlp-endpoint", &collector.endpoint(), "--slow", "0"];
    let env = [("OTEL_TRACES_SAMPLER", "parentbased_always_off"), ("ILIUM_LOG_FORMAT", "json")];
    let gateway = Ilium::gateway_with(binary(), &folder, &[cassandra.address()], &flags, &env).unwrap();
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    let mut ask = |text: &str, with: &Settings| client.query(text, &Binds::None, with).unwrap();
    for statement in [
        "CREATE KEYSPACE traced WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE traced.t (p text PRIMARY KEY, v int)",
    ] {
        let made = ask(statement, &Settings::default()).outcome;
        assert!(matches!(made, Outcome::Schema(_)), "{made:?}");
    }
    let both = Settings { tracing: true, ..called(true) };
    let traced = ask("INSERT INTO traced.t (p, v) VALUES ('hush-text', 7654321)", &both);
    assert_eq!(traced.outcome, Outcome::Void);
    let id = traced.tracing_id.expect("an answer with the id of Cassandra's trace");
    // Cassandra's trace alone, and neither.
    ask("SELECT * FROM traced.t LIMIT 7654321", &Settings { tracing: true, ..Settings::default() });
    ask("SELECT * FROM traced.t LIMIT 7654321", &called(false));
    let refused = ask("SELECT nothing FROM traced.t WHERE p = 'hush-text'", &called(true)).outcome;
    assert!(matches!(refused, Outcome::Error(_)), "{refused:?}");
    let nonsense = ask("hush-secret", &called(true)).outcome;
    assert!(matches!(nonsense, Outcome::Error(_)), "{nonsense:?}");
    let Outcome::Prepared(update) =
        client.prepare("UPDATE traced.t SET v = ? WHERE p = ?", None).unwrap().outcome
    else {
        panic!("not prepared")
    };
    let values = || vec![Bind::Bytes(7_654_321_i32.to_be_bytes().to_vec()), Bind::Bytes("hush-key".into())];
    client.execute(&update, &Binds::ByPosition(values()), &called(true)).unwrap();
    let item = || BatchItem::Prepared(update.id.clone(), values());
    client.batch(BatchKind::Unlogged, &[item(), item(), item()], &called(true)).unwrap();
    // The same keyspace, chosen and named: its name is one with a capital.
    for statement in [
        "CREATE KEYSPACE \"Traced\" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE \"Traced\".u (p text PRIMARY KEY)",
        "USE \"Traced\"",
    ] {
        let made = client.query(statement, &Binds::None, &Settings::default()).unwrap().outcome;
        assert!(!matches!(made, Outcome::Error(_)), "{made:?}");
    }
    for statement in ["SELECT p FROM u", "SELECT p FROM \"Traced\".u"] {
        client.query(statement, &Binds::None, &called(true)).unwrap();
    }
    // REST with both, and with Cassandra's alone: of an answer and of an error.
    let path = "/v2/keyspaces/traced/t/hush-key?raw=true&tracing=true";
    let read = send(gateway.http(), "GET", path, "", &[("traceparent", &traceparent(true))]);
    assert_eq!(read.status, 200);
    let of_read = read.header("cassandra-tracing-id").expect("an id").to_owned();
    let wrong = r#"{"query": "SELECT v FROM traced.t WHERE p = ? LIMIT -1", "values": ["hush-key"]}"#;
    let json = [("content-type", "application/json")];
    let failed = send(gateway.http(), "POST", "/v2/cql?tracing=true", wrong, &json);
    assert_eq!((failed.status, failed.header("cassandra-tracing-id").is_some()), (400, true));
    let untraced = send(gateway.http(), "GET", path.trim_end_matches("&tracing=true"), "", &[]);
    assert_eq!((untraced.status, untraced.header("cassandra-tracing-id")), (200, None));
    let said = gateway.output().unwrap();
    gateway.stop().unwrap();

    let spans = collector.spans().unwrap();
    let shown = format!("{spans:#?}");
    assert!(!shown.contains("hush") && !shown.contains("7654321"), "{shown}");
    assert_eq!(spans.len(), 9, "{shown}");
    let node = cassandra.address();
    for span in &spans {
        assert_eq!(span.trace, TRACE);
        assert_eq!(span.resource["service.name"], "ilium-gateway");
        if span.get("ilium.api") == "cql" {
            assert_eq!((span.parent.as_str(), span.kind), (CALLER, 2), "{span:#?}");
        }
        if !span.get("ilium.api").is_empty() {
            assert_eq!(span.get("server.address"), node.ip().to_string(), "{span:#?}");
            assert_eq!(span.get("server.port"), node.port().to_string(), "{span:#?}");
        }
    }
    let insert = named(&spans, "INSERT traced.t");
    assert_eq!(insert.get("db.query.text"), "INSERT INTO traced.t (p, v) VALUES (?, ?)");
    assert_eq!(insert.get("cassandra.consistency.level"), "one");
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(insert.get("cassandra.tracing_id").replace('-', ""), hex);
    let failed = spans.iter().find(|span| span.get("error.type") == "invalid").unwrap();
    assert_eq!((failed.name.as_str(), failed.error.is_some()), ("SELECT traced.t", true));
    assert_eq!(named(&spans, "cassandra").get("error.type"), "syntax");
    let update = named(&spans, "UPDATE traced.t");
    assert_eq!((update.get("db.namespace"), update.get("db.collection.name")), ("traced", "t"));
    assert_eq!(named(&spans, "BATCH traced.t").get("db.operation.batch.size"), "3");
    let of_traced: Vec<&str> = spans
        .iter()
        .filter(|span| span.name == "SELECT Traced.u")
        .map(|span| span.get("db.namespace"))
        .collect();
    assert_eq!(of_traced, ["Traced", "Traced"], "{shown}");
    let request = named(&spans, "GET /v2/keyspaces/{keyspaceName}/{tableName}/{primaryKey}");
    assert_eq!((request.parent.as_str(), request.kind), (CALLER, 2));
    let of_request = spans.iter().find(|span| span.parent == request.id).unwrap();
    assert!(
        spans
            .iter()
            .any(|span| span.name == "SELECT traced.t" && span.get("cassandra.tracing_id") == of_read)
    );
    assert_eq!((of_request.name.as_str(), of_request.kind), ("SELECT traced.t", 3));
    assert_eq!(of_request.get("network.peer.port"), node.port().to_string());
    assert_eq!(of_request.get("cassandra.tracing_id"), of_read);

    // The slow log says of each that is recorded which trace it is in.
    let slow: Vec<&str> = said.lines().filter(|line| line.contains("a statement took long")).collect();
    let with_id = slow.iter().filter(|line| line.contains(&format!(r#""trace_id":"{TRACE}""#))).count();
    assert_eq!(with_id, 8, "{said}");
    assert!(slow.len() > with_id, "{said}");

    // From the span to Cassandra's trace.
    let mut direct = Connection::open(node, 5).unwrap();
    for id in [insert.get("cassandra.tracing_id"), &of_read] {
        let session = format!("SELECT command FROM system_traces.sessions WHERE session_id = {id}");
        until("Cassandra's own trace", || {
            let Outcome::Rows(found) =
                direct.query(&session, &Binds::None, &Settings::default()).unwrap().outcome
            else {
                panic!("no rows")
            };
            found.rows.len() == 1
        });
    }
}
