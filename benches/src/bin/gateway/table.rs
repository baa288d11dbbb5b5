//! A table larger than any buffer, read page by page over CQL and as one stream of REST.

use std::time::Instant;

use anyhow::{Result, ensure};
use ilium_benches::client::Tally;
use ilium_benches::measure::{self, Target};
use ilium_benches::process::{memory_of, watched};
use ilium_benches::proxy::{self, Proxy};
use ilium_benches::stream::{LOOK_EVERY, stream};
use ilium_benches::workload::{Filling, Kind, Rows, Workload};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::cassandra::{Cluster, saturation};

/// Bytes of a payload: with the id and the score a row has 1,000 bytes of values.
const PAYLOAD: usize = 988;
const ROW: u64 = 1000;
/// Rows of a page, as most drivers ask for.
const PAGE: i32 = 5000;
/// Lines of JSON, an object each.
const FORM: &str = "application/x-ndjson";

/// One reading of the whole table.
struct Reading {
    way: &'static str,
    bytes: u64,
    seconds: f64,
    /// Seconds of the proxy's CPU.
    cpu: f64,
    /// MiB of the proxy, before and at most meanwhile.
    before: f64,
    peak: f64,
}

pub fn run(runtime: &Runtime, cluster: &Cluster, flags: &Flags) -> Result<()> {
    let rows = Rows { count: flags.table_rows, value: PAYLOAD, filling: Filling::Random };
    cluster.make(runtime, flags)?;
    let direct = cluster.direct(runtime, flags)?;
    let load = Workload { name: "load", kind: Kind::Load, operations: rows.count };
    measure::run(runtime, &direct, &load, saturation(flags), rows, 0)?;
    let mut proxies = Vec::new();
    for &kind in &flags.proxies {
        let proxy = cluster.proxy(kind, runtime, flags)?;
        let target = cluster.through(&proxy, runtime, flags)?;
        proxies.push((proxy, target));
    }
    let mut readings: Vec<Reading> = Vec::new();
    let mut digest = None;
    for round in 0..2 {
        for target in std::iter::once(&direct).chain(proxies.iter().map(|(_, target)| target)) {
            let (reading, found) = pages(runtime, target, rows)?;
            ensure!(
                *digest.get_or_insert(found) == found,
                "{} gave other rows than {}, the run is void",
                target.name,
                direct.name
            );
            // The first round fills the page cache and Cassandra's own.
            if round > 0 {
                readings.push(reading);
            }
        }
    }
    for (proxy, _) in proxies.iter().filter(|(proxy, _)| proxy.kind == proxy::Kind::Gateway) {
        readings.push(streamed(proxy, rows)?);
    }
    report(rows, &readings);
    Ok(())
}

fn pages(runtime: &Runtime, target: &Target, rows: Rows) -> Result<(Reading, u64)> {
    target.settle();
    let look = || target.proxy.map_or(0.0, memory_of);
    let (cpu, before) = (target.proxy_cpu(), look());
    let started = Instant::now();
    let (tally, memory) = watched(LOOK_EVERY, look, || {
        runtime.block_on(async {
            let mut tally = Tally::default();
            for mut client in target.connect(1).await? {
                client.scan(&target.statements.scan, PAGE, &mut tally).await?;
            }
            anyhow::Ok(tally)
        })
    });
    let seconds = started.elapsed().as_secs_f64();
    let tally = tally?;
    ensure!(tally.rows == rows.count, "{}: {} rows of {}", target.name, tally.rows, rows.count);
    let peak = memory.into_iter().fold(before, f64::max);
    let bytes = rows.count * ROW;
    let cpu = target.proxy_cpu() - cpu;
    Ok((Reading { way: target.name, bytes, seconds, cpu, before, peak }, tally.digest))
}

fn streamed(proxy: &Proxy, rows: Rows) -> Result<Reading> {
    let streamed = stream(proxy.http, proxy.id(), "/v2/keyspaces/bench/rows/rows", FORM)?;
    ensure!(streamed.lines == rows.count, "REST gave {} lines of {}", streamed.lines, rows.count);
    Ok(Reading {
        way: "gateway, REST",
        bytes: streamed.bytes,
        seconds: streamed.seconds,
        cpu: streamed.cpu,
        before: streamed.before,
        peak: streamed.peak(),
    })
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(rows: Rows, readings: &[Reading]) {
    println!(
        "| {} rows of 1 KB, read whole | MB | seconds | MB/s | proxy CPU (s) | its memory before (MiB) | at most |\n\
         |---|---:|---:|---:|---:|---:|---:|",
        rows.count
    );
    for reading in readings {
        let mb = reading.bytes as f64 / 1e6;
        println!(
            "| {} | {mb:.0} | {:.1} | {:.0} | {:.2} | {:.0} | {:.0} |",
            reading.way,
            reading.seconds,
            mb / reading.seconds,
            reading.cpu,
            reading.before,
            reading.peak
        );
    }
    println!();
}
