//! What the threads of a store on disk share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};

use super::cache::BlockCache;
use super::commit::Acknowledge;
use super::compact::Compaction;
use super::keeper::LogFiles;
use super::layers::{Layer, Placed, Rest};
use super::log::{LogWriter, Position};
use super::manifest::Manifest;
use super::table::Table;
use super::tree::Tree;
use super::{Batch, Disk, Merge, Options, StorageError, View};

/// How long an answer about free space is good for.
const FREE_SPACE_FOR: Duration = Duration::from_millis(100);

pub(crate) struct Shared {
    pub folder: PathBuf,
    pub options: Options,
    pub merge: Arc<dyn Merge>,
    pub cache: Arc<BlockCache>,
    pub state: RwLock<State>,
    pub queue: Mutex<Queue>,
    /// Wakes the committer.
    pub work: Condvar,
    pub flow: Mutex<Flow>,
    /// Tells of every change to `flow`.
    pub changed: Condvar,
    /// Held while the manifest is replaced, so that one change at a time is made to the set of tables.
    pub catalog: Mutex<Catalog>,
    pub compaction: Mutex<Compaction>,
    /// Tells of every rewrite that ended.
    pub compacted: Condvar,
    pub next_rewrite: AtomicU64,
    pub next_table: AtomicU64,
    pub files: Mutex<LogFiles>,
    /// Tells of every change to `files`.
    pub files_changed: Condvar,
    /// [`Position`]s: up to where the log holds batches, and is known to be on disk.
    pub log_end: AtomicU64,
    pub log_synced: AtomicU64,
    /// Set by the first failure after which no write may be acknowledged any more.
    pub broken: OnceLock<Arc<str>>,
    /// What the system said of free space, and when, less what was written since.
    free: Mutex<Option<(Instant, u64)>>,
}

/// What readers see. The committer changes it; others only through [`Shared::replace_layers`].
pub(crate) struct State {
    pub tree: Tree,
    /// No write time in the tree is less.
    pub oldest: i64,
    pub rewrites: Vec<Underway>,
    /// The segment of the log where what is in the tree begins.
    pub first_segment: u32,
    pub rest: Arc<Rest>,
}

/// What writes have to do with a rewrite that is under way.
pub(crate) struct Underway {
    pub number: u64,
    /// No write that came in since it began is older.
    pub oldest_arrived: i64,
    /// Writes of this time or older wait: a deletion that would have hidden them is just being dropped.
    pub barrier: i64,
}

/// What the manifest says.
#[derive(Default)]
pub(crate) struct Catalog {
    /// Whether there is a manifest: not before the first write to a new store.
    pub written: bool,
    /// A table that is not here any more may be removed from the disk.
    pub listed: Vec<Arc<Table>>,
}

/// What waits for the committer.
#[derive(Default)]
pub(crate) struct Queue {
    pub waiting: Vec<(Batch, Acknowledge)>,
    pub bytes: usize,
    /// Whether the committer sleeps and must be woken.
    pub sleeping: bool,
    /// Whether something else than a batch wants the committer's attention: see [`Flow`].
    pub look: bool,
    /// Whether the log is to say how far it is on disk.
    pub mark: bool,
    pub closing: bool,
}

/// How far committer, flush and compaction are, and what they were asked.
#[derive(Default)]
pub(crate) struct Flow {
    /// Trees frozen so far, and of those the ones that are tables by now.
    pub frozen: u64,
    pub flushed: u64,
    pub flush_error: Option<StorageError>,
    /// Requests to freeze the tree though it is not full, and those that were met.
    pub freezes_wanted: u64,
    pub freezes_done: u64,
    /// Changes to the set of tables.
    pub rearranged: u64,
    /// Whether a prefix was dropped since compaction last looked.
    pub reclaim: bool,
    pub closing: bool,
}

impl State {
    pub fn empty(rest: Arc<Rest>, first_segment: u32) -> Self {
        Self { tree: Tree::default(), oldest: i64::MAX, rewrites: Vec::new(), first_segment, rest }
    }
}

impl Shared {
    pub fn new(
        folder: PathBuf,
        options: Options,
        cache: Arc<BlockCache>,
        catalog: Catalog,
        next_table: u64,
        log: &LogWriter,
        state: State,
    ) -> Self {
        Self {
            folder,
            options,
            merge: Arc::clone(&state.rest.merge),
            cache,
            state: RwLock::new(state),
            queue: Mutex::default(),
            work: Condvar::new(),
            flow: Mutex::default(),
            changed: Condvar::new(),
            catalog: Mutex::new(catalog),
            compaction: Mutex::default(),
            compacted: Condvar::new(),
            next_rewrite: AtomicU64::new(0),
            next_table: AtomicU64::new(next_table),
            files: Mutex::new(LogFiles::new(Arc::clone(log.segment()))),
            files_changed: Condvar::new(),
            log_end: AtomicU64::new(log.end().to_u64()),
            log_synced: AtomicU64::new(log.end().to_u64()),
            broken: OnceLock::new(),
            free: Mutex::new(None),
        }
    }

    pub fn disk(&self) -> &dyn Disk {
        &*self.options.disk
    }

    pub fn view(&self) -> View {
        let state = self.state.read();
        View::new(state.tree.clone(), Arc::clone(&state.rest))
    }

    pub fn log_end(&self) -> Position {
        Position::from_u64(self.log_end.load(Ordering::Acquire))
    }

    pub fn log_synced(&self) -> Position {
        Position::from_u64(self.log_synced.load(Ordering::Acquire))
    }

    /// Lets go of tables that could not be put in place.
    pub fn abandon(&self, tables: &[Arc<Table>]) {
        // A manifest that may or may not be the present one may speak of them.
        if self.check_broken().is_ok() {
            tables.iter().for_each(|table| table.retire());
        }
    }

    /// The failure that ended writing, if there was one.
    pub fn check_broken(&self) -> Result<(), StorageError> {
        match self.broken.get() {
            Some(why) => Err(StorageError::Poisoned { why: Arc::clone(why) }),
            None => Ok(()),
        }
    }

    /// Ends writing for good.
    pub fn break_off(&self, error: &StorageError) {
        tracing::error!(%error, "no more writes are taken until the next start");
        let _ = self.broken.set(error.to_string().into());
    }

    /// Whether the disk keeps its reserve when so many bytes are written.
    pub fn check_space(&self, bytes: u64) -> Result<(), StorageError> {
        let reserve = self.options.reserve_bytes;
        let mut known = self.free.lock();
        let stale = |(when, free): (Instant, u64)| {
            when.elapsed() >= FREE_SPACE_FOR || free < reserve.saturating_add(bytes)
        };
        let (when, free) = match *known {
            Some(known) if !stale(known) => known,
            _ => (Instant::now(), self.free_bytes()?),
        };
        *known = Some((when, free.saturating_sub(bytes)));
        if free < reserve.saturating_add(bytes) {
            return Err(StorageError::DiskFull { folder: self.folder.clone(), free, reserve });
        }
        Ok(())
    }

    /// Bytes that a rewrite may take for a while. It gives room back in the end, so it may use half of the reserve.
    pub fn room_for_rewrites(&self) -> Result<u64, StorageError> {
        Ok(self.free_bytes()?.saturating_sub(self.options.reserve_bytes / 2))
    }

    fn free_bytes(&self) -> Result<u64, StorageError> {
        let free = self.disk().free_bytes(&self.folder);
        free.map_err(|error| StorageError::io("ask for the free space of", &self.folder, error))
    }

    /// Wakes the committer for something else than a batch.
    pub fn nudge(&self, say: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue.lock();
        say(&mut queue);
        if queue.sleeping {
            self.work.notify_one();
        }
    }

    /// Puts other layers in place of some, durably. `edit` makes the new layers from the present ones; it is asked
    /// once for the manifest and again for the state, which may have lost a dropped prefix in between (the log still
    /// has that drop, so the manifest need not). After an error the layers are as before, and unless the store is
    /// broken so is the manifest.
    pub fn replace_layers(&self, edit: impl Fn(&Rest) -> Vec<Layer>) -> Result<(), StorageError> {
        let mut catalog = self.catalog.lock();
        let (rest, active_first) = {
            let state = self.state.read();
            (Arc::clone(&state.rest), state.first_segment)
        };
        let next = Rest::new(Arc::clone(&self.merge), edit(&rest));
        let first_segment = next.frozen().map_or(active_first, |frozen| frozen.first_segment);
        let manifest = Manifest {
            next_table: self.next_table.load(Ordering::Relaxed),
            first_segment: u64::from(first_segment),
            runs: next.runs().map(|run| run.iter().map(Placed::listed).collect()).collect(),
        };
        self.check_broken()?;
        if catalog.written {
            manifest.stage(self.disk(), &self.folder)?;
            Manifest::publish(self.disk(), &self.folder).inspect_err(|error| self.break_off(error))?;
        }
        let listed: Vec<Arc<Table>> = next.tables().map(|placed| Arc::clone(&placed.table)).collect();
        for table in std::mem::replace(&mut catalog.listed, listed) {
            if !catalog.listed.iter().any(|kept| kept.id() == table.id()) {
                table.retire();
            }
        }
        let mut state = self.state.write();
        let layers = edit(&state.rest);
        state.rest = Arc::new(Rest::new(Arc::clone(&self.merge), layers));
        drop(state);
        self.flow.lock().rearranged += 1;
        self.changed.notify_all();
        Ok(())
    }
}
