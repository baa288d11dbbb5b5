//! The program with the Java driver, and what Maven fetches for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::obtained::{obtain, recipe, source, tool};

/// Pinned, so that the same plugin runs everywhere.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// The folder of jars.
pub struct Jars(PathBuf);

/// Fetches what pom.xml names.
pub fn jars() -> Result<Jars> {
    Ok(Jars(fetch("client-java", "java/pom.xml")?))
}

/// The folder with the jars that a pom.xml below `tests/clients` names.
pub fn fetch(name: &str, pom: &str) -> Result<PathBuf> {
    let folder = obtain(name, &recipe(&[pom])?, |folder| {
        let copy = folder.join("pom.xml");
        std::fs::copy(source(pom), &copy)?;
        let jars = folder.join("jars");
        let destination = format!("-DoutputDirectory={}", jars.display());
        tool(Command::new("mvn").args(["-B", "-q", "-Dstyle.color=never", "-f"]).arg(&copy).args([
            COPY,
            &destination,
            "-DincludeScope=runtime",
        ]))?;
        Ok(())
    })?;
    Ok(folder.join("jars"))
}

impl Jars {
    pub fn command(&self, server: SocketAddr) -> Command {
        let mut command = self.program("java/Client.java");
        command.args([server.ip().to_string(), server.port().to_string()]);
        command
    }

    /// A program below `tests/clients`. Java compiles one of one file as it starts it.
    pub fn program(&self, path: &str) -> Command {
        let mut command = Command::new("java");
        command
            .arg("-cp")
            .arg(self.0.join("*"))
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .arg(source(path));
        command
    }
}
