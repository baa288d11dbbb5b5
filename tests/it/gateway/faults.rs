//! What becomes of requests when the cluster, or the way to it, fails.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::proxy::{Fault, Proxy, Way};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use super::{gateway_by_proxy, ints};
use crate::clients::dialogue::binary;
use crate::rest::get;

/// Longer than the gateway takes to give up a silent node, or to find one that is back.
const SOON: Duration = Duration::from_secs(30);

/// The code with which Cassandra says that too few replicas are alive.
const UNAVAILABLE: i32 = 0x1000;
const WRITE_TIMEOUT: i32 = 0x1100;

pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Runs a gateway that is to end at its start: its exit code and its complaint.
pub(super) fn refused(contact_points: &str, flags: &[&str]) -> (Option<i32>, String) {
    let cql: &[&str] = if flags.contains(&"--cql") { &[] } else { &["--cql", "127.0.0.1:0"] };
    let run = Command::new(binary())
        .args(["gateway", "--http", "127.0.0.1:0", "--contact-points", contact_points])
        .args(cql)
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (run.status.code(), String::from_utf8(run.stderr).unwrap())
}

/// Tries until it holds, and not for ever.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_ready(gateway: &Ilium) -> bool {
    get(gateway.http(), "/health/ready").status == 200
}

#[test]
fn a_contact_point_that_is_not_there_is_named() {
    let (code, said) = refused("cassandra.invalid", &[]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("`cassandra.invalid` has no address"), "{said}");
    // A port where nothing listens any more.
    let gone = std::net::TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let (code, said) = refused(&gone.to_string(), &[]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains(&format!("cannot connect to {gone}")), "{said}");
    for (flag, at, problem) in [
        ("--contact-points", "127.0.0.1:99999", "the port of `127.0.0.1:99999` is out of range"),
        ("--contact-points", "a,node:cql", "`node:cql` is no address"),
        ("--peers", "node:0", "the port of `node:0` is out of range"),
    ] {
        let (code, said) = refused("a", &[flag, at]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(&format!("{}: {problem}", &flag[2..])), "{said}");
    }
    for nothing in ["", " , "] {
        let (code, said) = refused(nothing, &[]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("contact-points is missing"), "{said}");
    }
}

#[test]
fn a_node_that_accepts_and_never_answers_is_named() {
    let proxy = Proxy::start(loopback(), loopback()).unwrap();
    proxy.set(Fault::HalfOpen).unwrap();
    let (code, said) = refused(&proxy.address().to_string(), &[]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("did not answer within 5s"), "{said}");
}

#[test]
fn a_cluster_that_falls_silent_fails_requests_soon_and_is_used_again_when_it_is_back() {
    let folder = Folder::new().unwrap();
    let Some((gateway, proxy)) = gateway_by_proxy(&folder) else { return };
    let settings = Settings::default();
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    for statement in [
        "CREATE KEYSPACE silent WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE silent.t (k int PRIMARY KEY, c counter)",
    ] {
        client.query(statement, &Binds::None, &settings).unwrap();
    }
    let mut ask = |text: &str| client.query(text, &Binds::None, &settings).unwrap().outcome;
    let add = "UPDATE silent.t SET c = c + 1 WHERE k = 1";
    assert_eq!(ask(add), Outcome::Void);
    assert!(is_ready(&gateway));

    // It may have been done: Cassandra's word for that is a time-out, and no driver repeats it.
    proxy.set(Fault::Drop(Way::Down)).unwrap();
    let Outcome::Error(error) = ask(add) else { panic!("an answer came from a silent node") };
    assert_eq!(error.code, WRITE_TIMEOUT, "{error:?}");
    // The links are gone, and no new one can be opened: nothing is done, and soon said so.
    proxy.set(Fault::HalfOpen).unwrap();
    proxy.sever();
    let asked = Instant::now();
    let Outcome::Error(error) = ask("SELECT * FROM silent.t") else { panic!("there is no node") };
    assert_eq!(error.code, UNAVAILABLE, "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    until("it is not ready", || !is_ready(&gateway));
    // A page for people says so, too.
    let page = get(gateway.http(), "/");
    let page = String::from_utf8_lossy(&page.body);
    assert!(page.contains("none of the 1 nodes of the cluster can be reached"), "{page}");
    assert!(!page.contains("answers as Cassandra"), "{page}");

    proxy.set(Fault::None).unwrap();
    proxy.sever();
    until("it is ready again", || is_ready(&gateway));
    let Outcome::Rows(rows) = ask("SELECT c FROM silent.t WHERE k = 1") else { panic!("no rows") };
    // Both were done, and each once.
    assert_eq!(rows.rows, [[Some(2i64.to_be_bytes().to_vec())]]);
    gateway.stop().unwrap();
}

#[test]
fn the_first_request_after_a_pause_may_take_its_time() {
    let folder = Folder::new().unwrap();
    let Some((gateway, proxy)) = gateway_by_proxy(&folder) else { return };
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    let truncate = "TRUNCATE system_traces.sessions";
    let mut ask = || client.query(truncate, &Binds::None, &Settings::default()).unwrap().outcome;
    assert_eq!(ask(), Outcome::Void);
    // Nobody asks anything for longer than a node may be silent while requests wait (5 s). That was no silence of the node.
    std::thread::sleep(Duration::from_secs(7));
    proxy.set(Fault::Delay(Way::Down, Duration::from_millis(2500))).unwrap();
    assert_eq!(ask(), Outcome::Void);
    gateway.stop().unwrap();
}

#[test]
fn what_is_damaged_between_gateway_and_node_is_never_taken_for_an_answer() {
    let folder = Folder::new().unwrap();
    let Some((gateway, proxy)) = gateway_by_proxy(&folder) else { return };
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    let mut ask = || {
        let text = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'system_auth'";
        client.query(text, &Binds::None, &Settings::default()).unwrap().outcome
    };
    let is_right = |outcome: &Outcome| match outcome {
        Outcome::Rows(rows) => rows.rows == [[Some(b"system_auth".to_vec())]],
        _ => false,
    };
    assert!(is_right(&ask()));
    for way in [Way::Down, Way::Up] {
        proxy.set(Fault::Damage(way)).unwrap();
        for _ in 0..5 {
            let outcome = ask();
            let Outcome::Error(error) = &outcome else {
                panic!("{outcome:?} came through a damaged connection")
            };
            assert_eq!(error.code, UNAVAILABLE, "{error:?}");
        }
        proxy.set(Fault::None).unwrap();
        until("it answers again", || is_right(&ask()));
    }
    gateway.stop().unwrap();
}

#[test]
fn a_table_dropped_under_a_prepared_statement_gives_what_cassandra_gives() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &[]).unwrap();
    let settings = Settings::default();
    let mut seen = Vec::new();
    for (address, keyspace) in [(cassandra.address(), "dropped_direct"), (gateway.address(), "dropped_thrgh")]
    {
        let mut client = Connection::open(address, 5).unwrap();
        let mut run = |text: &str| client.query(text, &Binds::None, &settings).unwrap();
        run(&format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ));
        run(&format!("CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v int)"));
        let Outcome::Prepared(read) =
            client.prepare(&format!("SELECT * FROM {keyspace}.t WHERE k = ?"), None).unwrap().outcome
        else {
            panic!("it cannot be prepared")
        };
        let before = client.execute(&read, &ints(&[1]), &settings).unwrap().outcome;
        assert!(matches!(before, Outcome::Rows(_)), "{before:?}");
        client.query(&format!("DROP TABLE {keyspace}.t"), &Binds::None, &settings).unwrap();
        let Outcome::Error(error) = client.execute(&read, &ints(&[1]), &settings).unwrap().outcome else {
            panic!("a table that is not there was read")
        };
        seen.push((error.code, error.message.replace(keyspace, "ks").replace(&hex(&read.id), "id")));
    }
    assert_eq!(seen[0], seen[1]);
    gateway.stop().unwrap();
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
