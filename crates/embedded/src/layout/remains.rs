//! What the store still holds of a row or partition that is not alive.

use std::ops::Bound;

use super::index_key::{Found, Target};
use super::key::{self, EntryKind};
use super::record::{BadRecord, Deletion, Record};
use super::tombstones::RangeTombstones;
use crate::catalog::entry::TableEntry;
use crate::fault::Fault;
use crate::storage::{Io, View};

/// Whether nothing written at `timestamp` (microseconds) or before can make the row or partition alive again: a
/// deletion covers that time, or nothing is left of it, which is so once its grace is over.
pub fn is_over(view: &View, entry: &TableEntry, target: &Target<'_>, timestamp: i64) -> Result<bool, Fault> {
    let mut prefix = Vec::new();
    key::push_partition_at(entry.number, target.token, target.partition_key, &mut prefix);
    let mut value = Vec::new();
    let mut deletion = None;
    let mut ranges = RangeTombstones::default();
    if view.get(&at(&prefix, EntryKind::Partition, &[]), Io::Allowed, &mut value)? {
        let record = parse(entry, &value)?;
        deletion = record.deletion;
        if record.ranges_at.is_some() {
            load_ranges(view, entry, &prefix, &mut ranges)?;
        }
    }
    let covers = |deletion: Option<Deletion>| deletion.is_some_and(|d| d.timestamp >= timestamp);
    if covers(deletion) {
        return Ok(true);
    }
    match target.found {
        Found::Row(clustering) if entry.clustering_len > 0 => {
            if covers(ranges.covering(clustering)) {
                return Ok(true);
            }
            if !view.get(&at(&prefix, EntryKind::Row, clustering), Io::Allowed, &mut value)? {
                return Ok(true);
            }
            Ok(covers(parse(entry, &value)?.deletion))
        }
        _ => Ok(view.prefix(&prefix, false, Io::Allowed).next()?.is_none()),
    }
}

fn at(prefix: &[u8], kind: EntryKind, rest: &[u8]) -> Vec<u8> {
    [prefix, &[kind as u8], rest].concat()
}

fn load_ranges(
    view: &View,
    entry: &TableEntry,
    prefix: &[u8],
    ranges: &mut RangeTombstones,
) -> Result<(), Fault> {
    let from = at(prefix, EntryKind::RangeTombstone, &[]);
    let to = at(prefix, EntryKind::Row, &[]);
    let mut stored =
        view.range_in_group(prefix, Bound::Included(&from), Bound::Excluded(&to), false, Io::Allowed);
    while let Some((stored_key, value)) = stored.next()? {
        let bounds = stored_key.get(from.len()..).and_then(key::split_range_rest);
        let (start, end) = bounds.ok_or_else(|| damaged(entry, BadRecord))?;
        if let Some(deletion) = parse(entry, value)?.deletion {
            ranges.add(start, end, deletion);
        }
    }
    ranges.flatten();
    Ok(())
}

fn parse<'v>(entry: &TableEntry, value: &'v [u8]) -> Result<Record<'v>, Fault> {
    Record::parse(value).map_err(|bad| damaged(entry, bad))
}

fn damaged(entry: &TableEntry, bad: BadRecord) -> Fault {
    let table = &entry.table;
    Fault::Error(ilium_store::Error::corrupt(format!("{bad}: table {}.{}", table.keyspace, table.name)))
}
