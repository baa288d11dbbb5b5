//! A ring of 1 to 3 nodes on loopback addresses of their own with one CQL port, as drivers expect it.
//!
//! Each node has one token, evenly spaced, and all are seeds, so they start side by side. With quick options a ring of
//! three answers after 8 to 15 s on two cores and takes about 1.2 GB.
//!
//! A node that ends cleanly tells the others; one that is killed or held is noticed by its silence, after 12 s or so
//! (`phi_convict_threshold` at its least). [`Ring::until_alive`] waits for either.
//!
//! What else was tried: see docs/testbed.md.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::flags::Seat;
use super::node::Node;
use super::{Certificates, Options, Place, Release, START, Tls, jars, superuser};
use crate::access::Credentials;
use crate::guarded::Signal;
use crate::proxy::Proxy;
use crate::wire::{Binds, Connection, Consistency, Outcome, Settings, TlsFiles};
use crate::{folders, loopback};

/// A table that is on three nodes in every ring, or on as many as there are; the key is nobody's.
const EVERYWHERE: &str = "SELECT status FROM system_distributed.view_build_status \
                          WHERE keyspace_name = 'nobody' AND view_name = 'nothing'";

/// Between two looks at what a node sees.
const LOOK: Duration = Duration::from_millis(50);

/// What ring there is to be.
#[derive(Debug, Clone)]
pub struct RingOptions {
    /// 1 to 3.
    pub nodes: usize,
    /// The place of each node; nodes beyond the list are in Cassandra's own default.
    pub places: Vec<Place>,
    /// A [`Proxy`] before each node, which is where clients are told to find it.
    pub proxied: bool,
    /// How each node runs.
    pub node: Options,
    /// Further flags for Java of the last node alone.
    pub last_java: Vec<String>,
}

impl Default for RingOptions {
    /// Three nodes of the least heap that carries tests of behaviour. What was acknowledged outlives a kill: with
    /// periodic syncs the last tenth of a second would be lost, as the log's marks are written that often.
    fn default() -> RingOptions {
        let node = Options { heap: 192, throwaway: false, batch_sync: true, ..Options::default() };
        RingOptions { nodes: 3, places: Vec::new(), proxied: false, node, last_java: Vec::new() }
    }
}

/// A running ring. Dropping it kills all nodes and removes their folders.
#[derive(Debug)]
pub struct Ring {
    nodes: Vec<Node>,
    proxies: Vec<Proxy>,
    /// Made for all nodes and proxies; they are in a folder of the ring.
    certificates: Option<(Certificates, PathBuf)>,
    login: bool,
    /// Whether a password is looked at only without TLS.
    identities: bool,
}

impl Ring {
    /// Starts all nodes side by side, and waits until each sees all others.
    pub fn start(options: &RingOptions) -> Result<Ring> {
        match Ring::start_once(options) {
            Err(e) if format!("{e:#}").contains("Address already in use") => Ring::start_once(options),
            other => other,
        }
    }

    fn start_once(options: &RingOptions) -> Result<Ring> {
        let count = options.nodes;
        if !(1..=3).contains(&count) {
            bail!("a ring has 1 to 3 nodes, not {count}");
        }
        if options.node.tls != Tls::Off && options.node.release == Release::V4_0 {
            bail!("Cassandra 4.0 has no TLS here: it reads no PEM files, which came with 4.1");
        }
        let jars = jars::obtain(options.node.release)?;
        let node = of_a_ring(options);
        let address = |_| loopback::address();
        let addresses: Vec<_> = (0..count).map(address).collect();
        let fronts: Vec<_> = (0..if options.proxied { count } else { 0 }).map(address).collect();
        let all = [addresses.as_slice(), fronts.as_slice()].concat();
        let ports = loopback::common_ports(&all, 2)?;
        let [cql, gossip] = *ports.as_slice() else { bail!("two ports were asked for") };
        let mut ring = Ring {
            nodes: Vec::new(),
            proxies: Vec::new(),
            certificates: None,
            login: node.login,
            identities: node.identities,
        };
        if node.tls != Tls::Off {
            let folder = folders::scratch("tls")?;
            ring.certificates = Some((Certificates::make(&folder, &all)?, folder));
        }
        for (number, ip) in addresses.iter().enumerate() {
            let share = (number as u128 * (1 << 64)).checked_div(count as u128).unwrap_or_default();
            let seat = Seat {
                ip: *ip,
                advertised: fronts.get(number).copied(),
                cql,
                gossip,
                seeds: addresses.clone(),
                token: i64::try_from(share as i128 + i128::from(i64::MIN))?,
                place: Some(options.places.get(number).cloned().unwrap_or_default()),
            };
            if let Some(front) = seat.advertised {
                let node = SocketAddr::new(*ip, cql);
                ring.proxies.push(Proxy::start(SocketAddr::new(front, cql), node)?);
            }
            let mut node = node.clone();
            if number + 1 == count {
                node.java.extend(options.last_java.iter().cloned());
            }
            ring.nodes.push(Node::new(&jars, node, seat, ring.certificates())?);
        }
        ring.nodes.iter_mut().try_for_each(Node::launch)?;
        ring.nodes.iter_mut().try_for_each(Node::wait)?;
        for number in 0..count {
            ring.until_alive(number, count)?;
        }
        Ok(ring)
    }

    /// How many nodes it has, running or not.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients find each node, in the order of their numbers: its proxy's address, if it has one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self.proxies.as_slice() {
            [] => self.nodes.iter().map(Node::address).collect(),
            proxies => proxies.iter().map(Proxy::address).collect(),
        }
    }

    /// What stands before the node of that number.
    pub fn proxy(&self, number: usize) -> Result<&Proxy> {
        self.proxies
            .get(number)
            .with_context(|| format!("node {number} has no proxy: ask for a proxied ring"))
    }

    /// Where the node of that number answers CQL itself, past its proxy; numbers are from 0.
    pub fn address(&self, number: usize) -> Result<SocketAddr> {
        Ok(self.node(number)?.address())
    }

    /// Its process id, while it runs.
    pub fn id(&self, number: usize) -> Result<Option<u32>> {
        Ok(self.node(number)?.id())
    }

    /// The folder of a node: `cassandra.yaml`, `data`, `log`.
    pub fn folder(&self, number: usize) -> Result<&Path> {
        Ok(self.node(number)?.folder())
    }

    /// What a client needs where it is to speak TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref().map(|(certificates, _)| certificates)
    }

    /// Whom it comes with where callers log in.
    pub fn superuser(&self) -> Credentials {
        superuser()
    }

    /// Connects to a node, with TLS and as the superuser where the ring wants that.
    pub fn connect(&self, number: usize, version: u8) -> Result<Connection> {
        let Credentials { name, password } = superuser();
        let login = self.login.then_some((name.as_str(), password.as_str()));
        let address = self.address(number)?;
        match self.certificates().filter(|_| !self.identities) {
            Some(certificates) => {
                let files =
                    TlsFiles { authority: &certificates.authority(), client: Some(&certificates.client()) };
                Connection::open_tls(address, version, login, &files)
            }
            None => Connection::open_as(address, version, login),
        }
    }

    /// Ends a node cleanly; the others know it at once. Its data stays.
    pub fn stop(&mut self, number: usize) -> Result<()> {
        self.node_mut(number)?.stop()
    }

    /// Ends a node as a crash would; the others learn it by its silence. Its data stays.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        self.node_mut(number)?.kill()
    }

    /// Holds a node: its sockets stay open, and nothing is answered.
    pub fn pause(&mut self, number: usize) -> Result<()> {
        self.node_mut(number)?.signal(Signal::Stop)
    }

    /// Lets a node go on that was held.
    pub fn resume(&mut self, number: usize) -> Result<()> {
        self.node_mut(number)?.signal(Signal::Continue)
    }

    /// Starts a node again on its data and waits until it takes connections and sees all nodes that run.
    pub fn restart(&mut self, number: usize) -> Result<()> {
        let node = self.node_mut(number)?;
        node.launch()?;
        node.wait()?;
        self.until_alive(number, self.running().count())
    }

    /// Waits until a node sees so many nodes alive, itself counted.
    pub fn until_alive(&self, number: usize, count: usize) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let seen = self.alive(number);
            if let Ok(Some(seen)) = &seen
                && *seen == count
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "node {number} does not see {count} nodes alive within {START:?}, but {seen:?}:\n{}",
                    self.last_words()
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until all nodes that run have one schema, as a driver does after a change.
    pub fn until_agreed(&self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let versions: BTreeSet<_> =
                self.running().map(|n| self.schema_version(n)).collect::<Result<_>>()?;
            if versions.len() <= 1 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let count = versions.len();
                bail!("the nodes still have {count} schemas after {START:?}:\n{}", self.last_words());
            }
            std::thread::sleep(LOOK);
        }
    }

    fn schema_version(&self, number: usize) -> Result<Vec<Option<Vec<u8>>>> {
        let read = "SELECT schema_version FROM system.local WHERE key = 'local'";
        match self.connect(number, 4)?.query(read, &Binds::None, &Settings::default())?.outcome {
            Outcome::Rows(rows) => rows.rows.into_iter().next().context("system.local has no row"),
            other => bail!("system.local of node {number} answered {other:?}"),
        }
    }

    /// The numbers of the nodes that were started and neither stopped nor killed since.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.nodes).filter(|(_, node)| node.id().is_some()).map(|(number, _)| number)
    }

    /// How many nodes a node sees alive, or nothing while one is silent that it takes for alive.
    pub fn alive(&self, number: usize) -> Result<Option<usize>> {
        let mut connection = self.connect(number, 4)?;
        let settings = Settings { consistency: Consistency::named("ALL")?, ..Settings::default() };
        // It is there on three nodes or is said to be, so that an ALL tells how many are.
        let wanted = 3;
        Ok(match connection.query(EVERYWHERE, &Binds::None, &settings)?.outcome {
            Outcome::Rows(_) => Some(wanted),
            Outcome::Error(e) => {
                e.details.iter().find_map(|detail| detail.strip_prefix("alive=")?.parse().ok())
            }
            _ => None,
        })
    }

    /// Of each node what it said last.
    fn last_words(&self) -> String {
        let said =
            (0..).zip(&self.nodes).map(|(number, node)| format!("node {number}: {}", node.last_words()));
        said.collect::<Vec<_>>().join("\n\n")
    }

    fn node(&self, number: usize) -> Result<&Node> {
        self.nodes.get(number).with_context(|| format!("the ring has no node {number}"))
    }

    fn node_mut(&mut self, number: usize) -> Result<&mut Node> {
        self.nodes.get_mut(number).with_context(|| format!("the ring has no node {number}"))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some((_, folder)) = &self.certificates {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A node's options with what only a ring needs.
fn of_a_ring(options: &RingOptions) -> Options {
    let mut node = options.node.clone();
    if node.quick {
        if !node.yaml.contains("phi_convict_threshold") {
            // The least that Cassandra allows: a silent node is taken for dead after 12 s, not 18.
            node.yaml = format!("phi_convict_threshold: 5\n{}", node.yaml);
        }
        // The page cache outlives a killed process, so a sync would only cost time.
        node.java.push("-Dcassandra.skip_sync=true".to_owned());
        // As shipped. It follows the short delay of the ring otherwise, and half of it is how long a node that just starts may be
        // silent before it is forgotten (`Gossiper.doStatusCheck`): with a second, nodes of a machine with too much to do
        // forgot each other for good, as a seed that is forgotten is none any more.
        node.java.push("-Dcassandra.gossip_quarantine_delay_ms=60000".to_owned());
    }
    // Roles are on every node, so that callers can log in whichever is down.
    node.java.push(format!("-Dcassandra.system_auth.default_rf={}", options.nodes));
    node
}
