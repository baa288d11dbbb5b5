//! Runs Ilium and a real Cassandra in turn on the same machine with the same client, schema and rows, and prints
//! medians and ratios.
//!
//! ```text
//! cargo run --release -p ilium-benches -- --rounds 5
//! ```
//! Vocabulary: a *round* runs every workload once against each server; a *workload* is one kind of request over the
//! same rows; *server CPU* is the process's user and system time, what it does after the last answer until it is idle
//! included.

mod client;
mod measure;
mod report;
mod servers;
mod workload;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Ilium beside Apache Cassandra on the same work.
#[derive(Debug, Parser)]
pub struct Flags {
    /// Rounds, interleaved; the medians of all are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rows of the table
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// Bytes of a row's value
    #[arg(long, default_value_t = 160)]
    value: usize,
    /// Operations of each workload; scans and ranges do a fraction of it
    #[arg(long, default_value_t = 200_000)]
    operations: u64,
    /// Connections
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Seconds of inserts and reads before anything is measured: Cassandra compiles itself meanwhile
    #[arg(long, default_value_t = 30)]
    warm_up: u64,
    /// `periodic` or `group`; Cassandra gets `periodic` or `batch`
    #[arg(long, default_value = "periodic")]
    durability: String,
    /// Leave Cassandra out
    #[arg(long)]
    alone: bool,
    /// The binary to measure
    #[arg(long, default_value = "target/release/ilium")]
    ilium: PathBuf,
    /// Only workloads whose name contains one of these, comma-separated
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut servers = servers::start(&flags)?;
    let mut results = report::Results::default();
    for server in &mut servers {
        server.prepare(&runtime, &flags)?;
    }
    for round in 0..flags.rounds {
        for workload in workload::all(&flags) {
            for server in &mut servers {
                let measured = measure::run(&runtime, server, &workload, &flags, round)?;
                report::progress(server.name, &workload, round, &measured);
                results.add(server.name, &workload, measured);
            }
        }
    }
    results.check()?;
    report::print(&results, &servers, &flags);
    for server in servers {
        server.stop()?;
    }
    Ok(())
}
