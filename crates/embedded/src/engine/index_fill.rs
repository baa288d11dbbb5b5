//! Fills an index from the rows that were there before it. Writes that come meanwhile put their own entries.

use ilium_cql::ast::IndexOn;
use ilium_cql::murmur3::Token;
use ilium_cql::schema::ColumnKind;
use ilium_cql::{CqlType, partition_key};
use ilium_store::{Error, Result};

use super::{Inner, in_words};
use crate::catalog::{IndexEntry, TableEntry};
use crate::fault::Fault;
use crate::layout::index_key::{self, Found, Target};
use crate::layout::live_row::{LiveRow, Wanted};
use crate::layout::record::Expiry;
use crate::layout::scan::{Partitions, Scan, ScanRequest, Slice};
use crate::storage::{Batch, Io};

/// Entries are committed when this many bytes have gathered: few enough to stay unnoticed beside other writes.
const CHUNK: usize = 256 * 1024;

impl Inner {
    /// Blocks. An index that was dropped meanwhile is passed over.
    pub(super) fn fill_indexes(&self, numbers: Vec<u32>) -> Result<()> {
        for number in numbers {
            let snapshot = self.snapshot();
            let found = snapshot.stored_tables().find_map(|entry| {
                entry.indexes.iter().find(|index| index.number == number).map(|i| (entry, i))
            });
            if let Some((entry, index)) = found {
                self.fill(entry, index)?;
            }
            let pending = self.catalog.index_filled(number)?;
            if !pending.batch().is_empty() {
                self.store.commit(pending.batch().clone()).wait().map_err(in_words)?;
            }
            pending.publish();
        }
        Ok(())
    }

    fn fill(&self, entry: &TableEntry, index: &IndexEntry) -> Result<()> {
        let view = self.store.view();
        let slices = [Slice::all()];
        let request = ScanRequest {
            partitions: Partitions::Tokens { from: Token::MIN, through: Token::MAX },
            slices: &slices,
            exact_rows: false,
            reversed: false,
            wanted: Wanted(&[]),
            now: self.clock.seconds(),
        };
        let mut row = LiveRow::new();
        let failed = |fault| match fault {
            Fault::Error(error) => error,
            Fault::WouldRead => Error::internal("a read that may use the disk did not"),
        };
        let mut scan = Scan::new(&view, entry, request, Io::Allowed, &mut row).map_err(failed)?;
        let mut filler = Filler { entry, index, batch: Batch::new(), record: Vec::new() };
        while scan.next(&mut row).map_err(failed)? {
            filler.add(&row)?;
            if filler.batch.bytes() >= CHUNK {
                self.store.commit(std::mem::take(&mut filler.batch)).wait().map_err(in_words)?;
            }
        }
        if filler.batch.is_empty() {
            Ok(())
        } else {
            self.store.commit(filler.batch).wait().map_err(in_words)
        }
    }
}

struct Filler<'f> {
    entry: &'f TableEntry,
    index: &'f IndexEntry,
    batch: Batch,
    record: Vec<u8>,
}

/// Takes a value that an index keeps: where it was found, its write time and expiry.
type Give<'g> = &'g mut dyn FnMut(&[u8], Found<'_>, i64, Option<Expiry>);

/// Calls `give` with every value of a row that an index keeps.
pub(super) fn each_value(
    entry: &TableEntry,
    index: &IndexEntry,
    row: &LiveRow,
    give: Give<'_>,
) -> Result<()> {
    let Some(column) = entry.table.columns.get(index.column) else { return Ok(()) };
    let of_row = Found::Row(row.clustering_key());
    // Entries of key columns carry no time: a row lives on by later writes than the one that made it.
    match column.kind {
        ColumnKind::PartitionKey if row.starts_partition() => {
            let components = partition_key::split(row.partition_key(), entry.partition_key_len)
                .map_err(|error| Error::internal(error.to_string()))?;
            if let Some(value) = components.get(index.column) {
                give(value, Found::Partition, 0, None);
            }
        }
        ColumnKind::Clustering if row.has_row() => {
            if let Some(value) = row.value(index.column) {
                give(value, of_row, 0, None);
            }
        }
        ColumnKind::Static if row.starts_partition() => {
            each_cell(entry, index, row, &column.column_type, Found::Partition, give);
        }
        ColumnKind::Regular if row.has_row() => {
            each_cell(entry, index, row, &column.column_type, of_row, give)
        }
        _ => {}
    }
    Ok(())
}

fn each_cell(
    entry: &TableEntry,
    index: &IndexEntry,
    row: &LiveRow,
    column_type: &CqlType,
    found: Found<'_>,
    give: Give<'_>,
) {
    if let Some(timestamp) = row.write_time(index.column) {
        if let Some(value) = row.value(index.column) {
            give(value, found, timestamp, row.expiry(index.column).map(|(ttl, at)| Expiry { ttl, at }));
        }
        return;
    }
    for element in row.elements(index.column) {
        let (key, value) = (row.element_path(element), row.element_value(element));
        let mut both = Vec::new();
        let indexed = match (index.on, column_type) {
            (IndexOn::Keys, _) | (_, CqlType::Set { .. }) => key,
            (IndexOn::Entries, _) => {
                index_key::push_map_entry(key, value, &mut both);
                &both
            }
            _ => value,
        };
        let expiry = element.expiry.filter(|_| !index.is_shared(&entry.table));
        give(indexed, found, element.timestamp, expiry.map(|(ttl, at)| Expiry { ttl, at }));
    }
}

impl Filler<'_> {
    fn add(&mut self, row: &LiveRow) -> Result<()> {
        let (entry, index) = (self.entry, self.index);
        each_value(entry, index, row, &mut |value, found, timestamp, expiry| {
            self.put(row, value, found, timestamp, expiry);
        })
    }

    fn put(&mut self, row: &LiveRow, value: &[u8], found: Found<'_>, timestamp: i64, expiry: Option<Expiry>) {
        if value.len() > index_key::MAX_VALUE {
            tracing::warn!(
                index = &*self.index.name,
                bytes = value.len(),
                "a value is too long to be indexed"
            );
            return;
        }
        let target = Target { token: row.token(), partition_key: row.partition_key(), found };
        self.record.clear();
        index_key::push_record(timestamp, expiry, &mut self.record);
        self.batch.put(&index_key::entry_key(self.index.number, value, target), &self.record);
    }
}
