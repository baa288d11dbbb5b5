use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ilium_testbed::cassandra::{Options, Place, Release, Tls};
use ilium_testbed::wire::{Binds, Connection, Consistency, Outcome, ServerError, Settings};
use ilium_testbed::{Ring, RingOptions, require};

fn ask(connection: &mut Connection, text: &str, consistency: &str) -> Outcome {
    let consistency = Consistency::named(consistency).unwrap();
    connection.query(text, &Binds::None, &Settings { consistency, ..Settings::default() }).unwrap().outcome
}

fn refused(outcome: Outcome) -> ServerError {
    let Outcome::Error(e) = outcome else { panic!("not refused: {outcome:?}") };
    e
}

/// The rows' first cells, as text.
fn texts(outcome: Outcome) -> Vec<String> {
    let Outcome::Rows(rows) = outcome else { panic!("no rows: {outcome:?}") };
    let first = |row: &Vec<Option<Vec<u8>>>| String::from_utf8(row[0].clone().unwrap()).unwrap();
    rows.rows.iter().map(first).collect()
}

#[test]
fn a_ring_of_three_outlives_a_killed_a_held_and_a_stopped_node() {
    let place = |rack: &str| Place { datacenter: "here".to_owned(), rack: rack.to_owned() };
    let yaml = "read_request_timeout: 1000ms\n".to_owned();
    let defaults = RingOptions::default();
    let options = RingOptions {
        nodes: 3,
        proxied: true,
        places: ["a", "b", "c"].map(place).to_vec(),
        node: Options { login: true, tls: Tls::On, yaml, ..defaults.node },
        ..RingOptions::default()
    };
    let begun = Instant::now();
    let Some(mut ring) = require("a ring of Cassandra", Ring::start(&options)) else { return };
    println!("up after {:?}", begun.elapsed());

    // One port, three addresses, three racks; TLS and a password or nothing.
    let addresses = ring.addresses();
    assert!(addresses.iter().all(|a| a.port() == addresses[0].port()));
    let mut first = ring.connect(0, 5).unwrap();
    let mut racks = texts(ask(&mut first, "SELECT rack FROM system.peers", "ONE"));
    racks.sort();
    assert_eq!(racks, ["b", "c"]);
    // Clients are sent to the proxies.
    let Outcome::Rows(peers) = ask(&mut first, "SELECT rpc_address FROM system.peers", "ONE") else {
        panic!()
    };
    let mut told: Vec<_> = peers.rows.iter().map(|row| row[0].clone().unwrap()).collect();
    told.sort();
    let octets = |a: &SocketAddr| match a.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    assert_eq!(told, addresses[1..].iter().map(octets).collect::<Vec<_>>());
    assert!(Connection::open_as(addresses[0], 5, Some(("cassandra", "cassandra"))).is_err());

    let replicated = "CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'here': 3}";
    assert!(matches!(ask(&mut first, replicated, "ONE"), Outcome::Schema(_)));
    ask(&mut first, "CREATE TABLE k.t (k int PRIMARY KEY, v text)", "ONE");
    ring.until_agreed().unwrap();
    assert_eq!(ask(&mut first, "INSERT INTO k.t (k, v) VALUES (1, 'kept')", "ALL"), Outcome::Void);

    // Killed: a quorum goes on, and the node has its data when it comes back.
    ring.kill(2).unwrap();
    assert!(ring.connect(2, 5).is_err());
    let read = "SELECT v FROM k.t WHERE k = 1";
    let deadline = Instant::now() + Duration::from_secs(30);
    // Until it is noticed that the node is gone a read may wait for it in vain.
    while matches!(ask(&mut first, read, "QUORUM"), Outcome::Error(_)) {
        assert!(Instant::now() < deadline, "no quorum of two nodes");
    }
    ring.restart(2).unwrap();
    ring.until_alive(0, 3).unwrap();
    let mut third = ring.connect(2, 5).unwrap();
    assert_eq!(texts(ask(&mut third, read, "ONE")), ["kept"]);

    // Held: it is taken for alive and says nothing.
    ring.pause(1).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let late = loop {
        let late = refused(ask(&mut first, read, "ALL"));
        // Roles are read from two of three nodes at each statement, which may wait for the one that is held, too: an error
        // of another kind.
        if late.code == 0x1200 || Instant::now() >= deadline {
            break late;
        }
    };
    assert_eq!(late.code, 0x1200, "{late:?}");
    assert_eq!(late.details[0], "consistency=ALL");
    ring.resume(1).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while matches!(ask(&mut first, read, "ALL"), Outcome::Error(_)) {
        assert!(Instant::now() < deadline, "the node does not go on");
    }

    // Stopped: the others were told.
    ring.stop(1).unwrap();
    ring.until_alive(0, 2).unwrap();
    let gone = refused(ask(&mut first, read, "ALL"));
    assert_eq!(gone.code, 0x1000);
    assert_eq!(gone.details, ["consistency=ALL", "required=3", "alive=2"]);
}

#[test]
fn earlier_releases_run_beside_the_newest() {
    for (release, tls) in [(Release::V4_1, Tls::Mutual), (Release::V4_0, Tls::Off)] {
        let mut options = RingOptions { nodes: 1, ..RingOptions::default() };
        options.node.release = release;
        options.node.login = true;
        options.node.tls = tls;
        let Some(ring) = require(&format!("Cassandra {release}"), Ring::start(&options)) else { return };
        let mut connection = ring.connect(0, 5).unwrap();
        let version = ask(&mut connection, "SELECT release_version FROM system.local", "ONE");
        assert_eq!(texts(version), [release.version()]);
        for statement in [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (k int PRIMARY KEY, v text)",
            "INSERT INTO k.t (k, v) VALUES (1, 'old')",
        ] {
            let outcome = ask(&mut connection, statement, "ONE");
            assert!(!matches!(outcome, Outcome::Error(_)), "{outcome:?}");
        }
        assert_eq!(texts(ask(&mut connection, "SELECT v FROM k.t WHERE k = 1", "ONE")), ["old"]);
    }
}

#[test]
fn a_ring_that_cannot_be_is_refused() {
    let four = RingOptions { nodes: 4, ..RingOptions::default() };
    assert!(Ring::start(&four).unwrap_err().to_string().contains("1 to 3 nodes"));
    assert!("3.11".parse::<Release>().unwrap_err().to_string().contains("4.1.10"));
    assert_eq!("4.1".parse::<Release>().unwrap(), Release::V4_1);
}
