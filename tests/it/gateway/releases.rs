//! CQL in front of the Cassandras before 5.0: what a gateway answers is what the node answers.

use std::net::SocketAddr;

use ilium_testbed::cassandra::{Release, Ring, RingOptions};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::require;
use ilium_testbed::wire::{
    Answer, BatchItem, BatchKind, Bind, Binds, Connection, Consistency, Outcome, Prepared, Settings,
};

use super::ints;
use crate::clients::dialogue::binary;

/// What is there to be compared: what was asked, and what came of it.
type Said = Vec<(String, Answered)>;

#[derive(Debug, PartialEq)]
struct Answered {
    /// To the byte, but for warnings and the id of a trace.
    frame: Vec<u8>,
    warnings: Vec<String>,
    is_traced: bool,
}

/// A client that keeps what it is told.
struct Client {
    connection: Connection,
    said: Said,
}

impl Client {
    fn keep(&mut self, asked: &str, answer: Answer) -> Outcome {
        let Answer { outcome, warnings, tracing_id, frame } = answer;
        let is_traced = tracing_id.is_some();
        self.said.push((asked.to_owned(), Answered { frame, warnings, is_traced }));
        outcome
    }

    fn query(&mut self, text: &str, with: &Settings) -> Outcome {
        let answer = self.connection.query(text, &Binds::None, with).unwrap();
        self.keep(text, answer)
    }

    fn run(&mut self, text: &str) -> Outcome {
        self.query(text, &Settings::default())
    }

    fn prepare(&mut self, text: &str) -> Prepared {
        let answer = self.connection.prepare(text, None).unwrap();
        match self.keep(text, answer) {
            Outcome::Prepared(prepared) => prepared,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn execute(&mut self, prepared: &Prepared, binds: &Binds, with: &Settings) -> Outcome {
        let answer = self.connection.execute(prepared, binds, with).unwrap();
        self.keep(&format!("{binds:?} {with:?}"), answer)
    }
}

/// Rows of a partition, and rows of a page.
const ROWS: i32 = 25;
const PAGE: i32 = 10;

/// Asks for a bit of everything, and leaves nothing.
fn ask_all(at: SocketAddr, version: u8) -> Said {
    let mut client = Client { connection: Connection::open(at, version).unwrap(), said: Vec::new() };
    let plain = Settings::default();
    client.run("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    let mut listener = Connection::open(at, version).unwrap();
    listener.register(&["SCHEMA_CHANGE"]).unwrap();
    let made = client.run("CREATE TABLE ks.told (p int, c int, v text, PRIMARY KEY (p, c))");
    assert!(matches!(made, Outcome::Schema(_)), "{made:?}");
    let event = std::iter::repeat_with(|| listener.event().unwrap())
        .find(|event| event.windows(4).any(|window| window == b"told"));
    client.said.push((
        "the event".to_owned(),
        Answered { frame: event.unwrap(), warnings: Vec::new(), is_traced: false },
    ));

    let insert = client.prepare("INSERT INTO ks.told (p, c, v) VALUES (?, ?, 'x')");
    for c in 0..ROWS {
        assert_eq!(client.execute(&insert, &ints(&[1, c]), &plain), Outcome::Void);
    }
    let select = client.prepare("SELECT c, v FROM ks.told WHERE p = ?");
    let (mut state, mut rows, mut pages) = (None, 0, 0);
    loop {
        let with = Settings { page: Some(PAGE), state, skip_metadata: pages == 1, ..Settings::default() };
        let Outcome::Rows(page) = client.execute(&select, &ints(&[1]), &with) else { panic!("no rows") };
        (rows, pages) = (rows + page.rows.len(), pages + 1);
        state = page.more;
        if state.is_none() {
            break;
        }
    }
    assert_eq!((rows, pages), (ROWS as usize, 3));

    // After the others are prepared: Cassandra warns of those after it, in version 3 with an error.
    assert_eq!(client.run("USE ks"), Outcome::Keyspace("ks".to_owned()));
    let two = ints(&[2, 7]);
    let Binds::ByPosition(two) = two else { unreachable!("they are by position") };
    let items = [
        BatchItem::Prepared(insert.id.clone(), two),
        BatchItem::Text(
            "UPDATE told SET v = 'y' WHERE p = 2 AND c = ?".to_owned(),
            vec![Bind::Bytes(8i32.to_be_bytes().to_vec())],
        ),
    ];
    let answer = client.connection.batch(BatchKind::Logged, &items, &plain).unwrap();
    assert_eq!(client.keep("a batch", answer), Outcome::Void);
    assert!(
        matches!(client.run("SELECT p, c, v FROM told WHERE p = 2"), Outcome::Rows(rows) if rows.rows.len() == 2)
    );

    for text in [
        "INSERT INTO told (p, c, v) VALUES (3, 1, 'z') IF NOT EXISTS",
        "INSERT INTO told (p, c, v) VALUES (3, 1, 'a') IF NOT EXISTS",
        "UPDATE told SET v = 'b' WHERE p = 3 AND c = 1 IF v = 'z'",
        "SELECT JSON * FROM told WHERE p = 3",
    ] {
        assert!(matches!(client.run(text), Outcome::Rows(_)), "{text}");
    }
    let traced = Settings { tracing: true, ..Settings::default() };
    assert!(matches!(client.query("SELECT v FROM told WHERE p = 3", &traced), Outcome::Rows(_)));
    assert!(client.said.last().unwrap().1.is_traced);

    let three = Settings { consistency: Consistency::named("THREE").unwrap(), ..Settings::default() };
    for (text, with, details) in [
        ("SELECT v FROM told WHERE p = 1", &three, &["consistency=THREE", "required=3", "alive=1"][..]),
        ("CREATE TABLE ks.told (k int PRIMARY KEY)", &plain, &["existing=ks.told"]),
        ("SELEC v FROM told", &plain, &[]),
        ("SELECT nothing FROM told", &plain, &[]),
        ("SELECT v FROM nowhere", &plain, &[]),
    ] {
        let Outcome::Error(error) = client.query(text, with) else { panic!("{text} was done") };
        assert_eq!(error.details, details, "{text}: {error:?}");
    }
    let unknown = Prepared { id: vec![7; 16], result_id: vec![7; 16], ..Prepared::default() };
    assert!(matches!(client.execute(&unknown, &ints(&[1]), &plain), Outcome::Error(_)));
    client.run("DROP KEYSPACE ks");
    client.said
}

#[test]
fn cassandras_before_five_answer_through_a_gateway_as_they_do_themselves_in_every_version() {
    let check = |release| {
        let mut options = RingOptions { nodes: 1, ..RingOptions::default() };
        options.node.release = release;
        let Some(ring) = require("an older Cassandra", Ring::start(&options)) else { return };
        let folder = Folder::new().unwrap();
        let gateway = Ilium::gateway(binary(), &folder, &ring.addresses(), &[]).unwrap();
        for version in 3..=5 {
            let direct = ask_all(ring.address(0).unwrap(), version);
            let through = ask_all(gateway.address(), version);
            for (direct, through) in direct.iter().zip(&through) {
                assert_eq!(direct, through, "Cassandra {release}, version {version}");
            }
            assert_eq!(direct.len(), through.len());
        }
        gateway.stop().unwrap();
    };
    std::thread::scope(|scope| {
        let checks = [Release::V4_1, Release::V4_0].map(|release| scope.spawn(move || check(release)));
        for check in checks {
            check.join().unwrap();
        }
    });
}
