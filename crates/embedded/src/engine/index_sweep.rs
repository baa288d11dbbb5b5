//! Removes index entries that lead nowhere any more: a blind write cannot know which value it overwrites, so the old
//! value's entry stays behind.
//!
//! An entry goes by a deletion of its own write time, which cannot hide the entry of a later write. What overwrote or
//! deleted its cell is at least as late, so an earlier write cannot bring the value back either. That does not hold
//! where an entry stands for more than one cell (key columns, equal values of a map or list): those stay until the
//! index is dropped or its table truncated.

use std::ops::Bound;

use ilium_store::{Error, Result};

use super::index_fill::each_value;
use super::{Inner, in_words};
use crate::catalog::{IndexEntry, TableEntry};
use crate::fault::Fault;
use crate::layout::index_key::{self, Found, Target};
use crate::layout::key;
use crate::layout::live_row::{LiveRow, Wanted};
use crate::layout::record::{Deletion, Record, RecordWriter};
use crate::layout::scan::{Partitions, Scan, ScanRequest, Slice};
use crate::storage::{Batch, Io, View};

/// Deletions are committed when this many bytes have gathered: few enough to stay unnoticed beside other writes.
const CHUNK: usize = 256 * 1024;

impl Inner {
    /// Blocks; looks up the row of every index entry.
    pub(super) fn sweep_indexes(&self) -> Result<()> {
        let snapshot = self.snapshot();
        for entry in snapshot.stored_tables() {
            let of_one_cell =
                |index: &&IndexEntry| index.column >= entry.key_len() && !index.is_shared(&entry.table);
            for index in entry.indexes.iter().filter(|index| index.ready).filter(of_one_cell) {
                self.sweep(entry, index)?;
            }
        }
        Ok(())
    }

    fn sweep(&self, entry: &TableEntry, index: &IndexEntry) -> Result<()> {
        let view = self.store.view();
        let (from, to) = (index.number.to_be_bytes(), index.number.saturating_add(1).to_be_bytes());
        let mut entries = view.range(Bound::Included(&from), Bound::Excluded(&to), false, Io::Allowed);
        let now = self.clock.seconds();
        let mut sweeper = Sweeper { view: &view, entry, index, now, row: LiveRow::new() };
        let (mut batch, mut record) = (Batch::new(), Vec::new());
        let damaged = || {
            Error::corrupt(format!("index {} holds a damaged entry; drop and create it again", index.name))
        };
        while let Some((stored, value)) = entries.next().map_err(in_words)? {
            let value_len = key::split(stored).ok_or_else(damaged)?.partition_key.len();
            let target = index_key::target(stored, key::HEAD + value_len + 1).ok_or_else(damaged)?;
            let head = Record::parse(value).map_err(|_| damaged())?;
            let Some(liveness) =
                head.liveness.filter(|_| index_key::is_live(value, now).is_ok_and(|live| live))
            else {
                continue;
            };
            let indexed = stored.get(key::HEAD..key::HEAD + value_len).ok_or_else(damaged)?;
            if sweeper.leads_to_a_row(indexed, target)? {
                continue;
            }
            record.clear();
            let mut writer = RecordWriter::new(liveness.timestamp, &mut record);
            // Indexes have no grace: made a second ago, the deletion may go with what it hides.
            let at = u32::try_from(now.saturating_sub(1)).unwrap_or_default();
            writer.deletion(Deletion { timestamp: liveness.timestamp, at });
            writer.finish();
            batch.put(stored, &record);
            if batch.bytes() >= CHUNK {
                self.store.commit(std::mem::take(&mut batch)).wait().map_err(in_words)?;
            }
        }
        if batch.is_empty() { Ok(()) } else { self.store.commit(batch).wait().map_err(in_words) }
    }
}

struct Sweeper<'s> {
    view: &'s View,
    entry: &'s TableEntry,
    index: &'s IndexEntry,
    /// Seconds since the epoch.
    now: i64,
    row: LiveRow,
}

impl Sweeper<'_> {
    fn leads_to_a_row(&mut self, value: &[u8], target: Target<'_>) -> Result<bool> {
        let slice = match target.found {
            Found::Row(clustering) if self.entry.clustering_len > 0 => Slice::row(clustering.to_vec()),
            _ => Slice::all(),
        };
        let exact_rows = slice != Slice::all();
        let slices = [slice];
        let request = ScanRequest {
            partitions: Partitions::One(target.partition_key),
            slices: &slices,
            exact_rows,
            reversed: false,
            wanted: Wanted(&[]),
            now: self.now,
        };
        let failed = |fault| match fault {
            Fault::Error(error) => error,
            Fault::WouldRead => Error::internal("a read that may use the disk did not"),
        };
        let mut scan =
            Scan::new(self.view, self.entry, request, Io::Allowed, &mut self.row).map_err(failed)?;
        let mut found = false;
        if scan.next(&mut self.row).map_err(failed)? {
            each_value(self.entry, self.index, &self.row, &mut |kept, at, _, _| {
                found |= kept == value && at == target.found;
            })?;
        }
        Ok(found)
    }
}
