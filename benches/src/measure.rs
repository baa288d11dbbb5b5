//! One workload against one server: operations, latencies, CPU of both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::Flags;
use crate::client::{Call, Client, Tally};
use crate::servers::Server;
use crate::workload::{self, BATCH_ROWS, Kind, RANGE_ROWS, Workload};

#[derive(Debug, Clone)]
pub struct Measured {
    pub operations: u64,
    pub seconds: f64,
    /// Of the server process, until it was idle again.
    pub server_cpu: f64,
    pub client_cpu: f64,
    pub p50: u32,
    pub p99: u32,
    pub rows: u64,
    pub digest: u64,
}

pub fn run(
    runtime: &Runtime,
    server: &Server,
    workload: &Workload,
    flags: &Flags,
    round: usize,
) -> Result<Measured> {
    server.settle();
    let (server_before, client_before) = (server.cpu(), own_cpu());
    let started = Instant::now();
    let (tally, operations) = runtime.block_on(drive(server, workload, flags, round))?;
    let seconds = started.elapsed().as_secs_f64();
    let client_cpu = own_cpu() - client_before;
    server.settle();
    let mut latencies = tally.latencies;
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 - 1.0).max(0.0) * share) as usize;
        latencies.get(index).copied().unwrap_or(0)
    };
    Ok(Measured {
        operations,
        seconds,
        server_cpu: server.cpu() - server_before,
        client_cpu,
        p50: at(0.5),
        p99: at(0.99),
        rows: tally.rows,
        digest: tally.digest,
    })
}

async fn drive(server: &Server, workload: &Workload, flags: &Flags, round: usize) -> Result<(Tally, u64)> {
    let counter = Arc::new(AtomicU64::new(0));
    let connections = if workload.kind == Kind::Scan { 1 } else { flags.connections };
    let mut tasks = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut client = Client::connect(server.address()).await?;
        let statements = server.statements().clone();
        let (counter, workload) = (Arc::clone(&counter), workload.clone());
        let (rows, value, window) = (flags.rows, flags.value, flags.in_flight);
        let ranges = (rows / RANGE_ROWS).max(1);
        // Rounds draw different rows, the same ones for every server.
        let salt = (round as u64) << 40;
        tasks.push(tokio::spawn(async move {
            let mut tally = Tally::default();
            if workload.kind == Kind::Scan {
                client.scan(&statements.scan, 5000, &mut tally).await?;
                return anyhow::Ok(tally);
            }
            let next = || {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                if number >= workload.operations {
                    return None;
                }
                let drawn = workload::scatter(number + salt);
                let id = workload::scatter(drawn % rows);
                let execute =
                    |statement, values| Call::Execute { statement, values, page_size: None, state: None };
                Some(match workload.kind {
                    Kind::Insert => execute(&statements.insert, workload::row(id, value)),
                    Kind::Mix if number % 10 == 0 => execute(&statements.insert, workload::row(id, value)),
                    Kind::Read | Kind::Mix => execute(&statements.read, workload::key(id)),
                    Kind::Range => execute(&statements.range, workload::range(drawn % ranges)),
                    Kind::Batch => Call::Batch {
                        statement: &statements.range_insert,
                        rows: (0..BATCH_ROWS)
                            .map(|at| workload::range_row(drawn % ranges, at, value))
                            .collect(),
                    },
                    Kind::Scan => return None,
                })
            };
            client.run(window, next, &mut tally).await?;
            Ok(tally)
        }));
    }
    let mut all = Tally::default();
    for task in tasks {
        let tally = task.await??;
        all.rows += tally.rows;
        all.digest = all.digest.wrapping_add(tally.digest);
        all.latencies.extend(tally.latencies);
    }
    Ok((all, workload.operations))
}

/// User and system seconds of this process.
fn own_cpu() -> f64 {
    cpu_of(std::process::id())
}

/// User and system seconds of a process, of all its threads (`/proc/PID/stat`, fields 14 and 15, in hundredths).
pub fn cpu_of(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |field: usize| -> f64 {
        after_name.split_whitespace().nth(field).and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Waits until a process uses next to no CPU: what it flushes and compacts counts, too.
pub fn settle(process: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut quiet = 0;
    while quiet < 2 && Instant::now() < deadline {
        let before = cpu_of(process);
        std::thread::sleep(Duration::from_millis(300));
        quiet = if cpu_of(process) - before <= 0.02 { quiet + 1 } else { 0 };
    }
}
