//! One immutable state of the schema with the numbers that go with it.

use std::collections::HashMap;
use std::sync::Arc;

use ilium_cql::schema::Schema;

use super::entry::{Source, TableEntry};
use crate::roles::Roles;

/// By keyspace, then by name: both lookups borrow the caller's strings.
pub(super) type Entries = HashMap<Arc<str>, HashMap<Arc<str>, Arc<TableEntry>>>;

/// What a statement is planned against. Never edited: a schema change makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub schema: Arc<Schema>,
    pub roles: Arc<Roles>,
    pub(super) entries: Entries,
    /// Counts changes; stored values of a later one win.
    pub(super) revision: u64,
    /// The least table or index number never given out.
    pub(super) next_number: u32,
}

impl Snapshot {
    /// `entries` are of tables that `schema` has.
    pub fn new(schema: Arc<Schema>, entries: impl IntoIterator<Item = Arc<TableEntry>>) -> Snapshot {
        let mut snapshot = Snapshot { schema, ..Snapshot::default() };
        for entry in entries {
            let keyspace = snapshot.entries.entry(Arc::clone(&entry.table.keyspace)).or_default();
            keyspace.insert(Arc::clone(&entry.table.name), entry);
        }
        snapshot
    }

    pub fn table(&self, keyspace: &str, name: &str) -> Option<&Arc<TableEntry>> {
        self.entries.get(keyspace)?.get(name)
    }

    /// In no particular order.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableEntry>> {
        self.entries.values().flat_map(HashMap::values)
    }

    /// The tables whose rows are in the store, in no particular order.
    pub fn stored_tables(&self) -> impl Iterator<Item = &Arc<TableEntry>> {
        self.tables().filter(|entry| entry.source == Source::Stored)
    }

    /// The index of this name and its table; names of indexes are unique within a keyspace.
    pub fn index(&self, keyspace: &str, name: &str) -> Option<(&Arc<TableEntry>, &super::IndexEntry)> {
        let mut tables = self.entries.get(keyspace)?.values();
        tables.find_map(|entry| entry.index(name).map(|index| (entry, index)))
    }
}
