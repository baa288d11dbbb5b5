//! Clients that are slow, deaf or silent: dropped in time, while others are served.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ilium_native::Options;

use crate::client::{Client, OPTIONS, QUERY, SUPPORTED, frame, query};
use crate::server::{LONG, Server};

/// A quarter of a second for everything.
fn impatient() -> Options {
    Options { patience: Duration::from_millis(250), ..Options::default() }
}

#[test]
fn a_client_that_says_nothing_is_dropped_and_one_that_started_may_be_silent() {
    let server = Server::start(impatient());
    let mut idle = server.client();
    let mut mute = Client::silent(server.address);
    mute.expect_cut();
    idle.ok("SELECT key FROM system.local");
    // The connection is older than patience by now, and nothing had begun.
    let mut half_mute = Client::silent(server.address);
    half_mute.send(1, OPTIONS, &[]);
    assert_eq!(half_mute.receive().opcode, SUPPORTED);
    half_mute.expect_cut();
    idle.ok("SELECT key FROM system.local");
}

#[test]
fn a_client_that_sends_byte_by_byte_is_dropped_though_each_byte_is_in_time() {
    let server = Server::start(impatient());
    let statement = format!("SELECT key FROM system.local WHERE key = '{}'", "x".repeat(100_000));
    for version in [4, 5] {
        let mut slow = Client::started(server.address, version);
        let whole = match version {
            5 => {
                // The first of several segments, and no more: its bytes are off the input already.
                let mut segment = bytes::BytesMut::new();
                let begun = [&[5, 0, 0, 1, QUERY][..], &1_000_000u32.to_be_bytes(), &[b'x'; 1000]].concat();
                ilium_protocol::encode_segment(&begun, false, &mut segment).unwrap();
                slow.send_bytes(&segment);
                vec![0; 100_000]
            }
            _ => frame(version, 1, QUERY, &query(&statement)),
        };
        let began = Instant::now();
        let cut = whole.iter().any(|byte| {
            std::thread::sleep(Duration::from_millis(5));
            assert!(began.elapsed() < LONG, "a slow client is still served");
            slow.socket.write_all(&[*byte]).is_err()
        });
        assert!(cut, "the slow client sent all it had");
        server.still_serves();
    }
}

#[test]
fn a_client_that_never_ends_a_frame_past_the_limit_is_dropped() {
    let server = Server::start(Options { max_frame: 1000, ..impatient() });
    let mut client = server.client();
    client.send_bytes(&[&[4, 0, 0, 1, QUERY][..], &1_000_000u32.to_be_bytes(), &[0; 5000]].concat());
    client.expect_cut();
    server.still_serves();
}

#[test]
fn a_client_that_does_not_read_its_answers_is_dropped_while_others_are_served() {
    let server = Server::start(impatient());
    server.make_table();
    let mut other = server.client();
    let text = "x".repeat(500_000);
    for c in 0..8 {
        other.ok(&format!("INSERT INTO k.t (p, c, v) VALUES (1, {c}, '{text}')"));
    }
    let mut deaf = server.client();
    // Four megabytes an answer: more than the system buffers for a socket.
    for stream in 0..100 {
        let request = frame(4, stream, QUERY, &query("SELECT v FROM k.t WHERE p = 1"));
        if deaf.socket.write_all(&request).is_err() {
            break;
        }
    }
    let deaf_address = deaf.socket.local_addr().unwrap();
    other.ok("SELECT key FROM system.local");
    server.until("the deaf client's end", |service| {
        service.clients().list().iter().all(|client| client.address != deaf_address)
    });
    assert_eq!(server.service.requests_waiting(), 0);
    other.ok("SELECT key FROM system.local");
}
