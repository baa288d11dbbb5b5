//! The engine's own work on one contender: figures, each with the CPU it took.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ilium_embedded::storage::Merge;

use crate::contender::{Contender, Delta};
use crate::rows;

/// Writers, each with so many single-row writes under way, as the engine's clients have.
const WRITERS: u64 = 8;
pub const IN_FLIGHT: u64 = 32;

/// One kind of work as it went: `phase NAME OPERATIONS SECONDS CPU-SECONDS` on a line.
pub struct Phase {
    started: Instant,
    cpu: f64,
}

impl Phase {
    pub fn start() -> Phase {
        Phase { started: Instant::now(), cpu: cpu() }
    }

    /// Ends the clock now and the CPU's count when the process is idle: what the work left to do counts.
    pub fn end(self, name: &str, operations: u64) {
        let seconds = self.started.elapsed().as_secs_f64();
        settle();
        println!("phase\t{name}\t{operations}\t{seconds}\t{}", cpu() - self.cpu);
    }
}

pub fn amount(name: &str, value: f64) {
    println!("amount\t{name}\t{value}");
}

pub fn run(name: &str, folder: &Path, rows: u64) -> Result<()> {
    let store = Contender::open(name, folder)?;
    let phase = Phase::start();
    write_all(rows, |row| store.write(row, true), |row| (rows::key(row), rows::whole(row, 1)))?;
    phase.end("load", rows);
    let phase = Phase::start();
    write_all(rows, |row| store.write(row, false), |row| (rows::key(row), rows::whole(row, 2)))?;
    phase.end("overwrite", rows);
    store.flush()?;
    settle();

    let hot = (rows / 10).max(1);
    let mut out = Vec::new();
    for row in 0..hot {
        ensure!(store.get(&rows::key(row), &mut out)?, "row {row} is missing");
    }
    let phase = Phase::start();
    for n in 0..rows {
        let row = rows::scatter(n) % hot;
        ensure!(store.get(&rows::key(row), &mut out)?, "row {row} is missing");
    }
    phase.end("read hot", rows);
    let ranges = rows / rows::PARTITION;
    let phase = Phase::start();
    for n in 0..ranges {
        let (from, to) = rows::partition(rows::nth(n, ranges) * rows::PARTITION);
        let mut found = 0;
        store.range(&from, &to, &mut |_, _| {
            found += 1;
            Ok(())
        })?;
        ensure!(found == rows::PARTITION, "a range gave {found} rows");
    }
    phase.end("range of 100", ranges);
    let phase = Phase::start();
    let (mut found, mut digest) = (0, 0u64);
    store.range(&[0], &[0xff], &mut |key, value| {
        found += 1;
        digest = digest.wrapping_add(sum(key, value));
        Ok(())
    })?;
    phase.end("full scan, a row", rows);
    ensure!(
        (found, digest) == (rows, expected(rows)),
        "the scan gave {found} rows that are not those written"
    );
    amount("memory (MiB)", resident());
    drop(store);
    amount("disk (MiB)", crate::files::bytes(folder)? as f64 / f64::from(1 << 20));
    Ok(())
}

/// Writes what `entry` makes of each row, in an order without locality.
fn write_all(
    rows: u64,
    write: impl Fn(Vec<Delta>) -> Result<()> + Sync,
    entry: impl Fn(u64) -> Delta + Sync,
) -> Result<()> {
    each_chunk(rows, |chunk| write(chunk.iter().map(|&row| entry(row)).collect()))
}

/// Deals the rows out to the writers, in chunks of what one has under way.
pub fn each_chunk(rows: u64, work: impl Fn(&[u64]) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicU64::new(0);
    let writer = || {
        loop {
            let first = next.fetch_add(IN_FLIGHT, Ordering::Relaxed);
            if first >= rows {
                return Ok(());
            }
            let chunk: Vec<u64> =
                (first..(first + IN_FLIGHT).min(rows)).map(|n| rows::nth(n, rows)).collect();
            work(&chunk)?;
        }
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?)
    })
}

/// An entry's part of a digest.
fn sum(key: &[u8], value: &[u8]) -> u64 {
    let bytes = key.iter().chain(value).zip(1..).map(|(byte, at): (&u8, u64)| u64::from(*byte) * at);
    bytes.fold(0, u64::wrapping_add)
}

fn expected(rows: u64) -> u64 {
    (0..rows).fold(0, |digest: u64, row| digest.wrapping_add(sum(&rows::key(row), &merged(row))))
}

/// A row's record after both of its writes.
pub fn merged(row: u64) -> Vec<u8> {
    let mut out = Vec::new();
    rows::policy().merge(&rows::key(row), &rows::whole(row, 1), &rows::whole(row, 2), &mut out);
    out
}

/// User and system seconds of this process.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks() + ticks()) / 100.0
}

/// Waits until this process does nothing by itself: what it flushes and compacts is over.
pub fn settle() {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut quiet = 0;
    while quiet < 3 && Instant::now() < deadline {
        let before = cpu();
        std::thread::sleep(Duration::from_millis(300));
        quiet = if cpu() - before <= 0.02 { quiet + 1 } else { 0 };
    }
}

/// RssAnon and RssShmem in MiB: pages of mapped files are the system's to take back.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    };
    (field("RssAnon:") + field("RssShmem:")) / 1024.0
}
