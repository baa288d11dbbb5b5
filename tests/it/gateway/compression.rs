//! Compression towards the nodes, whatever clients do.

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Bind, Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;

/// Bytes that do not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn what_goes_to_the_nodes_is_compressed_where_that_is_asked_for_and_clients_need_not_know() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let flags = ["--upstream-compression", "lz4"];
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &flags).unwrap();
    let settings = Settings::default();
    // Smaller than what is worth it, what gets small, what does not, and what is larger than a segment of version 5.
    let values = [b"x".to_vec(), vec![b'a'; 100_000], noise(10_000), noise(400_000), vec![b'b'; 3_000_000]];
    for version in 3..=5 {
        let mut client = Connection::open(gateway.address(), version).unwrap();
        for statement in [
            "CREATE KEYSPACE IF NOT EXISTS squeezed WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE IF NOT EXISTS squeezed.t (k int PRIMARY KEY, v blob)",
        ] {
            let made = client.query(statement, &Binds::None, &settings).unwrap().outcome;
            assert!(matches!(made, Outcome::Schema(_) | Outcome::Void), "{made:?}");
        }
        let mut prepare = |text| match client.prepare(text, None).unwrap().outcome {
            Outcome::Prepared(prepared) => prepared,
            other => panic!("{text}: {other:?}"),
        };
        let insert = prepare("INSERT INTO squeezed.t (k, v) VALUES (?, ?)");
        let select = prepare("SELECT v FROM squeezed.t WHERE k = ?");
        for (k, value) in (0i32..).zip(&values) {
            let key = || Bind::Bytes(k.to_be_bytes().to_vec());
            let both = Binds::ByPosition(vec![key(), Bind::Bytes(value.clone())]);
            assert_eq!(client.execute(&insert, &both, &settings).unwrap().outcome, Outcome::Void);
            let read = client.execute(&select, &Binds::ByPosition(vec![key()]), &settings).unwrap();
            let Outcome::Rows(rows) = read.outcome else { panic!("{read:?}") };
            assert!(rows.rows == [[Some(value.clone())]], "version {version}, value {k}");
        }
    }
    let mut direct = Connection::open(cassandra.address(), 5).unwrap();
    let clients = "SELECT driver_name, client_options['COMPRESSION'] FROM system_views.clients";
    let Outcome::Rows(clients) = direct.query(clients, &Binds::None, &settings).unwrap().outcome else {
        panic!("no rows")
    };
    // Gateways of other tests compress nothing.
    let ours = clients.rows.iter().filter(|row| row[0].as_deref() == Some(b"Ilium gateway"));
    let compressed = ours.filter(|row| row[1].as_deref() == Some(b"lz4")).count();
    // One for each version (of the newest it is the gateway's own), and one that watches.
    assert!(compressed >= 4, "{clients:?}");
    gateway.stop().unwrap();
}
