//! The built binary, run as `ilium up` on a folder of its own, or as `ilium gateway` in front of a cluster, on free ports.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::folders;
use crate::guarded::{Guarded, Signal};

/// A start takes milliseconds; on a machine that is busy with other things it may take this long.
const START: Duration = Duration::from_secs(60);

/// A running Ilium. Dropping it kills it; its folder stays until [`Folder`] is dropped.
#[derive(Debug)]
pub struct Ilium {
    process: Guarded,
    address: SocketAddr,
    http: SocketAddr,
    output: PathBuf,
}

/// A folder for an Ilium's data and logs, removed when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Folder> {
        Ok(Folder(folders::scratch("ilium")?))
    }

    /// What the server prints and logs is there, also after its end.
    pub fn output(&self) -> PathBuf {
        self.0.join("output.log")
    }

    /// Where the data is.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Ilium {
    /// Starts the binary on the folder with further flags of `up`. A test of the root package finds the binary by
    /// `env!("CARGO_BIN_EXE_ilium")`.
    pub fn start(binary: &Path, folder: &Folder, flags: &[&str]) -> Result<Ilium> {
        Ilium::start_at(binary, folder, SocketAddr::from(([127, 0, 0, 1], 0)), flags)
    }

    /// As [`Ilium::start`], with variables of the environment.
    pub fn start_with(binary: &Path, folder: &Folder, flags: &[&str], env: &[(&str, &str)]) -> Result<Ilium> {
        Ilium::run(binary, folder, SocketAddr::from(([127, 0, 0, 1], 0)), flags, env)
    }

    /// As [`Ilium::start`], at the address where an earlier one was, for clients that reconnect.
    pub fn start_at(binary: &Path, folder: &Folder, address: SocketAddr, flags: &[&str]) -> Result<Ilium> {
        Ilium::run(binary, folder, address, flags, &[])
    }

    /// Starts the binary in front of a cluster, with further flags of `gateway`; the folder keeps its output.
    pub fn gateway(
        binary: &Path,
        folder: &Folder,
        contact_points: &[SocketAddr],
        flags: &[&str],
    ) -> Result<Ilium> {
        Ilium::gateway_with(binary, folder, contact_points, flags, &[])
    }

    /// As [`Ilium::gateway`], with variables of the environment.
    pub fn gateway_with(
        binary: &Path,
        folder: &Folder,
        contact_points: &[SocketAddr],
        flags: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Ilium> {
        let points: Vec<String> = contact_points.iter().map(ToString::to_string).collect();
        let points = points.join(",");
        let mut args = vec!["gateway", "--contact-points", &points];
        if !flags.contains(&"--cql") {
            args.extend(["--cql", "127.0.0.1:0"]);
        }
        args.extend(["--http", "127.0.0.1:0"]);
        args.extend(flags);
        Ilium::launch(binary, folder, args, env)
    }

    fn run(
        binary: &Path,
        folder: &Folder,
        address: SocketAddr,
        flags: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Ilium> {
        let data = folder.data().display().to_string();
        let address = address.to_string();
        let mut args = vec!["up", "--data", &data, "--cql", &address, "--http", "127.0.0.1:0"];
        args.extend(flags);
        Ilium::launch(binary, folder, args, env)
    }

    fn launch(binary: &Path, folder: &Folder, args: Vec<&str>, env: &[(&str, &str)]) -> Result<Ilium> {
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let env: Vec<(String, String)> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let output = folder.output();
        let log = File::create(&output)?;
        let mut process = Guarded::start(binary, &args, &env, &folder.0, log, None)?;
        let deadline = Instant::now() + START;
        loop {
            let said = std::fs::read_to_string(&output).unwrap_or_default();
            let mut addresses = said.split_whitespace().filter_map(listening);
            if let (Some(address), Some(http)) = (addresses.next(), addresses.next())
                && TcpStream::connect(address).is_ok()
            {
                return Ok(Ilium { process, address, http, output });
            }
            if let Some(status) = process.ended()? {
                bail!("Ilium ended while it started ({status}):\n{said}");
            }
            if Instant::now() >= deadline {
                bail!("Ilium did not say where it listens within {START:?}:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Where it answers CQL.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it printed and logged so far.
    pub fn output(&self) -> Result<String> {
        std::fs::read_to_string(&self.output)
            .with_context(|| format!("cannot read {}", self.output.display()))
    }

    /// Asks it to end (SIGTERM), and does not wait for that.
    pub fn ask_to_stop(&mut self) -> Result<()> {
        self.process.signal(Signal::Term)
    }

    /// Asks it to end (SIGTERM) and wants it to end well.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::Term)?;
        let status = self.process.wait(Duration::from_secs(60))?;
        if !status.success() {
            bail!("Ilium ended with {status}:\n{}", self.output()?);
        }
        Ok(())
    }

    /// Ends it as a crash would (SIGKILL); what it acknowledged must be there when its folder is opened again.
    pub fn crash(mut self) -> Result<()> {
        self.process.signal(Signal::Kill)?;
        self.process.wait(Duration::from_secs(60))?;
        Ok(())
    }
}

/// The address in a word of the output, if it is one that can be connected to.
fn listening(word: &str) -> Option<SocketAddr> {
    let trimmed = word.trim_matches(|c: char| !c.is_ascii_digit());
    trimmed.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback() && address.port() != 0)
}
