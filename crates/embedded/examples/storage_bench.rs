//! Measures the store by itself: `cargo run --release -p ilium-embedded --example storage_bench -- FOLDER [ROWS]`.
//! The folder must be empty or absent; it is left as it is afterwards.

#![expect(clippy::print_stdout, reason = "prints its figures")]

use std::collections::VecDeque;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_embedded::storage::{
    Batch, Commit, DiskStore, Durability, Io, Merge, Options, Purge, Purged, Shadow, StorageError, Store,
};

/// Requests in flight, as of 8 connections with 32 each.
const IN_FLIGHT: usize = 256;
const VALUE_BYTES: usize = 200;

/// Values are eight bytes of write time, then the payload.
struct Newest;

impl Merge for Newest {
    fn merge(&self, _key: &[u8], a: &[u8], b: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(a.max(b));
    }

    fn oldest(&self, _key: &[u8], value: &[u8]) -> i64 {
        time_of(value)
    }

    fn newest(&self, key: &[u8], value: &[u8]) -> i64 {
        self.oldest(key, value)
    }

    fn group_len(&self, key: &[u8]) -> usize {
        key.len().min(12)
    }

    fn droppable_at(&self, _key: &[u8], _value: &[u8]) -> Option<u32> {
        None
    }

    fn now(&self) -> u32 {
        0
    }

    fn purger(&self) -> Box<dyn Purge + '_> {
        struct Keep;
        impl Purge for Keep {
            fn purge(&mut self, _: &[u8], _: &[u8], _: &mut dyn Shadow, _: &mut Vec<u8>) -> Purged {
                Purged::Keep
            }
        }
        Box::new(Keep)
    }
}

fn time_of(value: &[u8]) -> i64 {
    value.first_chunk().map_or(0, |time| i64::from_be_bytes(*time))
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Text that compresses about as well as addresses do.
fn text() -> Vec<u8> {
    let mut random = Random(3);
    (0..100_000).flat_map(|_| format!("{:04x}-street ", random.next() & 0xffff).into_bytes()).collect()
}

/// A row's key as the engine would write it: table, token, partition key.
fn row_key(i: u64, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&[0, 0, 0, 7]);
    key.extend_from_slice(&i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key.extend_from_slice(&i.to_be_bytes());
    key.push(1);
}

/// CPU seconds of the process's threads, by name.
fn cpu(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ticks = tasks.filter_map(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanoseconds: f64 = stat.split(' ').next()?.parse().ok()?;
        (name.is_empty() || comm.trim().starts_with(name)).then_some(nanoseconds)
    });
    ticks.sum::<f64>() / 1e9
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |field: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    format!("{} MiB resident", (kilobytes("RssAnon") + kilobytes("RssShmem")) / 1024)
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

struct Phase {
    name: &'static str,
    started: Instant,
    cpu: f64,
    committer: f64,
}

impl Phase {
    fn start(name: &'static str) -> Self {
        Self { name, started: Instant::now(), cpu: cpu(""), committer: cpu("storage-commit") }
    }

    fn end(self, operations: u64) {
        let (wall, cpu_all) = (self.started.elapsed().as_secs_f64(), cpu("") - self.cpu);
        let committer = cpu("storage-commit") - self.committer;
        let n = operations as f64;
        println!(
            "{:32} {:>9.0}/s {:>9.0}/CPU s  committer {:>5.2} us each  {}",
            self.name,
            n / wall,
            n / cpu_all,
            committer * 1e6 / n,
            resident()
        );
    }
}

fn write(store: &DiskStore, rows: impl Iterator<Item = u64>, time: i64) -> Result<(), StorageError> {
    let mut random = Random(time as u64 | 1);
    let text = text();
    let mut waiting: VecDeque<Commit> = VecDeque::new();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for i in rows {
        if waiting.len() == IN_FLIGHT {
            // As clients do: answers come in bunches, and bunches of requests follow.
            for commit in waiting.drain(..IN_FLIGHT / 2) {
                commit.wait()?;
            }
        }
        row_key(i, &mut key);
        value.clear();
        value.extend_from_slice(&time.to_be_bytes());
        let at = random.next() as usize % (text.len() - VALUE_BYTES);
        value.extend(text.iter().skip(at).take(VALUE_BYTES - 8));
        let mut batch = Batch::new();
        batch.put(&key, &value);
        waiting.push_back(store.commit(batch));
    }
    waiting.into_iter().try_for_each(Commit::wait)
}

fn read(store: &DiskStore, rows: u64, count: u64) -> Result<(), StorageError> {
    let mut random = Random(11);
    let (mut key, mut out) = (Vec::new(), Vec::new());
    let mut missed = 0;
    for _ in 0..count {
        let i = random.next() % rows;
        row_key(i, &mut key);
        let view = store.view();
        let found = match view.get_settled(&key, &time_of, Io::Cached, &mut out) {
            Err(StorageError::WouldRead) => {
                missed += 1;
                view.get_settled(&key, &time_of, Io::Allowed, &mut out)?
            }
            found => found?,
        };
        assert!(found, "row {i} is missing");
    }
    if missed > 0 {
        println!("{missed} reads had to wait for the disk");
    }
    Ok(())
}

fn scan(store: &DiskStore) -> Result<u64, StorageError> {
    let mut range = store.view().range(Bound::Unbounded, Bound::Unbounded, false, Io::Allowed);
    let mut count = 0;
    while range.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn main() -> Result<(), StorageError> {
    let mut arguments = std::env::args().skip(1);
    let folder: PathBuf = arguments.next().unwrap_or_else(|| "storage-bench".into()).into();
    let rows: u64 = arguments.next().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let periodic =
        Options { durability: Durability::Periodic { every: Duration::from_secs(10) }, ..Options::default() };
    let open = |options: &Options| DiskStore::open(&folder, Arc::new(Newest), options.clone());

    let started = Instant::now();
    let store = open(&Options::default())?;
    println!("an empty folder opens in {:?}", started.elapsed());
    let phase = Phase::start("insert, group");
    write(&store, 0..20_000, 1)?;
    phase.end(20_000);
    drop(store);

    let store = open(&periodic)?;
    let hot = rows.min(100_000);
    let phase = Phase::start("insert hot set, periodic");
    write(&store, 0..hot, 2)?;
    phase.end(hot);
    let phase = Phase::start("update hot set 10 times, periodic");
    for time in 3..13 {
        write(&store, (0..hot).map(|i| i * 7919 % hot), time)?;
    }
    phase.end(hot * 10);
    let phase = Phase::start("read hot set by key");
    read(&store, hot, 1_000_000)?;
    phase.end(1_000_000);

    let phase = Phase::start("insert all, periodic");
    write(&store, 0..rows, 20)?;
    phase.end(rows);
    let phase = Phase::start("read all by key");
    read(&store, rows, 1_000_000)?;
    phase.end(1_000_000);
    println!("{:?}", store.stats());
    drop(store);

    let started = Instant::now();
    let store = open(&periodic)?;
    println!("{rows} rows open in {:?}", started.elapsed());
    let phase = Phase::start("full scan");
    let found = scan(&store)?;
    phase.end(found);
    assert_eq!(found, rows);
    let phase = Phase::start("major compaction");
    store.compact()?;
    phase.end(rows);
    let phase = Phase::start("full scan, compacted");
    scan(&store)?;
    phase.end(rows);
    let phase = Phase::start("read all by key, compacted");
    read(&store, rows, 1_000_000)?;
    phase.end(1_000_000);
    println!("{:?}; folder {} MiB", store.stats(), folder_bytes(&folder) >> 20);
    Ok(())
}
