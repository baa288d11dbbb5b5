//! What the store is told of rows: how two deltas merge, and what may go once its grace is over.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::key::{CATALOG_NUMBER, number_of, partition_prefix_len};
use super::merge;
use super::purge::RowPurge;
use super::record::{CellState, Expiry, Record};
use crate::clock::Clock;
use crate::storage::{Merge, Purge};

/// How long a table keeps what was deleted, and which of its columns are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// `gc_grace_seconds`.
    pub grace: u32,
    /// Cells of dropped columns, by cell id those written at a time (microseconds) or before: nobody reads them.
    pub dropped_cells: Vec<(u16, i64)>,
}

pub struct RowPolicy {
    clock: Arc<dyn Clock>,
    tables: RwLock<HashMap<u32, Retention>>,
}

impl RowPolicy {
    pub fn new(clock: Arc<dyn Clock>) -> RowPolicy {
        RowPolicy { clock, tables: RwLock::default() }
    }

    /// To be told after every change of the schema. Nothing is purged of a number that is not listed.
    pub fn set_tables(&self, tables: HashMap<u32, Retention>) {
        *self.tables.write() = tables;
    }

    pub(super) fn retention(&self, number: u32) -> Option<Retention> {
        self.tables.read().get(&number).cloned()
    }

    fn grace(&self, number: u32) -> Option<u32> {
        self.tables.read().get(&number).map(|table| table.grace)
    }
}

/// Seconds of the 136 years since the epoch that 32 bits hold, as Cassandra 5.0 keeps local times.
pub(super) fn seconds(clock: &dyn Clock) -> u32 {
    u32::try_from(clock.seconds().max(0)).unwrap_or(u32::MAX)
}

impl Merge for RowPolicy {
    fn merge(&self, key: &[u8], a: &[u8], b: &[u8], out: &mut Vec<u8>) {
        if number_of(key) == Some(CATALOG_NUMBER) {
            // Schema values begin with their version, big endian: the greater bytes are the newer.
            out.extend_from_slice(a.max(b));
            return;
        }
        if let Err(bad) = merge::merge(a, b, out) {
            // Both passed their checksums, so this is a fault of ours. An empty value is no record: reads name it.
            tracing::error!(%bad, key_length = key.len(), "two deltas of a row cannot be merged");
            out.clear();
        }
    }

    fn oldest(&self, key: &[u8], value: &[u8]) -> i64 {
        if number_of(key) == Some(CATALOG_NUMBER) {
            return i64::MAX;
        }
        let Ok(record) = Record::parse(value) else { return i64::MIN };
        record.times(i64::MIN).min().unwrap_or_else(|| record.base())
    }

    fn newest(&self, key: &[u8], value: &[u8]) -> i64 {
        if number_of(key) == Some(CATALOG_NUMBER) {
            // Nobody passes over files when reading the schema.
            return i64::MIN;
        }
        let Ok(record) = Record::parse(value) else { return i64::MAX };
        record.times(i64::MAX).max().unwrap_or_else(|| record.base())
    }

    fn group_len(&self, key: &[u8]) -> usize {
        match number_of(key) {
            Some(number) if number != CATALOG_NUMBER => partition_prefix_len(key),
            // Each value of the catalog stands for itself.
            _ => key.len(),
        }
    }

    fn droppable_at(&self, key: &[u8], value: &[u8]) -> Option<u32> {
        let number = number_of(key)?;
        let record = Record::parse(value).ok()?;
        let mut earliest: Option<u32> = None;
        let mut note = |at: u32| earliest = Some(earliest.map_or(at, |other| other.min(at)));
        let expiry = |expiry: Expiry, grace: u32| {
            expiry.at.max((expiry.at - expiry.ttl.min(expiry.at)).saturating_add(grace))
        };
        let grace = self.grace(number)?;
        if let Some(deletion) = record.deletion {
            note(deletion.at.saturating_add(grace));
        }
        if let Some(at) = record.ranges_at {
            note(at.saturating_add(grace));
        }
        if let Some(e) = record.liveness.and_then(|l| l.expiry) {
            note(expiry(e, grace));
        }
        for cell in record.cells().flatten() {
            match cell.state {
                CellState::Tombstone { at } | CellState::CollectionDeleted { at } => {
                    note(at.saturating_add(grace))
                }
                CellState::Live { expiry: Some(e), .. } => note(expiry(e, grace)),
                CellState::Live { .. } | CellState::Counter { .. } => {}
            }
        }
        // Grace is over when the second after it has begun (`DeletionPurger`: local time < gc before).
        earliest.map(|at| at.saturating_add(1))
    }

    fn now(&self) -> u32 {
        seconds(&*self.clock)
    }

    fn purger(&self) -> Box<dyn Purge + '_> {
        Box::new(RowPurge::new(self))
    }
}
