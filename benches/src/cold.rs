//! The cold set: more rows than the memory a server is given, its page cache included.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ilium_benches::measure::{self, Clients};
use ilium_benches::results::Results;
use ilium_benches::workload::{Filling, Kind, Rows, Source, Workload};
use ilium_testbed::folders;
use tokio::runtime::Runtime;

use crate::Flags;
use crate::disk;
use crate::report;
use crate::servers::{self, Server};

/// What a server has for itself and for its part of the page cache.
const MEMORY: u64 = 2 << 30;
/// With 8 bytes of id and 4 of score a row is 1 KiB.
const PAYLOAD: usize = 1012;
/// Rows read at the end whose every byte is compared with what was written.
const SAMPLE: u64 = 20_000;

pub fn run(runtime: &Runtime, flags: &Flags) -> Result<()> {
    real_disk(&folders::cache()?)?;
    let count = (flags.gib * f64::from(1 << 20)) as u64;
    let rows = Rows { count: count.max(1), value: PAYLOAD, filling: Filling::Random };
    let connections = flags.connections.first().copied().unwrap_or(8);
    let clients = Clients { connections, in_flight: flags.in_flight, rate: None };
    let mut servers = servers::start(flags, Some(MEMORY))?;
    let mut results = Results::default();
    let load = Workload { name: "load", kind: Kind::Load, operations: rows.count };
    let read = Workload { name: "read by key", kind: Kind::Read, operations: flags.operations };
    let insert = Workload { name: "insert", kind: Kind::InsertNew, operations: flags.operations };

    for at in 0..servers.len() {
        servers::let_run(&servers, at)?;
        let Some(server) = servers.get_mut(at) else { continue };
        server.prepare(runtime, flags)?;
        let measured = measure::run(runtime, &server.target(), &load, clients, rows, 0)?;
        report::progress(server.name, load.name, 0, &measured);
        results.add(server.name, load.name, measured);
        let until = Instant::now() + Duration::from_secs(flags.warm_up);
        let short = Workload { operations: flags.operations.min(20_000), ..read.clone() };
        for round in flags.rounds.. {
            if Instant::now() >= until {
                break;
            }
            measure::run(runtime, &server.target(), &short, clients, rows, round)?;
        }
    }
    for round in 0..flags.rounds {
        for workload in [&read, &insert] {
            for (at, server) in servers.iter().enumerate() {
                servers::let_run(&servers, at)?;
                let measured = measure::run(runtime, &server.target(), workload, clients, rows, round)?;
                report::progress(server.name, workload.name, round, &measured);
                results.add(server.name, workload.name, measured);
            }
        }
    }
    let inserted = Rows { count: rows.count + flags.rounds as u64 * flags.operations, ..rows };
    for (at, server) in servers.iter().enumerate() {
        servers::let_run(&servers, at)?;
        check(runtime, server, inserted, clients, flags.rounds)?;
    }
    results.check()?;
    let title = format!(
        "{} rounds, {} rows of 1 KiB ({:.2} GiB) in {} GiB of memory, {connections} connections of {} requests, {}",
        flags.rounds,
        rows.count,
        rows.count as f64 / f64::from(1 << 20),
        MEMORY >> 30,
        flags.in_flight,
        flags.durability
    );
    report::print(&results, &title);
    report::print_memory(&servers);
    for server in &servers {
        report_disk(server)?;
    }
    servers.into_iter().try_for_each(Server::stop)
}

/// Reads a sample of all rows, and wants each to be what was written.
fn check(runtime: &Runtime, server: &Server, rows: Rows, clients: Clients, round: usize) -> Result<()> {
    let workload = Workload { name: "sample", kind: Kind::Read, operations: SAMPLE };
    let measured = measure::run(runtime, &server.target(), &workload, clients, rows, round)?;
    let source = Source { statements: server.target().statements, workload, rows, round };
    ensure!(
        (measured.rows, measured.digest) == (SAMPLE, rows.expected(&source)),
        "{}: a sample of {SAMPLE} rows gave {} that are not the ones written: the run is void",
        server.name,
        measured.rows
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report_disk(server: &Server) -> Result<()> {
    let bytes = disk::bytes_below(&server.data())?;
    println!("{}: {:.2} GiB on disk, log included", server.name, bytes as f64 / f64::from(1 << 30));
    Ok(())
}

/// Refuses a file system that is memory itself: nothing on it is ever cold.
fn real_disk(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("reading /proc/self/mounts")?;
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(at).then_some((at.len(), kind))
    });
    let kind = holding.max().map_or("", |(_, kind)| kind);
    ensure!(
        !["tmpfs", "ramfs", "devtmpfs"].contains(&kind),
        "{} is in memory ({kind}); set ILIUM_TESTBED_DIR to a folder on a disk",
        folder.display()
    );
    Ok(())
}
