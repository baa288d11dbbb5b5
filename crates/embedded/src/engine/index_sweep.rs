//! Removes index entries that lead nowhere any more: a blind write cannot know which value it overwrites, so the old
//! value's entry stays behind.
//!
//! An entry goes by a deletion of its own write time, which cannot hide the entry of a later write (as Cassandra's
//! `CassandraIndex.deleteStaleEntry`). It stands for one cell, and what overwrote or deleted that cell is at least as
//! late, so an earlier write cannot bring the value back either. An entry of a key column stands for a row, which any
//! of its cells keeps alive: it goes once nothing written at its time or before could make the row alive again.

use std::ops::Bound;
use std::sync::Arc;

use ilium_store::{Error, Result};
use parking_lot::Mutex;

use super::in_words;
use crate::catalog::{Catalog, IndexEntry, TableEntry};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::layout::index_key::{self, Found, Target};
use crate::layout::indexed::each_value;
use crate::layout::key;
use crate::layout::live_row::{LiveRow, Wanted};
use crate::layout::record::{Deletion, Liveness, Record, RecordWriter};
use crate::layout::remains;
use crate::layout::scan::{Partitions, Scan, ScanRequest, Slice};
use crate::storage::{Batch, Io, Store, View};

/// Entries looked up in one go, for some milliseconds during which a TRUNCATE or DROP waits.
const STEP: usize = 500;

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries removed.
    pub removed: u64,
    /// Entries that lead nowhere and cannot go before their row's grace is over.
    pub waiting: u64,
}

/// Looks up the rows of index entries.
pub struct Sweep {
    pub store: Arc<dyn Store>,
    pub catalog: Arc<Catalog>,
    pub clock: Arc<dyn Clock>,
    /// Held from a look at the rows until the removal is committed, and while the data of tables is dropped: a removal
    /// must not meet what was written after a TRUNCATE.
    pub turn: Arc<Mutex<()>>,
}

/// Where a sweep goes on.
enum Next {
    After(Vec<u8>),
    End,
}

impl Sweep {
    /// The indexes that can be swept.
    pub fn indexes(&self) -> Vec<u32> {
        let snapshot = self.catalog.current();
        let ready = |entry: &TableEntry| {
            let ready = entry.indexes.iter().filter(|index| index.ready);
            ready.map(|index| index.number).collect::<Vec<_>>()
        };
        snapshot.stored_tables().flat_map(|entry| ready(entry)).collect()
    }

    /// Sweeps the entries of one index from key to key, `pause` being asked after every step whether to go on.
    /// Blocks.
    pub fn range(
        &self,
        index: u32,
        (from, to): (&[u8], &[u8]),
        pause: &mut dyn FnMut() -> bool,
    ) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut from = Bound::Included(from.to_vec());
        while let Next::After(key) = self.step(index, from.as_ref().map(Vec::as_slice), to, &mut swept)? {
            from = Bound::Excluded(key);
            if !pause() {
                break;
            }
        }
        Ok(swept)
    }

    fn step(&self, index: u32, from: Bound<&[u8]>, to: &[u8], swept: &mut Swept) -> Result<Next> {
        let _turn = self.turn.lock();
        let snapshot = self.catalog.current();
        let found = snapshot
            .stored_tables()
            .find_map(|entry| entry.indexes.iter().find(|i| i.number == index).map(|i| (entry, i)));
        let Some((entry, index)) = found else { return Ok(Next::End) };
        let view = self.store.view();
        let now = self.clock.seconds();
        let mut lookup = Lookup { view: &view, entry, index, now, row: LiveRow::new() };
        let mut entries = view.range(from, Bound::Excluded(to), false, Io::Allowed);
        let mut batch = Batch::new();
        let mut record = Vec::new();
        let mut next = Next::End;
        for seen in 1.. {
            let Some((stored, value)) = entries.next().map_err(in_words)? else { break };
            match lookup.fate(stored, value)? {
                Fate::Keep => {}
                Fate::Wait => swept.waiting += 1,
                Fate::Remove(liveness) => {
                    record.clear();
                    let mut writer = RecordWriter::new(liveness.timestamp, &mut record);
                    // Indexes have no grace: made a second ago, the deletion may go with what it hides.
                    let at = u32::try_from(now.saturating_sub(1)).unwrap_or_default();
                    writer.deletion(Deletion { timestamp: liveness.timestamp, at });
                    writer.finish();
                    batch.put(stored, &record);
                    swept.removed += 1;
                }
            }
            if seen == STEP {
                next = Next::After(stored.to_vec());
                break;
            }
        }
        if !batch.is_empty() {
            self.store.commit(batch).wait().map_err(in_words)?;
        }
        Ok(next)
    }
}

/// What becomes of an entry.
enum Fate {
    Keep,
    Wait,
    Remove(Liveness),
}

struct Lookup<'s> {
    view: &'s View,
    entry: &'s TableEntry,
    index: &'s IndexEntry,
    /// Seconds since the epoch.
    now: i64,
    row: LiveRow,
}

impl Lookup<'_> {
    fn fate(&mut self, stored: &[u8], value: &[u8]) -> Result<Fate> {
        let damaged = || {
            let name = &self.index.name;
            Error::corrupt(format!("index {name} holds a damaged entry; drop and create it again"))
        };
        let value_len = key::split(stored).ok_or_else(damaged)?.partition_key.len();
        let target = index_key::target(stored, key::HEAD + value_len + 1).ok_or_else(damaged)?;
        let head = Record::parse(value).map_err(|_| damaged())?;
        let live = index_key::is_live(value, self.now).map_err(|_| damaged())?;
        let Some(liveness) = head.liveness.filter(|_| live) else { return Ok(Fate::Keep) };
        let indexed = stored.get(key::HEAD..key::HEAD + value_len).ok_or_else(damaged)?;
        // It stands for any of several elements.
        let nameless = target.element.is_empty() && self.index.names_elements(&self.entry.table);
        if nameless || self.leads_to_a_row(indexed, target)? {
            return Ok(Fate::Keep);
        }
        let of_key = self.index.column < self.entry.key_len();
        if of_key
            && !remains::is_over(self.view, self.entry, &target, liveness.timestamp).map_err(unblocked)?
        {
            return Ok(Fate::Wait);
        }
        Ok(Fate::Remove(liveness))
    }

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
        let mut scan =
            Scan::new(self.view, self.entry, request, Io::Allowed, &mut self.row).map_err(unblocked)?;
        let mut found = false;
        if scan.next(&mut self.row).map_err(unblocked)? {
            each_value(self.entry, self.index, &self.row, &mut |kept| {
                found |= kept.value == value && kept.found == target.found && kept.element == target.element;
            })
            .map_err(|bad| {
                let table = &self.entry.table;
                Error::corrupt(format!("{bad}: table {}.{}", table.keyspace, table.name))
            })?;
        }
        Ok(found)
    }
}

fn unblocked(fault: Fault) -> Error {
    match fault {
        Fault::Error(error) => error,
        Fault::WouldRead => Error::internal("a read that may use the disk did not"),
    }
}
