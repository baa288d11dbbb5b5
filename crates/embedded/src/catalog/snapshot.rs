//! One immutable state of the schema with the numbers that go with it.

use std::collections::HashMap;
use std::sync::Arc;

use ilium_cql::schema::Schema;

use super::entry::TableEntry;

/// What a statement is planned against. Never edited: a schema change makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub schema: Arc<Schema>,
    /// By keyspace, then by name: both lookups borrow the caller's strings.
    tables: HashMap<Arc<str>, HashMap<Arc<str>, Arc<TableEntry>>>,
}

impl Snapshot {
    /// `entries` are of tables that `schema` has.
    pub fn new(schema: Arc<Schema>, entries: impl IntoIterator<Item = Arc<TableEntry>>) -> Snapshot {
        let mut tables: HashMap<Arc<str>, HashMap<Arc<str>, Arc<TableEntry>>> = HashMap::new();
        for entry in entries {
            let keyspace = tables.entry(Arc::clone(&entry.table.keyspace)).or_default();
            keyspace.insert(Arc::clone(&entry.table.name), entry);
        }
        Snapshot { schema, tables }
    }

    pub fn table(&self, keyspace: &str, name: &str) -> Option<&Arc<TableEntry>> {
        self.tables.get(keyspace)?.get(name)
    }

    /// In no particular order.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableEntry>> {
        self.tables.values().flat_map(HashMap::values)
    }
}
