//! What a rewrite of stored entries leaves behind: nothing a deletion hides, and no deletion past its grace that hides
//! nothing any more (Cassandra's `PurgeFunction` and `Row.purge`).

use super::key::{CATALOG_NUMBER, EntryKind, number_of, split, split_range_rest};
use super::merge::{Shadow as Cover, deletes};
use super::policy::{Retention, RowPolicy};
use super::record::{BadRecord, CellState, Deletion, Record, RecordWriter};
use super::tombstones::RangeTombstones;
use crate::storage::{Merge, Purge, Purged, Shadow};

pub struct RowPurge<'a> {
    policy: &'a RowPolicy,
    now: u32,
    number: Option<u32>,
    retention: Option<Retention>,
    /// The partition at hand and what deletes its rows.
    group: Vec<u8>,
    deletion: Option<Deletion>,
    ranges: RangeTombstones,
    flat: bool,
}

impl<'a> RowPurge<'a> {
    pub fn new(policy: &'a RowPolicy) -> RowPurge<'a> {
        RowPurge {
            policy,
            now: policy.now(),
            number: None,
            retention: None,
            group: Vec::new(),
            deletion: None,
            ranges: RangeTombstones::default(),
            flat: true,
        }
    }

    fn enter(&mut self, number: u32, key: &[u8]) {
        if self.number != Some(number) {
            self.number = Some(number);
            self.retention = self.policy.retention(number);
        }
        let group = key.get(..self.policy.group_len(key)).unwrap_or(key);
        if self.group != group {
            self.group.clear();
            self.group.extend_from_slice(group);
            self.deletion = None;
            self.ranges.clear();
        }
    }

    /// What hides this entry, apart from its own deletion; remembers what it hides of those to come.
    fn covering(&mut self, key: &[u8], record: &Record<'_>) -> Option<Deletion> {
        let parts = split(key)?;
        match parts.kind {
            EntryKind::Partition => {
                self.deletion = record.deletion;
                None
            }
            EntryKind::RangeTombstone => {
                if let (Some((start, end)), Some(deletion)) = (split_range_rest(parts.rest), record.deletion)
                {
                    self.ranges.add(start, end, deletion);
                    self.flat = false;
                }
                self.deletion
            }
            EntryKind::Row => {
                if !self.flat {
                    self.ranges.flatten();
                    self.flat = true;
                }
                Deletion::later(self.deletion, self.ranges.covering(parts.rest))
            }
        }
    }
}

impl Purge for RowPurge<'_> {
    fn purge(&mut self, key: &[u8], value: &[u8], shadow: &mut dyn Shadow, out: &mut Vec<u8>) -> Purged {
        let Some(number) = number_of(key).filter(|number| *number != CATALOG_NUMBER) else {
            return Purged::Keep;
        };
        self.enter(number, key);
        let Some(retention) = self.retention.clone() else { return Purged::Keep };
        let Ok(record) = Record::parse(value) else { return Purged::Keep };
        let cover = self.covering(key, &record);
        let mut pass = Pass { retention: &retention, now: self.now, shadow, changed: false };
        match pass.rewrite(&record, cover, out) {
            Err(BadRecord) => {
                out.clear();
                Purged::Keep
            }
            Ok(false) => Purged::Gone,
            Ok(true) if pass.changed => Purged::Rewritten,
            Ok(true) => {
                out.clear();
                Purged::Keep
            }
        }
    }
}

struct Pass<'p> {
    retention: &'p Retention,
    now: u32,
    shadow: &'p mut dyn Shadow,
    changed: bool,
}

impl Pass<'_> {
    /// Whether something deleted at second `at` with this write time may be forgotten; notes it if so.
    fn drop_if_over(&mut self, at: u32, timestamp: i64) -> bool {
        let over = u64::from(at) + u64::from(self.retention.grace) < u64::from(self.now);
        let drop = over && self.shadow.may_drop(timestamp);
        self.changed |= drop;
        drop
    }

    fn drop_hidden(&mut self, hidden: bool) -> bool {
        self.changed |= hidden;
        hidden
    }

    /// Writes what is left; false if that is nothing.
    fn rewrite(
        &mut self,
        record: &Record<'_>,
        cover: Option<Deletion>,
        out: &mut Vec<u8>,
    ) -> Result<bool, BadRecord> {
        let deletion = Deletion::later(cover, record.deletion);
        let mut writer = RecordWriter::new(record.base(), out);
        if let Some(at) = record.ranges_at
            && !self.drop_if_over(at, record.base())
        {
            writer.ranges_at(at);
        }
        if let Some(liveness) = record.liveness {
            let hidden = self.drop_hidden(deletes(deletion, liveness.timestamp));
            let over = !hidden
                && liveness.expiry.is_some_and(|e| {
                    e.at <= self.now && self.drop_if_over(e.at - e.ttl.min(e.at), liveness.timestamp)
                });
            if !hidden && !over {
                writer.liveness(liveness);
            }
        }
        if let Some(own) = record.deletion {
            let hidden = self.drop_hidden(!own.supersedes(cover));
            if !hidden && !self.drop_if_over(own.at, own.timestamp) {
                writer.deletion(own);
            }
        }
        if let Some(originals) = record.originals {
            writer.originals(originals);
        }
        let mut covered = Cover::under(deletion);
        for cell in record.cells() {
            let mut cell = cell?;
            let mut dropped = self.retention.dropped_cells.iter();
            let hidden = !covered.lets_through(&cell)
                || dropped.any(|(id, through)| *id == cell.column && cell.timestamp <= *through);
            if self.drop_hidden(hidden) {
                continue;
            }
            if let CellState::Live { expiry: Some(expiry), .. } = cell.state
                && expiry.at <= self.now
            {
                // An expired cell becomes a tombstone of the second it was written in (`AbstractCell.purge`).
                cell.state = CellState::Tombstone { at: expiry.at - expiry.ttl.min(expiry.at) };
                self.changed = true;
            }
            if let CellState::Tombstone { at } | CellState::CollectionDeleted { at } = cell.state
                && self.drop_if_over(at, cell.timestamp)
            {
                continue;
            }
            writer.cell(&cell);
        }
        Ok(writer.finish())
    }
}
