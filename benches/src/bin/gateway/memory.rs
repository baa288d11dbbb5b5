//! Resident memory of a proxy of its own: after the first answer, with idle connections, with busy ones.

use std::time::Duration;

use anyhow::{Result, ensure};
use ilium_benches::measure::{self, Clients};
use ilium_benches::process::{resident_of, watched};
use ilium_benches::proxy::Proxy;
use ilium_benches::workload::{Kind, Workload};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::cassandra::{Cluster, rows};

const IDLE: usize = 1000;
const BUSY: usize = 500;
/// Requests in flight on each of the busy connections: together they stay below the 2,048 that cql-proxy has room for on its
/// one connection to Cassandra.
const IN_FLIGHT: usize = 4;
/// Reads by all busy connections together, in turn with as many inserts.
const OPERATIONS: u64 = 100_000;

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a proxy does after an answer or a new connection is done by then.
const REST: Duration = Duration::from_secs(1);

/// MiB.
struct Resident {
    fresh: f64,
    idle: f64,
    busy: f64,
    /// When the busy ones were gone again.
    after: f64,
}

pub fn run(runtime: &Runtime, cluster: &Cluster, flags: &Flags) -> Result<()> {
    let mut table = Vec::new();
    for &kind in &flags.proxies {
        let proxy = cluster.proxy(kind, runtime, flags)?;
        table.push((kind.name(), one(runtime, cluster, &proxy, flags)?));
    }
    report(&table);
    Ok(())
}

fn one(runtime: &Runtime, cluster: &Cluster, proxy: &Proxy, flags: &Flags) -> Result<Resident> {
    let look = || {
        std::thread::sleep(REST);
        resident_of(proxy.id())
    };
    let fresh = look();
    let target = cluster.through(proxy, runtime, flags)?;
    let connected = runtime.block_on(target.connect(IDLE))?;
    let idle = look();
    drop(connected);
    let clients = Clients { connections: BUSY, in_flight: IN_FLIGHT, rate: None };
    let work = [("read by key", Kind::Read), ("insert", Kind::Insert)];
    let (done, memory) = watched(
        LOOK_EVERY,
        || resident_of(proxy.id()),
        || -> Result<()> {
            for (name, kind) in work {
                let workload = Workload { name, kind, operations: OPERATIONS };
                let measured = measure::run(runtime, &target, &workload, clients, rows(flags), 0)?;
                let expected = if kind == Kind::Read { OPERATIONS } else { 0 };
                ensure!(
                    measured.rows == expected,
                    "{name}: {} rows of {expected}, the run is void",
                    measured.rows
                );
            }
            Ok(())
        },
    );
    done?;
    let busy = memory.into_iter().fold(0.0, f64::max);
    Ok(Resident { fresh, idle, busy, after: look() })
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(table: &[(&str, Resident)]) {
    println!(
        "| resident memory (MiB, all of VmRSS) | after the first answer | {IDLE} idle connections | {BUSY} busy ones, \
         {IN_FLIGHT} requests each, at most | when they are gone |\n|---|---:|---:|---:|---:|"
    );
    for (name, resident) in table {
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} |",
            resident.fresh, resident.idle, resident.busy, resident.after
        );
    }
    println!();
}
