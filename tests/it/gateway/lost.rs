//! Requests whose connection to the node is lost before their answer: what is sent again, and what else the client hears.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use ilium_testbed::ilium::Folder;
use ilium_testbed::proxy::{Fault, Way};
use ilium_testbed::wire::{BatchItem, BatchKind, Binds, Connection, Outcome, ServerError, Settings};

use super::connections::{figure, query_frame, started};
use super::faults::until;
use super::gateway_by_proxy;

const UNAVAILABLE: i32 = 0x1000;
const WRITE_TIMEOUT: i32 = 0x1100;

/// More at once than one link to a node is left to carry.
const FLOOD: i16 = 200;

/// A node gives a write without a time the one at which it gets to it: done twice, with a pause between, it could cover what
/// was acknowledged meanwhile.
const WRITE: &str = "INSERT INTO lost.t (k, v) VALUES (1, 1)";
const DELETE: &str = "DELETE FROM lost.t WHERE k = 2";
const TIMED: &str = "UPDATE lost.t USING TIMESTAMP 5 SET v = 1 WHERE k = 3";
const ADD: &str = "UPDATE lost.c SET c = c + 1 WHERE k = 1";
const APPEND: &str = "UPDATE lost.t SET l = l + [1] WHERE k = 4";
const CALL: &str = "INSERT INTO lost.t (k, b) VALUES (5, toUnixTimestamp(now()))";
const READ: &str = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'system'";

/// Links that are open: the one that the gateway keeps for itself, and two for clients of version 4.
const LINKS: f64 = 3.0;

/// Asks for so much at once that a second link is opened to the node for clients of version 4.
fn crowd(gateway: SocketAddr, http: SocketAddr) {
    let mut many = started(gateway);
    until("there are two links", || {
        let frames: Vec<u8> = (0..FLOOD).flat_map(|stream| query_frame(stream, READ)).collect();
        many.write_all(&frames).unwrap();
        (0..FLOOD).for_each(|_| skip_answer(&mut many));
        figure(http, "ilium_upstream_connections") >= LINKS
    });
}

fn skip_answer(socket: &mut TcpStream) {
    let mut header = [0; 9];
    socket.read_exact(&mut header).unwrap();
    let [_, _, _, _, _, length @ ..] = header;
    socket.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
}

/// What a client asks for.
enum Asked {
    Text(&'static str, Settings),
    Batch(BatchKind, &'static [&'static str], Settings),
}

impl Asked {
    /// Whether it adds to the counter.
    fn adds(&self) -> bool {
        match self {
            Asked::Text(text, _) => *text == ADD,
            Asked::Batch(_, texts, _) => texts.contains(&ADD),
        }
    }
}

fn text(text: &'static str) -> Asked {
    Asked::Text(text, Settings::default())
}

fn at(time: i64) -> Settings {
    Settings { timestamp: Some(time), ..Settings::default() }
}

fn ask(client: &mut Connection, asked: &Asked) -> Outcome {
    let answer = match asked {
        Asked::Text(text, settings) => client.query(text, &Binds::None, settings),
        Asked::Batch(kind, texts, settings) => {
            let items: Vec<_> =
                texts.iter().map(|text| BatchItem::Text((*text).to_owned(), vec![])).collect();
            client.batch(*kind, &items, settings)
        }
    };
    answer.unwrap().outcome
}

/// The write type of a time-out.
fn write_type(error: &ServerError) -> &str {
    assert_eq!(error.code, WRITE_TIMEOUT, "{error:?}");
    error.details.iter().find_map(|detail| detail.strip_prefix("write=")).unwrap()
}

#[test]
fn what_gives_the_same_twice_is_sent_again_and_of_anything_else_the_client_hears_that_nobody_knows() {
    let folder = Folder::new().unwrap();
    let Some((gateway, proxy)) = gateway_by_proxy(&folder) else { return };
    let (cql, http) = (gateway.address(), gateway.http());
    let mut client = Connection::open(cql, 4).unwrap();
    for statement in [
        "CREATE KEYSPACE lost WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE lost.t (k int PRIMARY KEY, v int, b bigint, l list<int>)",
        "CREATE TABLE lost.c (k int PRIMARY KEY, c counter)",
    ] {
        assert!(matches!(ask(&mut client, &text(statement)), Outcome::Schema(_)), "{statement}");
    }
    let mut added = 0i64;
    // Asks while the answer's connection is cut at its first byte. What the cluster tells of itself may come first.
    let mut cut_off = |asked: &Asked| {
        for _ in 0..5 {
            crowd(cql, http);
            proxy.set(Fault::Cut(Way::Down, 1)).unwrap();
            added += i64::from(asked.adds());
            let outcome = ask(&mut client, asked);
            if figure(http, "ilium_upstream_connections") < LINKS {
                return outcome;
            }
        }
        panic!("other connections were cut each time")
    };
    let repeated = [
        text(READ),
        text(TIMED),
        Asked::Text(WRITE, at(7)),
        Asked::Text(DELETE, at(7)),
        Asked::Batch(BatchKind::Logged, &[WRITE, DELETE], at(7)),
        Asked::Batch(BatchKind::Unlogged, &[TIMED], Settings::default()),
    ];
    for asked in &repeated {
        let outcome = cut_off(asked);
        assert!(matches!(outcome, Outcome::Void | Outcome::Rows(_)), "{outcome:?}");
    }
    for (asked, said) in [
        (text(WRITE), "SIMPLE"),
        (text(DELETE), "SIMPLE"),
        (text(ADD), "SIMPLE"),
        (Asked::Text(APPEND, at(7)), "SIMPLE"),
        (Asked::Text(CALL, at(7)), "SIMPLE"),
        (text("INSERT INTO lost.t (k, v) VALUES (6, 1) IF NOT EXISTS"), "CAS"),
        (text("BEGIN BATCH INSERT INTO lost.t (k, v) VALUES (7, 1) APPLY BATCH"), "BATCH"),
        (Asked::Batch(BatchKind::Logged, &[WRITE], Settings::default()), "BATCH"),
        (Asked::Batch(BatchKind::Unlogged, &[WRITE, TIMED], Settings::default()), "UNLOGGED_BATCH"),
        (Asked::Batch(BatchKind::Counter, &[ADD], Settings::default()), "COUNTER"),
    ] {
        let Outcome::Error(error) = cut_off(&asked) else { panic!("{said}: it was sent again") };
        assert_eq!(write_type(&error), said, "{error:?}");
    }
    // Each was done once.
    let count = ask(&mut client, &text("SELECT c FROM lost.c WHERE k = 1"));
    let Outcome::Rows(count) = count else { panic!("{count:?}") };
    assert_eq!(count.rows, [[Some(added.to_be_bytes().to_vec())]]);
    gateway.stop().unwrap();
}

#[test]
fn a_write_that_left_is_never_said_to_be_undone_where_it_cannot_be_sent_again() {
    let folder = Folder::new().unwrap();
    let Some((gateway, proxy)) = gateway_by_proxy(&folder) else { return };
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    for statement in [
        "CREATE KEYSPACE departed WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE departed.t (k int PRIMARY KEY, v int)",
    ] {
        assert!(matches!(ask(&mut client, &text(statement)), Outcome::Schema(_)), "{statement}");
    }
    // There is one link, so it may be sent again, and nobody is there to take it.
    let write = Asked::Text("INSERT INTO departed.t (k, v) VALUES (1, 1)", at(7));
    proxy.set(Fault::Drop(Way::Down)).unwrap();
    let Outcome::Error(error) = ask(&mut client, &write) else { panic!("a silent node answered") };
    assert_eq!(write_type(&error), "SIMPLE");
    // Nothing of this one leaves.
    proxy.set(Fault::Refuse).unwrap();
    proxy.sever();
    let Outcome::Error(error) = ask(&mut client, &write) else { panic!("there is no node") };
    assert_eq!(error.code, UNAVAILABLE, "{error:?}");
    proxy.set(Fault::None).unwrap();
    let read = text("SELECT v FROM departed.t WHERE k = 1");
    until("it was done", || matches!(ask(&mut client, &read), Outcome::Rows(rows) if rows.rows.len() == 1));
    gateway.stop().unwrap();
}
