//! A real Apache Cassandra for tests: obtained from Maven Central, started on a loopback address with free ports
//! and its own folder, stopped by process id.
//!
//! - [`Cassandra::start`] gives one of your own, [`Cassandra::shared`] the one that all tests of a process share.
//! - A [`Ring`] is of 1 to 3 *nodes* that can be stopped, killed, held and started again on their data.
//! - A [`Release`] is a version of Cassandra. 5.0 and 4.1 run side by side.

mod certificates;
mod flags;
mod jars;
mod node;
mod release;
mod ring;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::access::{Credentials, Target};
use crate::loopback;
use crate::wire::Connection;
pub use certificates::{Certificates, identity};
pub use flags::Place;
use node::Node;
pub use release::Release;
pub use ring::{Ring, RingOptions};

/// The Cassandra that Ilium is compared with.
pub const VERSION: &str = Release::V5_0.version();

/// A start may take this long on a machine that is busy with other things; idle it takes 2 to 4 s.
const START: Duration = Duration::from_secs(180);

/// Where Cassandra's JMX listens when it is for this machine only.
const JMX: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How a Cassandra is to run. The default is the quickest start, for tests of behaviour.
#[derive(Debug, Clone)]
pub struct Options {
    pub release: Release,
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
    /// Password log-in (cassandra/cassandra) and permissions, each asked for anew: nothing is kept in a cache.
    pub login: bool,
    /// With `login` and `tls`: whoever speaks TLS is known by a certificate, by the SPIFFE identity in it
    /// (`ADD IDENTITY`), and no password is looked at; whoever does not, by a password. From 5.0 on.
    pub identities: bool,
    /// TLS for clients, for a [`Ring`] (of one node, if need be). Not with 4.0, which reads no PEM.
    pub tls: Tls,
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
            release: Release::V5_0,
            heap: 512,
            quick: true,
            throwaway: true,
            views: true,
            functions: true,
            sasi: true,
            login: false,
            identities: false,
            tls: Tls::Off,
            batch_sync: false,
            jmx: false,
            yaml: String::new(),
            java: Vec::new(),
        }
    }
}

/// What clients must speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    #[default]
    Off,
    /// TLS, the server showing a certificate.
    On,
    /// TLS, the client showing one as well.
    Mutual,
}

/// A running Cassandra. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct Cassandra {
    node: Node,
    /// Where JMX is, if asked for.
    jmx: Option<u16>,
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
        if options.tls != Tls::Off {
            bail!("certificates are made for rings: start a ring of one node");
        }
        let jars = jars::obtain(options.release)?;
        // Another process can take a port between our look and Cassandra's bind: then it is tried again.
        match start_once(&jars, options) {
            Err(e) if format!("{e:#}").contains("Address already in use") => start_once(&jars, options),
            other => other,
        }
    }

    /// One where callers log in and permissions are asked for.
    pub fn with_login() -> Result<Cassandra> {
        let cassandra = Cassandra::start(&Options { login: true, ..Options::default() })?;
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
        Target { address: self.address(), superuser: superuser() }
    }

    /// Where it answers CQL.
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.node.id().unwrap_or_default()
    }

    /// Where its configuration, data and logs are: `cassandra.yaml`, `data`, `log`.
    pub fn folder(&self) -> &Path {
        self.node.folder()
    }

    /// Runs nodetool, to its end. It must have been started with [`Options::jmx`].
    pub fn nodetool(&self, args: &[&str]) -> Result<String> {
        let port = self.jmx.context("nodetool needs a Cassandra that was started with jmx")?;
        let jars = self.node.jars();
        let run =
            Command::new(&jars.java).args(flags::nodetool(jars, self.folder(), port)).args(args).output()?;
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        if !run.status.success() {
            bail!("nodetool {}: {said}{}", args.join(" "), String::from_utf8_lossy(&run.stderr));
        }
        Ok(said)
    }

    /// Ends it cleanly (it drains), which takes about 2 s; `drop` is quicker.
    pub fn stop(mut self) -> Result<()> {
        self.node.stop()
    }
}

/// Whom Cassandra comes with where callers log in.
fn superuser() -> Credentials {
    Credentials { name: "cassandra".to_owned(), password: "cassandra".to_owned() }
}

fn start_once(jars: &jars::Jars, options: &Options) -> Result<Cassandra> {
    let jmx = if options.jmx { loopback::free_ports(JMX, 1)?.first().copied() } else { None };
    let mut options = options.clone();
    options.java.extend(jmx.iter().map(|port| format!("-Dcassandra.jmx.local.port={port}")));
    let mut node = Node::alone(jars, options)?;
    node.launch()?;
    node.wait()?;
    Ok(Cassandra { node, jmx })
}
