//! README's tour of one minute, run as it stands.

use ilium_testbed::require;

use crate::alone;
use crate::clients::python;

/// The shell text of the section that begins with this heading.
fn shell_of(section: &str) -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(section).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_tour_runs_as_it_stands() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let path = format!("{}:{}", python.programs().display(), std::env::var("PATH").unwrap());
    let interpreter = python.programs().join("python").display().to_string();
    let variables = [("PATH", path.as_str()), ("PYTHON", &interpreter)];
    let output = alone::run(&shell_of("## A tour of one minute"), &variables);
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for expected in [
        "yarn",
        "[applied]",
        "False",
        "loom",
        "24.40",
        "CREATE TABLE shop.orders",
        r#""item":"yarn","price":4.50"#,
        "thread",
    ] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}\n{wrong}");
    }
}

#[test]
fn the_two_commands_are_as_promised() {
    assert_eq!(shell_of("## Run it").trim(), "cargo run --release -- up");
    assert_eq!(shell_of("## Test it").trim(), "cargo test");
}
