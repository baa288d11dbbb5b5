//! The program with a browser: Chromium as Debian packages it, steered by playwright-core.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::obtained::{obtain, recipe, source, tool};

const CHROMIUM: &str = "/usr/bin/chromium";

/// The folder of installed modules, and a browser beside it.
pub struct Browser(PathBuf);

/// Installs what package-lock.json names. Chromium must be there: only an administrator installs it.
pub fn browser() -> Result<Browser> {
    ensure!(Path::new(CHROMIUM).exists(), "there is no {CHROMIUM}; install Debian's package chromium");
    let files = ["package-lock.json", "package.json", ".npmrc"];
    let recipe = recipe(&files.map(|file| format!("browser/{file}")).each_ref().map(String::as_str))?;
    let folder = obtain("client-browser", &recipe, |folder| {
        for file in files {
            std::fs::copy(source("browser").join(file), folder.join(file))?;
        }
        tool(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder))?;
        Ok(())
    })?;
    Ok(Browser(folder.join("node_modules")))
}

impl Browser {
    /// The program for the console at this address; `arguments` are what it logs in with, if anything.
    pub fn command(&self, scheme: &str, http: SocketAddr, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command
            .arg(source("browser/client.js"))
            .arg(format!("{scheme}://{http}"))
            .args(arguments)
            .env("NODE_PATH", &self.0);
        command
    }
}
