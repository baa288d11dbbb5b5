//! What it costs to stand between an application and Cassandra: `ilium gateway` beside DataStax's cql-proxy, and both
//! beside the straight way.
//!
//! ```text
//! cargo run --release -p ilium-benches --bin gateway -- [--rounds 5] [--ilium target/release/ilium]
//! ```
//! Vocabulary: a *way* is how the clients reach Cassandra: *direct*, or through a *proxy*; a *round* does every workload
//! once on each way; *saturation* is a closed loop that leaves no CPU idle; *the rate* is a fifth of what the direct way
//! gives at saturation, offered whatever the answers do.

mod cassandra;
mod memory;
mod speed;
mod start;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use ilium_benches::proxy::Kind;
use ilium_protocol::ProtocolVersion;

use cassandra::Cluster;

/// As `ilium` allocates, which makes the client cheap where all share two cores.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Saturation and the rate
    Speed,
    /// Resident memory: idle, with idle connections, with busy ones
    Memory,
    /// Start to the first answered query
    Start,
    /// A large table read page by page, and as one stream of REST
    Table,
}

/// `ilium gateway` beside cql-proxy, and both beside the straight way to one real Cassandra
#[derive(Debug, Parser)]
struct Flags {
    /// Rounds, interleaved; the medians of all are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "speed,memory,start")]
    parts: Vec<Part>,
    /// What stands between
    #[arg(long, value_delimiter = ',', default_value = "gateway,cql-proxy")]
    proxies: Vec<Kind>,
    /// Nodes of the cluster, 1 to 3; each row is on all of them
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// The native protocol's version; cql-proxy speaks none above 4
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(4..=5))]
    protocol: u8,
    /// Rows of the table
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// Bytes of a row's value
    #[arg(long, default_value_t = 160)]
    value: usize,
    /// Requests of each workload at saturation
    #[arg(long, default_value_t = 120_000)]
    operations: u64,
    /// Connections
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests in flight on each connection at saturation
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Seconds that each workload lasts at the rate
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Seconds of the same work before anything is measured: Cassandra compiles itself meanwhile
    #[arg(long, default_value_t = 45)]
    warm_up: u64,
    /// Rows of 1 KiB for the part `table`: a million are 1 GB
    #[arg(long, default_value_t = 1_000_000)]
    table_rows: u64,
    /// The binary to measure
    #[arg(long, default_value = "target/release/ilium")]
    ilium: PathBuf,
    /// Another build of it, for the proxy `before`
    #[arg(long, default_value = "target/release/ilium-before")]
    before: PathBuf,
}

impl Flags {
    /// The build that a proxy is of.
    fn build(&self, kind: Kind) -> &Path {
        if kind == Kind::Before { &self.before } else { &self.ilium }
    }

    fn version(&self) -> ProtocolVersion {
        if self.protocol >= 5 { ProtocolVersion::V5 } else { ProtocolVersion::V4 }
    }
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    ensure!(
        flags.protocol == 4 || !flags.proxies.contains(&Kind::CqlProxy),
        "cql-proxy speaks protocol version 4 at most: leave it out with --proxies gateway"
    );
    for kind in &flags.proxies {
        kind.obtain(flags.build(*kind))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let cluster = Cluster::start(flags.nodes)?;
    let measured = |part| flags.parts.contains(&part);
    if measured(Part::Speed) || measured(Part::Memory) || measured(Part::Start) {
        cluster.fill(&runtime, &flags)?;
    }
    if measured(Part::Speed) {
        speed::run(&runtime, &cluster, &flags)?;
    }
    if measured(Part::Start) {
        start::run(&runtime, &cluster, &flags)?;
    }
    if measured(Part::Memory) {
        memory::run(&runtime, &cluster, &flags)?;
    }
    if measured(Part::Table) {
        table::run(&runtime, &cluster, &flags)?;
    }
    cluster.stop()
}
