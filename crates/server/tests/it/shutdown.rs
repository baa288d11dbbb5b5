//! The end: what was taken is answered, then connections close.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use ilium_native::Options;

use crate::client::{Client, OPTIONS, QUERY, RESULT, frame, query};
use crate::server::Server;

/// Whether a line of the log has all these words.
fn says(log: &str, words: &[&str]) {
    let has_all = |line: &str| words.iter().all(|words| line.contains(words));
    assert!(log.lines().any(has_all), "no line with {words:?} in {log}");
}

#[test]
fn what_is_in_flight_is_answered_before_the_connections_close() {
    let server = Server::start(Options::default());
    server.make_table();
    let (mut client, mut idle) = (server.client(), server.client());
    server.close_gate();
    for stream in 0..10 {
        client.send_query(stream, &format!("INSERT INTO k.t (p, c) VALUES (1, {stream})"));
    }
    server.until("ten waiting requests", |service| service.requests_waiting() == 10);
    server.begin_stop();
    idle.expect_end();
    server.until("the drain", |_| server.log().contains("no more connections"));
    // Not taken any more, and no reason to lose the answers to what was.
    client.send_bytes(&frame(4, 100, QUERY, &query("SELECT key FROM system.local")).repeat(1000));
    server.open_gate();
    let mut answered = Vec::new();
    for _ in 0..10 {
        let answer = client.receive();
        assert_eq!(answer.opcode, RESULT, "{}", answer.message());
        answered.push(answer.stream);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..10).collect::<Vec<_>>());
    client.expect_end();
    let address = server.address;
    let log = server.ended();
    assert!(TcpStream::connect(address).is_err(), "the port is free again");
    says(&log, &["no more connections and requests are taken here", "requests=10"]);
    says(&log, &["all connections are closed", "unheard=1"]);
    assert!(!log.contains("were cut"), "{log}");
}

#[test]
fn a_client_that_never_pauses_does_not_keep_the_server_from_stopping() {
    let server = Server::with(Options::default(), |listen| listen.drain = crate::server::LONG);
    let mut busy = server.client();
    let mut answers = busy.socket.try_clone().unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
    let writer = std::thread::spawn(move || {
        let requests = frame(4, 1, OPTIONS, &[]).repeat(1000);
        while busy.socket.write_all(&requests).is_ok() {}
    });
    server.until("a busy client", |service| service.clients().list()[0].requests() > 10_000);
    server.begin_stop();
    server.ended();
    writer.join().unwrap();
    let _ = reader.join().unwrap();
}

#[test]
fn what_takes_longer_than_the_drain_is_cut() {
    let server = Server::with(Options::default(), |listen| listen.drain = Duration::from_millis(50));
    let mut client = server.client();
    let mut mute = Client::silent(server.address);
    server.close_gate();
    client.send_query(1, "SELECT key FROM system.local");
    server.until("a waiting request", |service| service.requests_waiting() == 1);
    server.begin_stop();
    let log = server.ended();
    says(&log, &["connections were cut: their requests took too long", "requests=1"]);
    client.expect_cut();
    mute.expect_cut();
}
