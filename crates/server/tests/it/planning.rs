//! A store that plans later, as one in front of a cluster does.

use ilium_native::Options;

use crate::client::{BATCH, ERROR, EXECUTE, INVALID, OVERLOADED, PREPARE, RESULT, long_string, query};
use crate::server::Server;

const INSERT: &str = "INSERT INTO k.t (p, c) VALUES (1, 1)";
const READ: &str = "SELECT p FROM k.t WHERE p = 1";

/// The body of a logged BATCH of two statements as text and one that is prepared.
fn batch(id: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 3];
    for text in [INSERT, "INSERT INTO k.t (p, c) VALUES (1, 2)"] {
        body.push(0);
        body.extend(long_string(text));
        body.extend([0, 0]);
    }
    body.extend([1, 0, 16]);
    body.extend(id);
    body.extend([0, 0, 0, 1, 0]);
    body
}

#[test]
fn a_request_whose_plan_comes_later_is_answered_when_it_is_there() {
    let server = Server::start(Options::default());
    server.make_table();
    let mut client = server.client();
    client.send(1, PREPARE, &long_string("INSERT INTO k.t (p, c) VALUES (1, 3)"));
    let id = client.receive().body[6..22].to_vec();
    // What was prepared must be planned anew.
    client.ok("CREATE TABLE k.another (p int PRIMARY KEY)");
    server.hold_plans();
    client.send(2, PREPARE, &long_string(READ));
    client.send_query(3, INSERT);
    client.send(4, BATCH, &batch(&id));
    client.send(5, EXECUTE, &[&[0, 16][..], &id, &[0, 1, 0]].concat());
    client.send_query(6, "SELECT nosuch FROM k.t");
    server.until("five waiting requests", |service| service.requests_waiting() == 5);
    server.make_plans();
    let mut answers = Vec::new();
    for _ in 0..5 {
        let answer = client.receive();
        answers.push((answer.stream, answer.opcode));
        if answer.opcode == ERROR {
            assert_eq!(answer.code(), INVALID, "{}", answer.message());
        }
    }
    answers.sort_unstable();
    assert_eq!(answers, [(2, RESULT), (3, RESULT), (4, RESULT), (5, RESULT), (6, ERROR)]);
    let rows = client.ok("SELECT count(*) FROM k.t WHERE p = 1").body;
    assert!(rows.ends_with(&[0, 0, 0, 0, 0, 0, 0, 3]), "{rows:?}");
    server.until("nothing that waits", |service| service.requests_waiting() == 0);
}

#[test]
fn requests_that_wait_for_plans_count_among_those_that_wait() {
    let server = Server::start(Options { max_waiting: 1, ..Options::default() });
    server.make_table();
    let mut client = server.client();
    server.hold_plans();
    client.send(1, PREPARE, &long_string(READ));
    server.until("a waiting request", |service| service.requests_waiting() == 1);
    client.send(2, PREPARE, &long_string(READ));
    client.expect_error(2, OVERLOADED, "requests wait already");
    client.send(3, crate::client::QUERY, &query(READ));
    client.expect_error(3, OVERLOADED, "requests wait already");
    server.make_plans();
    let answer = client.receive();
    assert_eq!((answer.stream, answer.opcode), (1, RESULT));
}
