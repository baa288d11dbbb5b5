//! Fills an index from the rows that were there before it. Writes that come meanwhile put their own entries.

use ilium_cql::murmur3::Token;
use ilium_store::{Error, Result};

use super::{Inner, in_words};
use crate::catalog::{IndexEntry, TableEntry};
use crate::fault::Fault;
use crate::layout::index_key::{self, Target};
use crate::layout::indexed::{Kept, each_value};
use crate::layout::live_row::{LiveRow, Wanted};
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

impl Filler<'_> {
    fn add(&mut self, row: &LiveRow) -> Result<()> {
        let (entry, index) = (self.entry, self.index);
        each_value(entry, index, row, &mut |value| self.put(row, &value)).map_err(|bad| {
            let table = &entry.table;
            Error::corrupt(format!("{bad}: table {}.{}", table.keyspace, table.name))
        })
    }

    fn put(&mut self, row: &LiveRow, kept: &Kept<'_>) {
        if kept.value.len() > index_key::MAX_VALUE {
            tracing::warn!(
                index = &*self.index.name,
                bytes = kept.value.len(),
                "a value is too long to be indexed"
            );
            return;
        }
        let (token, partition_key) = (row.token(), row.partition_key());
        let target = Target { token, partition_key, found: kept.found, element: kept.element };
        self.record.clear();
        index_key::push_record(kept.timestamp, kept.expiry, &mut self.record);
        self.batch.put(&index_key::entry_key(self.index.number, kept.value, target), &self.record);
    }
}
