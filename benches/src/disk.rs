//! What the same rows take on disk after a major compaction of each side.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ilium_benches::client::{Call, Client, Tally};
use ilium_benches::workload::{bind, scatter};
use ilium_embedded::{Engine, EngineOptions};
use ilium_protocol::Values;
use ilium_testbed::ilium::Folder;
use ilium_testbed::{Cassandra, Ilium, cassandra};
use tokio::runtime::Runtime;

use crate::Flags;
use crate::servers;

const ROWS: u64 = 1_000_000;
const SCHEMA: [&str; 2] = [
    "CREATE KEYSPACE disk WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE disk.people (id bigint PRIMARY KEY, name text, email text, street text, city text, postcode text, \
     joined timestamp, visits int, session uuid, note text)",
];
const INSERT: &str = "INSERT INTO disk.people \
     (id, name, email, street, city, postcode, joined, visits, session, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const SCAN: &str = "SELECT * FROM disk.people";

const FIRST: [&str; 16] = [
    "Ada", "Björn", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Kwame", "Lucía",
    "Mei", "Nils", "Olga", "Priya",
];
const LAST: [&str; 16] = [
    "Abebe", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanova", "Jansen",
    "Kowalski", "Lindgren", "Moreau", "Nakamura", "Okafor", "Petrov",
];
const STREETS: [&str; 8] = [
    "Maple Avenue",
    "Station Road",
    "Mill Lane",
    "Kirchstrasse",
    "Rue de la Gare",
    "High Street",
    "Calle Mayor",
    "Via Roma",
];
const CITIES: [&str; 8] =
    ["Springfield", "Leeds", "Hamburg", "Lyon", "Uppsala", "Porto", "Sevilla", "Torino"];
const WORDS: [&str; 24] = [
    "asked",
    "for",
    "a",
    "second",
    "key",
    "and",
    "the",
    "parcel",
    "was",
    "left",
    "with",
    "neighbours",
    "at",
    "noon",
    "please",
    "ring",
    "twice",
    "before",
    "delivery",
    "gate",
    "code",
    "changed",
    "last",
    "week",
];

pub fn run(runtime: &Runtime, flags: &Flags) -> Result<()> {
    let rows = flags.rows.first().copied().unwrap_or(ROWS);
    let ours = ilium(runtime, flags, rows)?;
    report("ilium", rows, &ours);
    if flags.alone {
        return Ok(());
    }
    let theirs = of_cassandra(runtime, flags, rows)?;
    report("cassandra", rows, &theirs);
    ensure!(
        (ours.rows, ours.digest) == (theirs.rows, theirs.digest),
        "the two gave different rows: the run is void"
    );
    compare(&ours, &theirs);
    Ok(())
}

/// One side's rows as a scan gave them, and the files they are in.
struct Size {
    rows: u64,
    digest: u64,
    /// Bytes of values sent, keys included.
    raw: u64,
    /// Bytes of table files with all that belongs to them (indexes, filters, statistics).
    tables: u64,
    /// Files among them.
    files: usize,
    /// Bytes of the whole folder, log included.
    folder: u64,
}

fn ilium(runtime: &Runtime, flags: &Flags, rows: u64) -> Result<Size> {
    let binary = std::path::absolute(&flags.ilium)?;
    let folder = Folder::new()?;
    let server = Ilium::start(&binary, &folder, &["--durability", "periodic"])?;
    let raw = runtime.block_on(load(server.address(), rows))?;
    server.stop()?;
    // Nothing compacts a running server yet, so its folder is opened here.
    let options = EngineOptions::new(Some(folder.data()), Box::new(()), runtime.handle().clone());
    let engine = Engine::open(options)?;
    engine.compact()?;
    drop(engine);
    let server = Ilium::start(&binary, &folder, &[])?;
    let tally = runtime.block_on(scan(server.address()))?;
    server.stop()?;
    let tables = files_below(&folder.data(), &|name| name.starts_with(TABLE))?;
    size(tally, raw, &tables, &folder.data())
}

/// What the names of Ilium's table files begin with.
const TABLE: &str = "table-";

fn of_cassandra(runtime: &Runtime, flags: &Flags, rows: u64) -> Result<Size> {
    let options = cassandra::Options { jmx: true, ..servers::cassandra_options(&flags.durability, false) };
    let server = Cassandra::start(&options)?;
    let raw = runtime.block_on(load(server.address(), rows))?;
    server.nodetool(&["flush", "disk"])?;
    server.nodetool(&["compact", "disk"])?;
    // The files that were merged are removed a moment after.
    let folder = server.folder().join("data");
    let tables = folder.join("data/disk");
    let deadline = Instant::now() + Duration::from_secs(60);
    while files_below(&tables, &|name| name.ends_with("-Data.db"))?.len() > 1 {
        ensure!(Instant::now() < deadline, "Cassandra did not merge its files to one");
        std::thread::sleep(Duration::from_millis(200));
    }
    let tally = runtime.block_on(scan(server.address()))?;
    let size = size(tally, raw, &files_below(&tables, &|_| true)?, &folder)?;
    server.stop()?;
    Ok(size)
}

fn size(tally: Tally, raw: u64, tables: &[PathBuf], folder: &Path) -> Result<Size> {
    let mut bytes = 0;
    for file in tables {
        bytes += file.metadata()?.len();
    }
    ensure!(bytes > 0, "no table files in {}", folder.display());
    Ok(Size {
        rows: tally.rows,
        digest: tally.digest,
        raw,
        tables: bytes,
        files: tables.len(),
        folder: bytes_below(folder)?,
    })
}

async fn load(address: std::net::SocketAddr, rows: u64) -> Result<u64> {
    let mut client = Client::connect(address, servers::VERSION).await?;
    for statement in SCHEMA {
        client.query(statement).await?;
    }
    let insert = client.prepare(INSERT).await?;
    let (next, raw) = (AtomicU64::new(0), AtomicU64::new(0));
    let call = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        (number < rows).then(|| {
            let (values, bytes) = person(number);
            raw.fetch_add(bytes, Ordering::Relaxed);
            Call::Execute { statement: &insert, values, page_size: None, state: None }
        })
    };
    client.run(256, call, &mut Tally::default()).await.context("loading")?;
    Ok(raw.into_inner())
}

async fn scan(address: std::net::SocketAddr) -> Result<Tally> {
    let mut client = Client::connect(address, servers::VERSION).await?;
    let statement = client.prepare(SCAN).await?;
    let mut tally = Tally::default();
    client.scan(&statement, 5000, &mut tally).await?;
    Ok(tally)
}

/// A row as a shop's table of customers has them, of about 200 bytes, and its bytes.
fn person(number: u64) -> (Values, u64) {
    let id = scatter(number);
    let mut draw = Draw(id);
    let (first, last) = (draw.one_of(&FIRST), draw.one_of(&LAST));
    let name = format!("{first} {last}");
    let email = format!("{}.{}{}@example.org", first.to_lowercase(), last.to_lowercase(), draw.below(10_000));
    let street = format!("{} {}", 1 + draw.below(300), draw.one_of(&STREETS));
    let city = draw.one_of(&CITIES);
    let postcode = format!("{:05}", draw.below(100_000));
    let joined = 1_500_000_000_000 + draw.below(250_000_000) as i64 * 1000;
    let visits = draw.below(500) as i32;
    let session = [draw.next().to_be_bytes(), draw.next().to_be_bytes()].concat();
    let note: Vec<&str> = (0..14).map(|_| draw.one_of(&WORDS)).collect();
    let note = note.join(" ");
    let values: [&[u8]; 10] = [
        &id.to_be_bytes(),
        name.as_bytes(),
        email.as_bytes(),
        street.as_bytes(),
        city.as_bytes(),
        postcode.as_bytes(),
        &joined.to_be_bytes(),
        &visits.to_be_bytes(),
        &session,
        note.as_bytes(),
    ];
    (bind(&values), values.iter().map(|value| value.len() as u64).sum())
}

/// Numbers that look random and follow from the first.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = scatter(self.0);
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of(&mut self, list: &[&'static str]) -> &'static str {
        let at = self.below(list.len() as u64) as usize;
        list.get(at).copied().unwrap_or_default()
    }
}

/// Bytes of all files in a folder and the folders in it.
pub fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in files_below(folder, &|_| true)? {
        // What a compaction removes meanwhile is not there.
        bytes += file.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

fn files_below(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path(), wanted)?);
        } else if wanted(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn report(server: &str, rows: u64, size: &Size) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{server}: {rows} rows of {} bytes: {:.1} MiB in {} table files after a major compaction ({:.0} bytes a row); \
         the folder, log included, {:.1} MiB",
        size.raw / rows.max(1),
        mib(size.tables),
        size.files,
        size.tables as f64 / rows.max(1) as f64,
        mib(size.folder)
    );
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn compare(ours: &Size, theirs: &Size) {
    println!("ratio of the table files: {:.2}", ours.tables as f64 / theirs.tables.max(1) as f64);
}
