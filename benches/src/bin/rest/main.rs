//! The REST API beside a service written by hand for one table, over the same engine or the same cluster.
//!
//! ```text
//! cargo run --release -p ilium-benches --bin rest -- [--cluster] [--rounds 5] [--ilium target/release/ilium]
//! ```

mod by_hand;
mod client;
mod cluster;
mod customers;
mod stream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use ilium_benches::process::{Idle, cpu_of, memory_of, resident_of, settle};
use ilium_benches::results::median;
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Settings};

use by_hand::ByHand;

/// As `ilium` allocates, so that the two differ in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The REST API beside an axum service written by hand for one table, over the same engine or cluster
#[derive(Parser)]
struct Flags {
    /// Rounds, interleaved; the medians of all are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rows of the table, and requests of each workload
    #[arg(long, default_value_t = 200_000)]
    operations: u64,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The binary to measure
    #[arg(long, default_value = "target/release/ilium")]
    ilium: PathBuf,
    /// In front of a real Cassandra: `ilium gateway` beside a service over the Rust driver
    #[arg(long, conflicts_with = "stream")]
    cluster: bool,
    /// Stream this many cells as JSON lines and CSV instead, and show the server's memory meanwhile
    #[arg(long)]
    stream: Option<u64>,
    /// Serve by hand on this folder, for the other half of the comparison
    #[arg(long, hide = true)]
    serve_by_hand: Option<PathBuf>,
}

/// What a server flushes after its last answer counts, too.
const IDLE: Idle = Idle { looks: 2, limit: Duration::from_secs(60) };

struct Server {
    name: &'static str,
    address: SocketAddr,
    process: u32,
    /// What works for it behind.
    behind: Vec<u32>,
}

impl Server {
    fn new(name: &'static str, address: SocketAddr, process: u32, behind: Vec<u32>) -> Server {
        Server { name, address, process, behind }
    }

    fn settle(&self) {
        let processes: Vec<u32> = self.behind.iter().chain([&self.process]).copied().collect();
        settle(&processes, IDLE);
    }
}

struct Measured {
    per_second: f64,
    per_cpu_second: f64,
    p50: u32,
    p99: u32,
    digest: u64,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    if let Some(folder) = flags.serve_by_hand {
        return by_hand::serve(folder);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if flags.cluster {
        return cluster::run(&runtime, &flags);
    }
    let (folder, other) = (Folder::new()?, Folder::new()?);
    let ilium = Ilium::start(&std::path::absolute(&flags.ilium)?, &folder, &["--durability", "periodic"])
        .context("build it with cargo build --release")?;
    for statement in customers::SCHEMA {
        Connection::open(ilium.address(), 5)?.query(statement, &Binds::None, &Settings::default())?;
    }
    if let Some(cells) = flags.stream {
        return stream::run(&ilium, cells);
    }
    let mut command = Command::new(std::env::current_exe()?);
    let by_hand = ByHand::start(command.arg("--serve-by-hand").arg(other.data()))?;
    let servers = [
        Server::new("ilium", ilium.http(), ilium.id(), Vec::new()),
        Server::new("by hand", by_hand.address, by_hand.id(), Vec::new()),
    ];
    compare(&runtime, &servers, &flags)
}

/// Every workload on both in turn.
fn compare(runtime: &tokio::runtime::Runtime, servers: &[Server], flags: &Flags) -> Result<()> {
    for work in ["insert", "read by key"] {
        let mut rounds: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
        // The first is a warm-up, and thrown away.
        for round in 0..=flags.rounds {
            for (server, measured) in servers.iter().zip(&mut rounds) {
                let result = measure(runtime, server, work, flags)?;
                progress(round, server, work, &result);
                if round > 0 {
                    measured.push(result);
                }
            }
        }
        report(work, servers, &rounds)?;
    }
    for server in servers {
        memory(server);
    }
    Ok(())
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    server: &Server,
    work: &str,
    flags: &Flags,
) -> Result<Measured> {
    server.settle();
    let before = cpu_of(server.process);
    let started = Instant::now();
    // A fixed stride that meets every row once, in an order of its own.
    let count = flags.operations;
    let spread = move |at: u64| (at.wrapping_mul(2_654_435_761)) % count;
    let request: fn(u64) -> Vec<u8> = if work == "insert" { customers::insert } else { customers::read };
    let run = client::run(server.address, flags.connections, count, move |at| request(spread(at)));
    let mut tally = runtime.block_on(run)?;
    let seconds = started.elapsed().as_secs_f64();
    server.settle();
    tally.latencies.sort_unstable();
    let at = |share: f64| {
        tally.latencies.get(((tally.latencies.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(0)
    };
    Ok(Measured {
        per_second: count as f64 / seconds,
        per_cpu_second: count as f64 / (cpu_of(server.process) - before).max(0.01),
        p50: at(0.5),
        p99: at(0.99),
        digest: tally.digest,
    })
}

#[expect(clippy::print_stderr, reason = "a benchmark shows where it is")]
fn progress(round: usize, server: &Server, work: &str, measured: &Measured) {
    eprintln!(
        "round {round}  {:<8} {work:<12} {:>8.0}/s {:>8.0} per CPU second  p50 {:>5} us  p99 {:>6} us",
        server.name, measured.per_second, measured.per_cpu_second, measured.p50, measured.p99
    );
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(work: &str, servers: &[Server], rounds: &[Vec<Measured>]) -> Result<()> {
    let digests: Vec<Vec<u64>> = rounds.iter().map(|of| of.iter().map(|one| one.digest).collect()).collect();
    ensure!(
        digests.windows(2).all(|pair| matches!(pair, [one, other] if one == other)),
        "{work}: the answers differ, the run is void"
    );
    println!(
        "\n| {work} | per second | per server CPU second | p50 (us) | p99 (us) |\n|---|---:|---:|---:|---:|"
    );
    let mut rates = Vec::new();
    for (server, of) in servers.iter().zip(rounds) {
        let rate = median(of, |one| one.per_cpu_second);
        rates.push(rate);
        println!(
            "| {} | {:.0} | {rate:.0} | {:.0} | {:.0} |",
            server.name,
            median(of, |one| one.per_second),
            median(of, |one| f64::from(one.p50)),
            median(of, |one| f64::from(one.p99)),
        );
    }
    if let [ours, theirs] = rates[..] {
        println!("| **share** | | **{:.0} %** | | |", 100.0 * ours / theirs);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn memory(server: &Server) {
    let process = server.process;
    println!(
        "{}: {:.0} MiB (RssAnon and RssShmem), {:.0} MiB resident in all",
        server.name,
        memory_of(process),
        resident_of(process)
    );
}
