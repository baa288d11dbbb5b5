//! The schema: its current state, its changes, and how it is kept.
//!
//! Vocabulary: a [`Snapshot`] is one immutable state; an [`entry::TableEntry`] is a table with its numbers; a
//! [`Pending`] change is checked and worked out, and becomes the current state once its batch is committed.
//!
//! Changes happen one at a time, each as one batch of the store: a schema is as durable and as whole as a row. The
//! keyspaces of Cassandra itself are not stored, but for their replication; see [`crate::system`].

mod alter_table;
mod change;
mod compaction;
mod compression;
mod create_table;
mod draft;
pub mod entry;
pub mod hash_map_order;
mod indexes;
mod keyspaces;
mod names;
mod properties;
mod replication;
mod retry_policy;
mod snapshot;
mod stored;
mod stored_table;
mod table_options;
mod type_names;
mod user_types;
mod uuid;

use std::sync::Arc;

use ilium_cql::ast::Statement;
use ilium_cql::schema::{Keyspace, Schema, UuidBytes};
use ilium_store::{Error, Result, SchemaChange};
use parking_lot::{Mutex, MutexGuard, RwLock};

pub use change::is_schema_change;
pub use create_table::table_of;
pub use entry::{IndexEntry, Source, TableEntry};
pub use names::{
    Touch, is_local_system_keyspace, is_replicated_system_keyspace, is_system_keyspace,
    refuse_system_keyspace,
};
pub use snapshot::Snapshot;
pub use stored::types_in_order;
pub use stored_table::{flag_words, kind_word};
pub use type_names::TypeScope;

use crate::fault::seam_error;
use crate::layout::key::CATALOG_NUMBER;
use crate::roles::{self, Roles};
use crate::storage::{Batch, Io, View};
use crate::system::definitions::system_keyspaces;
use change::Circumstances;
use draft::{Draft, FIRST_VIRTUAL_NUMBER, Touched};

/// The first number a table gets: a few below it are free for what else the engine may come to keep.
const FIRST_NUMBER: u32 = 16;

/// The current schema and the one way to change it.
pub struct Catalog {
    current: RwLock<Arc<Snapshot>>,
    changing: Mutex<()>,
    host_id: UuidBytes,
    datacenter: String,
}

/// A catalog and what has to be committed before it is used.
pub struct Opened {
    pub catalog: Catalog,
    /// Empty unless this is the folder's first start.
    pub batch: Batch,
}

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// `None`: nothing changed.
    pub change: Option<SchemaChange>,
    pub warnings: Vec<String>,
    /// Numbers of tables and indexes that are gone, with all that was stored under them.
    pub dropped: Vec<u32>,
    /// Numbers of indexes that are to be filled, then reported by [`Catalog::index_filled`].
    pub unfilled_indexes: Vec<u32>,
}

/// A change that is worked out. Other changes wait until it is published or dropped.
#[must_use = "commit the batch, then publish"]
pub struct Pending<'a> {
    catalog: &'a Catalog,
    next: Option<Arc<Snapshot>>,
    batch: Batch,
    applied: Applied,
    _turn: MutexGuard<'a, ()>,
}

impl Catalog {
    /// Reads the schema that the store holds.
    pub fn open(view: &View, datacenter: &str) -> Result<Opened> {
        let mut entries = Vec::new();
        let mut range = view.prefix(&CATALOG_NUMBER.to_be_bytes(), false, Io::Allowed);
        while let Some((key, value)) = range.next().map_err(|error| seam_error(&error))? {
            entries.push((key.to_vec(), value.to_vec()));
        }
        let stored = stored::read(entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?;

        let mut batch = Batch::new();
        let (host_id, mut draft, loaded) = match stored {
            Some(stored) => {
                let loaded = Snapshot {
                    schema: Arc::new(Schema { version: stored.schema_version, ..Schema::default() }),
                    roles: Arc::new(stored.roles),
                    revision: stored.revision,
                    next_number: stored.next_number,
                    ..Snapshot::default()
                };
                let draft = Draft::of(&loaded);
                (stored.host_id, draft, Some((loaded, stored.keyspaces, stored.tables)))
            }
            None => {
                let host_id = uuid::random_uuid()?;
                stored::write_ring(&mut batch, host_id);
                let fresh = Snapshot { next_number: FIRST_NUMBER, ..Snapshot::default() };
                (host_id, Draft::of(&fresh), None)
            }
        };
        put_system_keyspaces(&mut draft)?;
        let snapshot = match loaded {
            Some((loaded, keyspaces, tables)) => {
                keyspaces.into_iter().for_each(|keyspace| put_stored_keyspace(&mut draft, keyspace));
                for entry in tables {
                    draft.existing_keyspace(&entry.table.keyspace).map_err(|_| {
                        Error::corrupt(format!(
                            "the stored schema is damaged: table {}.{} has no keyspace",
                            entry.table.keyspace, entry.table.name
                        ))
                    })?;
                    draft.put_table(entry);
                }
                draft.resume(&loaded)
            }
            None => {
                let (snapshot, _) = draft.finish()?;
                stored::write_change(&mut batch, &snapshot, &Touched::default());
                snapshot
            }
        };
        let catalog = Catalog {
            current: RwLock::new(Arc::new(snapshot)),
            changing: Mutex::new(()),
            host_id,
            datacenter: datacenter.to_owned(),
        };
        Ok(Opened { catalog, batch })
    }

    /// The schema as it is now: one short read lock and one reference count.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read())
    }

    /// This server's identity, the same for the life of the folder.
    pub fn host_id(&self) -> UuidBytes {
        self.host_id
    }

    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Checks a statement that changes the schema and works out what it does. `keyspace` is where unqualified names
    /// are; `now` is in microseconds; `maker` is the role that gets all permissions on what is created. `permit` looks
    /// at the state that is changed: what was seen before may be gone. Blocks while another change is under way.
    pub fn change(
        &self,
        statement: &Statement,
        keyspace: Option<&str>,
        now: i64,
        maker: Option<&Arc<str>>,
        permit: impl FnOnce(&Snapshot) -> Result<()>,
    ) -> Result<Pending<'_>> {
        let turn = self.changing.lock();
        let current = self.current();
        permit(&current)?;
        let mut draft = Draft::of(&current);
        let under = Circumstances { keyspace, datacenter: &self.datacenter, now, maker };
        let change = change::apply(&mut draft, statement, &under)?;
        self.pending(draft, change, turn)
    }

    /// Works out a change of the roles; `change` is given the roles to edit and the state they are of. Blocks while
    /// another change is under way.
    pub fn change_roles(
        &self,
        change: impl FnOnce(&mut Roles, &Snapshot) -> Result<roles::Changed>,
    ) -> Result<Pending<'_>> {
        let turn = self.changing.lock();
        let current = self.current();
        let mut draft = Draft::of(&current);
        let changed = change(Arc::make_mut(&mut draft.roles), &current)?;
        draft.touched.roles.add(changed.touched);
        draft.warnings.extend(changed.warnings);
        self.pending(draft, None, turn)
    }

    /// Notes that the index of this number now has every row that was there before it, so that reads may use it. Does
    /// nothing where the index has been dropped meanwhile.
    pub fn index_filled(&self, number: u32) -> Result<Pending<'_>> {
        let turn = self.changing.lock();
        let current = self.current();
        let mut draft = Draft::of(&current);
        let holds = |entry: &&Arc<TableEntry>| entry.indexes.iter().any(|index| index.number == number);
        if let Some(entry) = current.stored_tables().find(holds) {
            let mut entry = TableEntry::clone(entry);
            entry.indexes.iter_mut().filter(|index| index.number == number).for_each(|i| i.ready = true);
            draft.put_table(entry);
        }
        self.pending(draft, None, turn)
    }

    /// Indexes that a stop left half filled: to be filled again from the start.
    pub fn unfilled_indexes(&self) -> Vec<u32> {
        unfilled(&self.current())
    }

    fn pending<'a>(
        &'a self,
        draft: Draft,
        change: Option<SchemaChange>,
        turn: MutexGuard<'a, ()>,
    ) -> Result<Pending<'a>> {
        let warnings = draft.warnings.clone();
        let mut pending = Pending {
            catalog: self,
            next: None,
            batch: Batch::new(),
            applied: Applied { warnings, ..Applied::default() },
            _turn: turn,
        };
        if draft.is_unchanged() {
            return Ok(pending);
        }
        let had = unfilled(&self.current());
        let (snapshot, touched) = draft.finish()?;
        stored::write_change(&mut pending.batch, &snapshot, &touched);
        pending.applied.change = change;
        pending.applied.unfilled_indexes = unfilled(&snapshot);
        pending.applied.unfilled_indexes.retain(|number| !had.contains(number));
        pending.applied.dropped = touched.dropped_tables.into_iter().chain(touched.dropped_indexes).collect();
        pending.next = Some(Arc::new(snapshot));
        Ok(pending)
    }
}

impl Pending<'_> {
    /// What has to be committed first; empty if nothing changes.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What the schema will be; `None` if nothing changes.
    pub fn next(&self) -> Option<&Arc<Snapshot>> {
        self.next.as_ref()
    }

    /// Makes the change visible. To be called once the batch is committed.
    pub fn publish(self) -> Applied {
        if let Some(next) = self.next {
            *self.catalog.current.write() = next;
        }
        self.applied
    }
}

fn unfilled(snapshot: &Snapshot) -> Vec<u32> {
    let indexes = snapshot.stored_tables().flat_map(|entry| &entry.indexes);
    let mut numbers: Vec<u32> = indexes.filter(|index| !index.ready).map(|index| index.number).collect();
    numbers.sort_unstable();
    numbers
}

fn put_system_keyspaces(draft: &mut Draft) -> Result<()> {
    let mut number = FIRST_VIRTUAL_NUMBER;
    for mut keyspace in system_keyspaces()? {
        let tables = std::mem::take(&mut keyspace.tables);
        draft.put_keyspace(keyspace);
        for table in tables.into_values() {
            draft.put_table(TableEntry::new(table, number, Source::Virtual));
            number += 1;
        }
    }
    Ok(())
}

/// A stored keyspace of the system's is there for its replication alone.
fn put_stored_keyspace(draft: &mut Draft, stored: Keyspace) {
    let keyspace = match draft.keyspace(&stored.name) {
        None => stored,
        Some(ours) => Keyspace {
            replication: stored.replication,
            durable_writes: stored.durable_writes,
            ..Keyspace::clone(ours)
        },
    };
    draft.put_keyspace(keyspace);
}

#[cfg(test)]
mod tests;
