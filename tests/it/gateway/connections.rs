//! Many connections.

use std::net::SocketAddr;

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;
use crate::rest::get;

/// How many come one after the other, and over how many threads.
const IN_SEQUENCE: usize = 100_000;
const THREADS: usize = 4;

/// A figure of the metrics page.
fn figure(http: SocketAddr, name: &str) -> f64 {
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
