//! The kinds of work, and the rows they are done on.

use ilium_protocol::Values;

use crate::Flags;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Read,
    /// Nine reads to one insert.
    Mix,
    /// 100 rows of a partition.
    Range,
    Scan,
    /// 50 rows of one partition in an unlogged batch.
    Batch,
}

#[derive(Debug, Clone)]
pub struct Workload {
    pub name: &'static str,
    pub kind: Kind,
    pub operations: u64,
}

pub fn all(flags: &Flags) -> Vec<Workload> {
    let one = |name, kind, share: u64| Workload { name, kind, operations: (flags.operations / share).max(1) };
    let list = vec![
        one("insert", Kind::Insert, 1),
        one("read by key", Kind::Read, 1),
        one("90/10 mix", Kind::Mix, 1),
        one("range of 100 rows", Kind::Range, 20),
        one("full scan", Kind::Scan, flags.operations),
        one("batch of 50 rows", Kind::Batch, 20),
    ];
    let wanted = |name: &str| flags.only.split(',').any(|part| name.contains(part));
    list.into_iter().filter(|workload| wanted(workload.name)).collect()
}

/// Rows a partition of the table of ranges.
pub const RANGE_ROWS: u64 = 100;
pub const BATCH_ROWS: u64 = 50;

pub const SCHEMA: [&str; 3] = [
    "CREATE KEYSPACE bench WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE bench.rows (id bigint PRIMARY KEY, score int, payload blob)",
    "CREATE TABLE bench.ranges (id bigint, at int, payload blob, PRIMARY KEY (id, at))",
];
pub const INSERT: &str = "INSERT INTO bench.rows (id, score, payload) VALUES (?, ?, ?)";
pub const READ: &str = "SELECT id, score, payload FROM bench.rows WHERE id = ?";
pub const SCAN: &str = "SELECT id, score, payload FROM bench.rows";
pub const RANGE: &str = "SELECT at, payload FROM bench.ranges WHERE id = ? AND at >= ? AND at < ?";
pub const RANGE_INSERT: &str = "INSERT INTO bench.ranges (id, at, payload) VALUES (?, ?, ?)";

/// Scatters row numbers over all ids (SplitMix64's finisher), the same for every server.
pub fn scatter(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// A row's payload: half of it random, half of it the same everywhere, as text and numbers compress about by half.
pub fn payload(id: u64, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 8);
    let mut state = id;
    while out.len() < bytes / 2 {
        state = scatter(state);
        out.extend_from_slice(&state.to_be_bytes());
    }
    out.resize(bytes, b'i');
    out
}

pub fn row(id: u64, bytes: usize) -> Values {
    let score = ((id % 1000) as i32).to_be_bytes();
    let payload = payload(id, bytes);
    bind(&[&id.to_be_bytes(), &score, &payload])
}

pub fn range_row(id: u64, at: u64, bytes: usize) -> Values {
    let payload = payload(id.wrapping_mul(RANGE_ROWS) + at, bytes);
    bind(&[&id.to_be_bytes(), &(at as i32).to_be_bytes(), &payload])
}

pub fn key(id: u64) -> Values {
    bind(&[&id.to_be_bytes()])
}

pub fn range(id: u64) -> Values {
    bind(&[&id.to_be_bytes(), &0i32.to_be_bytes(), &(RANGE_ROWS as i32).to_be_bytes()])
}

fn bind(values: &[&[u8]]) -> Values {
    Values::positional(values.iter().map(|value| Some(*value))).unwrap_or_default()
}
