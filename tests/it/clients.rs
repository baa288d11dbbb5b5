//! Real clients against the built binary: what each does is in `tests/clients/<client>/`.
//!
//! Vocabulary: a *program* is what we wrote with a client's library; it is run by the client's *toolchain* (Python,
//! Go, ...) on what was *obtained* for it from a package registry, once, into the testbed's cache.

pub(crate) mod browser;
pub(crate) mod dialogue;
pub(crate) mod dsbulk;
mod go;
pub(crate) mod java;
mod node;
pub(crate) mod obtained;
pub(crate) mod python;
pub(crate) mod schemathesis;
mod scylla;

use std::net::SocketAddr;
use std::process::Command;

use dialogue::{converse, converse_through_gateway};
use ilium_testbed::require;

/// Each client's program runs against the embedded engine, and against a gateway in front of a real Cassandra.
macro_rules! clients {
    ($($name:ident, $through_gateway:ident: $what:literal, $obtained:expr => $command:expr;)*) => {$(
        #[test]
        fn $name() {
            let Some(obtained) = require($what, $obtained) else { return };
            converse(|address| $command(&obtained, address)).unwrap();
        }

        #[test]
        fn $through_gateway() {
            let Some(obtained) = require($what, $obtained) else { return };
            converse_through_gateway(|address| $command(&obtained, address)).unwrap();
        }
    )*};
}

clients! {
    the_python_driver_does_all_that_applications_do, the_python_driver_does_the_same_through_a_gateway:
        "the Python driver", python::driver() => python_client;
    cqlsh_describes_everything_and_copies_to_and_from_files, cqlsh_does_the_same_through_a_gateway:
        "cqlsh", python::cqlsh() => cqlsh_client;
    gocql_does_all_that_applications_do, gocql_does_the_same_through_a_gateway:
        "gocql", go::gocql() => go::Program::command;
    the_node_driver_does_all_that_applications_do, the_node_driver_does_the_same_through_a_gateway:
        "the Node driver", node::modules() => node::Modules::command;
    the_java_driver_does_all_that_applications_do, the_java_driver_does_the_same_through_a_gateway:
        "the Java driver", java::jars() => java::Jars::command;
    the_rust_driver_does_all_that_applications_do, the_rust_driver_does_the_same_through_a_gateway:
        "the Rust driver", scylla::scylla() => scylla::Program::command;
}

fn python_client(python: &python::Python, address: SocketAddr) -> Command {
    python.command(&obtained::source("python/client.py"), &[], address)
}

fn cqlsh_client(python: &python::Python, address: SocketAddr) -> Command {
    python.command(&obtained::source("cqlsh/client.py"), &[], address)
}
