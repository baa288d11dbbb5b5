//! What stands between, as a process of its own.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use ilium_protocol::ProtocolVersion;
use ilium_testbed::guarded::Guarded;
use ilium_testbed::{folders, loopback};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::rival;

/// The longest wait for a first answer.
const START: Duration = Duration::from_secs(30);

/// How often a new proxy is asked.
const ASK_EVERY: Duration = Duration::from_micros(500);

/// A query that reads a row of the cluster's, and that no proxy answers by itself.
const FIRST: &str = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'system_auth'";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `ilium gateway`.
    Gateway,
    /// `ilium gateway` of another build, to be seen beside this one in the same run.
    Before,
    /// The rival, DataStax's.
    CqlProxy,
    /// HAProxy passing bytes on unread: what any process in between costs on this machine.
    Relay,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Gateway => "gateway",
            Kind::Before => "before",
            Kind::CqlProxy => "cql-proxy",
            Kind::Relay => "relay",
        }
    }

    /// The program, built first if it is the rival's.
    pub fn obtain(self, ilium: &Path) -> Result<PathBuf> {
        match self {
            Kind::Gateway | Kind::Before => {
                let path = std::path::absolute(ilium)?;
                ensure!(path.is_file(), "no {}: build it with cargo build --release", path.display());
                Ok(path)
            }
            Kind::CqlProxy => rival::program().context("cql-proxy cannot be built"),
            Kind::Relay => {
                let path = PathBuf::from("/usr/sbin/haproxy");
                ensure!(path.is_file(), "no {}: install Debian's package haproxy", path.display());
                Ok(path)
            }
        }
    }
}

/// HAProxy's configuration: one thread, the cheapest for so few connections.
fn relay(listen: SocketAddr, to: SocketAddr) -> String {
    format!(
        "global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         listen cql\n  bind {listen}\n  server node {to}\n"
    )
}

/// A running proxy. Dropping it kills it.
pub struct Proxy {
    pub kind: Kind,
    process: Guarded,
    pub address: SocketAddr,
    /// Where the gateway answers HTTP.
    pub http: SocketAddr,
    /// From the start of the process to the first answer.
    pub took: Duration,
}

impl Proxy {
    /// Starts it as shipped but for its addresses, and waits until it has answered a query that only the cluster can
    /// answer.
    pub fn start(
        kind: Kind,
        ilium: &Path,
        contact: SocketAddr,
        version: ProtocolVersion,
        runtime: &Runtime,
    ) -> Result<Proxy> {
        let program = kind.obtain(ilium)?;
        let folder = folders::scratch(kind.name())?;
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ports = loopback::free_ports(ip, 2)?;
        let [cql, http] = ports.as_slice() else { bail!("two ports were asked for") };
        let (address, http) = (SocketAddr::new(ip, *cql), SocketAddr::new(ip, *http));
        let args: Vec<String> = match kind {
            Kind::Gateway | Kind::Before => vec![
                "gateway".to_owned(),
                format!("--contact-points={contact}"),
                format!("--cql={address}"),
                format!("--http={http}"),
            ],
            Kind::CqlProxy => vec![
                format!("--contact-points={}", contact.ip()),
                format!("--port={}", contact.port()),
                format!("--bind={address}"),
            ],
            Kind::Relay => {
                let file = folder.join("relay.cfg");
                std::fs::write(&file, relay(address, contact))?;
                vec!["-db".to_owned(), "-f".to_owned(), file.to_string_lossy().into_owned()]
            }
        };
        let output = folder.join("output.log");
        let log = File::create(&output)?;
        let started = Instant::now();
        let mut process = Guarded::start(&program, &args, &[], &folder, log, Some(&folder))?;
        let said = || std::fs::read_to_string(&output).unwrap_or_default();
        loop {
            let answered = runtime.block_on(async {
                let mut client = Client::connect(address, version).await?;
                client.query(FIRST).await
            });
            match answered {
                Ok(answer) => {
                    answer.with_context(|| format!("{} found no row", kind.name()))?;
                    let took = started.elapsed();
                    return Ok(Proxy { kind, process, address, http, took });
                }
                Err(error) if started.elapsed() >= START => {
                    bail!("{} did not answer within {START:?}: {error:#}\n{}", kind.name(), said());
                }
                Err(_) => {}
            }
            if let Some(status) = process.ended()? {
                bail!("{} ended while it started ({status}):\n{}", kind.name(), said());
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}
