//! The REST API of the built binary: the case files of `tests/rest`, and what needs more than one server.

use std::net::SocketAddr;

use ilium_testbed::cassandra::VERSION;
use ilium_testbed::http::{Request, Response, ask, component, encoded};
use ilium_testbed::ilium::Folder;
use ilium_testbed::rest_cases::json::Json;
use ilium_testbed::rest_cases::{self, FileResult, Store, Target};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, Ilium, require};

use crate::clients::dialogue::{binary, converse_over_all, converse_over_all_through_gateway};
use crate::clients::{python, schemathesis};

const MAKE: [&str; 2] = [
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE k.t (p int, c int, PRIMARY KEY (p, c))",
];

#[test]
fn rest_answers_as_stargate_does_and_cql_reads_what_it_wrote() {
    let folder = Folder::new().unwrap();
    run_cases(Ilium::start(binary(), &folder, &[]).unwrap(), Store::Embedded);
}

#[test]
fn rest_answers_the_same_in_front_of_a_cluster() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &[]).unwrap();
    let ready = text(&get(gateway.http(), "/health/ready"));
    let able = format!(
        "Apache Cassandra {VERSION}, cluster Test Cluster, with vectors, with storage-attached indexes"
    );
    assert!(ready.contains(&format!("1 of 1 nodes are connected: {able}")), "{ready}");
    run_cases(gateway, Store::Cluster);
}

fn run_cases(ilium: Ilium, store: Store) {
    let target = Target::new(ilium.http(), ilium.address(), store).unwrap();
    let results = rest_cases::run(&target, rest_cases::all("").unwrap()).unwrap();
    let details: String = results.iter().map(|result| result.details.clone()).collect();
    assert!(results.iter().all(FileResult::well), "{details}");
    ilium.stop().unwrap();
}

#[test]
fn a_page_state_of_another_server_is_refused_and_one_of_its_own_outlives_a_kill() {
    let (folder, other_folder) = (Folder::new().unwrap(), Folder::new().unwrap());
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    let other = Ilium::start(binary(), &other_folder, &[]).unwrap();
    for server in [&server, &other] {
        fill(server.address());
    }
    let state = page_state(&get(server.http(), "/v2/keyspaces/k/t/1?page-size=2"));
    let next = format!("/v2/keyspaces/k/t/1?page-size=20&page-state={}", component(&state));
    let refused = get(other.http(), &next);
    assert_eq!(refused.status, 400, "{}", text(&refused));
    assert!(text(&refused).contains("paging state"), "{}", text(&refused));
    let wanted = text(&get(server.http(), &next));
    assert!(wanted.starts_with("{\"count\":7,"), "{wanted}");

    server.crash().unwrap();
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    assert_eq!(text(&get(server.http(), &next)), wanted);
    server.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn a_page_that_one_gateway_began_is_turned_on_another_that_has_its_key() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let keys = folder.data().with_extension("keys");
    std::fs::write(&keys, format!("{}\n", "4b".repeat(32))).unwrap();
    let start = |flags: &[&str]| {
        let folder = Folder::new().unwrap();
        let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], flags).unwrap();
        (gateway, folder)
    };
    let shared = ["--token-keys", keys.to_str().unwrap()];
    let ((one, _one), (other, _other), (stranger, _stranger)) = (start(&shared), start(&shared), start(&[]));
    let mut cql = Connection::open(one.address(), 5).unwrap();
    let mut statements = vec![
        "CREATE KEYSPACE turned WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            .to_owned(),
        "CREATE TABLE turned.t (p int, c int, PRIMARY KEY (p, c))".to_owned(),
    ];
    statements.extend((0..9).map(|c| format!("INSERT INTO turned.t (p, c) VALUES (1, {c})")));
    for statement in statements {
        let answer = cql.query(&statement, &Binds::None, &Settings::default()).unwrap();
        assert!(!matches!(answer.outcome, Outcome::Error(_)), "{statement}: {answer:?}");
    }
    let state = page_state(&get(one.http(), "/v2/keyspaces/turned/t/1?page-size=2"));
    let next = format!("/v2/keyspaces/turned/t/1?page-size=20&page-state={}", component(&state));
    let wanted = text(&get(one.http(), &next));
    assert!(wanted.starts_with("{\"count\":7,"), "{wanted}");
    // What another gateway changed is known here as soon as the cluster has told of it.
    let told = std::time::Instant::now() + std::time::Duration::from_secs(60);
    for gateway in [&other, &stranger] {
        while get(gateway.http(), "/v2/schemas/keyspaces/turned/tables/t").status != 200 {
            assert!(std::time::Instant::now() < told, "the table never came");
        }
    }
    assert_eq!(text(&get(other.http(), &next)), wanted);
    let refused = get(stranger.http(), &next);
    assert_eq!(refused.status, 400, "{}", text(&refused));
    assert!(text(&refused).contains("paging state"), "{}", text(&refused));
    for gateway in [one, other, stranger] {
        gateway.stop().unwrap();
    }
}

#[test]
fn every_byte_of_a_page_state_is_checked() {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    fill(server.address());
    let state = page_state(&get(server.http(), "/v2/keyspaces/k/t/1?page-size=2"));
    let letters: Vec<char> = state.chars().collect();
    for at in 0..letters.len() {
        let mut altered = letters.clone();
        altered[at] = if letters[at] == 'A' { 'B' } else { 'A' };
        let altered: String = altered.into_iter().collect();
        let answer = get(
            server.http(),
            &format!("/v2/keyspaces/k/t/1?page-size=2&page-state={}", component(&altered)),
        );
        assert_eq!(answer.status, 400, "letter {at} of {state}: {}", text(&answer));
    }
    server.stop().unwrap();
}

#[test]
fn made_up_requests_are_answered_as_the_openapi_documents_say() {
    let Some(python) = require("schemathesis", python::schemathesis()) else { return };
    converse_over_all(|server| schemathesis::command(&python, server)).unwrap();
}

#[test]
fn made_up_requests_are_answered_the_same_through_a_gateway() {
    let Some(python) = require("schemathesis", python::schemathesis()) else { return };
    converse_over_all_through_gateway(|gateway| schemathesis::command(&python, gateway)).unwrap();
}

fn fill(cql: SocketAddr) {
    let mut connection = Connection::open(cql, 5).unwrap();
    let inserts = (0..9).map(|c| format!("INSERT INTO k.t (p, c) VALUES (1, {c})"));
    for statement in MAKE.map(str::to_owned).into_iter().chain(inserts) {
        let answer = connection.query(&statement, &Binds::None, &Settings::default()).unwrap();
        assert!(!matches!(answer.outcome, Outcome::Error(_)), "{statement}: {answer:?}");
    }
}

pub(crate) fn get(http: SocketAddr, path: &str) -> Response {
    let headers = vec![("Host".to_owned(), http.to_string())];
    let request = Request { method: "GET".to_owned(), target: encoded(path), headers, body: Vec::new() };
    ask(http, &request).unwrap()
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

fn page_state(response: &Response) -> String {
    let body = Json::read(&text(response)).unwrap();
    match body.get("pageState") {
        Some(Json::String(state)) => state.clone(),
        _ => panic!("no page state: {body}"),
    }
}
