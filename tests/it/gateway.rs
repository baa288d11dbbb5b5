//! `ilium gateway` in front of a real Cassandra.

mod busy;
mod cluster_cases;
mod compression;
mod connections;
mod faults;
mod lost;
mod prepared;
mod releases;
mod rolling;
mod security;
mod shared_links;
mod traces;
mod watching;

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::proxy::Proxy;
use ilium_testbed::wire::{Bind, Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::binary;
use faults::loopback;

/// A gateway in front of the Cassandra that the tests of this process share.
fn gateway(folder: &Folder) -> Option<Ilium> {
    let cassandra = require("Cassandra", Cassandra::shared())?;
    Some(Ilium::gateway(binary(), folder, &[cassandra.address()], &[]).unwrap())
}

/// The same, with a way between the two on which things can go wrong.
fn gateway_by_proxy(folder: &Folder) -> Option<(Ilium, Proxy)> {
    let cassandra = require("Cassandra", Cassandra::shared())?;
    let proxy = Proxy::start(loopback(), cassandra.address()).unwrap();
    let gateway = Ilium::gateway(binary(), folder, &[proxy.address()], &[]).unwrap();
    Some((gateway, proxy))
}

fn ints(values: &[i32]) -> Binds {
    Binds::ByPosition(values.iter().map(|value| Bind::Bytes(value.to_be_bytes().to_vec())).collect())
}

#[test]
fn what_is_written_through_the_gateway_is_read_through_it_in_every_version() {
    let folder = Folder::new().unwrap();
    let Some(gateway) = gateway(&folder) else { return };
    let settings = Settings::default();
    let mut first = Connection::open(gateway.address(), 5).unwrap();
    for statement in [
        "CREATE KEYSPACE through WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE through.t (k int PRIMARY KEY, v int)",
    ] {
        let answer = first.query(statement, &Binds::None, &settings).unwrap();
        assert!(matches!(answer.outcome, Outcome::Schema(_)), "{answer:?}");
    }
    for version in 3..=5 {
        let mut connection = Connection::open(gateway.address(), version).unwrap();
        let used = connection.query("USE through", &Binds::None, &settings).unwrap();
        assert_eq!(used.outcome, Outcome::Keyspace("through".to_owned()));
        let mut prepare = |text| match connection.prepare(text, None).unwrap().outcome {
            Outcome::Prepared(prepared) => prepared,
            other => panic!("{text}: {other:?}"),
        };
        let insert = prepare("INSERT INTO t (k, v) VALUES (?, ?)");
        let select = prepare("SELECT v FROM t WHERE k = ?");
        for k in 0..100 {
            let k = i32::from(version) * 1000 + k;
            let written = connection.execute(&insert, &ints(&[k, k + 1]), &settings).unwrap();
            assert_eq!(written.outcome, Outcome::Void);
            let read = connection.execute(&select, &ints(&[k]), &settings).unwrap();
            let Outcome::Rows(rows) = read.outcome else { panic!("{read:?}") };
            assert_eq!(rows.rows, [[Some((k + 1).to_be_bytes().to_vec())]]);
        }
    }
    gateway.stop().unwrap();
}
