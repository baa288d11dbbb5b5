//! What one client does, and must not do, to the connections that it shares with others.

use ilium_testbed::ilium::Folder;
use ilium_testbed::wire::{Binds, Connection, Outcome, Prepared, Settings};

use super::{gateway, gateway_by_proxy};

/// Codes of the native protocol v5, section 9.
const PROTOCOL: i32 = 0x000A;
const INVALID: i32 = 0x2200;
const UNPREPARED: i32 = 0x2500;

const QUERY: u8 = 0x07;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0A;
const BATCH: u8 = 0x0D;

fn run(client: &mut Connection, text: &str) -> Outcome {
    client.query(text, &Binds::None, &Settings::default()).unwrap().outcome
}

fn execute(client: &mut Connection, prepared: &Prepared) -> Outcome {
    client.execute(prepared, &Binds::None, &Settings::default()).unwrap().outcome
}

fn prepare(client: &mut Connection, text: &str) -> Prepared {
    match client.prepare(text, None).unwrap().outcome {
        Outcome::Prepared(prepared) => prepared,
        other => panic!("{text}: {other:?}"),
    }
}

fn code(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Error(error) => error.code,
        other => panic!("no error, but {other:?}"),
    }
}

/// Cassandra lets a `USE` be prepared, and executes it on whatever connection it comes by.
#[test]
fn a_use_that_was_prepared_moves_its_client_and_nobody_else() {
    let folders = [Folder::new().unwrap(), Folder::new().unwrap()];
    let Some(one) = gateway(&folders[0]) else { return };
    let Some(other) = gateway(&folders[1]) else { return };
    for version in [4, 5] {
        let mut client = Connection::open(one.address(), version).unwrap();
        let keyspace = format!("moved{version}");
        let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
        run(&mut client, &format!("CREATE KEYSPACE {keyspace} WITH replication = {replication}"));
        run(&mut client, &format!("CREATE TABLE {keyspace}.t (k int PRIMARY KEY)"));
        let is_in_it = |client: &mut Connection| match run(client, "SELECT * FROM t") {
            Outcome::Rows(_) => true,
            Outcome::Error(error) => {
                // No keyspace has been specified.
                assert_eq!(error.code, INVALID, "{error:?}");
                false
            }
            unexpected => panic!("{unexpected:?}"),
        };
        let mut beside = Connection::open(one.address(), version).unwrap();
        assert!(!is_in_it(&mut client));
        let text = format!("/* */ Use {keyspace}");
        let uses = prepare(&mut client, &text);
        assert_eq!(execute(&mut client, &uses), Outcome::Keyspace(keyspace.clone()));
        assert!(is_in_it(&mut client));
        assert!(!is_in_it(&mut beside));
        assert!(!is_in_it(&mut Connection::open(one.address(), version).unwrap()));

        // A gateway that did not see it prepared does not know what it is, and asks for it.
        let mut elsewhere = Connection::open(other.address(), version).unwrap();
        let mut beside = Connection::open(other.address(), version).unwrap();
        assert_eq!(code(execute(&mut elsewhere, &uses)), UNPREPARED);
        assert!(!is_in_it(&mut elsewhere) && !is_in_it(&mut beside));
        assert_eq!(prepare(&mut elsewhere, &text).id, uses.id);
        assert_eq!(execute(&mut elsewhere, &uses), Outcome::Keyspace(keyspace.clone()));
        assert!(is_in_it(&mut elsewhere) && !is_in_it(&mut beside));
    }
    one.stop().unwrap();
    other.stop().unwrap();
}

/// Cassandra closes a connection of version 5 on which two messages in a row make no sense.
#[test]
fn messages_that_make_no_sense_are_refused_here_and_end_no_connection_that_others_use() {
    let folder = Folder::new().unwrap();
    let Some((gateway, proxy)) = gateway_by_proxy(&folder) else { return };
    let mut client = Connection::open(gateway.address(), 5).unwrap();
    let mut beside = Connection::open(gateway.address(), 5).unwrap();
    let text = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'system'";
    assert!(matches!(run(&mut beside, text), Outcome::Rows(_)));
    let prepared = prepare(&mut client, text);
    assert!(matches!(execute(&mut client, &prepared), Outcome::Rows(_)));
    let taken = proxy.taken();

    let long = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text].concat();
    let short = |id: &[u8]| [&(id.len() as u16).to_be_bytes()[..], id].concat();
    let latin_1 = long(b"SELECT * FROM t WHERE k = '\xe4'");
    let executed = [short(&prepared.id), short(&prepared.result_id)].concat();
    for (what, opcode, body) in [
        ("a text in Latin-1", QUERY, [&latin_1[..], &[0, 1, 0, 0, 0, 0]].concat()),
        ("a text in Latin-1 to prepare", PREPARE, [&latin_1[..], &[0, 0, 0, 0]].concat()),
        ("a consistency that is none", QUERY, [&long(b"SELECT")[..], &[0xee, 0xee, 0, 0, 0, 0]].concat()),
        ("a body that is cut", QUERY, long(b"SELECT")[..8].to_vec()),
        ("an EXECUTE without its parameters", EXECUTE, executed.clone()),
        ("an EXECUTE whose value is cut", EXECUTE, {
            [&executed[..], &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 1]].concat()
        }),
        ("a BATCH of a kind that is none", BATCH, vec![7, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("nothing", BATCH, Vec::new()),
    ] {
        // Twice, as the first is forgiven.
        for _ in 0..2 {
            let refused = code(client.message(opcode, &body).unwrap().outcome);
            assert!([PROTOCOL, INVALID].contains(&refused), "{what}: {refused:#06x}");
        }
    }
    assert!(matches!(run(&mut beside, text), Outcome::Rows(_)));
    assert!(matches!(execute(&mut client, &prepared), Outcome::Rows(_)));
    assert_eq!(proxy.taken(), taken, "connections to the node were opened anew");
    gateway.stop().unwrap();
}
