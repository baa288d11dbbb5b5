//! Logging in over the CQL API: what is taken before it, what is said when it fails, and how often it may.

use std::time::Duration;

use ilium_native::Options;

use crate::client::{
    AUTH_RESPONSE, AUTH_SUCCESS, BAD_CREDENTIALS, Client, OPTIONS, PREPARE, PROTOCOL, QUERY, REGISTER,
    RESULT, STARTUP, SUPPORTED, long_string, query, startup, string,
};
use crate::server::Server;

const ADA: &str = "CREATE ROLE ada WITH LOGIN = true AND PASSWORD = 'secret'";
const SUPERUSER: &str = "CREATE ROLE root WITH LOGIN = true AND SUPERUSER = true AND PASSWORD = 'secret'";

fn logged_in(server: &Server, name: &str) -> Client {
    let mut client = Client::asked(server.address);
    client.send_login(1, name, "secret");
    let answer = client.receive();
    assert_eq!(answer.opcode, AUTH_SUCCESS, "{}", answer.message());
    client
}

#[test]
fn who_logs_in_is_served_as_their_role_and_reported_by_its_name() {
    let server = Server::guarded(Options::default(), &[ADA]);
    let mut client = Client::asked(server.address);
    let sessions = || server.service.clients().list().iter().map(|c| c.session()).collect::<Vec<_>>();
    assert!(sessions().iter().all(|session| !session.is_ready && session.role.is_none()));
    client.send_login(1, "ada", "secret");
    assert_eq!(client.receive().opcode, AUTH_SUCCESS);
    assert!(sessions().iter().all(|session| session.is_ready && session.role.as_deref() == Some("ada")));
    client.ok("SELECT key FROM system.local");
    client.send_query(2, "CREATE ROLE other");
    let refused = "User ada does not have sufficient privileges to perform the requested operation";
    client.expect_error(2, 0x2100, refused);
}

#[test]
fn nothing_but_a_log_in_is_taken_before_one() {
    let server = Server::guarded(Options::default(), &[ADA]);
    let mut client = Client::asked(server.address);
    let register = [&[0, 1][..], &string("SCHEMA_CHANGE")].concat();
    for (opcode, body) in [
        (QUERY, query("SELECT key FROM system.local")),
        (PREPARE, long_string("SELECT key FROM system.local")),
        (REGISTER, register),
    ] {
        client.send(1, opcode, &body);
        client.expect_error(1, PROTOCOL, "expecting SASL_RESPONSE");
    }
    client.send(1, STARTUP, &startup());
    client.expect_error(1, PROTOCOL, "already initialized");
    client.send(1, OPTIONS, &[]);
    assert_eq!(client.receive().opcode, SUPPORTED);
    client.send_login(1, "ada", "secret");
    assert_eq!(client.receive().opcode, AUTH_SUCCESS);
    client.send_login(1, "ada", "secret");
    client.expect_error(1, PROTOCOL, "has logged in");
    client.ok("SELECT key FROM system.local");
}

#[test]
fn a_log_in_may_fail_as_often_as_the_limit_says() {
    let server = Server::guarded(Options { max_failed_logins: 3, ..Options::default() }, &[ADA]);
    let mut client = Client::asked(server.address);
    client.send_login(1, "ada", "wrong");
    client.expect_error(1, BAD_CREDENTIALS, "Provided username ada and/or password are incorrect");
    client.send(1, AUTH_RESPONSE, &long_string("nonsense"));
    client.expect_error(1, BAD_CREDENTIALS, "Password must not be null");
    client.send_login(1, "ada", "secret");
    assert_eq!(client.receive().opcode, AUTH_SUCCESS);

    let mut client = Client::asked(server.address);
    for stream in 1..=3 {
        client.send_login(stream, "nobody", "secret");
        client.expect_error(stream, BAD_CREDENTIALS, "Provided username nobody");
    }
    client.expect_end();
    logged_in(&server, "ada").ok("SELECT key FROM system.local");
}

#[test]
fn who_is_asked_to_log_in_and_does_not_is_dropped() {
    // Long enough for a password to be compared, with other tests beside.
    let patience = Duration::from_secs(3);
    let server = Server::guarded(Options { patience, ..Options::default() }, &[ADA]);
    let mut silent = Client::asked(server.address);
    let mut client = logged_in(&server, "ada");
    silent.expect_cut();
    client.ok("SELECT key FROM system.local");
}

#[test]
fn passwords_are_in_no_list_of_statements() {
    let server = Server::guarded(Options::default(), &[SUPERUSER]);
    let mut client = logged_in(&server, "root");
    client.send(1, PREPARE, &long_string("CREATE ROLE a WITH PASSWORD = 'dont tell' AND LOGIN = true"));
    assert_eq!(client.receive().opcode, RESULT);
    client.send(1, PREPARE, &long_string("SELECT key FROM system.local"));
    assert_eq!(client.receive().opcode, RESULT);
    server.close_gate();
    client.send_query(2, "ALTER USER root WITH PASSWORD 'dont tell'");
    let running = || {
        let clients = server.service.clients().list();
        clients.iter().flat_map(|client| client.running().into_values()).collect::<Vec<_>>()
    };
    server.until("the statement to run", |_| !running().is_empty());
    let texts: Vec<String> = running().iter().map(|running| running.text.to_string()).collect();
    assert_eq!(texts, ["ALTER USER root WITH PASSWORD '*******'"]);
    // Not even masked: beside it would be its id, a digest of the whole text.
    let prepared = server.service.prepared_statements();
    let texts: Vec<&str> = prepared.iter().map(|statement| &*statement.text).collect();
    assert_eq!(texts, ["SELECT key FROM system.local"]);
    assert_eq!(server.service.prepared_count(), 2);
    server.open_gate();
    assert_eq!(client.receive().opcode, RESULT);
}
