//! Opening an engine: the store, the schema it holds, the key of page states.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use ilium_store::{Error, SealKey};
use parking_lot::RwLock;

use super::index_sweep::Sweep;
use super::index_upkeep::IndexUpkeep;
use super::login::Hashing;
use super::{Engine, Inner};
use crate::catalog::{Catalog, Opened, Snapshot};
use crate::clock::{Clock, SystemClock};
use crate::layout::policy::{Retention, RowPolicy};
use crate::modify::PartitionLocks;
use crate::roles::password::{self, Passwords};
use crate::roles::{Changed, Roles, first};
use crate::storage::{self, Batch, DiskStore, MemoryStore, StorageError, Store};
use crate::system::Live;

/// How an engine is opened.
pub struct EngineOptions {
    /// `None`: everything is kept in memory and gone at the end.
    pub folder: Option<PathBuf>,
    pub storage: storage::Options,
    /// The name of the ring's one data centre.
    pub datacenter: String,
    pub clock: Arc<dyn Clock>,
    /// What only the server around the engine knows.
    pub live: Box<dyn Live>,
    /// `None`: callers need not log in, and may do everything.
    pub login: Option<LoginOptions>,
    pub runtime: tokio::runtime::Handle,
}

impl EngineOptions {
    pub fn new(
        folder: Option<PathBuf>,
        live: Box<dyn Live>,
        runtime: tokio::runtime::Handle,
    ) -> EngineOptions {
        EngineOptions {
            folder,
            storage: storage::Options::default(),
            // What a stock Cassandra with SimpleSnitch says, and so what drivers' examples name.
            datacenter: "datacenter1".to_owned(),
            clock: Arc::new(SystemClock::default()),
            live,
            login: None,
            runtime,
        }
    }
}

/// How callers log in.
#[derive(Debug, Clone)]
pub struct LoginOptions {
    /// Where the first superuser's name and password are written, if one has to be made; its owner alone reads it.
    pub superuser_file: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the stored schema cannot be used: {0}")]
    Schema(#[from] Error),
    #[error("cannot {what} {file}: {source}")]
    Io { what: &'static str, file: PathBuf, source: io::Error },
    #[error(
        "{file} does not hold a key of 32 bytes; remove it, and page states given out before become invalid"
    )]
    BadKey { file: PathBuf },
}

impl Engine {
    pub fn open(options: EngineOptions) -> Result<Engine, OpenError> {
        let policy = Arc::new(RowPolicy::new(Arc::clone(&options.clock)));
        let store: Arc<dyn Store> = match &options.folder {
            Some(folder) => Arc::new(DiskStore::open(folder, Arc::clone(&policy) as _, options.storage)?),
            None => Arc::new(MemoryStore::new(Arc::clone(&policy) as _)),
        };
        let secret = match &options.folder {
            Some(folder) => stored_secret(folder)?,
            None => SealKey::generate().map_err(|error| Error::internal(error.to_string()))?,
        };
        let seal = SealKey::new(&secret).map_err(|error| Error::internal(error.to_string()))?;
        let Opened { catalog, batch } = Catalog::open(&store.view(), &options.datacenter)?;
        if !batch.is_empty() {
            store.commit(batch).wait()?;
        }
        let catalog = Arc::new(catalog);
        let mut inner = Inner {
            indexes: IndexUpkeep::start(Sweep {
                store: Arc::clone(&store),
                catalog: Arc::clone(&catalog),
                clock: Arc::clone(&options.clock),
                turn: Arc::default(),
            }),
            store,
            catalog,
            policy,
            clock: options.clock,
            last_write_time: AtomicI64::new(i64::MIN),
            locks: PartitionLocks::default(),
            seal,
            listeners: RwLock::default(),
            live: options.live,
            disk_reads: Arc::default(),
            login_required: options.login.is_some(),
            made_superuser: false,
            passwords: Arc::new(Passwords::new()?),
            hashing: Hashing::default(),
            runtime: options.runtime,
        };
        inner.set_retention();
        inner.drop_orphans()?;
        inner.fill_indexes(inner.catalog.unfilled_indexes())?;
        match &options.login {
            Some(login) => inner.made_superuser = inner.make_first_superuser(&login.superuser_file)?,
            None if inner.snapshot().roles.iter().next().is_some() => tracing::warn!(
                "this data has roles, but nobody is asked to log in: whoever connects may do everything"
            ),
            None => {}
        }
        Ok(Engine { inner: Arc::new(inner) })
    }
}

impl Inner {
    /// Makes a superuser where no role can log in: at the first start with authentication, or after the last role that
    /// could was altered; whether there was need. Its password is on disk before the role is.
    fn make_first_superuser(&self, file: &Path) -> Result<bool, OpenError> {
        if !first::is_needed(&self.snapshot().roles) {
            return Ok(false);
        }
        let password = password::generate()?;
        let hash = password::hash(&password)?;
        first::write(file, &password).map_err(|source| OpenError::Io {
            what: "write",
            file: file.to_owned(),
            source,
        })?;
        let now = self.write_time();
        let make = |roles: &mut Roles, _: &Snapshot| {
            Ok(Changed { touched: first::make(roles, hash, now), ..Changed::default() })
        };
        let pending = self.catalog.change_roles(make)?;
        self.store.commit(pending.batch().clone()).wait()?;
        pending.publish();
        Ok(true)
    }

    /// Tells the store how long each table keeps what was deleted.
    pub(super) fn set_retention(&self) {
        let snapshot = self.snapshot();
        let mut tables = HashMap::new();
        for entry in snapshot.stored_tables() {
            let retention = Retention {
                grace: entry.table.options.gc_grace_seconds,
                dropped_cells: entry.dropped_cells(),
            };
            // An index entry is a hint: nothing comes alive when one goes early.
            for index in &entry.indexes {
                tables.insert(index.number, Retention::default());
            }
            tables.insert(entry.number, retention);
        }
        self.policy.set_tables(tables);
    }

    /// Drops what is stored under numbers that no table has: a stop came between a DROP and the removal of its data.
    fn drop_orphans(&self) -> Result<(), OpenError> {
        let snapshot = self.snapshot();
        let mut known: Vec<u32> = snapshot
            .stored_tables()
            .flat_map(|entry| entry.indexes.iter().map(|index| index.number).chain([entry.number]))
            .collect();
        known.sort_unstable();
        let view = self.store.view();
        let mut batch = Batch::new();
        let mut from = crate::layout::key::CATALOG_NUMBER + 1;
        loop {
            let start = from.to_be_bytes();
            let mut range = view.range(
                std::ops::Bound::Included(&start),
                std::ops::Bound::Unbounded,
                false,
                storage::Io::Allowed,
            );
            let Some((key, _)) = range.next()? else { break };
            let Some(number) = crate::layout::key::number_of(key) else { break };
            if known.binary_search(&number).is_err() {
                tracing::info!(number, "removing the data of a table that was dropped");
                batch.drop_prefix(&number.to_be_bytes());
            }
            let Some(next) = number.checked_add(1) else { break };
            from = next;
        }
        if batch.is_empty() { Ok(()) } else { Ok(self.store.commit(batch).wait()?) }
    }
}

/// The key that seals page states, made at the folder's first start and read by its owner alone.
fn stored_secret(folder: &Path) -> Result<[u8; SealKey::LENGTH], OpenError> {
    let file = folder.join("page-state.key");
    let failed = |what: &'static str| {
        let file = file.clone();
        move |source| OpenError::Io { what, file, source }
    };
    let mut bytes = Vec::new();
    match fs::File::open(&file) {
        Ok(mut opened) => {
            opened.read_to_end(&mut bytes).map_err(failed("read"))?;
            return bytes.try_into().map_err(|_| OpenError::BadKey { file });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("open")(error)),
    }
    let secret = SealKey::generate().map_err(|error| Error::internal(error.to_string()))?;
    // Written whole under another name first: half a key would make the folder unusable.
    let draft = folder.join("page-state.key.new");
    // One that a stop left there might be readable by others: it goes, and a new one is made.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove")(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&draft).map_err(failed("make"))?;
    written.write_all(&secret).and_then(|()| written.sync_all()).map_err(failed("write"))?;
    fs::rename(&draft, &file).map_err(failed("name"))?;
    Ok(secret)
}
