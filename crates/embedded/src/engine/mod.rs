//! The engine as a [`DataStore`]: opens a folder, plans statements, runs them.
//!
//! Vocabulary: a statement runs *inline*, on the thread that asked, while it touches memory alone; what must read the
//! disk, wait for a lock or may take long runs on a *blocking* thread of the runtime. Whether a principal may run a
//! statement is decided in one place, `authorize`, when the statement is executed.

mod access;
mod authorize;
mod consistency;
mod data_store;
mod ddl;
mod disk_reads;
mod index_fill;
mod index_sweep;
mod index_upkeep;
mod login;
mod open;
mod plan;
mod raw_cells;
mod scrub;
mod sizes;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ilium_store::{Error, Result, SchemaListener, SealKey};
use parking_lot::RwLock;

use crate::catalog::{Catalog, Snapshot};
use crate::clock::Clock;
use crate::layout::policy::RowPolicy;
use crate::modify::PartitionLocks;
use crate::roles::password::Passwords;
use crate::storage::{Stats, StorageError, Store};
use crate::system::Live;

use disk_reads::DiskReads;
use index_upkeep::IndexUpkeep;

pub use open::{EngineOptions, LoginOptions, OpenError};
pub use raw_cells::{EngineSnapshot, RawStream};
pub use scrub::Scrubbed;

/// An embedded engine. Cloning shares it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    /// Ends its thread, and with that lets go of the store, before the rest is dropped.
    indexes: IndexUpkeep,
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    policy: Arc<RowPolicy>,
    clock: Arc<dyn Clock>,
    /// The last write time this process gave, in microseconds.
    last_write_time: AtomicI64,
    locks: PartitionLocks,
    seal: SealKey,
    listeners: RwLock<Vec<SchemaListener>>,
    live: Box<dyn Live>,
    disk_reads: Arc<DiskReads>,
    /// Whether a caller must have logged in.
    login_required: bool,
    made_superuser: bool,
    passwords: Arc<Passwords>,
    hashing: login::Hashing,
    /// Runs what may block; statements come from its own threads or from outside of it.
    runtime: tokio::runtime::Handle,
}

impl Inner {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.catalog.current()
    }

    /// A time for a write whose client gave none: no two are the same, so that of two such writes of a cell the later
    /// wins (`ClientState.getTimestamp`).
    fn write_time(&self) -> i64 {
        let now = self.clock.micros();
        let next = |last: i64| now.max(last.saturating_add(1));
        let last =
            self.last_write_time.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        last.map_or(now, next)
    }
}

impl Engine {
    /// Writes everything to table files and merges them, dropping what may go, index entries that lead nowhere
    /// included. Blocks.
    pub fn compact(&self) -> Result<()> {
        self.inner.store.compact().map_err(in_words)?;
        // After it: only now are rows gone whose grace is over.
        if self.inner.indexes.sweep_all()?.removed > 0 {
            self.inner.store.compact().map_err(in_words)?;
        }
        Ok(())
    }

    /// Does at once what the engine does by itself from time to time: drops what is due by the clock and sweeps
    /// indexes. Blocks.
    pub fn maintain(&self) -> Result<()> {
        self.inner.store.maintain().map_err(in_words)?;
        if self.inner.indexes.sweep_all()?.removed > 0 {
            self.inner.store.maintain().map_err(in_words)?;
        }
        Ok(())
    }

    /// Writes what is in memory to table files. Blocks.
    pub fn flush(&self) -> std::result::Result<(), StorageError> {
        self.inner.store.flush()
    }

    /// Why no write is taken at this moment, if that is so. Quick.
    pub fn check_writable(&self) -> std::result::Result<(), StorageError> {
        self.inner.store.check_writable()
    }

    /// What the storage holds at this moment.
    pub fn storage_stats(&self) -> Stats {
        self.inner.store.stats()
    }

    /// A consistent copy that can be opened, made while writes go on. `folder` must be empty or absent. Blocks.
    pub fn checkpoint(&self, folder: &std::path::Path) -> std::result::Result<(), StorageError> {
        self.inner.store.checkpoint(folder)
    }

    /// Whether this start made the first superuser, and wrote down its password.
    pub fn made_superuser(&self) -> bool {
        self.inner.made_superuser
    }

    /// Whether this is the folder's first start: nothing but the system's keyspaces is there.
    pub fn is_new(&self) -> bool {
        self.inner.snapshot().stored_tables().next().is_none()
            && self
                .inner
                .snapshot()
                .schema
                .keyspaces
                .keys()
                .all(|name| crate::catalog::is_system_keyspace(name))
    }
}

fn in_words(error: StorageError) -> Error {
    crate::fault::seam_error(&error)
}

/// What came of a piece of work that ran on a blocking thread.
fn finished<T>(joined: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    match joined {
        Ok(result) => result,
        Err(error) => Err(Error::internal(format!("a statement was cut off: {error}"))),
    }
}
