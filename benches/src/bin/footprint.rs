//! What a database costs beside its speed: start to first answer, memory and disk after a million rows.
//!
//! ```text
//! cargo run --release -p ilium-benches --bin footprint -- target/release/ilium [ROWS]
//! ```
#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ilium_benches::process::memory_of;
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{BatchItem, BatchKind, Bind, Binds, Connection, Outcome, Prepared, Settings};

const SCHEMA: [&str; 2] = [
    "CREATE KEYSPACE f WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE f.rows (id bigint PRIMARY KEY, name text, score int, payload blob)",
];
const STARTS: usize = 9;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let binary = args.next().context("usage: footprint BINARY [ROWS]")?;
    let binary = std::path::absolute(Path::new(&binary))?;
    let rows: u64 = args.next().map_or(Ok(1_000_000), |text| text.parse())?;

    let mut empty = Vec::new();
    for _ in 0..STARTS {
        let folder = Folder::new()?;
        empty.push(first_answer(&binary, &folder, "SELECT release_version FROM system.local")?);
    }
    println!("start to first answer, empty folder:     {}", median(&mut empty));

    let folder = Folder::new()?;
    let server = Ilium::start(&binary, &folder, &["--durability", "periodic"])?;
    load(&server, rows)?;
    println!(
        "memory after loading {rows} rows:       {:.0} MiB (RssAnon and RssShmem)",
        memory_of(server.id())
    );
    server.crash()?;
    let mut full = Vec::new();
    for _ in 0..STARTS {
        full.push(first_answer(&binary, &folder, "SELECT name FROM f.rows WHERE id = 42")?);
    }
    println!("start to first answer after a kill, {rows} rows: {}", median(&mut full));
    println!("disk: {:.0} MiB", size(&folder.data())? as f64 / f64::from(1 << 20));
    Ok(())
}

fn first_answer(binary: &Path, folder: &Folder, statement: &str) -> Result<Duration> {
    let started = Instant::now();
    let server = Ilium::start(binary, folder, &[])?;
    let answer =
        Connection::open(server.address(), 5)?.query(statement, &Binds::None, &Settings::default())?;
    let took = started.elapsed();
    ensure!(
        matches!(&answer.outcome, Outcome::Rows(rows) if rows.rows.len() == 1),
        "{statement}: {answer:?}"
    );
    server.stop()?;
    Ok(took)
}

fn load(server: &Ilium, rows: u64) -> Result<()> {
    const BATCH: u64 = 100;
    let mut connection = Connection::open(server.address(), 5)?;
    for statement in SCHEMA {
        connection.query(statement, &Binds::None, &Settings::default())?;
    }
    let insert = "INSERT INTO f.rows (id, name, score, payload) VALUES (?, ?, ?, ?)";
    let Outcome::Prepared(prepared) = connection.prepare(insert, None)?.outcome else {
        anyhow::bail!("the INSERT could not be prepared");
    };
    for first in (0..rows).step_by(BATCH as usize) {
        let items: Vec<BatchItem> =
            (first..(first + BATCH).min(rows)).map(|id| item(&prepared, id)).collect();
        let answer = connection.batch(BatchKind::Unlogged, &items, &Settings::default())?;
        ensure!(answer.outcome == Outcome::Void, "{answer:?}");
    }
    Ok(())
}

/// A row of about 200 bytes.
fn item(prepared: &Prepared, id: u64) -> BatchItem {
    let mut payload = Vec::with_capacity(160);
    let mut state = id;
    while payload.len() < 80 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        payload.extend_from_slice(&state.to_be_bytes());
    }
    payload.resize(160, b'i');
    let values = [
        id.to_be_bytes().to_vec(),
        format!("name of {id}").into_bytes(),
        ((id % 1000) as i32).to_be_bytes().to_vec(),
        payload,
    ];
    BatchItem::Prepared(prepared.id.clone(), values.into_iter().map(Bind::Bytes).collect())
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn median(times: &mut [Duration]) -> String {
    times.sort();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    format!(
        "{:.1} ms (median of {}, {:.1} to {:.1})",
        ms(times.get(times.len() / 2)),
        times.len(),
        ms(times.first()),
        ms(times.last())
    )
}
