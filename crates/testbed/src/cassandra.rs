//! A real Apache Cassandra for tests: obtained from Maven Central, started on a loopback address with free ports
//! and its own folder, stopped by process id.
//!
//! `Cassandra::start` gives one of your own, `Cassandra::shared` the one that all tests of a process share.

mod flags;
mod jars;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::access::{Credentials, Target};
use crate::guarded::{Guarded, Signal};
use crate::wire::Connection;
use crate::{folders, loopback};
pub use jars::VERSION;

/// A start may take this long on a machine that is busy with other things; idle it takes 2 to 4 s.
const START: Duration = Duration::from_secs(180);

/// Where Cassandra's JMX listens when it is for this machine only.
const JMX: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How a Cassandra is to run. The default is the quickest start, for tests of behaviour.
#[derive(Debug, Clone)]
pub struct Options {
    /// Java heap in MiB.
    pub heap: u32,
    /// Quick start and no tuning for long runs: no waiting for other nodes, the first compiler only. A benchmark
    /// sets this to false.
    pub quick: bool,
    /// Syncs nothing and does not flush schema changes: DDL is several times faster, and a kill loses it.
    pub throwaway: bool,
    /// `CREATE MATERIALIZED VIEW`, which is off as shipped.
    pub views: bool,
    /// `CREATE FUNCTION` and `CREATE AGGREGATE`, which are off as shipped.
    pub functions: bool,
    /// `CREATE CUSTOM INDEX ... USING 'SASI'`, which is off as shipped.
    pub sasi: bool,
    /// Password log-in (cassandra/cassandra) and permissions.
    pub login: bool,
    /// `commitlog_sync: batch`: an acknowledgement follows the sync of the log. Otherwise `periodic`, as shipped.
    pub batch_sync: bool,
    /// Answers [`Cassandra::nodetool`].
    pub jmx: bool,
    /// Further lines for cassandra.yaml.
    pub yaml: String,
    /// Further flags for Java.
    pub java: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            heap: 512,
            quick: true,
            throwaway: true,
            views: true,
            functions: true,
            sasi: true,
            login: false,
            batch_sync: false,
            jmx: false,
            yaml: String::new(),
            java: Vec::new(),
        }
    }
}

/// A running Cassandra. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct Cassandra {
    process: Guarded,
    address: SocketAddr,
    /// Where JMX is, if asked for.
    jmx: Option<u16>,
    folder: PathBuf,
}

impl Cassandra {
    /// The one that the tests of this process share, started by the first that asks.
    pub fn shared() -> Result<&'static Cassandra> {
        static SHARED: OnceLock<Result<Cassandra, String>> = OnceLock::new();
        // A static is never dropped; the watcher ends the process and removes the folder when we end.
        SHARED
            .get_or_init(|| Cassandra::start(&Options::default()).map_err(|e| format!("{e:#}")))
            .as_ref()
            .map_err(|e| anyhow!("{e}"))
    }

    /// Obtains Cassandra if that was not done before, and starts one.
    pub fn start(options: &Options) -> Result<Cassandra> {
        let jars = jars::obtain()?;
        // Another process can take a port between our look and Cassandra's bind: then it is tried again.
        match start_once(&jars, options) {
            Err(e) if format!("{e:#}").contains("Address already in use") => start_once(&jars, options),
            other => other,
        }
    }

    /// One where callers log in and permissions are asked for, each time anew: nothing is kept in a cache.
    pub fn with_login() -> Result<Cassandra> {
        let yaml = "permissions_validity: 0ms\nroles_validity: 0ms\ncredentials_validity: 0ms\n".to_owned();
        // Passwords are hashed, compared and changed again and again: with the fewest rounds, and without a pause.
        let java = ["auth_bcrypt_gensalt_log2_rounds=4", "role_password_update_min_interval_in_ms=0"];
        let java = java.iter().map(|property| format!("-Dcassandra.{property}")).collect();
        let cassandra = Cassandra::start(&Options { login: true, yaml, java, ..Options::default() })?;
        let Target { address, superuser } = cassandra.target();
        let deadline = Instant::now() + START;
        // It makes its superuser after it has begun to answer.
        while let Err(refused) = Connection::open_as(address, 5, Some((&superuser.name, &superuser.password)))
        {
            if Instant::now() >= deadline {
                return Err(refused.context("Cassandra's superuser cannot log in"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(cassandra)
    }

    /// It and the superuser that it comes with.
    pub fn target(&self) -> Target {
        let superuser = Credentials { name: "cassandra".to_owned(), password: "cassandra".to_owned() };
        Target { address: self.address, superuser }
    }

    /// Where it answers CQL.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its configuration, data and logs are: `cassandra.yaml`, `data`, `log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs nodetool, to its end. It must have been started with [`Options::jmx`].
    pub fn nodetool(&self, args: &[&str]) -> Result<String> {
        let port = self.jmx.context("nodetool needs a Cassandra that was started with jmx")?;
        let jars = jars::obtain()?;
        let run =
            Command::new(&jars.java).args(flags::nodetool(&jars, &self.folder, port)).args(args).output()?;
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        if !run.status.success() {
            bail!("nodetool {}: {said}{}", args.join(" "), String::from_utf8_lossy(&run.stderr));
        }
        Ok(said)
    }

    /// Ends it cleanly (it drains), which takes about 2 s; `drop` is quicker.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::Term)?;
        self.process.wait(Duration::from_secs(60))?;
        Ok(())
    }
}

fn start_once(jars: &jars::Jars, options: &Options) -> Result<Cassandra> {
    let folder = folders::scratch("cassandra")?;
    let jmx = if options.jmx { loopback::free_ports(JMX, 1)?.first().copied() } else { None };
    let more: Vec<String> = jmx.iter().map(|port| format!("-Dcassandra.jmx.local.port={port}")).collect();
    let (process, address) = launch(jars, options, &folder, &more)?;
    let mut cassandra = Cassandra { process, address, jmx, folder };
    let deadline = Instant::now() + START;
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        if let Some(status) = cassandra.process.ended()? {
            bail!("Cassandra ended while it started ({status}):\n{}", last_words(&cassandra.folder));
        }
        if Instant::now() >= deadline {
            bail!("Cassandra did not answer within {START:?}:\n{}", last_words(&cassandra.folder));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(cassandra)
}

/// Writes the configuration and starts the process; it does not answer yet.
fn launch(
    jars: &jars::Jars,
    options: &Options,
    folder: &Path,
    more: &[String],
) -> Result<(Guarded, SocketAddr)> {
    let ip = loopback::address();
    let ports = loopback::free_ports(ip, 2)?;
    let [cql, gossip] = ports.as_slice() else { bail!("two ports were asked for") };
    for inner in ["data", "log", "tmp"] {
        std::fs::create_dir_all(folder.join(inner))?;
    }
    std::fs::write(folder.join("cassandra.yaml"), flags::yaml(options, ip, *cql, *gossip))?;
    std::fs::write(folder.join("logback.xml"), flags::LOGBACK)?;
    let log = File::create(folder.join("log/output.log"))?;
    let (program, mut args) = flags::program(jars, options, folder);
    args.extend(more.iter().cloned());
    args.extend(flags::main_class(jars));
    let process = Guarded::start(&program, &args, &[], folder, log, Some(folder))
        .with_context(|| format!("cannot start Cassandra {VERSION}"))?;
    Ok((process, SocketAddr::new(ip, *cql)))
}

/// The end of what it printed and the errors it logged.
fn last_words(folder: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(folder.join("log").join(name)).unwrap_or_default();
    let output = read("output.log");
    let log = read("system.log");
    let errors = log.lines().filter(|l| l.starts_with("ERROR")).take(3);
    let tail = output.lines().skip(output.lines().count().saturating_sub(15));
    errors.chain(tail).collect::<Vec<_>>().join("\n")
}
