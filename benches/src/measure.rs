//! One workload against one target: operations, latencies, CPU of every side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use ilium_protocol::ProtocolVersion;
use tokio::runtime::Runtime;

use crate::client::{Client, Tally};
use crate::open_loop;
use crate::process::{self, Idle, cpu_of};
use crate::workload::{Kind, Rows, Source, Statements, Workload};

/// What answers the clients: one or more servers, and what may stand between.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: &'static str,
    /// Where connections go, in turn.
    pub addresses: Vec<SocketAddr>,
    pub version: ProtocolVersion,
    pub statements: Arc<Statements>,
    /// The processes that hold the data.
    pub servers: Vec<u32>,
    /// The process that forwards to them.
    pub proxy: Option<u32>,
    pub idle: Idle,
}

impl Target {
    pub fn servers_cpu(&self) -> f64 {
        self.servers.iter().map(|&process| cpu_of(process)).sum()
    }

    pub fn proxy_cpu(&self) -> f64 {
        self.proxy.map_or(0.0, cpu_of)
    }

    /// Waits until nothing of it works any more.
    #[expect(clippy::print_stderr, reason = "a benchmark shows what it meets")]
    pub fn settle(&self) {
        let processes: Vec<u32> = self.servers.iter().chain(&self.proxy).copied().collect();
        if !process::settle(&processes, self.idle) {
            eprintln!("{} was still busy after {:?}", self.name, self.idle.limit);
        }
    }

    pub async fn connect(&self, connections: usize) -> Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(connections);
        for &address in self.addresses.iter().cycle().take(connections) {
            let client = Client::connect(address, self.version).await;
            clients.push(client.with_context(|| format!("connecting to {} at {address}", self.name))?);
        }
        Ok(clients)
    }
}

/// How the clients go about a workload.
#[derive(Debug, Clone, Copy)]
pub struct Clients {
    pub connections: usize,
    /// Requests in flight on each connection; the next one waits for an answer, and at a rate its wait counts.
    pub in_flight: usize,
    /// Requests a second, whatever the answers do.
    pub rate: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct Measured {
    pub operations: u64,
    pub seconds: f64,
    /// Of the servers' processes, until they were idle again.
    pub server_cpu: f64,
    /// Of what stood between.
    pub proxy_cpu: f64,
    pub client_cpu: f64,
    /// Microseconds.
    pub p50: u32,
    pub p99: u32,
    pub p999: u32,
    pub rows: u64,
    pub digest: u64,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    /// Operations per second of the server's CPU, which the system counts in hundredths.
    pub fn per_cpu_second(&self) -> f64 {
        self.operations as f64 / self.server_cpu.max(0.01)
    }
}

pub fn run(
    runtime: &Runtime,
    target: &Target,
    workload: &Workload,
    clients: Clients,
    rows: Rows,
    round: usize,
) -> Result<Measured> {
    target.settle();
    let source =
        Source { statements: Arc::clone(&target.statements), workload: workload.clone(), rows, round };
    let connections = if workload.kind == Kind::Scan { 1 } else { clients.connections };
    let connected = runtime.block_on(target.connect(connections))?;
    let (servers, proxy, client) = (target.servers_cpu(), target.proxy_cpu(), cpu_of(std::process::id()));
    let started = Instant::now();
    let (tally, operations) = match clients.rate {
        Some(rate) => (open_loop::run(connected, &source, rate, clients.in_flight)?, workload.operations),
        None if workload.kind == Kind::Scan => {
            (runtime.block_on(scan(connected, &source))?, workload.operations)
        }
        None => {
            (runtime.block_on(drive(connected, Arc::new(source), clients.in_flight))?, workload.operations)
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let client_cpu = cpu_of(std::process::id()) - client;
    target.settle();
    let mut latencies = tally.latencies;
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 - 1.0).max(0.0) * share) as usize;
        latencies.get(index).copied().unwrap_or(0)
    };
    Ok(Measured {
        operations,
        seconds,
        server_cpu: target.servers_cpu() - servers,
        proxy_cpu: target.proxy_cpu() - proxy,
        client_cpu,
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        rows: tally.rows,
        digest: tally.digest,
    })
}

/// One scan of everything.
async fn scan(clients: Vec<Client>, source: &Source) -> Result<Tally> {
    let mut tally = Tally::default();
    for mut client in clients {
        client.scan(&source.statements.scan, 5000, &mut tally).await?;
    }
    Ok(tally)
}

/// All requests of the source, each connection taking the next one when an answer made room for it.
async fn drive(clients: Vec<Client>, source: Arc<Source>, in_flight: usize) -> Result<Tally> {
    let counter = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::with_capacity(clients.len());
    for mut client in clients {
        let (source, counter) = (Arc::clone(&source), Arc::clone(&counter));
        tasks.push(tokio::spawn(async move {
            let mut tally = Tally::default();
            let next = || source.call(counter.fetch_add(1, Ordering::Relaxed));
            client.run(in_flight, next, &mut tally).await?;
            anyhow::Ok(tally)
        }));
    }
    let mut all = Tally::default();
    for task in tasks {
        all.add(task.await??);
    }
    Ok(all)
}
