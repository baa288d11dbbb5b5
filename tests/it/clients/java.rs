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
    let folder = obtain("client-java", &recipe(&["java/pom.xml"])?, |folder| {
        let pom = folder.join("pom.xml");
        std::fs::copy(source("java/pom.xml"), &pom)?;
        let jars = folder.join("jars");
        let destination = format!("-DoutputDirectory={}", jars.display());
        tool(Command::new("mvn").args(["-B", "-q", "-Dstyle.color=never", "-f"]).arg(&pom).args([
            COPY,
            &destination,
            "-DincludeScope=runtime",
        ]))?;
        Ok(())
    })?;
    Ok(Jars(folder.join("jars")))
}

impl Jars {
    /// Java compiles a program of one file as it starts it.
    pub fn command(&self, server: SocketAddr) -> Command {
        let mut command = Command::new("java");
        command
            .arg("-cp")
            .arg(self.0.join("*"))
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .arg(source("java/Client.java"))
            .args([server.ip().to_string(), server.port().to_string()]);
        command
    }
}
