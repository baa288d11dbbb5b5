//! The kinds of work, and the rows they are done on.

use std::sync::Arc;

use anyhow::Result;
use ilium_protocol::Values;

use crate::client::{Call, Client, StatementIds, digest};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every row once, then the rows of ranges if there are operations left.
    Load,
    /// Over rows that are there.
    Insert,
    /// Rows that were never there, other ones in each round.
    InsertNew,
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

/// The work on a hot set that contains one of the comma-separated words of `only` in its name.
pub fn hot(operations: u64, only: &str) -> Vec<Workload> {
    let one = |name, kind, share: u64| Workload { name, kind, operations: (operations / share).max(1) };
    let list = vec![
        one("insert", Kind::Insert, 1),
        one("read by key", Kind::Read, 1),
        one("90/10 mix", Kind::Mix, 1),
        one("range of 100 rows", Kind::Range, 20),
        one("full scan", Kind::Scan, operations),
        one("batch of 50 rows", Kind::Batch, 20),
    ];
    let wanted = |name: &str| only.split(',').any(|part| name.contains(part));
    list.into_iter().filter(|workload| wanted(workload.name)).collect()
}

/// What the payloads of rows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// Half of it random, half of it the same everywhere, as text and numbers compress about by half.
    Half,
    /// Random throughout: it takes as much on disk as it has bytes.
    Random,
}

/// The rows a server was loaded with.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    pub count: u64,
    /// Bytes of a payload.
    pub value: usize,
    pub filling: Filling,
}

/// Rows a partition of the table of ranges.
pub const RANGE_ROWS: u64 = 100;
pub const BATCH_ROWS: u64 = 50;

pub const KEYSPACE: &str =
    "CREATE KEYSPACE bench WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";
pub const TABLES: [&str; 2] = [
    "CREATE TABLE bench.rows (id bigint PRIMARY KEY, score int, payload blob)",
    "CREATE TABLE bench.ranges (id bigint, at int, payload blob, PRIMARY KEY (id, at))",
];
pub const INSERT: &str = "INSERT INTO bench.rows (id, score, payload) VALUES (?, ?, ?)";
pub const READ: &str = "SELECT id, score, payload FROM bench.rows WHERE id = ?";
pub const SCAN: &str = "SELECT id, score, payload FROM bench.rows";
pub const RANGE: &str = "SELECT at, payload FROM bench.ranges WHERE id = ? AND at >= ? AND at < ?";
pub const RANGE_INSERT: &str = "INSERT INTO bench.ranges (id, at, payload) VALUES (?, ?, ?)";

#[derive(Debug, Clone)]
pub struct Statements {
    pub insert: StatementIds,
    pub read: StatementIds,
    pub scan: StatementIds,
    pub range: StatementIds,
    pub range_insert: StatementIds,
}

impl Statements {
    pub async fn prepare(client: &mut Client) -> Result<Statements> {
        Ok(Statements {
            insert: client.prepare(INSERT).await?,
            read: client.prepare(READ).await?,
            scan: client.prepare(SCAN).await?,
            range: client.prepare(RANGE).await?,
            range_insert: client.prepare(RANGE_INSERT).await?,
        })
    }
}

/// The requests of one workload in one round, by number: the same ones for every server.
#[derive(Debug, Clone)]
pub struct Source {
    pub statements: Arc<Statements>,
    pub workload: Workload,
    pub rows: Rows,
    pub round: usize,
}

impl Source {
    /// `None` past the last one.
    pub fn call(&self, number: u64) -> Option<Call<'_>> {
        if number >= self.workload.operations {
            return None;
        }
        let Source { statements, rows, .. } = self;
        let ranges = rows.ranges();
        let drawn = scatter(number + ((self.round as u64) << 40));
        let id = scatter(drawn % rows.count);
        let execute = |statement, values| Call::Execute { statement, values, page_size: None, state: None };
        Some(match self.workload.kind {
            Kind::Load => match number.checked_sub(rows.count) {
                None => execute(&statements.insert, rows.row(scatter(number))),
                Some(cell) => {
                    execute(&statements.range_insert, rows.range_row(cell / RANGE_ROWS, cell % RANGE_ROWS))
                }
            },
            Kind::Insert => execute(&statements.insert, rows.row(id)),
            Kind::InsertNew => {
                let earlier = rows.count + self.round as u64 * self.workload.operations;
                execute(&statements.insert, rows.row(scatter(earlier + number)))
            }
            Kind::Mix if number.is_multiple_of(10) => execute(&statements.insert, rows.row(id)),
            Kind::Read | Kind::Mix => execute(&statements.read, bind(&[&id.to_be_bytes()])),
            Kind::Range => {
                let bounds = [0i32.to_be_bytes(), (RANGE_ROWS as i32).to_be_bytes()];
                let id = (drawn % ranges).to_be_bytes();
                execute(&statements.range, bind(&[&id, &bounds[0], &bounds[1]]))
            }
            Kind::Batch => Call::Batch {
                statement: &statements.range_insert,
                rows: (0..BATCH_ROWS).map(|at| rows.range_row(drawn % ranges, at)).collect(),
            },
            Kind::Scan => return None,
        })
    }
}

impl Rows {
    /// Partitions of the table of ranges.
    pub fn ranges(&self) -> u64 {
        (self.count / RANGE_ROWS).max(1)
    }

    fn payload(&self, id: u64) -> Vec<u8> {
        let random = match self.filling {
            Filling::Half => self.value / 2,
            Filling::Random => self.value,
        };
        let mut out = Vec::with_capacity(self.value + 8);
        let mut state = id;
        while out.len() < random {
            state = scatter(state);
            out.extend_from_slice(&state.to_be_bytes());
        }
        out.resize(self.value, b'i');
        out
    }

    fn cells(&self, id: u64) -> (u64, i32, Vec<u8>) {
        (id, (id % 1000) as i32, self.payload(id))
    }

    fn row(&self, id: u64) -> Values {
        let (id, score, payload) = self.cells(id);
        bind(&[&id.to_be_bytes(), &score.to_be_bytes(), &payload])
    }

    fn range_row(&self, id: u64, at: u64) -> Values {
        let payload = self.payload(id.wrapping_mul(RANGE_ROWS) + at);
        bind(&[&id.to_be_bytes(), &(at as i32).to_be_bytes(), &payload])
    }

    /// What the answers to all reads of `source` must amount to.
    pub fn expected(&self, source: &Source) -> u64 {
        let drawn = (0..source.workload.operations).map(|n| scatter(n + ((source.round as u64) << 40)));
        drawn.fold(0, |sum, drawn| {
            let (id, score, payload) = self.cells(scatter(drawn % self.count));
            let cells: [&[u8]; 3] = [&id.to_be_bytes(), &score.to_be_bytes(), &payload];
            cells.into_iter().fold(sum, |sum: u64, cell| sum.wrapping_add(digest(cell)))
        })
    }
}

/// Scatters row numbers over all ids (SplitMix64's finisher), the same for every server.
pub fn scatter(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

pub fn bind(values: &[&[u8]]) -> Values {
    Values::positional(values.iter().map(|value| Some(*value))).unwrap_or_default()
}
