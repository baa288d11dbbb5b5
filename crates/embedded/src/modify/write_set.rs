//! The deltas of one request, index entries included: what becomes durable and visible together.

use std::collections::HashMap;

use ilium_cql::ast::IndexOn;
use ilium_cql::{CqlType, sort_key};
use ilium_store::{Error, Result};

use super::cells::{NewCell, NewState, Stamp, Sum};
use crate::catalog::entry::{IndexEntry, TableEntry};
use crate::layout::index_key::{self, Found, Target};
use crate::layout::key::{self, EntryKind};
use crate::layout::merge;
use crate::layout::record::{Deletion, Expiry, Liveness, RecordWriter};
use crate::layout::scan::Slice;
use crate::layout::varint;
use crate::select::restrictions::RowKey;
use crate::storage::Batch;

#[derive(Default)]
pub struct WriteSet {
    pub batch: Batch,
    record: Vec<u8>,
    /// Counter sums by the stored key of their row: two increments in one batch add up.
    pub(super) counted: HashMap<Vec<u8>, HashMap<u16, Sum>>,
}

/// A partition being written.
pub struct Partition<'p> {
    pub key: &'p [u8],
    pub token: i64,
    /// The stored prefix of its entries.
    prefix: Vec<u8>,
}

impl<'p> Partition<'p> {
    pub fn new(entry: &TableEntry, partition_key: &'p [u8]) -> Partition<'p> {
        let token = ilium_cql::murmur3::Token::of(partition_key).0;
        let mut prefix = Vec::with_capacity(key::HEAD + partition_key.len() + 40);
        key::push_partition_at(entry.number, token, partition_key, &mut prefix);
        Partition { key: partition_key, token, prefix }
    }

    /// The stored key of a row, or of the partition record.
    pub fn row_key(&self, entry: &TableEntry, row: Option<&RowKey>) -> Vec<u8> {
        let mut stored = self.prefix.clone();
        match row.filter(|_| entry.clustering_len > 0) {
            Some(row) => {
                stored.push(EntryKind::Row as u8);
                stored.extend_from_slice(&row.sort_key);
            }
            None => stored.push(EntryKind::Partition as u8),
        }
        stored
    }
}

impl WriteSet {
    /// Writes cells of a row (or, without one, of the static row), with the liveness an INSERT gives.
    pub fn put_row(
        &mut self,
        entry: &TableEntry,
        partition: &Partition<'_>,
        row: Option<&RowKey>,
        liveness: Option<Liveness>,
        mut cells: Vec<NewCell<'_>>,
        stamp: &Stamp,
    ) -> Result<()> {
        if cells.len() > 1 {
            cells.sort_by(|a, b| a.stored(stamp).order(&b.stored(stamp)));
            dedup(&mut cells, stamp);
        }
        self.record.clear();
        let mut writer = RecordWriter::new(stamp.timestamp, &mut self.record);
        if let Some(liveness) = liveness {
            writer.liveness(liveness);
        }
        let originals = row.and_then(|row| originals(entry, row));
        if let Some(originals) = &originals {
            writer.originals(originals);
        }
        for cell in &cells {
            writer.cell(&cell.stored(stamp));
        }
        if writer.finish() {
            self.batch.put(&partition.row_key(entry, row), &self.record);
        }
        if !entry.indexes.is_empty() {
            let alive =
                liveness.is_some() || cells.iter().any(|cell| matches!(cell.state, NewState::Live(_)));
            self.put_index_entries(entry, partition, row, &cells, alive, stamp)?;
        }
        Ok(())
    }

    /// Deletes a partition, or one row of it.
    pub fn delete(
        &mut self,
        entry: &TableEntry,
        partition: &Partition<'_>,
        row: Option<&RowKey>,
        stamp: &Stamp,
    ) {
        self.record.clear();
        let mut writer = RecordWriter::new(stamp.timestamp, &mut self.record);
        writer.deletion(Deletion { timestamp: stamp.timestamp, at: stamp.at });
        if let Some(originals) = row.and_then(|row| originals(entry, row)) {
            writer.originals(&originals);
        }
        writer.finish();
        self.batch.put(&partition.row_key(entry, row), &self.record);
    }

    /// Deletes the rows of a slice.
    pub fn delete_slice(
        &mut self,
        entry: &TableEntry,
        partition: &Partition<'_>,
        slice: &Slice,
        stamp: &Stamp,
    ) {
        let mut stored = partition.prefix.clone();
        stored.push(EntryKind::RangeTombstone as u8);
        stored.extend_from_slice(&key::range_rest(&slice.from, &slice.to));
        self.record.clear();
        let mut writer = RecordWriter::new(stamp.timestamp, &mut self.record);
        writer.deletion(Deletion { timestamp: stamp.timestamp, at: stamp.at });
        writer.finish();
        self.batch.put(&stored, &self.record);
        self.record.clear();
        let mut writer = RecordWriter::new(stamp.timestamp, &mut self.record);
        writer.ranges_at(stamp.at);
        writer.finish();
        self.batch.put(&partition.row_key(entry, None), &self.record);
    }

    fn put_index_entries(
        &mut self,
        entry: &TableEntry,
        partition: &Partition<'_>,
        row: Option<&RowKey>,
        cells: &[NewCell<'_>],
        alive: bool,
        stamp: &Stamp,
    ) -> Result<()> {
        let of_row = Found::Row(row.map_or(&[][..], |row| &row.sort_key));
        for index in &entry.indexes {
            if index.column < entry.partition_key_len {
                if alive {
                    let components = ilium_cql::partition_key::split(partition.key, entry.partition_key_len)
                        .map_err(|error| Error::internal(error.to_string()))?;
                    if let Some(value) = components.get(index.column) {
                        let target = target(partition, Found::Partition, &[]);
                        self.put_index(entry, index, value, target, None, stamp)?;
                    }
                }
            } else if index.column < entry.key_len() {
                let position = index.column - entry.partition_key_len;
                if let Some(value) = row.filter(|_| alive).and_then(|row| row.values.get(position)) {
                    self.put_index(entry, index, value, target(partition, of_row, &[]), None, stamp)?;
                }
            } else {
                let cell_id = entry.cell_ids.get(index.column).copied().unwrap_or_default();
                let found = if row.is_none() { Found::Partition } else { of_row };
                let names_elements = index.names_elements(&entry.table);
                for cell in cells.iter().filter(|cell| cell.column == cell_id) {
                    if let Some(value) = indexed_value(entry, index, cell)? {
                        let element = cell.path.as_deref().filter(|_| names_elements).unwrap_or_default();
                        let target = target(partition, found, index_key::element_name(element));
                        self.put_index(entry, index, &value, target, stamp.expiry, stamp)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn put_index(
        &mut self,
        entry: &TableEntry,
        index: &IndexEntry,
        value: &[u8],
        target: Target<'_>,
        expiry: Option<Expiry>,
        stamp: &Stamp,
    ) -> Result<()> {
        if value.len() > index_key::MAX_VALUE {
            let table = &entry.table;
            let column = table.columns.get(index.column).map_or("", |column| &column.name);
            return Err(Error::invalid(format!(
                "Cannot index value of size {} for index {} on {}.{}({column}) (maximum allowed size={})",
                value.len(),
                index.name,
                table.keyspace,
                table.name,
                index_key::MAX_VALUE
            )));
        }
        self.record.clear();
        index_key::push_record(stamp.timestamp, expiry, &mut self.record);
        self.batch.put(&index_key::entry_key(index.number, value, target), &self.record);
        Ok(())
    }
}

fn target<'t>(partition: &Partition<'t>, found: Found<'t>, element: &'t [u8]) -> Target<'t> {
    Target { token: partition.token, partition_key: partition.key, found, element }
}

/// Of several cells in one place the one that would win when stored; of a counter's sums the last.
fn dedup(cells: &mut Vec<NewCell<'_>>, stamp: &Stamp) {
    let mut kept: Vec<NewCell<'_>> = Vec::with_capacity(cells.len());
    for cell in cells.drain(..) {
        match kept.last_mut() {
            Some(last) if last.stored(stamp).order(&cell.stored(stamp)).is_eq() => {
                let counter = matches!(cell.state, NewState::Counter(_));
                if counter || merge::rank(&cell.stored(stamp)) > merge::rank(&last.stored(stamp)) {
                    *last = cell;
                }
            }
            _ => kept.push(cell),
        }
    }
    *cells = kept;
}

/// The clustering values that their sort key does not give back, each with its length.
fn originals(entry: &TableEntry, row: &RowKey) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (column, value) in entry.table.clustering().zip(&row.values) {
        if sort_key::is_lossy(&column.column_type) {
            varint::push(value.len() as u64, &mut out);
            out.extend_from_slice(value);
        }
    }
    (!out.is_empty()).then_some(out)
}

/// What an index keeps for a cell; `None` for what it does not look at.
fn indexed_value(entry: &TableEntry, index: &IndexEntry, cell: &NewCell<'_>) -> Result<Option<Vec<u8>>> {
    let NewState::Live(value) = &cell.state else { return Ok(None) };
    let Some(path) = &cell.path else { return Ok(Some(value.to_vec())) };
    let column_type = entry.table.columns.get(index.column).map(|column| &column.column_type);
    let key_type = match column_type {
        Some(CqlType::Set { element, .. }) => element,
        Some(CqlType::Map { key, .. }) => key,
        _ => return Ok(Some(value.to_vec())),
    };
    let damaged = || Error::internal("an element's key cannot be read back");
    let mut rest: &[u8] = value;
    let element_key = if sort_key::is_lossy(key_type) {
        let length = varint::read(&mut rest).ok_or_else(damaged)?;
        let (original, value) = rest.split_at_checked(length as usize).ok_or_else(damaged)?;
        rest = value;
        original.to_vec()
    } else {
        sort_key::decode(key_type, false, &mut path.as_ref()).map_err(|_| damaged())?
    };
    Ok(match (index.on, column_type) {
        (IndexOn::Keys, _) | (_, Some(CqlType::Set { .. })) => Some(element_key),
        (IndexOn::Entries, _) => {
            let mut both = Vec::new();
            index_key::push_map_entry(&element_key, rest, &mut both);
            Some(both)
        }
        _ => Some(rest.to_vec()),
    })
}
