//! Real clients against the built binary: what each does is in `tests/clients/<client>/`.
//!
//! Vocabulary: a *program* is what we wrote with a client's library; it is run by the client's *toolchain* (Python,
//! Go, ...) on what was *obtained* for it from a package registry, once, into the testbed's cache.

pub(crate) mod browser;
pub(crate) mod dialogue;
pub(crate) mod dsbulk;
mod go;
mod java;
mod node;
pub(crate) mod obtained;
pub(crate) mod python;
pub(crate) mod schemathesis;
mod scylla;

use dialogue::converse;
use ilium_testbed::require;

#[test]
fn the_python_driver_does_all_that_applications_do() {
    let Some(python) = require("the Python driver", python::driver()) else { return };
    let program = obtained::source("python/client.py");
    converse(|address| python.command(&program, &[], address)).unwrap();
}

#[test]
fn cqlsh_describes_everything_and_copies_to_and_from_files() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let program = obtained::source("cqlsh/client.py");
    converse(|address| python.command(&program, &[], address)).unwrap();
}

#[test]
fn gocql_does_all_that_applications_do() {
    let Some(program) = require("gocql", go::gocql()) else { return };
    converse(|address| program.command(address)).unwrap();
}

#[test]
fn the_node_driver_does_all_that_applications_do() {
    let Some(modules) = require("the Node driver", node::modules()) else { return };
    converse(|address| modules.command(address)).unwrap();
}

#[test]
fn the_java_driver_does_all_that_applications_do() {
    let Some(jars) = require("the Java driver", java::jars()) else { return };
    converse(|address| jars.command(address)).unwrap();
}

#[test]
fn the_rust_driver_does_all_that_applications_do() {
    let Some(program) = require("the Rust driver", scylla::scylla()) else { return };
    converse(|address| program.command(address)).unwrap();
}
