//! What clients wait for, as `system_views.queries` shows it.

use ilium_native::Options;

use crate::client::{EXECUTE, PREPARE, RESULT, long_string};
use crate::server::Server;

const TEXT: &str = "SELECT v FROM k.t WHERE p = 1";
const PREPARED: &str = "SELECT c FROM k.t WHERE p = 1";

#[test]
fn what_takes_its_time_is_listed_until_it_is_answered() {
    let server = Server::start(Options::default());
    server.make_table();
    let mut client = server.client();
    client.send(1, PREPARE, &long_string(PREPARED));
    let id = client.receive().body[6..22].to_vec();
    server.close_gate();
    client.send_query(5, TEXT);
    client.send(6, EXECUTE, &[&[0, 16][..], &id, &[0, 1, 0]].concat());
    client.send_query(7, "INSERT INTO k.t (p, c) VALUES (1, 1)");
    server.until("three waiting requests", |service| service.requests_waiting() == 3);
    let clients = server.service.clients().list();
    let mut running: Vec<(i16, String)> = clients[0]
        .running()
        .into_iter()
        .map(|(stream, running)| (stream, running.text.to_string()))
        .collect();
    running.sort_unstable();
    assert_eq!(running, [(5, TEXT.to_owned()), (6, PREPARED.to_owned())], "writes are not listed");
    server.open_gate();
    for _ in 0..3 {
        assert_eq!(client.receive().opcode, RESULT);
    }
    assert!(clients[0].running().is_empty());
}
