//! One row as a statement sees it: what is deleted, shadowed or expired is gone, collections are whole.
//!
//! A `LiveRow` is filled again for every row of a scan, so reading allocates nothing once its buffers have grown.

use std::ops::Range;

use ilium_cql::{CqlType, partition_key, sort_key};

use super::merge::Shadow;
use super::record::{BadRecord, Cell, CellState, Deletion, Record};
use crate::catalog::entry::TableEntry;

#[derive(Debug, Clone, Default)]
pub struct LiveRow {
    token: i64,
    partition_key: Vec<u8>,
    clustering_key: Vec<u8>,
    /// Values of the partition key and the static columns, then those of the row.
    data: Vec<u8>,
    /// Where the row's own values start in `data` and `elements`.
    row_start: (usize, usize),
    /// Parallel to the table's columns.
    slots: Vec<Slot>,
    elements: Vec<Element>,
    /// Lent to the scan for the record being read.
    buffer: Vec<u8>,
    has_row: bool,
    is_inserted: bool,
    has_static: bool,
    starts_partition: bool,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    value: Option<Range<usize>>,
    timestamp: i64,
    expiry: Option<(u32, u32)>,
    elements: Range<usize>,
}

/// One live element of a multi-cell column.
#[derive(Debug, Clone)]
pub struct Element {
    path: Range<usize>,
    value: Range<usize>,
    /// Microseconds.
    pub timestamp: i64,
    /// Seconds asked for, and the second it expires.
    pub expiry: Option<(u32, u32)>,
}

impl LiveRow {
    pub fn new() -> LiveRow {
        LiveRow::default()
    }

    /// The wire value of a column by its index in the table; multi-cell collections are assembled.
    #[inline]
    pub fn value(&self, column: usize) -> Option<&[u8]> {
        self.data.get(self.slots.get(column)?.value.clone()?)
    }

    /// Microseconds; `None` for null, key and multi-cell columns.
    pub fn write_time(&self, column: usize) -> Option<i64> {
        let slot = self.simple(column)?;
        Some(slot.timestamp)
    }

    /// The second a cell expires.
    pub fn expires_at(&self, column: usize) -> Option<u32> {
        self.simple(column)?.expiry.map(|(_, at)| at)
    }

    /// Seconds to live as asked for, and the second a cell expires.
    pub fn expiry(&self, column: usize) -> Option<(u32, u32)> {
        self.simple(column)?.expiry
    }

    fn simple(&self, column: usize) -> Option<&Slot> {
        let slot = self.slots.get(column)?;
        (slot.value.is_some() && slot.timestamp != i64::MIN).then_some(slot)
    }

    /// The live elements of a multi-cell column in the order of its type; empty for any other.
    pub fn elements(&self, column: usize) -> &[Element] {
        self.slots.get(column).and_then(|slot| self.elements.get(slot.elements.clone())).unwrap_or_default()
    }

    /// The element's key, set value or field number (u16 BE) in wire form; a list element's position id.
    pub fn element_path(&self, element: &Element) -> &[u8] {
        self.data.get(element.path.clone()).unwrap_or_default()
    }

    pub fn element_value(&self, element: &Element) -> &[u8] {
        self.data.get(element.value.clone()).unwrap_or_default()
    }

    /// False: the partition has static content only.
    pub fn has_row(&self) -> bool {
        self.has_row
    }

    /// An INSERT made the row: it is there even with no cell.
    pub fn is_inserted(&self) -> bool {
        self.is_inserted
    }

    pub fn has_static(&self) -> bool {
        self.has_static
    }

    pub fn token(&self) -> i64 {
        self.token
    }

    pub fn partition_key(&self) -> &[u8] {
        &self.partition_key
    }

    /// The sort key of the clustering columns: where a page goes on.
    pub fn clustering_key(&self) -> &[u8] {
        &self.clustering_key
    }

    /// The first row given of its partition.
    pub fn starts_partition(&self) -> bool {
        self.starts_partition
    }

    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(super) fn give_buffer(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }

    pub(super) fn set_starts_partition(&mut self, starts: bool) {
        self.starts_partition = starts;
    }

    /// Takes a row that is not stored, a value or null for each column of its table.
    pub fn load_values(&mut self, token: i64, key: &[u8], clustering: &[u8], values: &[Option<Vec<u8>>]) {
        self.starts_partition = self.partition_key != key;
        self.token = token;
        self.partition_key.clear();
        self.partition_key.extend_from_slice(key);
        self.clustering_key.clear();
        self.clustering_key.extend_from_slice(clustering);
        self.data.clear();
        self.elements.clear();
        self.slots.clear();
        self.slots.resize_with(values.len(), Slot::default);
        for (column, value) in values.iter().enumerate() {
            if let Some(value) = value {
                self.put_key_value(column, value);
            }
        }
        self.has_row = true;
        self.is_inserted = true;
        self.has_static = false;
        self.row_start = (self.data.len(), 0);
    }

    /// Begins another partition: its key's values are set, all else is null.
    pub(super) fn begin_partition(
        &mut self,
        entry: &TableEntry,
        wanted: Wanted<'_>,
        token: i64,
        key: &[u8],
    ) -> Result<(), BadRecord> {
        self.token = token;
        self.partition_key.clear();
        self.partition_key.extend_from_slice(key);
        self.clustering_key.clear();
        self.data.clear();
        self.elements.clear();
        self.slots.clear();
        self.slots.resize_with(entry.table.columns.len(), Slot::default);
        self.has_row = false;
        self.is_inserted = false;
        self.has_static = false;
        if entry.partition_key_len == 1 {
            self.put_key_value(0, key);
        } else if wanted.any(0..entry.partition_key_len) {
            for (column, component) in partition_key::split(key, entry.partition_key_len)
                .map_err(|_| BadRecord)?
                .into_iter()
                .enumerate()
            {
                self.put_key_value(column, component);
            }
        }
        self.row_start = (self.data.len(), 0);
        Ok(())
    }

    fn put_key_value(&mut self, column: usize, value: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(value);
        let end = self.data.len();
        if let Some(slot) = self.slots.get_mut(column) {
            slot.value = Some(start..end);
            slot.timestamp = i64::MIN;
        }
    }

    /// Takes the static cells of a partition record; with no clustering columns it is the row as well.
    pub(super) fn load_partition(
        &mut self,
        entry: &TableEntry,
        wanted: Wanted<'_>,
        record: &Record<'_>,
        now: i64,
    ) -> Result<(), BadRecord> {
        let live = self.load_cells(entry, wanted, record, record.deletion, now)?;
        if entry.clustering_len == 0 {
            self.is_inserted = row_is_live(record, None, now);
            self.has_row = live || self.is_inserted;
        } else {
            self.has_static = live;
        }
        self.row_start = (self.data.len(), self.elements.len());
        Ok(())
    }

    /// Takes a row. False: it is not alive, and the row holds nothing of it.
    pub(super) fn load_row(
        &mut self,
        entry: &TableEntry,
        wanted: Wanted<'_>,
        clustering: &[u8],
        record: &Record<'_>,
        deletion: Option<Deletion>,
        now: i64,
    ) -> Result<bool, BadRecord> {
        self.forget_row(entry);
        let deletion = Deletion::later(deletion, record.deletion);
        let cells_live = self.load_cells(entry, wanted, record, deletion, now)?;
        self.is_inserted = row_is_live(record, deletion, now);
        self.has_row = cells_live || self.is_inserted;
        if !self.has_row {
            return Ok(false);
        }
        self.clustering_key.extend_from_slice(clustering);
        let keys = entry.partition_key_len..entry.key_len();
        if wanted.any(keys.clone()) {
            self.load_clustering(entry, keys, clustering, record.originals)?;
        }
        Ok(true)
    }

    fn load_clustering(
        &mut self,
        entry: &TableEntry,
        keys: Range<usize>,
        clustering: &[u8],
        originals: Option<&[u8]>,
    ) -> Result<(), BadRecord> {
        let mut at = clustering;
        let mut originals = originals.unwrap_or_default();
        for index in keys {
            let column = entry.table.columns.get(index).ok_or(BadRecord)?;
            let value =
                sort_key::decode(&column.column_type, column.descending, &mut at).map_err(|_| BadRecord)?;
            if sort_key::is_lossy(&column.column_type) && !originals.is_empty() {
                let length = super::varint::read(&mut originals).ok_or(BadRecord)? as usize;
                let (original, rest) = originals.split_at_checked(length).ok_or(BadRecord)?;
                originals = rest;
                self.put_key_value(index, original);
            } else {
                self.put_key_value(index, &value);
            }
        }
        Ok(())
    }

    /// Forgets the row but not the partition.
    pub(super) fn forget_row(&mut self, entry: &TableEntry) {
        self.has_row = false;
        self.is_inserted = false;
        self.clustering_key.clear();
        let (data, elements) = self.row_start;
        self.data.truncate(data);
        self.elements.truncate(elements);
        let clustering = entry.partition_key_len..entry.key_len();
        let in_row = |index: usize| {
            clustering.contains(&index)
                || entry
                    .table
                    .columns
                    .get(index)
                    .is_some_and(|c| c.kind == ilium_cql::schema::ColumnKind::Regular)
        };
        for (index, slot) in self.slots.iter_mut().enumerate().skip(entry.partition_key_len) {
            if in_row(index) {
                *slot = Slot::default();
            }
        }
    }

    /// Takes the live cells; true if there was any, wanted or not.
    fn load_cells(
        &mut self,
        entry: &TableEntry,
        wanted: Wanted<'_>,
        record: &Record<'_>,
        deletion: Option<Deletion>,
        now: i64,
    ) -> Result<bool, BadRecord> {
        let mut shadow = Shadow::under(deletion);
        let mut any = false;
        let mut open: Option<(usize, usize)> = None;
        for cell in record.cells() {
            let cell = cell?;
            if !shadow.lets_through(&cell) {
                continue;
            }
            let (value, expiry) = match cell.state {
                CellState::CollectionDeleted { .. } | CellState::Tombstone { .. } => continue,
                CellState::Live { expiry: Some(expiry), .. } if expiry.is_past(now) => continue,
                CellState::Live { value, expiry } => (value, expiry.map(|e| (e.ttl, e.at))),
                CellState::Counter { value } => (value, None),
            };
            let Some(column) = entry.column_of_cell(cell.column, cell.timestamp) else { continue };
            any = true;
            if !wanted.has(column) {
                continue;
            }
            if cell.path.is_some() {
                if open.is_none_or(|(at, _)| at != column) {
                    self.close_collection(entry, open.take())?;
                    open = Some((column, self.elements.len()));
                }
                self.put_element(entry, column, &cell, value, expiry)?;
            } else {
                let start = self.data.len();
                self.data.extend_from_slice(value);
                let end = self.data.len();
                if let Some(slot) = self.slots.get_mut(column) {
                    *slot =
                        Slot { value: Some(start..end), timestamp: cell.timestamp, expiry, elements: 0..0 };
                }
            }
        }
        self.close_collection(entry, open)?;
        Ok(any)
    }

    fn put_element(
        &mut self,
        entry: &TableEntry,
        column: usize,
        cell: &Cell<'_>,
        value: &[u8],
        expiry: Option<(u32, u32)>,
    ) -> Result<(), BadRecord> {
        let mut path = cell.path.ok_or(BadRecord)?;
        let mut value = value;
        let start = self.data.len();
        match entry.table.columns.get(column).map(|c| &c.column_type) {
            Some(CqlType::Set { element: key, .. } | CqlType::Map { key, .. }) => {
                if sort_key::is_lossy(key) {
                    let length = super::varint::read(&mut value).ok_or(BadRecord)? as usize;
                    let (original, rest) = value.split_at_checked(length).ok_or(BadRecord)?;
                    self.data.extend_from_slice(original);
                    value = rest;
                } else {
                    let bytes = sort_key::decode(key, false, &mut path).map_err(|_| BadRecord)?;
                    self.data.extend_from_slice(&bytes);
                }
            }
            _ => self.data.extend_from_slice(path),
        }
        let middle = self.data.len();
        self.data.extend_from_slice(value);
        let end = self.data.len();
        self.elements.push(Element {
            path: start..middle,
            value: middle..end,
            timestamp: cell.timestamp,
            expiry,
        });
        Ok(())
    }

    /// Puts the elements since `open` together as one wire value.
    fn close_collection(
        &mut self,
        entry: &TableEntry,
        open: Option<(usize, usize)>,
    ) -> Result<(), BadRecord> {
        let Some((column, first)) = open else { return Ok(()) };
        let last = self.elements.len();
        let start = self.data.len();
        let elements = self.elements.get(first..last).ok_or(BadRecord)?;
        match entry.table.columns.get(column).map(|c| &c.column_type) {
            Some(CqlType::Udt { definition, .. }) => {
                let mut next = elements.iter().peekable();
                for field in 0..definition.fields.len() {
                    let number = (field as u16).to_be_bytes();
                    match next.peek() {
                        Some(e) if self.data.get(e.path.clone()) == Some(&number[..]) => {
                            push_run(&mut self.data, e.value.clone());
                            next.next();
                        }
                        _ => self.data.extend_from_slice(&(-1i32).to_be_bytes()),
                    }
                }
            }
            Some(column_type) => {
                self.data.extend_from_slice(&(elements.len() as i32).to_be_bytes());
                let (paths, values) = match column_type {
                    CqlType::Set { .. } => (true, false),
                    CqlType::Map { .. } => (true, true),
                    _ => (false, true),
                };
                for element in elements {
                    if paths {
                        push_run(&mut self.data, element.path.clone());
                    }
                    if values {
                        push_run(&mut self.data, element.value.clone());
                    }
                }
            }
            None => return Err(BadRecord),
        }
        let end = self.data.len();
        if let Some(slot) = self.slots.get_mut(column) {
            *slot =
                Slot { value: Some(start..end), timestamp: i64::MIN, expiry: None, elements: first..last };
        }
        Ok(())
    }
}

/// Appends `[i32 length]` and a copy of a part of `data` itself.
fn push_run(data: &mut Vec<u8>, part: Range<usize>) {
    data.extend_from_slice(&(part.len() as i32).to_be_bytes());
    data.extend_from_within(part);
}

fn row_is_live(record: &Record<'_>, deletion: Option<Deletion>, now: i64) -> bool {
    record.liveness.is_some_and(|liveness| {
        !super::merge::deletes(Deletion::later(deletion, record.deletion), liveness.timestamp)
            && !liveness.expiry.is_some_and(|expiry| expiry.is_past(now))
    })
}

/// The columns a statement looks at, by index; an empty list means all.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a>(pub &'a [bool]);

impl Wanted<'_> {
    #[inline]
    pub(super) fn has(self, column: usize) -> bool {
        self.0.is_empty() || self.0.get(column).copied().unwrap_or(false)
    }

    fn any(self, mut columns: Range<usize>) -> bool {
        columns.any(|column| self.has(column))
    }
}
