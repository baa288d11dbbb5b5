//! The schema as one immutable snapshot, shared by every request that runs under it.
//!
//! Vocabulary: a *snapshot* is a whole [`Schema`]; a change makes a new one and never edits the old. A column's
//! *position* counts within its kind (partition key, clustering, ...), its *index* within [`Table::columns`].

mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use table::{Column, ColumnKind, DroppedColumn, Index, IndexKind, Table, TableFlags, TableOptions};

use crate::types::UserType;

/// 16 bytes, big endian, as on the wire.
pub type UuidBytes = [u8; 16];

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    /// Changes with every change of any keyspace; nodes and drivers compare it for agreement.
    pub version: UuidBytes,
    pub keyspaces: BTreeMap<Arc<str>, Arc<Keyspace>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Keyspace {
    pub name: Arc<str>,
    pub durable_writes: bool,
    /// `class`, the strategy's full Java name, and its options as they were written.
    pub replication: BTreeMap<String, String>,
    /// A keyspace of the server's own views, with no stored rows (`system_views`, `system_virtual_schema`).
    pub is_virtual: bool,
    pub tables: BTreeMap<Arc<str>, Arc<Table>>,
    pub types: BTreeMap<Arc<str>, Arc<UserType>>,
}

impl Schema {
    pub fn keyspace(&self, name: &str) -> Option<&Arc<Keyspace>> {
        self.keyspaces.get(name)
    }

    pub fn table(&self, keyspace: &str, name: &str) -> Option<&Arc<Table>> {
        self.keyspaces.get(keyspace)?.tables.get(name)
    }

    /// Looks an index up by its name, which is unique within a keyspace.
    pub fn index(&self, keyspace: &str, name: &str) -> Option<(&Arc<Table>, &Index)> {
        self.keyspaces.get(keyspace)?.tables.values().find_map(|table| {
            table.indexes.iter().find(|index| &*index.name == name).map(|index| (table, index))
        })
    }
}
