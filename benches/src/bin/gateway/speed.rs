//! Prepared reads and inserts on every way, at saturation and at the rate.

use std::time::{Duration, Instant};

use anyhow::Result;
use ilium_benches::measure::{self, Clients, Target};
use ilium_benches::results::Results;
use ilium_benches::workload::{Kind, Workload};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::cassandra::{Cluster, rows, saturation};

mod report;

/// The rate's share of what the direct way gives at saturation.
const SHARE: f64 = 0.2;

/// Unanswered requests of one connection at the rate. cql-proxy's one connection to Cassandra takes 2,048, and it
/// refuses what is more.
const WINDOW: usize = 128;

/// Requests of a workload while everything warms up.
const WARM_UP: u64 = 30_000;

const WORK: [(&str, Kind); 2] = [("prepared read", Kind::Read), ("prepared insert", Kind::Insert)];

pub fn run(runtime: &Runtime, cluster: &Cluster, flags: &Flags) -> Result<()> {
    let mut proxies = Vec::new();
    let mut ways = vec![cluster.direct(runtime, flags)?];
    for &kind in &flags.proxies {
        let proxy = cluster.proxy(kind, runtime, flags)?;
        ways.push(cluster.through(&proxy, runtime, flags)?);
        proxies.push(proxy);
    }
    let rates = warm(runtime, &ways, flags)?;
    let (mut saturated, mut paced) = (Results::default(), Results::default());
    for round in 0..flags.rounds {
        for ((name, kind), rate) in WORK.into_iter().zip(&rates) {
            let closed = Workload { name, kind, operations: flags.operations };
            let open = Workload { name, kind, operations: rate * flags.seconds };
            // Each round begins with another way, so that none always follows the same one.
            for at in 0..ways.len() {
                let Some(way) = ways.get((at + round) % ways.len()) else { continue };
                let measured = measure::run(runtime, way, &closed, saturation(flags), rows(flags), round)?;
                report::progress(way.name, name, round, &measured);
                saturated.add(way.name, name, measured);
            }
            for at in 0..ways.len() {
                let Some(way) = ways.get((at + round) % ways.len()) else { continue };
                let clients = Clients { rate: Some(*rate), in_flight: WINDOW, ..saturation(flags) };
                let measured = measure::run(runtime, way, &open, clients, rows(flags), round)?;
                report::progress(way.name, &format!("{name}, {rate}/s"), round, &measured);
                paced.add(way.name, name, measured);
            }
        }
    }
    saturated.check()?;
    paced.check()?;
    report::print(flags, &saturated, &paced, &rates);
    Ok(())
}

/// Warms every way up, then finds the rate of each workload.
fn warm(runtime: &Runtime, ways: &[Target], flags: &Flags) -> Result<Vec<u64>> {
    let until = Instant::now() + Duration::from_secs(flags.warm_up);
    while Instant::now() < until {
        for (name, kind) in WORK {
            let workload = Workload { name, kind, operations: WARM_UP };
            for way in ways {
                let measured = measure::run(runtime, way, &workload, saturation(flags), rows(flags), 0)?;
                report::progress(way.name, &format!("{name}, warming up"), 0, &measured);
            }
        }
    }
    let rate = |(name, kind)| {
        let workload = Workload { name, kind, operations: flags.operations };
        let Some(direct) = ways.first() else { return Ok(1) };
        let measured = measure::run(runtime, direct, &workload, saturation(flags), rows(flags), 0)?;
        // To the hundred, as a person would choose it.
        Ok(((measured.per_second() * SHARE / 100.0) as u64).max(1) * 100)
    };
    WORK.into_iter().map(rate).collect()
}
