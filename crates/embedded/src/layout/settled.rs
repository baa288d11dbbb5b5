//! When older writes stop to matter to a reader: the newest files are asked first, and a row that has in them all the
//! reader wants is not looked for in the rest.

use ilium_cql::CqlType;
use ilium_cql::schema::ColumnKind;

use super::record::{Cell, CellState, Record};
use super::scan::ScanRequest;
use crate::catalog::entry::TableEntry;

/// The time before which nothing written could change what the scan shows of a row of which `value` is known so far;
/// `i64::MIN` if there is none. Cassandra's `SinglePartitionReadCommand.reduceFilter` stops its reads in the same way.
pub(super) fn settled(entry: &TableEntry, request: &ScanRequest<'_>, value: &[u8]) -> i64 {
    let Ok(record) = Record::parse(value) else { return i64::MIN };
    let deleted = record.deletion.map_or(i64::MIN, |deletion| deletion.timestamp);
    complete_since(entry, request, &record, deleted).unwrap_or(i64::MIN).max(deleted)
}

/// The oldest write among all wanted columns and what shows that the row exists. Deletions of the partition or of
/// ranges need no thought: one that hides a write hides what is older as well.
fn complete_since(
    entry: &TableEntry,
    request: &ScanRequest<'_>,
    record: &Record<'_>,
    deleted: i64,
) -> Option<i64> {
    let mut missing = 0;
    for (index, column) in entry.table.columns.iter().enumerate().skip(entry.key_len()) {
        if column.kind == ColumnKind::Regular && request.wanted.has(index) {
            // Elements and counts add up: there is no telling that none is missing.
            if column.column_type.is_multi_cell() || column.column_type == CqlType::Counter {
                return None;
            }
            missing += 1;
        }
    }
    let mut since = i64::MAX;
    let mut exists = false;
    for cell in record.cells() {
        let cell = cell.ok()?;
        let wanted = |column| request.wanted.has(column);
        if cell.path.is_none() && entry.column_of_cell(cell.column, cell.timestamp).is_some_and(wanted) {
            missing -= 1;
            since = since.min(cell.timestamp);
            exists |= is_live(&cell, deleted, request.now);
        }
    }
    if missing != 0 {
        return None;
    }
    if !exists {
        let liveness = record.liveness?;
        let gone = liveness.timestamp <= deleted || liveness.expiry.is_some_and(|e| e.is_past(request.now));
        since = (!gone).then(|| since.min(liveness.timestamp))?;
    }
    Some(since)
}

fn is_live(cell: &Cell<'_>, deleted: i64, now: i64) -> bool {
    match cell.state {
        CellState::Live { expiry, .. } => cell.timestamp > deleted && !expiry.is_some_and(|e| e.is_past(now)),
        CellState::Tombstone { .. } | CellState::CollectionDeleted { .. } | CellState::Counter { .. } => {
            false
        }
    }
}
