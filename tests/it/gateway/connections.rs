//! Many connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Bind, Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;
use crate::rest::get;

use super::faults::until;

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
    let mut ready = [0; 9];
    socket.read_exact(&mut ready).unwrap();
    assert_eq!(ready[4], 0x02, "no READY but {ready:?}");
    socket
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

    // 50 MB are more than a frame may have, here as there; the connection goes on.
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
