//! Reads rows: of one partition by slices, or of a range of tokens.
//!
//! Vocabulary: a *slice* is a half-open interval of clustering sort keys (see `layout::key` for its bounds). A scan
//! lends nothing: each row is copied into the caller's [`LiveRow`].

use ilium_cql::murmur3::Token;
use ilium_store::Error;

use super::key::{self, ABOVE, EntryKind};
use super::live_row::{LiveRow, Wanted};
use super::record::{BadRecord, Deletion, Record};
use super::settled::settled;
use super::tombstones::RangeTombstones;
use crate::catalog::entry::TableEntry;
use crate::fault::Fault;
use crate::storage::{Io, Range, View};
use std::ops::Bound;

/// Rows whose clustering sort key is in `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    pub from: Vec<u8>,
    pub to: Vec<u8>,
}

impl Slice {
    pub fn all() -> Slice {
        Slice { from: Vec::new(), to: vec![ABOVE] }
    }

    /// The row with exactly this sort key.
    pub fn row(clustering: Vec<u8>) -> Slice {
        let mut to = clustering.clone();
        to.push(ABOVE);
        Slice { from: clustering, to }
    }

    fn is_row(&self) -> bool {
        self.to.split_last() == Some((&ABOVE, &self.from[..])) && !self.from.is_empty()
    }

    pub fn contains(&self, clustering: &[u8]) -> bool {
        self.from.as_slice() <= clustering && clustering < self.to.as_slice()
    }
}

/// Which partitions a scan visits.
#[derive(Debug, Clone, Copy)]
pub enum Partitions<'a> {
    /// The one with this key.
    One(&'a [u8]),
    /// In order of token, both ends included.
    Tokens { from: Token, through: Token },
    /// From the partition that follows this one.
    After { token: Token, key: &'a [u8], through: Token },
}

#[derive(Debug, Clone, Copy)]
pub struct ScanRequest<'a> {
    pub partitions: Partitions<'a>,
    /// Ascending and disjoint.
    pub slices: &'a [Slice],
    /// The slices hold whole rows named by all their clustering columns: each is looked up by its key.
    pub exact_rows: bool,
    /// Only with [`Partitions::One`].
    pub reversed: bool,
    pub wanted: Wanted<'a>,
    /// Seconds since the epoch.
    pub now: i64,
}

pub struct Scan<'a> {
    view: &'a View,
    entry: &'a TableEntry,
    request: ScanRequest<'a>,
    io: Io,
    state: State,
    partition: Partition,
}

/// What hides rows of the partition at hand, and whether any row was given.
#[derive(Default)]
struct Partition {
    deletion: Option<Deletion>,
    ranges: RangeTombstones,
    /// Whether `ranges` is flattened.
    flat: bool,
    given: bool,
    open: bool,
}

enum State {
    /// Within one partition: the slices still to read, and the one being read.
    One {
        prefix: Vec<u8>,
        next_slice: usize,
        rows: Option<Range>,
    },
    /// Along the ring. `held` is an entry read but not yet used.
    Ring {
        entries: Range,
        end: Vec<u8>,
        held: Option<(Vec<u8>, Vec<u8>)>,
        skip: bool,
    },
    Done,
}

impl<'a> Scan<'a> {
    /// Opens a scan; a single partition's own record is read at once, into `row`.
    pub fn new(
        view: &'a View,
        entry: &'a TableEntry,
        request: ScanRequest<'a>,
        io: Io,
        row: &mut LiveRow,
    ) -> Result<Scan<'a>, Fault> {
        let mut scan = Scan { view, entry, request, io, state: State::Done, partition: Partition::default() };
        match request.partitions {
            Partitions::One(partition_key) => scan.open_partition(partition_key, row)?,
            Partitions::Tokens { from, through } => {
                let mut start = Vec::with_capacity(12);
                key::push_token(entry.number, from.0, &mut start);
                scan.open_ring(&start, through);
            }
            Partitions::After { token, key: after, through } => {
                let mut start = Vec::new();
                key::push_partition_at(entry.number, token.0, after, &mut start);
                start.push(ABOVE);
                scan.open_ring(&start, through);
            }
        }
        Ok(scan)
    }

    /// Fills `row` with the next row and says whether there was one. A partition with static content and no row in
    /// the slices is given once, as a row with [`LiveRow::has_row`] false.
    pub fn next(&mut self, row: &mut LiveRow) -> Result<bool, Fault> {
        let found = match self.state {
            State::One { .. } => self.next_in_partition(row)?,
            State::Ring { .. } => self.next_on_ring(row)?,
            State::Done => false,
        };
        if found {
            row.set_starts_partition(!self.partition.given);
            self.partition.given = true;
        }
        Ok(found)
    }

    /// Goes on with the partition after the one at hand.
    pub fn skip_partition(&mut self) {
        self.partition.given = true;
        match &mut self.state {
            State::Ring { skip, .. } => *skip = true,
            state => *state = State::Done,
        }
    }

    fn open_partition(&mut self, partition_key: &[u8], row: &mut LiveRow) -> Result<(), Fault> {
        let token = Token::of(partition_key);
        let mut prefix = Vec::with_capacity(key::HEAD + partition_key.len() + 32);
        key::push_partition_at(self.entry.number, token.0, partition_key, &mut prefix);
        row.begin_partition(self.entry, self.request.wanted, token.0, partition_key)
            .map_err(|bad| self.damaged(bad, partition_key))?;
        prefix.push(EntryKind::Partition as u8);
        let mut value = row.take_buffer();
        let found = if self.entry.clustering_len == 0 {
            self.view.get_settled(
                &prefix,
                &|value| settled(self.entry, &self.request, value),
                self.io,
                &mut value,
            )?
        } else {
            self.view.get(&prefix, self.io, &mut value)?
        };
        prefix.pop();
        let has_ranges = found && self.load_partition(&value, partition_key, row)?;
        row.give_buffer(value);
        if has_ranges {
            self.load_ranges(&prefix, partition_key)?;
        }
        self.partition.open = true;
        prefix.push(EntryKind::Row as u8);
        let first = if self.request.reversed { self.request.slices.len() } else { 0 };
        self.state = State::One { prefix, next_slice: first, rows: None };
        Ok(())
    }

    fn load_partition(
        &mut self,
        value: &[u8],
        partition_key: &[u8],
        row: &mut LiveRow,
    ) -> Result<bool, Fault> {
        let record = Record::parse(value).map_err(|bad| self.damaged(bad, partition_key))?;
        self.partition.deletion = record.deletion;
        row.load_partition(self.entry, self.request.wanted, &record, self.request.now)
            .map_err(|bad| self.damaged(bad, partition_key))?;
        Ok(record.ranges_at.is_some())
    }

    fn load_ranges(&mut self, prefix: &[u8], partition_key: &[u8]) -> Result<(), Fault> {
        let from = [prefix, &[EntryKind::RangeTombstone as u8]].concat();
        let to = [prefix, &[EntryKind::Row as u8]].concat();
        let mut entries = range(self.view, &from, &to, false, self.io);
        while let Some((stored, value)) = entries.next()? {
            let rest = stored.get(from.len()..).unwrap_or_default();
            add_range(&mut self.partition.ranges, rest, value)
                .map_err(|bad| damaged(self.entry, bad, partition_key))?;
        }
        self.partition.ranges.flatten();
        Ok(())
    }

    fn next_in_partition(&mut self, row: &mut LiveRow) -> Result<bool, Fault> {
        if self.entry.clustering_len == 0 {
            self.state = State::Done;
            return Ok(row.has_row());
        }
        let State::One { prefix, next_slice, rows } = &mut self.state else { return Ok(false) };
        loop {
            if let Some(open) = rows {
                while let Some((stored, value)) = open.next()? {
                    let clustering = stored.get(prefix.len()..).unwrap_or_default();
                    if load_row(self.entry, &self.request, &self.partition, clustering, value, row)? {
                        return Ok(true);
                    }
                }
                *rows = None;
            }
            let slice = if self.request.reversed {
                next_slice.checked_sub(1)
            } else {
                (*next_slice < self.request.slices.len()).then_some(*next_slice)
            };
            let Some(slice) = slice.and_then(|at| Some((at, self.request.slices.get(at)?))) else {
                self.state = State::Done;
                row.forget_row(self.entry);
                return Ok(row.has_static() && !self.partition.given);
            };
            let (at, slice) = slice;
            *next_slice = if self.request.reversed { at } else { at + 1 };
            let head = prefix.len();
            prefix.extend_from_slice(&slice.from);
            if self.request.exact_rows && slice.is_row() {
                let mut value = row.take_buffer();
                let settled = |value: &[u8]| settled(self.entry, &self.request, value);
                let found = self.view.get_settled(prefix, &settled, self.io, &mut value)?
                    && load_row(self.entry, &self.request, &self.partition, &slice.from, &value, row)?;
                row.give_buffer(value);
                prefix.truncate(head);
                if found {
                    return Ok(true);
                }
            } else {
                let from = prefix.clone();
                prefix.truncate(head);
                let to = [&prefix[..], &slice.to].concat();
                *rows = Some(range(self.view, &from, &to, self.request.reversed, self.io));
            }
        }
    }

    fn open_ring(&mut self, start: &[u8], through: Token) {
        let mut end = Vec::with_capacity(12);
        match through.0.checked_add(1) {
            Some(next) => key::push_token(self.entry.number, next, &mut end),
            None => end.extend_from_slice(&self.entry.number.saturating_add(1).to_be_bytes()),
        }
        let entries = range(self.view, start, &end, false, self.io);
        self.state = State::Ring { entries, end, held: None, skip: false };
    }

    fn next_on_ring(&mut self, row: &mut LiveRow) -> Result<bool, Fault> {
        let State::Ring { entries, end, held, skip } = &mut self.state else { return Ok(false) };
        loop {
            let taken = held.take();
            let (stored, value) = match &taken {
                Some((stored, value)) => (stored.as_slice(), value.as_slice()),
                None => match entries.next()? {
                    Some(entry) => entry,
                    None => {
                        self.state = State::Done;
                        return Ok(self.partition.owes_static(row, self.entry));
                    }
                },
            };
            let parts = key::split(stored).ok_or_else(|| damaged(self.entry, BadRecord, stored))?;
            if !self.partition.open || row.partition_key() != parts.partition_key {
                if self.partition.owes_static(row, self.entry) {
                    *held = Some((stored.to_vec(), value.to_vec()));
                    // Given by the caller's bookkeeping in `next`; the entry waits for the next call.
                    return Ok(true);
                }
                self.partition = Partition { open: true, ..Partition::default() };
                *skip = false;
                row.begin_partition(self.entry, self.request.wanted, parts.token, parts.partition_key)
                    .map_err(|bad| damaged(self.entry, bad, parts.partition_key))?;
            }
            if *skip {
                // One seek past the rest instead of reading it.
                let mut past = Vec::with_capacity(stored.len() + 1);
                key::push_partition_at(parts.number, parts.token, parts.partition_key, &mut past);
                past.push(ABOVE);
                *skip = false;
                self.partition.given = true;
                *entries = range(self.view, &past, end, false, self.io);
                continue;
            }
            let bad = |bad| damaged(self.entry, bad, parts.partition_key);
            match parts.kind {
                EntryKind::Partition => {
                    let record = Record::parse(value).map_err(bad)?;
                    self.partition.deletion = record.deletion;
                    row.load_partition(self.entry, self.request.wanted, &record, self.request.now)
                        .map_err(bad)?;
                    if self.entry.clustering_len == 0 && row.has_row() {
                        return Ok(true);
                    }
                }
                EntryKind::RangeTombstone => {
                    add_range(&mut self.partition.ranges, parts.rest, value).map_err(bad)?;
                    self.partition.flat = false;
                }
                EntryKind::Row => {
                    // Once for all of a partition's, which come before its rows.
                    if !self.partition.flat {
                        self.partition.ranges.flatten();
                        self.partition.flat = true;
                    }
                    let slices = self.request.slices;
                    let after = slices.partition_point(|slice| slice.from.as_slice() <= parts.rest);
                    let inside = after
                        .checked_sub(1)
                        .and_then(|at| slices.get(at))
                        .is_some_and(|s| s.contains(parts.rest));
                    if inside && load_row(self.entry, &self.request, &self.partition, parts.rest, value, row)?
                    {
                        return Ok(true);
                    }
                }
            }
        }
    }

    fn damaged(&self, bad: BadRecord, partition_key: &[u8]) -> Fault {
        damaged(self.entry, bad, partition_key)
    }
}

impl Partition {
    /// Whether the partition's static content is still to be given as a row of its own; readies `row` for it.
    fn owes_static(&mut self, row: &mut LiveRow, entry: &TableEntry) -> bool {
        let owes = self.open && !self.given && row.has_static();
        if owes {
            row.forget_row(entry);
        }
        owes
    }
}

fn range(view: &View, from: &[u8], to: &[u8], reversed: bool, io: Io) -> Range {
    view.range(Bound::Included(from), Bound::Excluded(to), reversed, io)
}

fn add_range(ranges: &mut RangeTombstones, rest: &[u8], value: &[u8]) -> Result<(), BadRecord> {
    let (start, end) = key::split_range_rest(rest).ok_or(BadRecord)?;
    if let Some(deletion) = Record::parse(value)?.deletion {
        ranges.add(start, end, deletion);
    }
    Ok(())
}

fn load_row(
    entry: &TableEntry,
    request: &ScanRequest<'_>,
    partition: &Partition,
    clustering: &[u8],
    value: &[u8],
    row: &mut LiveRow,
) -> Result<bool, Fault> {
    let deletion = Deletion::later(partition.deletion, partition.ranges.covering(clustering));
    let loaded = Record::parse(value)
        .and_then(|record| row.load_row(entry, request.wanted, clustering, &record, deletion, request.now));
    loaded.map_err(|bad| damaged(entry, bad, row.partition_key()))
}

fn damaged(entry: &TableEntry, bad: BadRecord, key: &[u8]) -> Fault {
    let hex: String = key.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
    let table = &entry.table;
    Fault::Error(Error::corrupt(format!(
        "{bad}: table {}.{}, partition key 0x{hex}; put a copy of the data folder in its place",
        table.keyspace, table.name
    )))
}
