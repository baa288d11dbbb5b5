//! A table's stored entries as they are, taken apart: what a backup or an unload keeps so that nothing is lost.
//!
//! Nothing is judged by the clock and nothing that is deleted by range or partition is left out: deletions come as
//! entries of their own. All values are in CQL wire form, key columns with the bytes they were written with. Cells of
//! dropped columns are left out. Write times are in microseconds, local times in seconds, both since the epoch.

use std::borrow::Cow;

use ilium_cql::schema::Column;
use ilium_cql::{CqlType, sort_key};

use super::key::{self, ABOVE, EntryKind};
use super::record::{BadRecord, CellState, Cells, Deletion, Expiry, Liveness, Record};
use super::varint;
use crate::catalog::entry::TableEntry;

/// An entry of one partition. A partition's own comes first, then its range tombstones, then its rows in clustering
/// order; partitions come in the order of their tokens.
#[derive(Debug, Clone)]
pub struct RawEntry<'a> {
    pub token: i64,
    /// As the native protocol has it: of several columns, each as `[length u16][value][0]`.
    pub partition_key: &'a [u8],
    pub kind: RawKind<'a>,
}

#[derive(Debug, Clone)]
pub enum RawKind<'a> {
    /// The partition's deletion, and its static columns; in a table without clustering columns its one row.
    Partition(RawRow<'a>),
    /// Deletes the rows from `start` to `end`.
    RangeTombstone { start: RawBound, end: RawBound, deletion: Deletion },
    /// A row, with the values of its clustering columns.
    Row(Vec<Vec<u8>>, RawRow<'a>),
}

/// A place between rows: before all that begin with these clustering values, or after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBound {
    pub values: Vec<Vec<u8>>,
    pub after: bool,
}

/// May be empty: of a partition it then says only that there are range tombstones.
#[derive(Debug, Clone)]
pub struct RawRow<'a> {
    /// What an INSERT leaves beside its cells.
    pub liveness: Option<Liveness>,
    pub deletion: Option<Deletion>,
    pub cells: RawCells<'a>,
}

/// The cells of a row, in the order of their columns' numbers; of a collection its deletion first.
#[derive(Debug, Clone)]
pub struct RawCells<'a> {
    entry: &'a TableEntry,
    cells: Cells<'a>,
}

#[derive(Debug, Clone)]
pub struct RawCell<'a> {
    pub column: &'a Column,
    /// Of a multi-cell column: a set's element, a map's key, a field's number (u16 BE), or a list element's position,
    /// which means nothing but its order as bytes.
    pub path: Option<Cow<'a, [u8]>>,
    pub timestamp: i64,
    pub state: RawState<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawState<'a> {
    Live {
        value: &'a [u8],
        expiry: Option<Expiry>,
    },
    /// Deleted in this second.
    Tombstone {
        at: u32,
    },
    /// All elements written at the cell's time or before, deleted in this second.
    CollectionDeleted {
        at: u32,
    },
    /// A counter's sum, a bigint.
    Counter {
        value: &'a [u8],
    },
}

impl<'a> RawEntry<'a> {
    /// A stored key and its value taken apart.
    pub fn parse(
        entry: &'a TableEntry,
        stored: &'a [u8],
        value: &'a [u8],
    ) -> Result<RawEntry<'a>, BadRecord> {
        let parts = key::split(stored).ok_or(BadRecord)?;
        let record = Record::parse(value)?;
        let row = RawRow {
            liveness: record.liveness,
            deletion: record.deletion,
            cells: RawCells { entry, cells: record.cells() },
        };
        let kind = match parts.kind {
            EntryKind::Partition => RawKind::Partition(row),
            EntryKind::RangeTombstone => {
                let (start, end) = key::split_range_rest(parts.rest).ok_or(BadRecord)?;
                let deletion = record.deletion.ok_or(BadRecord)?;
                RawKind::RangeTombstone { start: bound(entry, start)?, end: bound(entry, end)?, deletion }
            }
            EntryKind::Row => RawKind::Row(clustering(entry, parts.rest, record.originals)?, row),
        };
        Ok(RawEntry { token: parts.token, partition_key: parts.partition_key, kind })
    }
}

impl<'a> Iterator for RawCells<'a> {
    type Item = Result<RawCell<'a>, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let cell = match self.cells.next()? {
                Ok(cell) => cell,
                Err(bad) => return Some(Err(bad)),
            };
            let Some(place) = self.entry.column_of_cell(cell.column, cell.timestamp) else { continue };
            let Some(column) = self.entry.table.columns.get(place) else { continue };
            let state = match cell.state {
                CellState::Live { value, expiry } => RawState::Live { value, expiry },
                CellState::Tombstone { at } => RawState::Tombstone { at },
                CellState::CollectionDeleted { at } => RawState::CollectionDeleted { at },
                CellState::Counter { value } => RawState::Counter { value },
            };
            return Some(named(column, cell.path, cell.timestamp, state));
        }
    }
}

/// A cell with its path in wire form.
fn named<'a>(
    column: &'a Column,
    path: Option<&'a [u8]>,
    timestamp: i64,
    state: RawState<'a>,
) -> Result<RawCell<'a>, BadRecord> {
    let (mut path, mut state) = (path.map(Cow::Borrowed), state);
    if let (Some(stored), CqlType::Set { element: key, .. } | CqlType::Map { key, .. }) =
        (path.as_deref(), &column.column_type)
    {
        path = Some(match &mut state {
            // A live element keeps its key's own bytes where the path loses them.
            RawState::Live { value, .. } if sort_key::is_lossy(key) => Cow::Borrowed(take_run(value)?),
            _ => {
                let mut stored = stored;
                Cow::Owned(sort_key::decode(key, false, &mut stored).map_err(|_| BadRecord)?)
            }
        });
    }
    Ok(RawCell { column, path, timestamp, state })
}

/// The values of a row's clustering columns.
fn clustering(
    entry: &TableEntry,
    stored: &[u8],
    originals: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, BadRecord> {
    let (mut at, mut originals) = (stored, originals.unwrap_or_default());
    let mut values = Vec::with_capacity(entry.clustering_len);
    for column in entry.table.clustering() {
        let value =
            sort_key::decode(&column.column_type, column.descending, &mut at).map_err(|_| BadRecord)?;
        let has_original = sort_key::is_lossy(&column.column_type) && !originals.is_empty();
        values.push(if has_original { take_run(&mut originals)?.to_vec() } else { value });
    }
    if at.is_empty() { Ok(values) } else { Err(BadRecord) }
}

fn bound(entry: &TableEntry, stored: &[u8]) -> Result<RawBound, BadRecord> {
    let mut at = stored;
    let mut values = Vec::new();
    for column in entry.table.clustering() {
        if matches!(at, [] | [ABOVE]) {
            break;
        }
        values
            .push(sort_key::decode(&column.column_type, column.descending, &mut at).map_err(|_| BadRecord)?);
    }
    match at {
        [] => Ok(RawBound { values, after: false }),
        [ABOVE] => Ok(RawBound { values, after: true }),
        _ => Err(BadRecord),
    }
}

fn take_run<'a>(at: &mut &'a [u8]) -> Result<&'a [u8], BadRecord> {
    let length = varint::read(at).ok_or(BadRecord)?;
    let (taken, rest) =
        at.split_at_checked(usize::try_from(length).map_err(|_| BadRecord)?).ok_or(BadRecord)?;
    *at = rest;
    Ok(taken)
}
