//! The program with gocql, built by Go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::obtained::{obtain, recipe, source, tool};

/// The built program.
pub struct Program(PathBuf);

/// Builds it with the modules that go.sum names.
pub fn gocql() -> Result<Program> {
    let folder =
        obtain("client-gocql", &recipe(&["gocql/go.sum", "gocql/go.mod", "gocql/main.go"])?, |folder| {
            tool(
                Command::new("go")
                    .args(["build", "-mod=readonly", "-o"])
                    .arg(folder.join("program"))
                    .arg(".")
                    .current_dir(source("gocql")),
            )?;
            Ok(())
        })?;
    Ok(Program(folder.join("program")))
}

impl Program {
    pub fn command(&self, server: SocketAddr) -> Command {
        let mut command = Command::new(&self.0);
        command.args([server.ip().to_string(), server.port().to_string()]);
        command
    }
}
