//! Many connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Bind, Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;
use crate::rest::get;

use super::faults::until;
use super::gateway;

/// How many come one after the other, and over how many threads.
const IN_SEQUENCE: usize = 100_000;
const THREADS: usize = 4;

/// Of this many bytes is the row that is asked for again and again.
const LARGE: usize = 1 << 20;

/// INVALID (native protocol v5, section 9).
const INVALID: i32 = 0x2200;

/// A figure of the metrics page.
pub(super) fn figure(http: SocketAddr, name: &str) -> f64 {
    let page = String::from_utf8(get(http, "/metrics").body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

#[test]
fn a_hundred_thousand_connections_one_after_the_other_leave_nothing_behind() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &[]).unwrap();
    let (cql, http) = (gateway.address(), gateway.http());
    let come_and_go = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for number in 0..count / THREADS {
                        let mut connection = Connection::open(cql, 5).unwrap();
                        // Some ask for something, too.
                        if number % 100 == 0 {
                            let text = "SELECT key FROM system.local";
                            let answer = connection.query(text, &Binds::None, &Settings::default()).unwrap();
                            assert!(matches!(answer.outcome, Outcome::Rows(_)), "{answer:?}");
                        }
                    }
                });
            }
        });
    };
    // What is kept once is there after these.
    come_and_go(1000);
    let (files, memory) = (figure(http, "process_open_fds"), figure(http, "process_resident_memory_bytes"));
    come_and_go(IN_SEQUENCE);
    let grown = figure(http, "process_resident_memory_bytes") - memory;
    assert!(grown < 16e6, "{grown} bytes more than before");
    assert!(figure(http, "process_open_fds") <= files + 8.0);
    gateway.stop().unwrap();
}

fn run(client: &mut Connection, text: &str) -> Outcome {
    client.query(text, &Binds::None, &Settings::default()).unwrap().outcome
}

/// A QUERY of version 4 at consistency ONE, as the specification lays it out (sections 2 and 4.1.4).
pub(super) fn query_frame(stream: i16, text: &str) -> Vec<u8> {
    let mut frame = vec![4, 0];
    frame.extend(stream.to_be_bytes());
    frame.push(0x07);
    frame.extend((text.len() as u32 + 7).to_be_bytes());
    frame.extend((text.len() as u32).to_be_bytes());
    frame.extend(text.as_bytes());
    frame.extend([0, 1, 0]);
    frame
}

/// A connection that said STARTUP in version 4.
pub(super) fn started(at: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(at).unwrap();
    let startup = b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
    socket.write_all(startup).unwrap();
    let (ready, _, _) = receive(&mut socket);
    assert_eq!(ready, 0x02, "no READY");
    socket
}

/// The next frame's opcode, stream and body.
fn receive(socket: &mut TcpStream) -> (u8, i16, Vec<u8>) {
    let mut header = [0; 9];
    socket.read_exact(&mut header).unwrap();
    let [_, flags, s0, s1, opcode, length @ ..] = header;
    assert_eq!(flags, 0, "nothing here is long enough to be compressed");
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut body).unwrap();
    (opcode, i16::from_be_bytes([s0, s1]), body)
}

/// An LZ4 block of so many zeros: one, a match of it that is as long as it takes, and the five that an encoder leaves.
fn zeros_as_lz4(count: usize) -> Vec<u8> {
    let more = count - 1 - 5 - 4 - 15;
    let mut block = vec![0x1f, 0, 1, 0];
    block.resize(block.len() + more / 255, 255);
    block.push((more % 255) as u8);
    block.extend([0x50, 0, 0, 0, 0, 0]);
    block
}

#[test]
fn a_message_that_is_too_long_is_refused_in_every_way_it_may_come_and_the_connection_goes_on() {
    let folder = Folder::new().unwrap();
    let Some(gateway) = gateway(&folder) else { return };
    let up = Ilium::start(binary(), &folder, &[]).unwrap();
    let count = 50_000_000;
    let block = zeros_as_lz4(count);
    let compressed = [&(count as u32).to_be_bytes()[..], &block].concat();
    let plain = vec![0; count];
    for at in [up.address(), gateway.address()] {
        for (version, flags, body) in
            [(3, 1, &compressed), (4, 1, &compressed), (3, 0, &plain), (4, 0, &plain)]
        {
            let mut socket = TcpStream::connect(at).unwrap();
            let startup = b"\0\x02\0\x0bCQL_VERSION\0\x053.0.0\0\x0bCOMPRESSION\0\x03lz4";
            socket.write_all(&frame(version, 0, 0x01, startup)).unwrap();
            assert_eq!(receive(&mut socket).0, 0x02, "no READY");
            socket.write_all(&frame(version, flags, 0x07, body)).unwrap();
            let (opcode, stream, body) = receive(&mut socket);
            assert_eq!((opcode, stream), (0x00, 7), "no ERROR");
            let (code, message) = body.split_at(4);
            let message = String::from_utf8_lossy(&message[2..]);
            assert_eq!(code, INVALID.to_be_bytes(), "{message}");
            assert_eq!(
                message,
                "Request is too big: length 50000009 exceeds maximum allowed length 16777216."
            );
            // OPTIONS is answered by SUPPORTED.
            socket.write_all(&frame(version, 0, 0x05, &[])).unwrap();
            assert_eq!(receive(&mut socket).0, 0x06);
        }
    }
    up.stop().unwrap();
    gateway.stop().unwrap();
}

/// A frame on stream 7.
fn frame(version: u8, flags: u8, opcode: u8, body: &[u8]) -> Vec<u8> {
    [&[version, flags, 0, 7, opcode][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

#[test]
fn a_client_that_asks_for_more_than_it_reads_is_cut_off_and_what_is_too_long_is_refused() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &[]).unwrap();
    let (cql, http) = (gateway.address(), gateway.http());
    let mut client = Connection::open(cql, 5).unwrap();
    run(
        &mut client,
        "CREATE KEYSPACE large WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    );
    run(&mut client, "CREATE TABLE large.t (k int PRIMARY KEY, v blob)");
    let value = "ab".repeat(LARGE);
    let inserted = run(&mut client, &format!("INSERT INTO large.t (k, v) VALUES (1, 0x{value})"));
    // The text is longer than the value: the limit of a statement's text is Cassandra's own.
    assert_eq!(inserted, Outcome::Void);

    // 50 MB are more than a message may have in segments, too; the connection goes on.
    let too_long = Binds::ByPosition(vec![Bind::Bytes(vec![7; 50_000_000])]);
    let refused = client.query("INSERT INTO large.t (k, v) VALUES (2, ?)", &too_long, &Settings::default());
    let Outcome::Error(error) = refused.unwrap().outcome else { panic!("50 MB were taken") };
    assert_eq!(error.code, INVALID, "{error:?}");
    assert!(matches!(run(&mut client, "SELECT k FROM large.t"), Outcome::Rows(_)));

    let memory = figure(http, "process_resident_memory_bytes");
    let mut greedy = started(cql);
    // Twice as much as may be left unread; a small Cassandra could not hold much more.
    for stream in 0..128 {
        greedy.write_all(&query_frame(stream, "SELECT v FROM large.t WHERE k = 1")).unwrap();
    }
    until("it is cut off", || figure(http, "ilium_cql_connections") < 2.0);
    let grown = figure(http, "process_resident_memory_bytes") - memory;
    assert!(grown < 256e6, "{grown} bytes more than before");
    until("nothing is held for it", || figure(http, "ilium_cql_unread_bytes") == 0.0);
    let others = run(&mut client, "SELECT k FROM large.t");
    assert!(matches!(others, Outcome::Rows(_)), "{others:?}");
    gateway.stop().unwrap();
}
