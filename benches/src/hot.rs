//! The hot set: all workloads, over as many rows, connections and rates as asked for.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ilium_benches::measure::{self, Clients};
use ilium_benches::results::Results;
use ilium_benches::workload::{self, Filling, Kind, RANGE_ROWS, Rows, Workload};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::report;
use crate::servers::{self, Server};

const ROWS: u64 = 100_000;

/// Unanswered requests of one connection at a given rate, as many as Java's driver allows itself by default.
const WINDOW: usize = 1024;

pub fn run(runtime: &Runtime, flags: &Flags) -> Result<()> {
    let rows = if flags.rows.is_empty() { &[ROWS][..] } else { &flags.rows };
    for &count in rows {
        over(runtime, flags, Rows { count, value: flags.value, filling: Filling::Half })?;
    }
    Ok(())
}

fn over(runtime: &Runtime, flags: &Flags, rows: Rows) -> Result<()> {
    let ways = ways(flags);
    let mut work = workload::hot(flags.operations, &flags.only);
    if !flags.rate.is_empty() {
        // A rate for rows makes no sense for what reads or writes many.
        work.retain(|workload| matches!(workload.kind, Kind::Insert | Kind::Read | Kind::Mix));
    }
    ensure!(!work.is_empty(), "no workload's name contains {}", flags.only);
    let mut servers = servers::start(flags, None)?;
    for server in &mut servers {
        server.prepare(runtime, flags)?;
        load_and_warm(runtime, server, flags, rows, &work)?;
    }
    let mut results = Results::default();
    for round in 0..flags.rounds {
        for workload in &work {
            // A scan is one connection's work.
            let ways = if workload.kind == Kind::Scan { ways.get(..1).unwrap_or_default() } else { &ways };
            for (way, clients) in ways {
                let way = if workload.kind == Kind::Scan { "" } else { way };
                let label = format!("{}{way}", workload.name);
                for server in &servers {
                    let measured = measure::run(runtime, &server.target(), workload, *clients, rows, round)?;
                    report::progress(server.name, &label, round, &measured);
                    results.add(server.name, &label, measured);
                }
            }
        }
    }
    results.check()?;
    let how = if flags.rate.is_empty() {
        format!("connections of {} requests", flags.in_flight)
    } else {
        "connections at a given rate".to_owned()
    };
    let connections: Vec<String> = flags.connections.iter().map(usize::to_string).collect();
    let title = format!(
        "{} rounds, {} rows, {} {how}, {}",
        flags.rounds,
        rows.count,
        connections.join("/"),
        flags.durability
    );
    report::print(&results, &title);
    report::print_memory(&servers);
    servers.into_iter().try_for_each(Server::stop)
}

/// Every number of connections at every rate, each with what sets it apart in the report.
fn ways(flags: &Flags) -> Vec<(String, Clients)> {
    let rates: Vec<Option<u64>> =
        if flags.rate.is_empty() { vec![None] } else { flags.rate.iter().copied().map(Some).collect() };
    let mut ways = Vec::new();
    for &connections in &flags.connections {
        for &rate in &rates {
            let mut label = String::new();
            if flags.connections.len() > 1 {
                label += &format!(", {connections} connections");
            }
            if let Some(rate) = rate {
                label += &format!(", {rate}/s offered");
            }
            let in_flight = if rate.is_some() { WINDOW } else { flags.in_flight };
            ways.push((label, Clients { connections, in_flight, rate }));
        }
    }
    ways
}

fn load_and_warm(
    runtime: &Runtime,
    server: &Server,
    flags: &Flags,
    rows: Rows,
    work: &[Workload],
) -> Result<()> {
    let clients = Clients { connections: 8, in_flight: flags.in_flight, rate: None };
    let operations = rows.count + rows.ranges() * RANGE_ROWS;
    let load = Workload { name: "load", kind: Kind::Load, operations };
    measure::run(runtime, &server.target(), &load, clients, rows, 0)?;
    let until = Instant::now() + Duration::from_secs(flags.warm_up);
    while Instant::now() < until {
        for workload in work {
            measure::run(runtime, &server.target(), workload, clients, rows, 0)?;
        }
    }
    Ok(())
}
