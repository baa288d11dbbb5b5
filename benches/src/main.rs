//! Runs Ilium and a real Cassandra in turn on the same machine with the same client, schema and rows, and prints
//! medians and ratios.
//!
//! ```text
//! cargo run --release -p ilium-benches --bin bench -- --rounds 5
//! ```
//! Vocabulary: a *round* runs every workload once against each server; a *workload* is one kind of request over the
//! same rows; *server CPU* is the process's user and system time, what it does after the last answer until it is idle
//! included; the *hot* set fits in memory, the *cold* one does not.

mod cgroup;
mod cold;
mod disk;
mod hot;
mod report;
mod servers;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Ilium beside Apache Cassandra on the same work.
#[derive(Debug, Parser)]
pub struct Flags {
    /// Rounds, interleaved; the medians of all are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rows of the table; several numbers, comma-separated, give a table of results each, on new servers. Default
    /// 100000, with --disk 1000000
    #[arg(long, value_delimiter = ',')]
    rows: Vec<u64>,
    /// Bytes of a row's value
    #[arg(long, default_value_t = 160)]
    value: usize,
    /// Operations of each workload; scans and ranges do a fraction of it
    #[arg(long, default_value_t = 200_000)]
    operations: u64,
    /// Connections; several numbers, comma-separated, are measured in turn
    #[arg(long, value_delimiter = ',', default_value = "8")]
    connections: Vec<usize>,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Sends inserts, reads and their mix at this many a second, whatever the answers do; latency counts from the moment
    /// a request was to be sent. Several numbers, comma-separated, are measured in turn
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["in_flight", "cold", "disk"])]
    rate: Vec<u64>,
    /// Seconds of the same work before anything is measured: Cassandra compiles itself meanwhile
    #[arg(long, default_value_t = 30)]
    warm_up: u64,
    /// `periodic` or `group`; Cassandra gets `periodic` or `batch`
    #[arg(long, default_value = "periodic", value_parser = ["periodic", "group"])]
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
    /// Loads --gib of rows into each server in a memory cgroup of 2 GiB, then reads and inserts by random key
    #[arg(long, conflicts_with_all = ["disk", "rows", "value"])]
    cold: bool,
    /// GiB of rows of 1 KiB for --cold
    #[arg(long, default_value_t = 6.0, requires = "cold")]
    gib: f64,
    /// Measures what the same rows take on disk after a major compaction, instead of speed
    #[arg(long)]
    disk: bool,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if flags.cold {
        cold::run(&runtime, &flags)
    } else if flags.disk {
        disk::run(&runtime, &flags)
    } else {
        hot::run(&runtime, &flags)
    }
}
