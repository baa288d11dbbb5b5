//! A snapshot's raw cells by token range: a way out for backups and unloading, which keeps write times, expiry and
//! deletions of every kind.

use std::ops::Bound;
use std::sync::Arc;

use ilium_store::{Error, Result};

use super::{Engine, in_words};
use crate::catalog::{Snapshot, TableEntry};
use crate::layout::key;
use crate::layout::raw::RawEntry;
use crate::storage::{Io, Range, View};

/// The whole engine at one moment: all that was acknowledged before, and the schema it is of. The files it shows stay
/// on disk until it goes.
#[derive(Clone)]
pub struct EngineSnapshot {
    view: View,
    schema: Arc<Snapshot>,
}

/// The stored entries of a range of tokens, one after the other; memory for one entry is all it takes. See
/// [`RawEntry`] for what they are.
pub struct RawStream {
    entry: Arc<TableEntry>,
    entries: Range,
}

impl Engine {
    /// A moment to read from; taking it is cheap and holds nobody up.
    pub fn snapshot(&self) -> EngineSnapshot {
        // The schema first: a table that is dropped after it was taken reads as empty.
        let schema = self.inner.snapshot();
        EngineSnapshot { view: self.inner.store.view(), schema }
    }

    /// What a snapshot holds of a table's partitions with tokens from `from` to `through`, both included. Reading it
    /// blocks.
    pub fn raw_cells(
        &self,
        snapshot: &EngineSnapshot,
        keyspace: &str,
        table: &str,
        from: i64,
        through: i64,
    ) -> Result<RawStream> {
        let found = snapshot.schema.stored_tables().find(|entry| {
            let of = &entry.table;
            &*of.keyspace == keyspace && &*of.name == table
        });
        let entry =
            found.ok_or_else(|| Error::invalid(format!("table {keyspace}.{table} does not exist")))?;
        let (mut start, mut end) = (Vec::with_capacity(12), Vec::with_capacity(12));
        key::push_token(entry.number, from, &mut start);
        match through.checked_add(1) {
            Some(next) => key::push_token(entry.number, next, &mut end),
            None => end.extend_from_slice(&entry.number.saturating_add(1).to_be_bytes()),
        }
        // Bounds the wrong way round hold nothing.
        let end = end.max(start.clone());
        let bounds = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
        let entries = snapshot.view.range(bounds.0, bounds.1, false, Io::Allowed);
        Ok(RawStream { entry: Arc::clone(entry), entries })
    }
}

impl RawStream {
    /// The next entry. Lends it until the next call.
    #[expect(
        clippy::should_implement_trait,
        reason = "lends from its own buffers, which Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<RawEntry<'_>>> {
        let Some((stored, value)) = self.entries.next().map_err(in_words)? else { return Ok(None) };
        let entry = RawEntry::parse(&self.entry, stored, value).map_err(|bad| {
            let table = &self.entry.table;
            Error::corrupt(format!(
                "{bad}: table {}.{}; put a copy of the data folder in its place",
                table.keyspace, table.name
            ))
        })?;
        Ok(Some(entry))
    }
}
