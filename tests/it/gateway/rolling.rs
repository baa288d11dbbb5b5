//! Gateways side by side, restarted one after the other under load.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, loopback, require};

use crate::clients::dialogue::{binary, talk};
use crate::clients::java;
use crate::rest::get;

use super::faults::until;

/// What the program is told once the gateway it named is there again.
const RESTARTED: &[u8] = b"restarted\n";

#[test]
fn nothing_that_may_be_repeated_fails_while_gateways_are_restarted_one_after_the_other() {
    let Some(jars) = require("the Java driver", java::jars()) else { return };
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let addresses = [loopback::address(), loopback::address()];
    // The same port for all, as clients of before Cassandra 4.0 expect it.
    let port = loopback::free_ports(addresses[0], 1).unwrap()[0];
    let places = addresses.map(|address| SocketAddr::new(address, port));
    let peers = places.map(|place| place.to_string()).join(",");
    let folders = places.map(|_| Folder::new().unwrap());
    let start = |at: usize| {
        let own = places[at].to_string();
        Ilium::gateway(binary(), &folders[at], &[cassandra.address()], &["--cql", &own, "--peers", &peers])
            .unwrap()
    };
    let gateways = RefCell::new([Some(start(0)), Some(start(1))]);
    let mut program = jars.program("java/Rolling.java");
    program.arg(port.to_string()).args(addresses.map(|address| address.to_string()));
    talk(program, |line| {
        let Some(at) = line.strip_prefix("restart ") else { return Ok(None) };
        let at: usize = at.parse()?;
        let mut gateways = gateways.borrow_mut();
        gateways[at].take().unwrap().stop()?;
        gateways[at] = Some(start(at));
        Ok(Some(RESTARTED))
    })
    .unwrap();
    for gateway in gateways.into_inner().into_iter().flatten() {
        gateway.stop().unwrap();
    }
}

#[test]
fn a_gateway_that_is_told_again_to_stop_waits_no_longer() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    // Longer than it is given to end.
    let flags = ["--drain-wait", "600"];
    let mut gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &flags).unwrap();
    let http = gateway.http();
    gateway.ask_to_stop().unwrap();
    until("it says that it stops", || get(http, "/health/ready").status == 503);
    gateway.stop().unwrap();
}

#[test]
fn a_gateway_that_is_to_stop_says_so_and_serves_on_for_as_long_as_it_was_told() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let (flags, env) = (["--drain-wait", "3"], [("ILIUM_LOG", "info")]);
    let gateway = Ilium::gateway_with(binary(), &folder, &[cassandra.address()], &flags, &env).unwrap();
    let (cql, http) = (gateway.address(), gateway.http());
    assert_eq!(get(http, "/health/ready").status, 200);
    let stopping = std::thread::spawn(move || gateway.stop());
    while get(http, "/health/ready").status == 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut late = Connection::open(cql, 5).unwrap();
    let answer = late.query("SELECT key FROM system.local", &Binds::None, &Settings::default()).unwrap();
    assert!(matches!(answer.outcome, Outcome::Rows(_)), "{answer:?}");
    drop(late);
    stopping.join().unwrap().unwrap();
    assert!(TcpStream::connect(cql).is_err());
    // Each step of it is in the log, in order.
    let said = std::fs::read_to_string(folder.output()).unwrap();
    let mut rest = said.as_str();
    for step in [
        "told to stop: /health/ready answers 503 from now on drain_wait=3",
        "no more connections and requests are taken here",
        "all connections are closed",
        "stopped milliseconds=",
    ] {
        let Some((_, after)) = rest.split_once(step) else { panic!("no {step} in {said}") };
        rest = after;
    }
}
