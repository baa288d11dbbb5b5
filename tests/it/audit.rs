//! The audit log: a line for each log-in, change of schema and roles, and permission that was wanting; and what no log
//! holds, however much is logged.

use data_encoding::BASE64;
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Settings};
use serde_json::Value;

use crate::clients::dialogue::binary;
use crate::security::send;

/// A server with authentication that logs JSON lines, its folder, and its superuser's password.
fn start(level: &str) -> (Ilium, Folder, String) {
    let folder = Folder::new().unwrap();
    let env = [("ILIUM_LOG", level), ("ILIUM_LOG_FORMAT", "json")];
    let server = Ilium::start_with(binary(), &folder, &["--auth"], &env).unwrap();
    let said = std::fs::read_to_string(folder.data().join("superuser.txt")).unwrap();
    let password = said.lines().find_map(|line| line.strip_prefix("password = ")).unwrap().to_owned();
    (server, folder, password)
}

fn token(server: &Ilium, name: &str, password: &str) -> String {
    let body = format!(r#"{{"username": "{name}", "password": "{password}"}}"#);
    let given = send(server.http(), "POST", "/v1/auth", &body, &[]);
    let given: Value = serde_json::from_slice(&given.body).unwrap();
    given["authToken"].as_str().unwrap_or_default().to_owned()
}

/// The fields of the audit log's lines.
fn audited(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").map(|line| line["fields"].clone()).collect()
}

#[test]
fn log_ins_changes_and_missing_permissions_are_lines_of_the_audit_log_without_their_secrets() {
    let (server, _folder, password) = start("warn");
    let superuser = token(&server, "cassandra", &password);
    token(&server, "cassandra", "hush-wrong");
    let broken = ("Authorization", "Basic hush-");
    assert_eq!(send(server.http(), "GET", "/v2/schemas/keyspaces", "", &[broken]).status, 401);
    let run = |token: &str, statement: &str| {
        let body = serde_json::json!({ "query": statement }).to_string();
        send(server.http(), "POST", "/v2/cql", &body, &[("X-Cassandra-Token", token)]).status
    };
    let keyspace =
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";
    for statement in [
        keyspace,
        "CREATE TABLE k.t (p text PRIMARY KEY)",
        "CREATE ROLE ada WITH PASSWORD = 'hush-ada' AND LOGIN = true",
        "INSERT INTO k.t (p) VALUES ('hush-value')",
    ] {
        assert_eq!(run(&superuser, statement), 200, "{statement}");
    }
    let ada = token(&server, "ada", "hush-ada");
    assert_eq!(run(&ada, "SELECT * FROM k.t WHERE p = 'hush-value'"), 403);
    assert_eq!(run(&ada, "DROP TABLE k.t"), 403);
    let mut cql = Connection::open_as(server.address(), 4, Some(("ada", "hush-ada"))).unwrap();
    assert!(Connection::open_as(server.address(), 4, Some(("ada", "hush-other"))).is_err());
    cql.query("INSERT INTO k.t (p) VALUES ('hush-cql')", &Binds::None, &Settings::default()).unwrap();

    // Metrics know that roles asked, and not which.
    let page = String::from_utf8(send(server.http(), "GET", "/metrics", "", &[]).body).unwrap();
    let refused = r#"ilium_statement_errors_total{api="rest",class="unauthorized",role_class="role"} 2"#;
    assert!(page.lines().any(|line| line == refused), "{page}");
    assert!(!page.contains("anonymous") && !page.contains("ada"), "{page}");

    let log = server.output().unwrap();
    assert!(!log.contains("hush-"), "{log}");
    let lines = audited(&log);
    let has = |wanted: &[(&str, &str)]| {
        let is_it = |line: &Value| {
            wanted
                .iter()
                .all(|(field, words)| line[field].as_str().is_some_and(|value| value.contains(words)))
        };
        assert!(lines.iter().any(is_it), "no line with {wanted:?} in {lines:#?}");
    };
    let from = ("from", "127.0.0.1:");
    let login = |verdict, api, role| {
        has(&[
            ("event", "login"),
            ("verdict", verdict),
            ("api", api),
            ("role", role),
            ("how", "password"),
            from,
        ]);
    };
    login("accepted", "http", "cassandra");
    login("refused", "http", "cassandra");
    login("accepted", "http", "ada");
    has(&[("event", "login"), ("verdict", "refused"), ("how", "password"), ("error", "base64"), from]);
    login("accepted", "cql", "ada");
    login("refused", "cql", "ada");
    let statement = |verdict, role, text| {
        has(&[
            ("event", "statement"),
            ("verdict", verdict),
            ("api", "rest"),
            ("role", role),
            ("statement", text),
            from,
        ]);
    };
    statement("accepted", "cassandra", "CREATE KEYSPACE k");
    statement("accepted", "cassandra", "CREATE TABLE k.t");
    statement("accepted", "cassandra", "CREATE ROLE ada WITH PASSWORD = '*******'");
    statement("refused", "ada", "DROP TABLE k.t");
    has(&[("verdict", "refused"), ("api", "rest"), ("role", "ada"), ("error", "SELECT permission"), from]);
    has(&[("verdict", "refused"), ("api", "cql"), ("role", "ada"), ("error", "MODIFY permission"), from]);
    assert!(!lines.iter().any(|line| line["statement"].as_str().is_some_and(|text| text.contains("INSERT"))));
    server.stop().unwrap();
}

#[test]
fn no_token_and_no_password_is_in_any_log_however_much_is_logged() {
    let (server, _folder, password) = start("trace");
    let token = token(&server, "cassandra", &password);
    let basic = format!("Basic {}", BASE64.encode(format!("cassandra:{password}").as_bytes()));
    let bearer = format!("Bearer {token}");
    let altered = format!("{}A", &token[..token.len() - 1]);
    for header in [
        ("X-Cassandra-Token", token.as_str()),
        ("Authorization", &bearer),
        ("Authorization", &basic),
        ("X-Cassandra-Token", &altered),
        ("Authorization", "Bearer hush-1.hush-2.hush-3"),
    ] {
        send(server.http(), "GET", "/v2/schemas/keyspaces", "", &[header]);
    }
    let cookie = format!("ilium_token={token}");
    send(server.http(), "GET", "/", "", &[("Cookie", &cookie)]);
    Connection::open_as(server.address(), 5, Some(("cassandra", &password))).unwrap();
    let log = server.output().unwrap();
    assert!(log.contains("ilium_http::access"), "only what is always logged was");
    let encoded = basic.trim_start_matches("Basic ");
    for secret in [&token, &altered[..20], &password, encoded, "hush-"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    // Nor as the bytes that some print.
    let bytes = format!("{:?}", &token.as_bytes()[..12]);
    assert!(!log.contains(bytes.trim_matches(['[', ']'])));
    server.stop().unwrap();
}
