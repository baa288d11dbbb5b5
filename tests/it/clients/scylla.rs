//! The program with the Rust driver: a workspace of its own, built by Cargo.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use ilium_testbed::folders;

use super::obtained::{source, tool};

/// The built program.
pub struct Program(PathBuf);

/// Builds it with the crates that its Cargo.lock names. Cargo itself knows what has to be built anew.
pub fn scylla() -> Result<Program> {
    let target = folders::cache()?.join("client-scylla");
    let manifest = source("scylla/Cargo.toml");
    tool(
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(Program(target.join("debug/scylla-client")))
}

impl Program {
    pub fn command(&self, server: SocketAddr) -> Command {
        let mut command = Command::new(&self.0);
        command.args([server.ip().to_string(), server.port().to_string()]);
        command
    }
}
