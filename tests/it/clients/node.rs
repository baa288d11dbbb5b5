//! The program with the Node driver.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::obtained::{obtain, recipe, source, tool};

/// The folder of installed modules.
pub struct Modules(PathBuf);

/// Installs what package-lock.json names.
pub fn modules() -> Result<Modules> {
    let files = ["package-lock.json", "package.json", ".npmrc"];
    let recipe = recipe(&files.map(|file| format!("node/{file}")).each_ref().map(String::as_str))?;
    let folder = obtain("client-node", &recipe, |folder| {
        for file in files {
            std::fs::copy(source("node").join(file), folder.join(file))?;
        }
        tool(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder))?;
        Ok(())
    })?;
    Ok(Modules(folder.join("node_modules")))
}

impl Modules {
    pub fn command(&self, server: SocketAddr) -> Command {
        let mut command = Command::new("node");
        command
            .arg(source("node/client.js"))
            .args([server.ip().to_string(), server.port().to_string()])
            .env("NODE_PATH", &self.0);
        command
    }
}
