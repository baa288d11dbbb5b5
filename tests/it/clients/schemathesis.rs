//! The program that sends what schemathesis makes up.

use std::process::Command;

use ilium_testbed::Ilium;

use super::obtained::source;
use super::python::Python;

/// Gives it both addresses.
pub fn command(python: &Python, server: &Ilium) -> Command {
    let http = server.http();
    let (address, port) = (http.ip().to_string(), http.port().to_string());
    python.command(&source("schemathesis/client.py"), &[address.as_ref(), port.as_ref()], server.address())
}
