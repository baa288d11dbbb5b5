//! What differs between two snapshots, as whoever listens is told: also of changes whose events never came.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::schema::{Keyspace, Schema};
use ilium_store::{SchemaChange, SchemaChangeKind, SchemaTarget};

/// The changes that lead from `old` to `new`: what is gone first, then what is new or other, a keyspace before its
/// types and those before its tables. With a keyspace all in it is gone.
pub fn changes(old: &Schema, new: &Schema) -> Vec<SchemaChange> {
    let mut changes = Vec::new();
    for (name, kind) in differences(&old.keyspaces, &new.keyspaces) {
        let (before, after) = (old.keyspaces.get(name), new.keyspaces.get(name));
        let is_same = before.zip(after).is_some_and(|(before, after)| has_same_properties(before, after));
        if !is_same {
            changes.push(SchemaChange { kind, keyspace: Arc::clone(name), target: SchemaTarget::Keyspace });
        }
        let (Some(after), empty) = (after, BTreeMap::new()) else { continue };
        let types = before.map_or(&empty, |keyspace| &keyspace.types);
        for (of, kind) in differences(types, &after.types) {
            let target = SchemaTarget::Type(Arc::clone(of));
            changes.push(SchemaChange { kind, keyspace: Arc::clone(name), target });
        }
        let empty = BTreeMap::new();
        let tables = before.map_or(&empty, |keyspace| &keyspace.tables);
        for (of, kind) in differences(tables, &after.tables) {
            let target = SchemaTarget::Table(Arc::clone(of));
            changes.push(SchemaChange { kind, keyspace: Arc::clone(name), target });
        }
    }
    changes
}

/// Whether what `ALTER KEYSPACE` changes is the same.
fn has_same_properties(one: &Keyspace, other: &Keyspace) -> bool {
    one.durable_writes == other.durable_writes && one.replication == other.replication
}

/// The names whose values differ, those first that are in `old` alone.
fn differences<'m, T: PartialEq>(
    old: &'m BTreeMap<Arc<str>, Arc<T>>,
    new: &'m BTreeMap<Arc<str>, Arc<T>>,
) -> impl Iterator<Item = (&'m Arc<str>, SchemaChangeKind)> {
    let dropped = old.keys().filter(|name| !new.contains_key(*name));
    let dropped = dropped.map(|name| (name, SchemaChangeKind::Dropped));
    let other = new.iter().filter_map(|(name, value)| match old.get(name) {
        None => Some((name, SchemaChangeKind::Created)),
        Some(before) => (before != value).then_some((name, SchemaChangeKind::Updated)),
    });
    dropped.chain(other)
}
