//! Cassandra's rules for what is alive, in the plainest form: every cell ever written is kept, nothing is purged, and
//! a read looks at all of it (`Cells.reconcile`, `LivenessInfo.supersedes`, `DeletionTime.deletes`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// When something was written, and how long it lives.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Microseconds.
    pub time: i64,
    pub ttl: Option<u32>,
    /// The second of writing.
    pub second: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    Int(i32),
    Text(String),
    /// A place in a list: appends count up, prepends count down.
    At(i64),
}

#[derive(Clone, Debug)]
pub struct Cell {
    pub time: i64,
    /// In wire form; `None`: deleted.
    pub value: Option<Vec<u8>>,
    /// Seconds to live, and the second it expires.
    pub expiry: Option<(u32, i64)>,
}

impl Cell {
    pub fn new(stamp: Stamp, value: Option<Vec<u8>>) -> Cell {
        let expiry = stamp.ttl.filter(|_| value.is_some()).map(|ttl| (ttl, stamp.second + i64::from(ttl)));
        Cell { time: stamp.time, value, expiry }
    }

    fn rank(&self) -> (i64, u8, i64, Reverse<u32>, &[u8]) {
        match (&self.value, self.expiry) {
            (None, _) => (self.time, 2, 0, Reverse(0), &[]),
            (Some(value), Some((ttl, at))) => (self.time, 1, at, Reverse(ttl), value),
            (Some(value), None) => (self.time, 0, 0, Reverse(0), value),
        }
    }

    fn is_live(&self, deleted: Option<i64>, now: i64) -> bool {
        self.value.is_some()
            && deleted.is_none_or(|by| self.time > by)
            && self.expiry.is_none_or(|(_, at)| now < at)
    }
}

fn put<K: Ord>(cells: &mut BTreeMap<K, Cell>, key: K, cell: Cell) {
    match cells.get(&key) {
        Some(other) if other.rank() >= cell.rank() => {}
        _ => {
            cells.insert(key, cell);
        }
    }
}

#[derive(Clone, Default, Debug)]
struct Collection {
    deleted: Option<i64>,
    elements: BTreeMap<Path, Cell>,
}

#[derive(Clone, Default, Debug)]
pub struct Row {
    /// What INSERT leaves, as a cell with an empty value.
    liveness: Option<Cell>,
    deleted: Option<i64>,
    cells: BTreeMap<&'static str, Cell>,
    /// Of columns that are dropped: what was written after the time they were dropped with.
    aside: BTreeMap<&'static str, Cell>,
    collections: BTreeMap<&'static str, Collection>,
}

impl Row {
    pub fn insert(&mut self, stamp: Stamp) {
        let new = Cell::new(stamp, Some(Vec::new()));
        if self.liveness.as_ref().is_none_or(|old| old.rank() < new.rank()) {
            self.liveness = Some(new);
        }
    }

    pub fn delete(&mut self, time: i64) {
        self.deleted = self.deleted.max(Some(time));
    }

    pub fn put(&mut self, column: &'static str, cell: Cell) {
        put(&mut self.cells, column, cell);
    }

    pub fn put_element(&mut self, column: &'static str, path: Path, cell: Cell) {
        put(&mut self.collections.entry(column).or_default().elements, path, cell);
    }

    pub fn delete_collection(&mut self, column: &'static str, time: i64) {
        let collection = self.collections.entry(column).or_default();
        collection.deleted = collection.deleted.max(Some(time));
    }

    /// Forgets a cell written at this time or before.
    pub fn forget(&mut self, column: &str, time: i64) {
        self.cells.retain(|name, cell| *name != column || cell.time > time);
    }

    /// Hides what is left of a column.
    pub fn put_aside(&mut self, column: &'static str) {
        self.aside.extend(self.cells.remove_entry(column));
    }

    pub fn take_back(&mut self, column: &'static str) {
        self.cells.extend(self.aside.remove_entry(column));
    }
}

/// A row as `now` sees it, under the deletions of its partition.
pub struct Seen<'r> {
    row: &'r Row,
    deleted: Option<i64>,
    now: i64,
}

impl<'r> Seen<'r> {
    pub fn new(row: &'r Row, deleted: Option<i64>, now: i64) -> Seen<'r> {
        Seen { row, deleted: deleted.max(row.deleted), now }
    }

    pub fn exists(&self) -> bool {
        let alive = |cell: &Cell| cell.is_live(self.deleted, self.now);
        self.row.liveness.as_ref().is_some_and(alive)
            || self.row.cells.values().any(alive)
            || self.row.collections.keys().any(|column| self.elements(column).next().is_some())
    }

    pub fn cell(&self, column: &str) -> Option<&'r Cell> {
        self.row.cells.get(column).filter(|cell| cell.is_live(self.deleted, self.now))
    }

    pub fn elements(&self, column: &str) -> impl Iterator<Item = (&'r Path, &'r [u8])> + use<'r> {
        let found = self.row.collections.get(column);
        let deleted = self.deleted.max(found.and_then(|collection| collection.deleted));
        let now = self.now;
        let elements = found.into_iter().flat_map(|collection| &collection.elements);
        elements
            .filter(move |(_, cell)| cell.is_live(deleted, now))
            .map(|(path, cell)| (path, cell.value.as_deref().unwrap_or_default()))
    }

    /// The wire value of a collection: a set's elements are its paths, a list's its values, a map's both.
    pub fn collection(&self, column: &str) -> Option<Vec<u8>> {
        let mut count = 0i32;
        let mut out = vec![0; 4];
        let mut push = |bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        for (path, value) in self.elements(column) {
            count += 1;
            match path {
                Path::Int(element) => push(&element.to_be_bytes()),
                Path::Text(key) => {
                    push(key.as_bytes());
                    push(value);
                }
                Path::At(_) => push(value),
            }
        }
        out[..4].copy_from_slice(&count.to_be_bytes());
        (count > 0).then_some(out)
    }
}

/// The clustering columns `c ASC, d DESC`.
pub type Clustering = (i32, Reverse<i32>);

/// Which rows of a partition a range deletion or a slice names.
#[derive(Clone, Copy, Debug)]
pub enum Range {
    C(i32),
    CFrom(i32),
    CBelow(i32),
    DAbove(i32, i32),
    DThrough(i32, i32),
    /// `(c, d) > (?, ?)`
    After(i32, i32),
    Row(i32, i32),
}

impl Range {
    pub fn contains(self, &(c, Reverse(d)): &Clustering) -> bool {
        match self {
            Range::C(at) => c == at,
            Range::CFrom(from) => c >= from,
            Range::CBelow(to) => c < to,
            Range::DAbove(at, above) => c == at && d > above,
            Range::DThrough(at, through) => c == at && d <= through,
            Range::After(at, above) => (c, d) > (at, above),
            Range::Row(at, d_at) => (c, d) == (at, d_at),
        }
    }

    pub fn text(self) -> String {
        match self {
            Range::C(at) => format!("c = {at}"),
            Range::CFrom(from) => format!("c >= {from}"),
            Range::CBelow(to) => format!("c < {to}"),
            Range::DAbove(at, above) => format!("c = {at} AND d > {above}"),
            Range::DThrough(at, through) => format!("c = {at} AND d <= {through}"),
            Range::After(at, above) => format!("(c, d) > ({at}, {above})"),
            Range::Row(at, d_at) => format!("c = {at} AND d = {d_at}"),
        }
    }
}

#[derive(Clone, Default, Debug)]
pub struct Partition {
    deleted: Option<i64>,
    ranges: Vec<(Range, i64)>,
    pub statics: Row,
    pub rows: BTreeMap<Clustering, Row>,
}

impl Partition {
    pub fn delete(&mut self, time: i64) {
        self.deleted = self.deleted.max(Some(time));
    }

    pub fn delete_range(&mut self, range: Range, time: i64) {
        self.ranges.push((range, time));
    }

    pub fn seen_statics(&self, now: i64) -> Seen<'_> {
        Seen::new(&self.statics, self.deleted, now)
    }

    /// A row that exists.
    pub fn seen(&self, at: &Clustering, now: i64) -> Option<Seen<'_>> {
        let covering =
            self.ranges.iter().filter(|(range, _)| range.contains(at)).map(|(_, time)| *time).max();
        let seen = Seen::new(self.rows.get(at)?, self.deleted.max(covering), now);
        seen.exists().then_some(seen)
    }
}
