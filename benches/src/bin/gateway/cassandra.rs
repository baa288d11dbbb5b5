//! The Cassandra behind all ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ilium_benches::client::Client;
use ilium_benches::measure::{self, Clients, Target};
use ilium_benches::process::Idle;
use ilium_benches::proxy::{self, Proxy};
use ilium_benches::workload::{self, Filling, Kind, RANGE_ROWS, Rows, Statements, Workload};
use ilium_testbed::Cassandra;
use ilium_testbed::cassandra::{Options, Ring, RingOptions};
use tokio::runtime::Runtime;

use crate::Flags;

/// What it flushes after the last answer counts, too.
const IDLE: Idle = Idle { looks: 1, limit: Duration::from_secs(60) };

/// Nodes of a ring are never idle all at once on two cores: each gossips every second (`Gossiper.intervalInMillis`) and
/// digests what the others say. So they get this long and no more.
const RING_IDLE: Idle = Idle { looks: 1, limit: Duration::from_secs(2) };

pub enum Cluster {
    One(Box<Cassandra>),
    Ring(Ring),
}

impl Cluster {
    /// As shipped but for the heap: G1, both compilers; 1 GiB, and half of it for each node of a ring. Three cold nodes on
    /// two cores miss the time-outs as shipped (5 s and 2 s) while they compile themselves, so these are longer.
    pub fn start(nodes: usize) -> Result<Cluster> {
        let patient = "read_request_timeout: 60s\nwrite_request_timeout: 60s\n";
        let yaml = if nodes == 1 { "" } else { patient }.to_owned();
        let options =
            |heap| Options { heap, quick: false, throwaway: false, yaml: yaml.clone(), ..Options::default() };
        Ok(if nodes == 1 {
            Cluster::One(Box::new(Cassandra::start(&options(1024))?))
        } else {
            Cluster::Ring(Ring::start(&RingOptions { nodes, node: options(512), ..RingOptions::default() })?)
        })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Cluster::One(node) => vec![node.address()],
            Cluster::Ring(ring) => ring.addresses(),
        }
    }

    fn processes(&self) -> Result<Vec<u32>> {
        match self {
            Cluster::One(node) => Ok(vec![node.id()]),
            Cluster::Ring(ring) => {
                let ids = (0..ring.count()).map(|number| ring.id(number)?.context("a node has ended"));
                ids.collect()
            }
        }
    }

    /// The node that is told of.
    fn contact(&self) -> Result<SocketAddr> {
        self.addresses().into_iter().next().context("a cluster without nodes")
    }

    /// Starts a proxy in front of it.
    pub fn proxy(&self, kind: proxy::Kind, runtime: &Runtime, flags: &Flags) -> Result<Proxy> {
        Proxy::start(kind, flags.build(kind), self.contact()?, flags.version(), runtime)
    }

    /// Makes the tables, without rows.
    pub fn make(&self, runtime: &Runtime, flags: &Flags) -> Result<()> {
        runtime.block_on(async {
            let mut client = Client::connect(self.contact()?, flags.version()).await?;
            client.query("DROP KEYSPACE IF EXISTS bench").await?;
            let factor = format!("'replication_factor': {}", self.addresses().len());
            client.query(&workload::KEYSPACE.replace("'replication_factor': 1", &factor)).await?;
            for statement in workload::TABLES {
                client.query(statement).await?;
            }
            anyhow::Ok(())
        })?;
        match self {
            Cluster::One(_) => Ok(()),
            Cluster::Ring(ring) => ring.until_agreed(),
        }
    }

    /// Makes the tables and their rows.
    pub fn fill(&self, runtime: &Runtime, flags: &Flags) -> Result<()> {
        self.make(runtime, flags)?;
        let rows = rows(flags);
        let operations = rows.count + rows.ranges() * RANGE_ROWS;
        let load = Workload { name: "load", kind: Kind::Load, operations };
        measure::run(runtime, &self.direct(runtime, flags)?, &load, saturation(flags), rows, 0)?;
        Ok(())
    }

    /// The straight way.
    pub fn direct(&self, runtime: &Runtime, flags: &Flags) -> Result<Target> {
        self.target("direct", self.addresses(), None, runtime, flags)
    }

    /// The way through a proxy.
    pub fn through(&self, proxy: &Proxy, runtime: &Runtime, flags: &Flags) -> Result<Target> {
        self.target(proxy.kind.name(), vec![proxy.address], Some(proxy.id()), runtime, flags)
    }

    fn target(
        &self,
        name: &'static str,
        addresses: Vec<SocketAddr>,
        proxy: Option<u32>,
        runtime: &Runtime,
        flags: &Flags,
    ) -> Result<Target> {
        let version = flags.version();
        let statements = runtime.block_on(async {
            let mut statements = None;
            // The ids are the same everywhere, and a node knows only what was prepared on it.
            for &address in &addresses {
                let mut client = Client::connect(address, version).await?;
                statements = Some(Statements::prepare(&mut client).await?);
            }
            statements.context("a way without addresses")
        })?;
        Ok(Target {
            name,
            addresses,
            version,
            statements: Arc::new(statements),
            servers: self.processes()?,
            proxy,
            idle: if matches!(self, Cluster::One(_)) { IDLE } else { RING_IDLE },
        })
    }

    pub fn stop(self) -> Result<()> {
        match self {
            Cluster::One(node) => node.stop(),
            // Dropped: what it holds is nobody's.
            Cluster::Ring(_) => Ok(()),
        }
    }
}

/// The rows of the parts but `table`.
pub fn rows(flags: &Flags) -> Rows {
    Rows { count: flags.rows, value: flags.value, filling: Filling::Half }
}

pub fn saturation(flags: &Flags) -> Clients {
    Clients { connections: flags.connections, in_flight: flags.in_flight, rate: None }
}
