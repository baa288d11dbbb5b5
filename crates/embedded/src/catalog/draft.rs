//! A new state of the schema in the making: what a statement changes, and which stored values that touches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ilium_cql::schema::{Keyspace, Schema};
use ilium_store::{Error, Result};

use super::entry::TableEntry;
use super::snapshot::{Entries, Snapshot};
use super::uuid::random_uuid;
use crate::layout::key::INDEX_BIT;
use crate::roles::{self, Resource, Roles};

/// The first number of the tables that are made when read; those of stored tables stay below.
pub(super) const FIRST_VIRTUAL_NUMBER: u32 = INDEX_BIT - 0x1_0000;

pub struct Draft {
    pub schema: Schema,
    pub(super) roles: Arc<Roles>,
    entries: Entries,
    revision: u64,
    next_number: u32,
    pub(super) touched: Touched,
    pub warnings: Vec<String>,
}

/// What has to be written and removed for a draft to be kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub keyspaces: BTreeSet<Arc<str>>,
    /// By number, with keyspace and name.
    pub tables: BTreeMap<u32, (Arc<str>, Arc<str>)>,
    pub dropped_keyspaces: BTreeSet<Arc<str>>,
    pub dropped_tables: BTreeSet<u32>,
    pub dropped_indexes: BTreeSet<u32>,
    pub roles: roles::Touched,
}

impl Touched {
    /// Whether more than roles changed: only then are statements planned anew.
    fn has_schema(&self) -> bool {
        let roles_alone = Touched { roles: self.roles.clone(), ..Touched::default() };
        *self != roles_alone
    }
}

impl Draft {
    pub fn of(snapshot: &Snapshot) -> Draft {
        Draft {
            schema: Schema::clone(&snapshot.schema),
            roles: Arc::clone(&snapshot.roles),
            entries: snapshot.entries.clone(),
            revision: snapshot.revision,
            next_number: snapshot.next_number,
            touched: Touched::default(),
            warnings: Vec::new(),
        }
    }

    pub fn is_unchanged(&self) -> bool {
        self.touched == Touched::default()
    }

    /// The new state, with a version of its own where the schema changed.
    pub fn finish(mut self) -> Result<(Snapshot, Touched)> {
        if self.touched.has_schema() {
            self.schema.version = random_uuid()?;
        }
        let snapshot = Snapshot {
            schema: Arc::new(self.schema),
            roles: self.roles,
            entries: self.entries,
            revision: self.revision + 1,
            next_number: self.next_number,
        };
        Ok((snapshot, self.touched))
    }

    /// What was read from the store, under the version it had there.
    pub fn resume(self, stored: &Snapshot) -> Snapshot {
        Snapshot {
            schema: Arc::new(self.schema),
            roles: self.roles,
            entries: self.entries,
            revision: stored.revision,
            next_number: stored.next_number,
        }
    }

    pub fn keyspace(&self, name: &str) -> Option<&Arc<Keyspace>> {
        self.schema.keyspace(name)
    }

    /// The keyspace a CREATE statement puts something into.
    pub fn existing_keyspace(&self, name: &str) -> Result<&Arc<Keyspace>> {
        self.keyspace(name).ok_or_else(|| Error::invalid(format!("Keyspace '{name}' doesn't exist")))
    }

    pub fn entry(&self, keyspace: &str, name: &str) -> Option<&Arc<TableEntry>> {
        self.entries.get(keyspace)?.get(name)
    }

    /// The tables of a keyspace in order of their names.
    pub fn entries_of(&self, keyspace: &str) -> Vec<Arc<TableEntry>> {
        let mut entries: Vec<_> =
            self.entries.get(keyspace).into_iter().flat_map(|tables| tables.values().cloned()).collect();
        entries.sort_by(|a, b| a.table.name.cmp(&b.table.name));
        entries
    }

    pub fn put_keyspace(&mut self, keyspace: Keyspace) {
        let name = Arc::clone(&keyspace.name);
        self.touched.dropped_keyspaces.remove(&name);
        self.touched.keyspaces.insert(Arc::clone(&name));
        self.schema.keyspaces.insert(name, Arc::new(keyspace));
    }

    pub fn drop_keyspace(&mut self, name: &Arc<str>) {
        for entry in self.entries_of(name) {
            self.drop_table(&entry);
        }
        self.revoke_all_on(|resource| match resource {
            Resource::FunctionsIn(keyspace) => keyspace == name,
            other => other.data_keyspace() == Some(&**name),
        });
        self.entries.remove(name);
        self.schema.keyspaces.remove(name);
        self.touched.keyspaces.remove(name);
        self.touched.dropped_keyspaces.insert(Arc::clone(name));
    }

    /// Adds the table or takes the place of one with the same name.
    pub fn put_table(&mut self, entry: TableEntry) {
        let (keyspace, name) = (Arc::clone(&entry.table.keyspace), Arc::clone(&entry.table.name));
        self.touched.tables.insert(entry.number, (Arc::clone(&keyspace), Arc::clone(&name)));
        if let Some(schema) = self.schema.keyspaces.get_mut(&keyspace) {
            Arc::make_mut(schema).tables.insert(Arc::clone(&name), Arc::clone(&entry.table));
        }
        self.entries.entry(keyspace).or_default().insert(name, Arc::new(entry));
    }

    pub fn drop_table(&mut self, entry: &TableEntry) {
        let (keyspace, name) = (&entry.table.keyspace, &entry.table.name);
        let gone = Resource::table(keyspace, name);
        self.revoke_all_on(|resource| *resource == gone);
        self.touched.tables.remove(&entry.number);
        self.touched.dropped_tables.insert(entry.number);
        self.touched.dropped_indexes.extend(entry.indexes.iter().map(|index| index.number));
        if let Some(schema) = self.schema.keyspaces.get_mut(keyspace) {
            Arc::make_mut(schema).tables.remove(name);
        }
        if let Some(tables) = self.entries.get_mut(keyspace) {
            tables.remove(name);
        }
    }

    /// Gives the maker of something all permissions on it.
    pub fn grant_all(&mut self, maker: &Arc<str>, resource: Resource) {
        let all = resource.applicable();
        if !Arc::make_mut(&mut self.roles).grant(maker, resource, all).is_empty() {
            self.touched.roles.roles.insert(Arc::clone(maker));
        }
    }

    fn revoke_all_on(&mut self, goes: impl Fn(&Resource) -> bool) {
        let touched = Arc::make_mut(&mut self.roles).revoke_all_on(goes);
        self.touched.roles.add(touched);
    }

    pub fn new_table_number(&mut self) -> Result<u32> {
        let number = self.next_number;
        if number >= FIRST_VIRTUAL_NUMBER {
            return Err(Error::invalid(
                "this data folder has made two thousand million tables and indexes and has no number left for another",
            ));
        }
        self.next_number += 1;
        Ok(number)
    }

    pub fn new_index_number(&mut self) -> Result<u32> {
        Ok(self.new_table_number()? | INDEX_BIT)
    }
}
