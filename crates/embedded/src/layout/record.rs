//! The bytes of a partition record, a row or a range tombstone: a delta of it, or several deltas merged.
//!
//! ```text
//! record    = flags u8, base time i64 LE, [ranges since u32 LE], [liveness], [deletion], [originals], cell*
//! liveness  = time, if LIVENESS_EXPIRES: ttl varint, expires at u32 LE
//! deletion  = time, deleted at u32 LE
//! originals = length varint, bytes: the clustering columns' wire bytes where their sort key loses some
//! cell      = flags u8, column varint, [time], [deleted at u32 LE | ttl varint, expires at u32 LE],
//!             [path length varint, path], [value length varint, value]
//! time      = microseconds as a zigzag varint relative to the base
//! ```
//! Cells stand in the order of column, then the collection's deletion, then path: the order in which two records
//! merge in one pass. *Column* is the catalog's number, not the schema's position. *Path* is the `cql::sort_key` of a
//! set's element or map's key, the re-ordered time uuid of a list's element, or a field's number (u16 BE), so that a
//! merge compares bytes and needs no schema. *Local* times are in seconds since the epoch, unsigned as since
//! Cassandra 5.0 (they last until 2106).

use std::cmp::Ordering;

use super::varint;

const LIVENESS: u8 = 1;
const LIVENESS_EXPIRES: u8 = 2;
const DELETION: u8 = 4;
const ORIGINALS: u8 = 8;
const HAS_RANGES: u8 = 16;

const CELL_TOMBSTONE: u8 = 1;
const CELL_EXPIRES: u8 = 2;
const CELL_SAME_TIME: u8 = 4;
const CELL_ELEMENT: u8 = 8;
const CELL_COLLECTION_DELETED: u8 = 16;
const CELL_COUNTER: u8 = 32;

/// Stored bytes that are no record. The caller knows which table and key and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored record ends early or contradicts itself")]
pub struct BadRecord;

/// What INSERT gives a row beside its cells: it exists even when all of them are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    pub timestamp: i64,
    pub expiry: Option<Expiry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Seconds, as asked for.
    pub ttl: u32,
    /// From this second on it is gone.
    pub at: u32,
}

impl Expiry {
    pub fn is_past(&self, now: i64) -> bool {
        i64::from(self.at) <= now
    }
}

/// Everything written at `timestamp` or before is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    pub timestamp: i64,
    /// The second it was made: its grace starts here.
    pub at: u32,
}

impl Deletion {
    /// Cassandra's `DeletionTime.supersedes`.
    pub fn supersedes(&self, other: Option<Deletion>) -> bool {
        other.is_none_or(|other| (self.timestamp, self.at) > (other.timestamp, other.at))
    }

    pub fn later(a: Option<Deletion>, b: Option<Deletion>) -> Option<Deletion> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.supersedes(Some(a)) { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    pub column: u16,
    pub timestamp: i64,
    pub path: Option<&'a [u8]>,
    pub state: CellState<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState<'a> {
    /// All elements of a multi-cell column written at this time or before are gone.
    CollectionDeleted {
        at: u32,
    },
    Tombstone {
        at: u32,
    },
    Live {
        value: &'a [u8],
        expiry: Option<Expiry>,
    },
    /// A counter's sum so far.
    Counter {
        value: &'a [u8],
    },
}

impl Cell<'_> {
    /// The order of cells in a record.
    pub fn order(&self, other: &Cell<'_>) -> Ordering {
        self.column
            .cmp(&other.column)
            .then_with(|| self.is_collection_deletion().cmp(&other.is_collection_deletion()).reverse())
            .then_with(|| self.path.cmp(&other.path))
    }

    pub fn is_collection_deletion(&self) -> bool {
        matches!(self.state, CellState::CollectionDeleted { .. })
    }
}

/// A record's head, taken apart; its cells are read as they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    base: i64,
    pub liveness: Option<Liveness>,
    pub deletion: Option<Deletion>,
    /// The partition has range tombstones, the last made in this second (partition records only).
    pub ranges_at: Option<u32>,
    pub originals: Option<&'a [u8]>,
    cells: &'a [u8],
}

impl<'a> Record<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Record<'a>, BadRecord> {
        let mut at = bytes;
        let flags = take(&mut at, 1)?.first().copied().ok_or(BadRecord)?;
        let base = i64::from_le_bytes(take_array(&mut at)?);
        let mut record =
            Record { base, liveness: None, deletion: None, ranges_at: None, originals: None, cells: at };
        if flags & HAS_RANGES != 0 {
            record.ranges_at = Some(u32::from_le_bytes(take_array(&mut at)?));
        }
        if flags & LIVENESS != 0 {
            let timestamp = read_time(&mut at, base)?;
            let expiry = if flags & LIVENESS_EXPIRES != 0 { Some(read_expiry(&mut at)?) } else { None };
            record.liveness = Some(Liveness { timestamp, expiry });
        }
        if flags & DELETION != 0 {
            let timestamp = read_time(&mut at, base)?;
            record.deletion = Some(Deletion { timestamp, at: u32::from_le_bytes(take_array(&mut at)?) });
        }
        if flags & ORIGINALS != 0 {
            record.originals = Some(take_run(&mut at)?);
        }
        record.cells = at;
        Ok(record)
    }

    /// The time the record's parts are relative to.
    pub fn base(&self) -> i64 {
        self.base
    }

    pub fn cells(&self) -> Cells<'a> {
        Cells { base: self.base, rest: self.cells }
    }

    /// The write times of all its parts; `bad` stands for what cannot be read.
    pub fn times(&self, bad: i64) -> impl Iterator<Item = i64> + use<'a> {
        let head = [self.liveness.map(|l| l.timestamp), self.deletion.map(|d| d.timestamp)];
        let cells = self.cells().map(move |cell| cell.map_or(bad, |cell| cell.timestamp));
        head.into_iter().flatten().chain(cells)
    }
}

/// The cells of a record, in order.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    base: i64,
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cell<'a>, BadRecord>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let cell = self.read();
        if cell.is_err() {
            self.rest = &[];
        }
        Some(cell)
    }
}

impl<'a> Cells<'a> {
    #[inline]
    fn read(&mut self) -> Result<Cell<'a>, BadRecord> {
        let at = &mut self.rest;
        let flags = take(at, 1)?.first().copied().ok_or(BadRecord)?;
        let column = u16::try_from(varint::read(at).ok_or(BadRecord)?).map_err(|_| BadRecord)?;
        let timestamp = if flags & CELL_SAME_TIME != 0 { self.base } else { read_time(at, self.base)? };
        let deleted = flags & (CELL_TOMBSTONE | CELL_COLLECTION_DELETED) != 0;
        let local = if deleted { u32::from_le_bytes(take_array(at)?) } else { 0 };
        let expiry = if flags & CELL_EXPIRES != 0 { Some(read_expiry(at)?) } else { None };
        let path = if flags & CELL_ELEMENT != 0 { Some(take_run(at)?) } else { None };
        let state = if flags & CELL_COLLECTION_DELETED != 0 {
            CellState::CollectionDeleted { at: local }
        } else if deleted {
            CellState::Tombstone { at: local }
        } else if flags & CELL_COUNTER != 0 {
            CellState::Counter { value: take_run(at)? }
        } else {
            CellState::Live { value: take_run(at)?, expiry }
        };
        Ok(Cell { column, timestamp, path, state })
    }
}

/// Writes a record; the parts must come in the order of the methods, cells in [`Cell::order`].
pub struct RecordWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    base: i64,
    empty: bool,
}

impl<'o> RecordWriter<'o> {
    /// `base` is best the time most parts have: those cost no bytes for it.
    pub fn new(base: i64, out: &'o mut Vec<u8>) -> RecordWriter<'o> {
        let start = out.len();
        out.push(0);
        out.extend_from_slice(&base.to_le_bytes());
        RecordWriter { out, start, base, empty: true }
    }

    fn set(&mut self, flags: u8) {
        self.empty = false;
        if let Some(head) = self.out.get_mut(self.start) {
            *head |= flags;
        }
    }

    pub fn ranges_at(&mut self, at: u32) {
        self.set(HAS_RANGES);
        self.out.extend_from_slice(&at.to_le_bytes());
    }

    pub fn liveness(&mut self, liveness: Liveness) {
        self.set(LIVENESS);
        self.time(liveness.timestamp);
        if let Some(expiry) = liveness.expiry {
            self.set(LIVENESS_EXPIRES);
            self.expiry(expiry);
        }
    }

    pub fn deletion(&mut self, deletion: Deletion) {
        self.set(DELETION);
        self.time(deletion.timestamp);
        self.out.extend_from_slice(&deletion.at.to_le_bytes());
    }

    pub fn originals(&mut self, bytes: &[u8]) {
        let nothing_else = self.empty;
        self.set(ORIGINALS);
        // Originals alone make no row.
        self.empty = nothing_else;
        self.run(bytes);
    }

    #[inline]
    pub fn cell(&mut self, cell: &Cell<'_>) {
        self.empty = false;
        let same = cell.timestamp == self.base;
        let mut flags = if same { CELL_SAME_TIME } else { 0 };
        if cell.path.is_some() {
            flags |= CELL_ELEMENT;
        }
        flags |= match cell.state {
            CellState::CollectionDeleted { .. } => CELL_COLLECTION_DELETED,
            CellState::Tombstone { .. } => CELL_TOMBSTONE,
            CellState::Live { expiry: Some(_), .. } => CELL_EXPIRES,
            CellState::Live { expiry: None, .. } => 0,
            CellState::Counter { .. } => CELL_COUNTER,
        };
        self.out.push(flags);
        varint::push(u64::from(cell.column), self.out);
        if !same {
            self.time(cell.timestamp);
        }
        match cell.state {
            CellState::CollectionDeleted { at } | CellState::Tombstone { at } => {
                self.out.extend_from_slice(&at.to_le_bytes());
            }
            CellState::Live { expiry: Some(expiry), .. } => self.expiry(expiry),
            CellState::Live { .. } | CellState::Counter { .. } => {}
        }
        if let Some(path) = cell.path {
            self.run(path);
        }
        match cell.state {
            CellState::Live { value, .. } | CellState::Counter { value } => self.run(value),
            CellState::CollectionDeleted { .. } | CellState::Tombstone { .. } => {}
        }
    }

    /// Whether anything but originals was written. An empty record says nothing and need not be stored.
    pub fn finish(self) -> bool {
        !self.empty
    }

    fn time(&mut self, timestamp: i64) {
        varint::push(varint::zigzag(timestamp.wrapping_sub(self.base)), self.out);
    }

    fn expiry(&mut self, expiry: Expiry) {
        varint::push(u64::from(expiry.ttl), self.out);
        self.out.extend_from_slice(&expiry.at.to_le_bytes());
    }

    fn run(&mut self, bytes: &[u8]) {
        varint::push(bytes.len() as u64, self.out);
        self.out.extend_from_slice(bytes);
    }
}

#[inline]
fn take<'a>(at: &mut &'a [u8], length: usize) -> Result<&'a [u8], BadRecord> {
    let (taken, rest) = at.split_at_checked(length).ok_or(BadRecord)?;
    *at = rest;
    Ok(taken)
}

#[inline]
fn take_array<const N: usize>(at: &mut &[u8]) -> Result<[u8; N], BadRecord> {
    let (taken, rest) = at.split_first_chunk::<N>().ok_or(BadRecord)?;
    *at = rest;
    Ok(*taken)
}

#[inline]
fn take_run<'a>(at: &mut &'a [u8]) -> Result<&'a [u8], BadRecord> {
    let length = varint::read(at).ok_or(BadRecord)?;
    take(at, usize::try_from(length).map_err(|_| BadRecord)?)
}

fn read_time(at: &mut &[u8], base: i64) -> Result<i64, BadRecord> {
    Ok(base.wrapping_add(varint::unzigzag(varint::read(at).ok_or(BadRecord)?)))
}

fn read_expiry(at: &mut &[u8]) -> Result<Expiry, BadRecord> {
    let ttl = u32::try_from(varint::read(at).ok_or(BadRecord)?).map_err(|_| BadRecord)?;
    Ok(Expiry { ttl, at: u32::from_le_bytes(take_array(at)?) })
}
