//! Tokens of a server with authentication: none opens the API that expired, was altered, is another server's, or is of
//! a role that is gone or has another password by now.

use std::time::{SystemTime, UNIX_EPOCH};

use ilium_server::open_token_keys;
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::rest_cases::json::Json;

use crate::clients::dialogue::binary;
use crate::security::send;

const KEYSPACES: &str = "/v2/schemas/keyspaces";
const HALF_AN_HOUR: std::time::Duration = std::time::Duration::from_secs(1800);

/// A server with authentication, its folder, and its superuser's name and password.
fn start() -> (Ilium, Folder, String, String) {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &["--auth"]).unwrap();
    let said = std::fs::read_to_string(folder.data().join("superuser.txt")).unwrap();
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches([' ', '=']).to_owned()
    };
    let (name, password) = (value("username"), value("password"));
    (server, folder, name, password)
}

fn token(server: &Ilium, name: &str, password: &str) -> String {
    let body = format!(r#"{{"username": "{name}", "password": "{password}"}}"#);
    let given = send(server.http(), "POST", "/v1/auth", &body, &[]);
    let text = String::from_utf8(given.body).unwrap();
    match Json::read(&text).unwrap().get("authToken") {
        Some(Json::String(token)) if given.status == 201 => token.clone(),
        _ => panic!("{} {text}", given.status),
    }
}

/// The status of a read with a token, and what was said.
fn read_with(server: &Ilium, token: &str) -> (u16, String) {
    let answer = send(server.http(), "GET", KEYSPACES, "", &[("X-Cassandra-Token", token)]);
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn refused(server: &Ilium, token: &str, words: &str) {
    let (status, said) = read_with(server, token);
    assert_eq!(status, 401, "{said}");
    assert!(said.contains(words) && said.contains("\"code\":401"), "{said}");
    assert!(!said.contains(token), "{said}");
}

/// Runs statements by REST.
fn run(server: &Ilium, token: &str, statements: &[&str]) {
    for statement in statements {
        let body = format!(r#"{{"query": "{statement}"}}"#);
        let done = send(server.http(), "POST", "/v2/cql", &body, &[("X-Cassandra-Token", token)]);
        assert_eq!(done.status, 200, "{statement}: {}", String::from_utf8_lossy(&done.body));
    }
}

/// Makes two roles with the passwords `one` and `two`; their tokens, which open the API.
fn ada_and_bob(server: &Ilium, superuser: &str) -> (String, String) {
    run(
        server,
        superuser,
        &[
            "CREATE ROLE ada WITH PASSWORD = 'one' AND LOGIN = true",
            "CREATE ROLE bob WITH PASSWORD = 'two' AND LOGIN = true",
        ],
    );
    let (ada, bob) = (token(server, "ada", "one"), token(server, "bob", "two"));
    assert_eq!((read_with(server, &ada).0, read_with(server, &bob).0), (200, 200));
    (ada, bob)
}

#[test]
fn a_token_opens_the_api_and_one_that_was_altered_in_any_letter_does_not() {
    let (server, _folder, name, password) = start();
    let token = token(&server, &name, &password);
    assert_eq!(read_with(&server, &token).0, 200);
    let letters: Vec<char> = token.chars().collect();
    for at in 0..letters.len() {
        let mut altered = letters.clone();
        altered[at] = if letters[at] == 'A' { 'B' } else { 'A' };
        refused(&server, &altered.into_iter().collect::<String>(), "altered");
    }
    refused(&server, &token[..token.len() - 1], "altered");
    refused(&server, &format!("{token}A"), "altered");
    refused(&server, "no token at all", "altered");
    assert_eq!(send(server.http(), "GET", KEYSPACES, "", &[]).status, 401);
    let said = server.output().unwrap();
    assert!(!said.contains(&password) && !said.contains(&token), "a secret is in what the server said");
    server.stop().unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the server under test goes by the machine's clock")]
fn a_token_that_expired_does_not_open_the_api() {
    let (server, folder, name, password) = start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // The server's own keys, so that the time is all that is wrong.
    let keys = open_token_keys(&folder.data().join("tokens.key"), HALF_AN_HOUR, now).unwrap();
    let principal = keys.open(&token(&server, &name, &password), now).unwrap();
    let issued = |at| keys.issue(&principal, at).unwrap();
    assert_eq!(read_with(&server, &issued(now)).0, 200);
    refused(&server, &issued(now - HALF_AN_HOUR.as_secs() - 1), "expired");
    server.stop().unwrap();
}

#[test]
fn a_token_of_another_server_does_not_open_the_api() {
    let (server, _folder, name, password) = start();
    let (other, _other_folder, other_name, other_password) = start();
    assert_ne!(password, other_password);
    assert_eq!(name, other_name);
    refused(&other, &token(&server, &name, &password), "not made by this server");
    server.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn a_token_of_a_role_that_was_dropped_or_may_not_log_in_any_more_does_not_open_the_api() {
    let (server, _folder, name, password) = start();
    let superuser = token(&server, &name, &password);
    let (ada, bob) = ada_and_bob(&server, &superuser);
    run(&server, &superuser, &["DROP ROLE ada", "ALTER ROLE bob WITH LOGIN = false"]);
    refused(&server, &ada, "ada");
    refused(&server, &bob, "bob");
    let again = send(server.http(), "POST", "/v1/auth", r#"{"username": "ada", "password": "one"}"#, &[]);
    assert_eq!(again.status, 401, "{}", String::from_utf8_lossy(&again.body));
    server.stop().unwrap();
}

#[test]
fn a_token_ends_with_the_password_it_was_given_for_and_is_not_of_a_role_made_again() {
    let (server, _folder, name, password) = start();
    let superuser = token(&server, &name, &password);
    let (ada, bob) = ada_and_bob(&server, &superuser);
    run(
        &server,
        &superuser,
        &[
            "ALTER ROLE ada WITH PASSWORD = 'other'",
            "DROP ROLE bob",
            "CREATE ROLE bob WITH PASSWORD = 'two' AND LOGIN = true",
        ],
    );
    refused(&server, &ada, "ada");
    refused(&server, &bob, "bob");
    let (ada, bob) = (token(&server, "ada", "other"), token(&server, "bob", "two"));
    assert_eq!((read_with(&server, &ada).0, read_with(&server, &bob).0), (200, 200));
    server.stop().unwrap();
}

#[test]
fn a_token_gives_its_roles_permissions_and_no_more() {
    let (server, _folder, name, password) = start();
    let superuser = token(&server, &name, &password);
    run(
        &server,
        &superuser,
        &[
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (p int PRIMARY KEY, v int)",
            "INSERT INTO k.t (p, v) VALUES (1, 2)",
            "CREATE ROLE ada WITH PASSWORD = 'one' AND LOGIN = true",
        ],
    );
    let ada = token(&server, "ada", "one");
    let as_ada = |method, target, body| {
        let answer = send(server.http(), method, target, body, &[("X-Cassandra-Token", &ada)]);
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let (status, said) = as_ada("GET", "/v2/keyspaces/k/t/1", "");
    assert_eq!(status, 403, "{said}");
    assert!(said.contains("PERMISSION_DENIED") && said.contains("SELECT"), "{said}");
    run(&server, &superuser, &["GRANT SELECT ON k.t TO ada"]);
    let (status, said) = as_ada("GET", "/v2/keyspaces/k/t/1?raw=true", "");
    assert_eq!((status, said.as_str()), (200, r#"[{"p":1,"v":2}]"#));
    for (method, target, body) in [
        ("POST", "/v2/keyspaces/k/t", r#"{"p": 2, "v": 3}"#),
        ("PUT", "/v2/keyspaces/k/t/1", r#"{"v": 3}"#),
        ("DELETE", "/v2/keyspaces/k/t/1", ""),
        ("DELETE", "/v2/schemas/keyspaces/k/tables/t", ""),
        ("DELETE", "/v2/schemas/keyspaces/k", ""),
        ("POST", "/v2/schemas/keyspaces/k/tables/t/columns", r#"{"name": "w", "typeDefinition": "int"}"#),
        ("POST", "/v2/schemas/keyspaces", r#"{"name": "mine"}"#),
        ("POST", "/v2/cql", r#"{"query": "TRUNCATE k.t"}"#),
        ("POST", "/v2/cql", r#"{"query": "CREATE ROLE eve"}"#),
    ] {
        let (status, said) = as_ada(method, target, body);
        assert_eq!(status, 403, "{method} {target}: {said}");
        assert!(said.contains("PERMISSION_DENIED"), "{method} {target}: {said}");
    }
    let (status, said) = as_ada("GET", "/v2/keyspaces/k/t/rows?raw=true", "");
    assert_eq!((status, said.as_str()), (200, r#"[{"p":1,"v":2}]"#));
    server.stop().unwrap();
}
