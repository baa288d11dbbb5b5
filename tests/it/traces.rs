//! Traces as a collector gets them: whose requests they are of, what they say, and that they stand in nobody's way.

use std::net::TcpListener;
use std::time::Instant;

use ilium_testbed::Ilium;
use ilium_testbed::collector::{Collector, Span};
use ilium_testbed::ilium::Folder;
use ilium_testbed::wire::{BatchItem, BatchKind, Bind, Binds, Connection, Outcome, Settings};

use crate::clients::dialogue::binary;
use crate::rest::get;
use crate::security::send;

pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub const CALLER: &str = "00f067aa0ba902b7";

/// The `traceparent` of a caller that records its trace, or does not.
pub fn traceparent(is_sampled: bool) -> String {
    format!("00-{TRACE}-{CALLER}-0{}", u8::from(is_sampled))
}

/// What goes along with a statement of that caller.
pub fn called(is_sampled: bool) -> Settings {
    let payload = vec![("traceparent".to_owned(), traceparent(is_sampled).into_bytes())];
    Settings { payload, ..Settings::default() }
}

fn start(endpoint: &str, env: &[(&str, &str)]) -> (Ilium, Folder) {
    let folder = Folder::new().unwrap();
    let flags = ["--in-memory", "--otlp-endpoint", endpoint];
    (Ilium::start_with(binary(), &folder, &flags, env).unwrap(), folder)
}

fn made(server: &Ilium) -> Connection {
    let mut client = Connection::open(server.address(), 5).unwrap();
    for statement in [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE k.t (p text PRIMARY KEY, v int)",
    ] {
        client.query(statement, &Binds::None, &Settings::default()).unwrap();
    }
    client
}

/// The one span of this name.
pub fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(found.len(), 1, "{name} among {names:?}");
    found[0]
}

/// The value of a metric without labels.
pub fn metric(server: &Ilium, name: &str) -> u64 {
    let page = String::from_utf8(get(server.http(), "/metrics").body).unwrap();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

#[test]
fn a_request_is_a_span_below_its_callers_and_its_statement_one_below_that_without_their_values() {
    let collector = Collector::start().unwrap();
    let log = [
        ("ILIUM_LOG", "ilium_http::access=info"),
        ("ILIUM_LOG_FORMAT", "json"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush-collector"),
        // Nothing but what the caller records.
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ];
    let (server, _folder) = start(&collector.endpoint(), &log);
    let mut client = made(&server);
    let rest = |method, path: &str, body: &str, given: String| {
        send(server.http(), method, path, body, &[("traceparent", &given)]).status
    };
    let row = r#"{"p": "hush-row", "v": 7654321}"#;
    assert_eq!(rest("POST", "/v2/keyspaces/k/t", row, traceparent(true)), 201);
    assert_eq!(rest("GET", "/v2/keyspaces/k/t/hush-key?fields=v", "", traceparent(true)), 200);
    assert_eq!(rest("GET", "/console/keyspaces/k", "", traceparent(true)), 200);
    assert_eq!(rest("GET", "/health/live", "", traceparent(true)), 200);
    assert_eq!(rest("GET", "/v2/schemas/keyspaces", "", traceparent(false)), 200);
    assert_eq!(rest("GET", "/v2/schemas/keyspaces", "", "00-nonsense".to_owned()), 200);

    let insert = "INSERT INTO k.t (p, v) VALUES ('hush-text', 7654321)";
    client.query(insert, &Binds::None, &called(true)).unwrap();
    let failing = "SELECT nothing FROM k.t WHERE p = 'hush-text'";
    client.query(failing, &Binds::None, &called(true)).unwrap();
    client.query("SELECT v FROM k.t LIMIT 3", &Binds::None, &called(false)).unwrap();
    let item = |p: &str| {
        let values = vec![Bind::Bytes(vec![0, 0, 0, 1]), Bind::Bytes(p.into())];
        BatchItem::Text("UPDATE k.t SET v = ? WHERE p = ?".to_owned(), values)
    };
    let batch = client.batch(BatchKind::Logged, &[item("hush-a"), item("hush-b")], &called(true)).unwrap();
    assert_eq!(batch.outcome, Outcome::Void);
    let said = server.output().unwrap();
    // What has not been sent yet is sent now.
    server.stop().unwrap();

    let spans = collector.spans().unwrap();
    assert!(
        !format!("{spans:?}").contains("hush-") && !format!("{spans:?}").contains("7654321"),
        "{spans:#?}"
    );
    assert!(collector.heads().iter().all(|head| head.contains("x-key: hush-collector")));
    for span in &spans {
        assert_eq!(span.trace, TRACE, "{span:#?}");
        assert_eq!(span.resource["service.name"], "ilium");
        assert_eq!(span.resource["deployment.environment.name"], "test");
    }
    assert_eq!(spans.len(), 8, "{:#?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());

    let post = named(&spans, "POST /v2/keyspaces/{keyspaceName}/{tableName}");
    assert_eq!((post.parent.as_str(), post.kind), (CALLER, 2));
    assert_eq!((post.get("http.request.method"), post.get("http.response.status_code")), ("POST", "201"));
    assert_eq!(post.get("http.route"), "/v2/keyspaces/{keyspaceName}/{tableName}");
    let below = spans.iter().find(|span| span.parent == post.id).unwrap();
    assert_eq!((below.name.as_str(), below.kind), ("INSERT k.t", 1));
    assert_eq!(below.get("db.query.text"), "INSERT INTO k.t (p, v) VALUES (?, ?)");
    assert_eq!(below.get("cassandra.consistency.level"), "local_quorum");
    assert_eq!((below.get("ilium.api"), below.get("ilium.role.class")), ("rest", "anonymous"));
    assert!(post.begins <= below.ends && below.ends <= post.ends, "{post:#?} {below:#?}");
    named(&spans, "GET /v2/keyspaces/{keyspaceName}/{tableName}/{primaryKey}");
    named(&spans, "GET /console/keyspaces/{keyspace}");

    let query = spans.iter().find(|span| span.name == "INSERT k.t" && span.id != below.id).unwrap();
    assert_eq!((query.parent.as_str(), query.kind, query.error.clone()), (CALLER, 2, None));
    assert_eq!(query.get("db.system.name"), "cassandra");
    assert_eq!((query.get("db.namespace"), query.get("db.collection.name")), ("k", "t"));
    assert_eq!((query.get("db.operation.name"), query.get("cassandra.consistency.level")), ("INSERT", "one"));
    assert_eq!(query.get("client.address"), "127.0.0.1");
    let batch = named(&spans, "BATCH k.t");
    assert_eq!((batch.get("db.operation.batch.size"), batch.get("ilium.statement.kind")), ("2", "batch"));

    let lines: Vec<&str> = said.lines().filter(|line| line.contains("ilium_http::access")).collect();
    let with_id = lines.iter().filter(|line| line.contains(&format!(r#""trace_id":"{TRACE}""#))).count();
    assert_eq!((lines.len(), with_id), (6, 3), "{said}");
}

#[test]
fn a_collector_that_is_busy_for_a_moment_gets_what_it_refused_again() {
    let collector = Collector::refusing(&[503]).unwrap();
    let (server, _folder) = start(&collector.endpoint(), &[("OTEL_SERVICE_NAME", "shop")]);
    let mut client = made(&server);
    for _ in 0..600 {
        client.query("SELECT v FROM k.t WHERE p = 'x'", &Binds::None, &Settings::default()).unwrap();
    }
    // As many as are sent without waiting.
    collector.wait_for("a full batch", |span| span.resource["service.name"] == "shop").unwrap();
    server.stop().unwrap();
    let spans = collector.spans().unwrap();
    assert_eq!(spans.iter().filter(|span| span.name == "SELECT k.t" && span.parent.is_empty()).count(), 600);
    let traces: std::collections::HashSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces.len(), spans.len());
}

/// What a server counted as dropped whose collector rejected so many spans, and its log.
fn with_a_collector_rejecting(spans: u8) -> (u64, String) {
    let collector = Collector::rejecting(spans).unwrap();
    let (server, folder) = start(&collector.endpoint(), &[]);
    let mut client = made(&server);
    // As many as are sent without waiting, and again: then the first answer has been read.
    for text in ["SELECT v FROM k.t", "SELECT p FROM k.t"] {
        for _ in 0..512 {
            client.query(text, &Binds::None, &Settings::default()).unwrap();
        }
        collector.wait_for(text, |span| span.get("db.query.text") == text).unwrap();
    }
    assert!(metric(&server, "ilium_trace_spans_sent_total") > 0);
    let dropped = metric(&server, "ilium_trace_spans_dropped_total");
    let log = folder.data().with_file_name("output.log");
    server.stop().unwrap();
    (dropped, std::fs::read_to_string(log).unwrap())
}

#[test]
fn spans_that_a_collector_says_it_did_not_take_are_counted_as_dropped() {
    let (dropped, said) = with_a_collector_rejecting(1);
    assert_eq!(dropped, 1);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("spans are lost")).collect();
    assert!(lines.len() == 1 && lines[0].contains("all but 1 of") && lines[0].contains("quota"), "{said}");
}

#[test]
fn what_a_collector_advises_that_took_all_spans_is_in_the_log() {
    let (dropped, said) = with_a_collector_rejecting(0);
    assert_eq!(dropped, 0);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("took all spans")).collect();
    assert!(lines.len() == 1 && lines[0].contains("quota"), "{said}");
    assert!(!said.contains("spans are lost"), "{said}");
}

#[test]
fn a_collector_that_never_answers_costs_spans_that_are_counted_and_one_line_of_the_log() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (server, folder) = start(&endpoint, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "100")]);
    let begun = Instant::now();
    let mut client = made(&server);
    for _ in 0..4000 {
        let answer = client.query("SELECT v FROM k.t WHERE p = 'x'", &Binds::None, &Settings::default());
        assert!(matches!(answer.unwrap().outcome, Outcome::Rows(_)));
    }
    assert_eq!(metric(&server, "ilium_trace_spans_sent_total"), 0);
    assert!(metric(&server, "ilium_trace_spans_dropped_total") > 0);
    let log = folder.data().with_file_name("output.log");
    server.stop().unwrap();
    let said = std::fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("spans are lost")).collect();
    let minutes = begun.elapsed().as_secs() as usize / 60;
    assert!((1..=1 + minutes).contains(&lines.len()), "{said}");
    assert!(lines[0].contains("no whole answer within 100ms"), "{said}");
}
