//! Page states that a client altered, or uses where they do not belong: an error, never wrong rows.

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Answer, Bind, Binds, Connection, Outcome, Rows, Settings};

use crate::clients::dialogue::binary;

const ROWS: &str = "SELECT c, v FROM k.t WHERE p = 1";
const RING: &str = "SELECT p, c FROM k.t";
const SYSTEM: &str = "SELECT keyspace_name, table_name FROM system_schema.tables";
const DESCRIBE: &str = "DESCRIBE CLUSTER";

fn ask(connection: &mut Connection, statement: &str, state: Option<&[u8]>) -> Outcome {
    let with = Settings { page: Some(7), state: state.map(<[u8]>::to_vec), ..Settings::default() };
    let Answer { outcome, .. } = connection.query(statement, &Binds::None, &with).unwrap();
    outcome
}

fn rows(connection: &mut Connection, statement: &str, state: Option<&[u8]>) -> Rows {
    match ask(connection, statement, state) {
        Outcome::Rows(rows) => rows,
        other => panic!("{statement}: {other:?}"),
    }
}

/// Cassandra's answer to a state it cannot read (`PagingState.deserialize`).
fn refused(connection: &mut Connection, statement: &str, state: &[u8], what: &str) {
    match ask(connection, statement, Some(state)) {
        Outcome::Error(error) => {
            assert_eq!(error.code, 0x000a, "{what}: {}", error.message);
            assert_eq!(error.message, "Invalid value for the paging state", "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// All rows from a page state on.
fn rest(connection: &mut Connection, statement: &str, state: Vec<u8>) -> Vec<Vec<Option<Vec<u8>>>> {
    let (mut all, mut next) = (Vec::new(), Some(state));
    while let Some(state) = next {
        let page = rows(connection, statement, Some(&state));
        all.extend(page.rows);
        next = page.more;
    }
    all
}

#[test]
fn a_page_state_that_was_altered_or_belongs_elsewhere_is_refused_and_a_true_one_outlives_a_kill() {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    let address = server.address();
    let mut connection = Connection::open(address, 4).unwrap();
    let make = [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            .to_owned(),
        "CREATE TABLE k.t (p int, c int, v text, PRIMARY KEY (p, c))".to_owned(),
    ];
    let insert = |n: i32| format!("INSERT INTO k.t (p, c, v) VALUES ({}, {n}, 'value {n}')", n % 3);
    for statement in make.into_iter().chain((0..60).map(insert)) {
        let answer = connection.query(&statement, &Binds::None, &Settings::default()).unwrap();
        assert!(!matches!(answer.outcome, Outcome::Error(_)), "{statement}: {answer:?}");
    }
    let statements = [ROWS, RING, SYSTEM];
    let states = statements.map(|statement| rows(&mut connection, statement, None).more.unwrap());
    let wholes = statements.map(|statement| {
        let first = rows(&mut connection, statement, None);
        let rest = rest(&mut connection, statement, first.more.unwrap());
        (rest.len() + first.rows.len(), rest)
    });
    assert_eq!((wholes[0].0, wholes[1].0), (20, 60));

    for (statement, state) in statements.iter().zip(&states) {
        for at in 0..state.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut altered = state.clone();
                altered[at] ^= flip;
                refused(&mut connection, statement, &altered, &format!("byte {at} flipped by {flip:#x}"));
            }
            refused(&mut connection, statement, &state[..at], &format!("cut at {at}"));
        }
        refused(&mut connection, statement, &[&state[..], &[0]].concat(), "a byte too many");
        refused(&mut connection, statement, &vec![0xff; 60_000], "a long state of nothing");
    }
    for (statement, others) in [(ROWS, &states[1..]), (RING, &states[..1]), (SYSTEM, &states[..2])] {
        for state in others {
            refused(&mut connection, statement, state, "the state of another statement");
        }
    }
    refused(&mut connection, "SELECT c, v FROM k.t WHERE p = 2", &states[0], "another partition's");
    refused(&mut connection, DESCRIBE, &states[0], "a state of rows for DESCRIBE");

    server.crash().unwrap();
    let server = Ilium::start_at(binary(), &folder, address, &[]).unwrap();
    let mut connection = Connection::open(address, 4).unwrap();
    for ((statement, state), (_, whole)) in statements.iter().zip(states).zip(wholes) {
        assert_eq!(rest(&mut connection, statement, state), whole, "{statement} after the restart");
    }
    server.stop().unwrap();
}

#[test]
fn a_page_state_of_a_prepared_statement_is_refused_with_other_values() {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    let mut connection = Connection::open(server.address(), 5).unwrap();
    let make = [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            .to_owned(),
        "CREATE TABLE k.t (p int, c int, v text, PRIMARY KEY (p, c))".to_owned(),
    ];
    let inserts = (0..20).map(|n| format!("INSERT INTO k.t (p, c, v) VALUES ({}, {n}, 'x')", n % 2));
    for statement in make.into_iter().chain(inserts) {
        connection.query(&statement, &Binds::None, &Settings::default()).unwrap();
    }
    let prepared = connection.prepare("SELECT c FROM k.t WHERE p = ?", None).unwrap();
    let Outcome::Prepared(prepared) = prepared.outcome else { panic!("{prepared:?}") };
    let mut page = |p: i32, state: Option<Vec<u8>>| {
        let values = Binds::ByPosition(vec![Bind::Bytes(p.to_be_bytes().to_vec())]);
        let with = Settings { page: Some(4), state, ..Settings::default() };
        connection.execute(&prepared, &values, &with).unwrap().outcome
    };
    let Outcome::Rows(first) = page(0, None) else { panic!("no rows") };
    let Outcome::Rows(next) = page(0, first.more.clone()) else { panic!("no rows") };
    assert_eq!(next.rows.len(), 4);
    // With another partition it would lead past that one's first rows.
    match page(1, first.more) {
        Outcome::Error(error) => assert_eq!(error.message, "Invalid value for the paging state"),
        other => panic!("{other:?}"),
    }
    server.stop().unwrap();
}
