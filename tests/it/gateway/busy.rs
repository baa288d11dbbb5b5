//! A node that is busy, which is not a dead one.

use ilium_testbed::cassandra::{Options, Place, Ring, RingOptions};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::require;
use ilium_testbed::wire::{Binds, Connection, Consistency, Outcome, Settings};

use crate::clients::dialogue::binary;

/// What Cassandra says where too few replicas answered, and where too few are known to be alive.
const WRITE_TIMEOUT: i32 = 0x1100;
const UNAVAILABLE: i32 = 0x1000;

/// Longer than a gateway puts up with silence (5 s).
const SLOW: &str = "write_request_timeout: 8s";

/// More than Cassandra has threads for requests (`native_transport_max_threads`, 128).
const WRITES: usize = 140;

#[test]
fn a_node_whose_threads_are_all_held_up_keeps_its_connections() {
    let node = Options { yaml: SLOW.to_owned(), ..RingOptions::default().node };
    // The gateway asks the first alone, which waits for the second.
    let place = |datacenter: &str| Place { datacenter: datacenter.to_owned(), ..Place::default() };
    let places = vec![place("near"), place("far")];
    let ring = Ring::start(&RingOptions { nodes: 2, places, node, ..RingOptions::default() });
    let Some(mut ring) = require("a ring of two nodes", ring) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[ring.address(0).unwrap()], &[]).unwrap();
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    for statement in [
        "CREATE KEYSPACE busy WITH replication = {'class': 'NetworkTopologyStrategy', 'near': 1, 'far': 1}",
        "CREATE TABLE busy.t (k int PRIMARY KEY, v int)",
    ] {
        let made = client.query(statement, &Binds::None, &Settings::default()).unwrap();
        assert!(matches!(made.outcome, Outcome::Schema(_)), "{made:?}");
    }
    let clients: Vec<_> = (0..WRITES).map(|_| Connection::open(gateway.address(), 5).unwrap()).collect();
    ring.pause(1).unwrap();
    let writing: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let all = Settings { consistency: Consistency::named("ALL").unwrap(), ..Settings::default() };
                client.query("UPDATE busy.t SET v = 1 WHERE k = 1", &Binds::None, &all).unwrap().outcome
            })
        })
        .collect();
    for written in writing {
        let outcome = written.join().unwrap();
        let Outcome::Error(error) = &outcome else { panic!("a node that is held answered: {outcome:?}") };
        // Cassandra's own words: one of two replicas is there. A gateway that gave the node up could not know.
        let said = match error.code {
            WRITE_TIMEOUT => ["received=1", "required=2"],
            UNAVAILABLE => ["required=2", "alive=1"],
            _ => panic!("{error:?}"),
        };
        assert!(said.iter().all(|said| error.details.iter().any(|detail| detail == said)), "{error:?}");
    }
    ring.resume(1).unwrap();
    gateway.stop().unwrap();
}
