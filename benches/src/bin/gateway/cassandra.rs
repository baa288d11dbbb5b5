//! The Cassandra behind all ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ilium_benches::client::Client;
use ilium_benches::measure::{self, Clients, Target};
use ilium_benches::process::Idle;
use ilium_benches::workload::{self, Filling, Kind, RANGE_ROWS, Rows, Statements, Workload};
use ilium_testbed::Cassandra;
use ilium_testbed::cassandra::Options;
use tokio::runtime::Runtime;

use crate::Flags;
use crate::proxy::Proxy;

/// What it flushes after the last answer counts, too.
const IDLE: Idle = Idle { looks: 1, limit: Duration::from_secs(60) };

pub struct Cluster {
    node: Cassandra,
}

impl Cluster {
    /// As shipped but for the heap: G1, both compilers, 1 GiB.
    pub fn start() -> Result<Cluster> {
        let options = Options { heap: 1024, quick: false, throwaway: false, ..Options::default() };
        Ok(Cluster { node: Cassandra::start(&options)? })
    }

    /// The node that a proxy is told of.
    pub fn contact(&self) -> SocketAddr {
        self.node.address()
    }

    /// A query that reads a row of the cluster's, and that no proxy answers by itself.
    pub fn first_query(&self) -> &'static str {
        "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'system_auth'"
    }

    /// Makes the tables, without rows.
    pub fn make(&self, runtime: &Runtime, flags: &Flags) -> Result<()> {
        runtime.block_on(async {
            let mut client = Client::connect(self.contact(), flags.version()).await?;
            client.query("DROP KEYSPACE IF EXISTS bench").await?;
            for statement in workload::SCHEMA {
                client.query(statement).await?;
            }
            Ok(())
        })
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
        self.target("direct", self.contact(), None, runtime, flags)
    }

    /// The way through a proxy.
    pub fn through(&self, proxy: &Proxy, runtime: &Runtime, flags: &Flags) -> Result<Target> {
        self.target(proxy.kind.name(), proxy.address, Some(proxy.id()), runtime, flags)
    }

    fn target(
        &self,
        name: &'static str,
        address: SocketAddr,
        proxy: Option<u32>,
        runtime: &Runtime,
        flags: &Flags,
    ) -> Result<Target> {
        let version = flags.version();
        let statements = runtime.block_on(async {
            let mut client = Client::connect(address, version).await?;
            Statements::prepare(&mut client).await
        })?;
        Ok(Target {
            name,
            addresses: vec![address],
            version,
            statements: Arc::new(statements),
            servers: vec![self.node.id()],
            proxy,
            idle: IDLE,
        })
    }

    pub fn stop(self) -> Result<()> {
        self.node.stop()
    }
}

/// The rows of the parts but `table`.
pub fn rows(flags: &Flags) -> Rows {
    Rows { count: flags.rows, value: flags.value, filling: Filling::Half }
}

pub fn saturation(flags: &Flags) -> Clients {
    Clients { connections: flags.connections, in_flight: flags.in_flight, rate: None }
}
