//! README's tour of one minute, run as it stands, and the same in front of a cluster.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};

use crate::alone;
use crate::clients::dialogue::binary;
use crate::clients::python::{self, Python};

/// The shell text of the section that begins with this heading.
fn shell_of(section: &str) -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(section).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// What the tour's statements and requests show, among other things.
const SHOWN: [&str; 8] = [
    "yarn",
    "[applied]",
    "False",
    "loom",
    "24.40",
    "CREATE TABLE shop.orders",
    r#""item":"yarn","price":4.50"#,
    "thread",
];

/// Where cqlsh is, and by what it runs.
fn variables(python: &Python) -> [(&'static str, String); 2] {
    let path = format!("{}:{}", python.programs().display(), std::env::var("PATH").unwrap());
    [("PATH", path), ("PYTHON", python.programs().join("python").display().to_string())]
}

fn check(output: &Output) {
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for expected in SHOWN {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}\n{wrong}");
    }
}

#[test]
fn the_tour_runs_as_it_stands() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let variables = variables(&python);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    check(&alone::run(&shell_of("## A tour of one minute"), &variables));
}

/// On other ports, as the default ones may be taken where a Cassandra can be reached.
#[test]
fn the_tour_runs_through_a_gateway_in_front_of_a_cassandra() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &[]).unwrap();
    let tour = shell_of("## A tour of one minute")
        .replace("127.0.0.1 9042", &format!("127.0.0.1 {}", gateway.address().port()))
        .replace("localhost:8080", &gateway.http().to_string());
    assert!(!tour.contains("9042") && !tour.contains("8080"), "{tour}");
    let mut direct = Connection::open(cassandra.address(), 5).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let output = loop {
        let mut shell = Command::new("bash");
        let output = shell.args(["-euc", &tour]).envs(variables(&python)).output().unwrap();
        let dropped = direct.query("DROP KEYSPACE shop", &Binds::None, &Settings::default()).unwrap().outcome;
        assert!(matches!(dropped, Outcome::Schema(_)), "{dropped:?}");
        // Cassandra builds an index after it has answered, and fails reads by it until then. A slow machine may be that slow.
        let is_early = String::from_utf8_lossy(&output.stderr).contains("Replica(s) failed to execute read");
        if !is_early || Instant::now() > deadline {
            break output;
        }
    };
    check(&output);
    assert!(output.status.success(), "{output:?}");
    gateway.stop().unwrap();
}

#[test]
fn the_two_commands_are_as_promised() {
    assert_eq!(shell_of("## Run it").trim(), "cargo run --release -- up");
    assert_eq!(shell_of("## Test it").trim(), "cargo test");
}
