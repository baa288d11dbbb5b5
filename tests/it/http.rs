//! The HTTP port of the built binary: health, metrics, tokens, the defence against browsers, TLS.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use ilium_testbed::http::{Request, Response, ask};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::require;
use ilium_testbed::wire::{Binds, Connection, Settings};

use crate::clients::dialogue::binary;
use crate::clients::obtained::tool;
use crate::rest::get;
use crate::tls::Certificate;

fn start() -> (Ilium, Folder) {
    let folder = Folder::new().unwrap();
    (Ilium::start(binary(), &folder, &[]).unwrap(), folder)
}

/// Sends a request to a loopback name; the body, if any, as JSON.
fn send(server: &Ilium, method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("Host".to_owned(), "localhost".to_owned())];
    if !body.is_empty() {
        all.push(("Content-Type".to_owned(), "application/json".to_owned()));
        all.push(("Content-Length".to_owned(), body.len().to_string()));
    }
    for (name, value) in headers {
        all.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        all.push(((*name).to_owned(), (*value).to_owned()));
    }
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: all,
        body: body.as_bytes().to_vec(),
    };
    ask(server.http(), &request).unwrap()
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

fn run(server: &Ilium, statements: &[&str]) {
    let mut connection = Connection::open(server.address(), 5).unwrap();
    for statement in statements {
        connection.query(statement, &Binds::None, &Settings::default()).unwrap();
    }
}

#[test]
fn a_row_written_by_either_api_is_read_by_the_other() {
    let (server, _folder) = start();
    run(
        &server,
        &[
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (id int PRIMARY KEY, v text)",
            "INSERT INTO k.t (id, v) VALUES (1, 'by CQL')",
        ],
    );
    let read = send(&server, "GET", "/v2/keyspaces/k/t/1", "", &[]);
    assert_eq!((read.status, text(&read)), (200, r#"{"count":1,"data":[{"id":1,"v":"by CQL"}]}"#));
    assert_eq!(metric(server.http(), "ilium_rest_prepared_statements"), 1.0);
    let written = send(&server, "POST", "/v2/keyspaces/k/t", r#"{"id":2,"v":"by HTTP"}"#, &[]);
    assert_eq!((written.status, text(&written)), (201, r#"{"id":2,"v":"by HTTP"}"#));
    let mut connection = Connection::open(server.address(), 5).unwrap();
    let rows =
        connection.query("SELECT v FROM k.t WHERE id = 2", &Binds::None, &Settings::default()).unwrap();
    assert!(format!("{:?}", rows.outcome).contains(&format!("{:?}", b"by HTTP")), "{:?}", rows.outcome);
    server.stop().unwrap();
}

#[test]
fn health_is_told_with_reasons() {
    let (server, _folder) = start();
    for path in ["/health/live", "/health/ready"] {
        let response = send(&server, "GET", path, "", &[]);
        assert_eq!(response.status, 200);
        let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        let checks = json["checks"].as_array().unwrap();
        assert!(!checks.is_empty() && checks.iter().all(|check| check["passes"] == true), "{json}");
    }
    server.stop().unwrap();
}

#[test]
fn every_metric_is_in_the_list_and_counts() {
    let (server, _folder) = start();
    run(
        &server,
        &["SELECT key FROM system.local", "SELECT key FROM system.local", "SELECT nothing FROM system.local"],
    );
    send(&server, "GET", "/nowhere", "", &[]);
    let served = send(&server, "GET", "/metrics", "", &[]);
    let page = text(&served);

    assert_eq!(metrics_of(page), listed_metrics("Of `ilium gateway` alone"));

    let value = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    };
    assert_eq!(
        value(r#"ilium_statement_duration_seconds_count{api="cql",kind="select",role_class="anonymous"}"#),
        2.0
    );
    // It could not be prepared.
    assert_eq!(value(r#"ilium_statement_errors_total{api="cql",class="invalid",role_class="unknown"}"#), 1.0);
    // Nobody logs in here, so nothing else is shown.
    assert!(
        !page.contains(r#"role_class="role""#) && !page.contains(r#"kind="select",role_class="unknown""#)
    );
    assert_eq!(value(r#"ilium_http_responses_total{status="4xx"}"#), 1.0);
    // Three statements of some 30 bytes and their frames.
    assert!(value("ilium_cql_received_bytes_total") > 90.0 && value("ilium_cql_sent_bytes_total") > 90.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    server.stop().unwrap();
}

/// What `/metrics` says of one that has no labels.
pub(crate) fn metric(http: SocketAddr, name: &str) -> f64 {
    let page = String::from_utf8(get(http, "/metrics").body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// Names and types of a page of metrics.
pub(crate) fn metrics_of(page: &str) -> BTreeSet<String> {
    let of_type = |line: &str| line.strip_prefix("# TYPE ").map(|rest| rest.replacen(' ', " | ", 1));
    page.lines().filter_map(of_type).collect()
}

/// Those of docs/metrics.md, the table under this heading left out.
pub(crate) fn listed_metrics(but: &str) -> BTreeSet<String> {
    let list = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let of_row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some(format!("{name} | {}", cells.next()?))
    };
    let parts = list.split("\nOf ").filter(|part| !format!("Of {part}").starts_with(but));
    parts.flat_map(str::lines).filter_map(of_row).collect()
}

#[test]
fn without_authentication_a_browser_on_a_foreign_page_gets_nowhere() {
    let (server, _folder) = start();
    let rebound = send(&server, "GET", "/v2/keyspaces/system/local/local", "", &[("Host", "evil.example")]);
    assert_eq!(rebound.status, 421, "{}", text(&rebound));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let form = send(&server, "POST", "/v1/auth", "{}", &[("Content-Type", content_type)]);
        assert_eq!(form.status, 415, "{content_type}: {}", text(&form));
    }
    let asked = send(
        &server,
        "OPTIONS",
        "/v1/auth",
        "",
        &[("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")],
    );
    let cors: Vec<_> =
        asked.headers.iter().filter(|(name, _)| name.to_lowercase().starts_with("access-control")).collect();
    assert!(cors.is_empty(), "{cors:?}");
    server.stop().unwrap();
}

#[test]
fn any_credentials_get_a_token_where_nobody_logs_in() {
    let (server, _folder) = start();
    let given = send(&server, "POST", "/v1/auth", r#"{"username":"cassandra","password":"cassandra"}"#, &[]);
    assert_eq!(given.status, 201);
    let json: serde_json::Value = serde_json::from_slice(&given.body).unwrap();
    assert!(json["authToken"].as_str().unwrap().len() > 40, "{json}");
    for (body, words) in [
        ("{}", "Must provide username in request"),
        (r#"{"username":1,"password":"x"}"#, "`username` must be a string"),
        (r#"{"username":"a"}"#, "Must provide password in request"),
        ("[", "not usable JSON"),
    ] {
        let refused = send(&server, "POST", "/v1/auth", body, &[]);
        assert!(refused.status == 400 && text(&refused).contains(words), "{body}: {}", text(&refused));
    }
    server.stop().unwrap();
}

#[test]
fn answers_are_compressed_for_who_asks_and_carry_the_requests_id() {
    let (server, _folder) = start();
    let plain = send(&server, "GET", "/metrics", "", &[("X-Request-Id", "mine-1")]);
    assert_eq!((plain.header("x-request-id"), plain.header("content-encoding")), (Some("mine-1"), None));
    let packed = send(&server, "GET", "/metrics", "", &[("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 4 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    server.stop().unwrap();
}

#[test]
fn each_request_is_a_line_of_the_log_that_holds_no_values_and_no_secrets() {
    let folder = Folder::new().unwrap();
    let server = Ilium::start_with(binary(), &folder, &[], &[("ILIUM_LOG", "trace")]).unwrap();
    let given = send(&server, "POST", "/v1/auth", r#"{"username":"ada","password":"hush-1"}"#, &[]);
    let json: serde_json::Value = serde_json::from_slice(&given.body).unwrap();
    let token = json["authToken"].as_str().unwrap().to_owned();
    let headers = [
        ("X-Cassandra-Token", token.as_str()),
        ("Authorization", "Basic aHVzaC0y"),
        ("X-Request-Id", "mine-7"),
    ];
    send(&server, "GET", "/health/live?where=hush-3", "", &headers);
    let log = server.output().unwrap();
    let line = log.lines().find(|line| line.contains("mine-7")).unwrap_or_else(|| panic!("no line in {log}"));
    for words in ["method=GET", "path=\"/health/live\"", "status=200", "micros=", "peer=127.0.0.1:"] {
        assert!(line.contains(words), "{line} without {words}");
    }
    for secret in ["hush-1", "aHVzaC0y", "hush-3", &token] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    server.stop().unwrap();
}

#[test]
fn with_authentication_pages_of_the_named_origins_may_call() {
    let folder = Folder::new().unwrap();
    let flags = ["--auth", "--cors-origins", "https://app.example,http://localhost:3000"];
    let server = Ilium::start(binary(), &folder, &flags).unwrap();
    let ask_from = |origin| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "PUT"), ("Host", "db.example")];
        send(&server, "OPTIONS", "/v2/keyspaces/k/t/1", "", &headers)
    };
    let allowed = ask_from("https://app.example");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("x-cassandra-token"));
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    assert_eq!(ask_from("https://evil.example").header("access-control-allow-origin"), None);
    // Asking gives no way in.
    let read = send(&server, "GET", "/v2/schemas/keyspaces", "", &[("Origin", "https://app.example")]);
    assert_eq!(read.status, 401, "{}", text(&read));
    server.stop().unwrap();
}

#[test]
fn https_is_spoken_in_both_versions_of_http() {
    let Some(curl) = require("curl", tool(Command::new("curl").arg("--version"))) else { return };
    let certificate = Certificate::made("https");
    let (server, _folder) = certificate.serve();
    let url = format!("https://{}/health/live", server.http());
    let mut versions = vec![("--http1.1", "1.1")];
    if curl.contains("HTTP2") {
        versions.push(("--http2", "2"));
    }
    for (flag, version) in versions {
        let chain = certificate.chain();
        let mut command = Command::new("curl");
        command.args(["-sS", flag, "--cacert", &chain, "-w", " %{http_version} %{http_code}", &url]);
        let said = tool(&mut command).unwrap();
        assert!(said.ends_with(&format!(" {version} 200")), "{said}");
    }
    server.stop().unwrap();
}
