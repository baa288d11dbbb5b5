//! The store on disk: opening, closing, and what callers ask of it.

use std::any::Any;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::cache::BlockCache;
use super::commit::Commit;
use super::committer::Committer;
use super::compact::Jobs;
use super::layers::{Layer, Placed, Rest};
use super::log::{self, LogWriter, Replayed, Segment};
use super::manifest::{self, Manifest};
use super::shared::{Catalog, Shared, State};
use super::table::{self, Table};
use super::{
    Batch, Disk, Merge, Options, ScrubReport, Stats, StorageError, Store, View, compact, flush, keeper,
    upkeep,
};

/// A store in a folder of its own. Dropping it ends its threads; what was acknowledged is in the log, so nothing is
/// written out then.
pub struct DiskStore {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the threads are gone.
    _lock: Box<dyn Any + Send + Sync>,
}

impl DiskStore {
    /// Opens the store in `folder`, making it if it is absent or empty.
    pub fn open(folder: &Path, merge: Arc<dyn Merge>, options: Options) -> Result<Self, StorageError> {
        let disk = Arc::clone(&options.disk);
        disk.create_dir(folder).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StorageError::NoFolder { file: folder.to_path_buf() },
            _ => StorageError::io("make", folder, error),
        })?;
        let lock_path = folder.join("lock");
        let lock = disk.lock(&lock_path).map_err(|error| StorageError::io("lock", &lock_path, error))?;
        let lock = lock.ok_or_else(|| StorageError::Locked { folder: folder.to_path_buf() })?;

        let found = Manifest::read(&*disk, folder)?;
        let new = if found.is_none() { Some(make(&*disk, folder, &options)?) } else { None };
        let manifest = found.unwrap_or(Manifest { next_table: 1, first_segment: 1, runs: Vec::new() });
        if new.is_none() {
            // After a kill the names may not be on disk yet, and what follows relies on them.
            disk.sync_dir(folder).map_err(|error| StorageError::io("sync", folder, error))?;
        }
        remove_leftovers(&*disk, folder, &manifest)?;
        let cache = Arc::new(BlockCache::new(options.cache_bytes, options.guide_bytes));
        let rest = open_layers(&disk, folder, &manifest, &merge, &cache)?;
        let listed = rest.tables().map(|placed| Arc::clone(&placed.table)).collect();
        let catalog = Catalog { written: new.is_none(), listed };

        let is_new = new.is_some();
        let first_segment = manifest.first_segment as u32;
        let mut state = State::empty(Arc::new(rest), first_segment);
        let mut logged = 0;
        let mut scratch = Vec::new();
        let Replayed { segment, offset, end } = match new {
            Some(segment) => Replayed::nothing(segment),
            None => log::replay(&*disk, folder, first_segment, |ops| {
                logged += LogWriter::needs(ops.len()) as u64;
                state.apply(ops, &*merge, &mut scratch);
                Ok(())
            })?,
        };
        let log = LogWriter::new(segment, offset, end);
        let folder = folder.to_path_buf();
        let shared = Arc::new(Shared::new(folder, options, cache, catalog, manifest.next_table, &log, state));
        let mut store = Self { shared: Arc::clone(&shared), threads: Vec::new(), _lock: lock };
        let committer = Committer::new(Arc::clone(&shared), log, logged, is_new);
        store.start("storage-commit", move |_| committer.run())?;
        store.start("storage-log", keeper::run)?;
        store.start("storage-flush", flush::run)?;
        store.start("storage-compact", |shared| compact::run(shared, Jobs::Small))?;
        store.start("storage-large", |shared| compact::run(shared, Jobs::Large))?;
        Ok(store)
    }

    fn start(&mut self, name: &str, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || work(&shared));
        let thread =
            thread.map_err(|error| StorageError::io("start a thread for", &self.shared.folder, error))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Store for DiskStore {
    fn commit(&self, batch: Batch) -> Commit {
        let options = &self.shared.options;
        let bytes = batch.bytes();
        if batch.is_empty() {
            return Commit::ready(Ok(()));
        }
        if bytes > options.batch_bytes {
            return Commit::ready(Err(StorageError::BatchTooLarge { bytes, limit: options.batch_bytes }));
        }
        let mut queue = self.shared.queue.lock();
        if queue.closing {
            return Commit::ready(Err(StorageError::Closed));
        }
        if queue.bytes + bytes > options.queue_bytes {
            let overloaded = StorageError::Overloaded { queued: queue.bytes, limit: options.queue_bytes };
            return Commit::ready(Err(overloaded));
        }
        let (acknowledge, commit) = Commit::pending();
        queue.bytes += bytes;
        queue.waiting.push((batch, acknowledge));
        if queue.sleeping {
            // One waker is enough: the committer takes all that came until it runs.
            queue.sleeping = false;
            drop(queue);
            self.shared.work.notify_one();
        }
        commit
    }

    fn view(&self) -> View {
        self.shared.view()
    }

    fn flush(&self) -> Result<(), StorageError> {
        flush::flush_now(&self.shared)
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.flush()?;
        compact::compact_all(&self.shared)
    }

    fn maintain(&self) -> Result<(), StorageError> {
        compact::maintain(&self.shared, Jobs::All)
    }

    fn checkpoint(&self, folder: &Path) -> Result<(), StorageError> {
        upkeep::checkpoint(&self.shared, &self.view(), folder)
    }

    fn scrub(&self) -> Result<ScrubReport, StorageError> {
        upkeep::scrub(&self.shared)
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        self.shared.check_broken()?;
        self.shared.check_space(0)
    }

    fn stats(&self) -> Stats {
        upkeep::stats(&self.shared)
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.shared.nudge(|queue| queue.closing = true);
        // The committer first: it answers what still waits, and may need the others for that.
        for (i, thread) in self.threads.drain(..).enumerate() {
            // A panic there was reported by the panic hook already.
            let _ = thread.join();
            if i == 0 {
                self.shared.files.lock().closing = true;
                self.shared.files_changed.notify_all();
                self.shared.flow.lock().closing = true;
                self.shared.changed.notify_all();
            }
        }
    }
}

/// Makes an empty store, unless the folder holds parts of one. Nothing is synced yet, and without a manifest it is not
/// a store yet: the committer sees to both before the first write, so that starting does not wait for the disk.
fn make(disk: &dyn Disk, folder: &Path, options: &Options) -> Result<Segment, StorageError> {
    let names = disk.list(folder).map_err(|error| StorageError::io("list", folder, error))?;
    let part_of_one =
        |name: &String| table::id_in(name).is_some() || log::number_in(name).is_some_and(|number| number > 1);
    // A first segment alone, without a record, is what a crash leaves of a folder nothing was written to.
    if names.iter().any(part_of_one) || log::number_in_use(disk, folder, 1)? {
        return Err(StorageError::damaged(&manifest::path(folder), 0, "the file is missing"));
    }
    Segment::create_first(disk, folder, options.segment_bytes)
}

/// Removes files that a crash left: half-made ones, tables that were never listed, and segments already in tables.
fn remove_leftovers(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(), StorageError> {
    let listed = |id| manifest.runs.iter().flatten().any(|listed| listed.finished.id == id);
    for name in disk.list(folder).map_err(|error| StorageError::io("list", folder, error))? {
        let leftover = name == manifest::STAGED
            || name.starts_with("log-") && name.ends_with(".new")
            || table::id_in(&name).is_some_and(|id| !listed(id))
            || log::number_in(&name).is_some_and(|number| u64::from(number) < manifest.first_segment);
        if leftover {
            let path = folder.join(&name);
            disk.remove(&path).map_err(|error| StorageError::io("remove", &path, error))?;
        }
    }
    Ok(())
}

fn open_layers(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    manifest: &Manifest,
    merge: &Arc<dyn Merge>,
    cache: &Arc<BlockCache>,
) -> Result<Rest, StorageError> {
    let mut layers = Vec::with_capacity(manifest.runs.len());
    for run in &manifest.runs {
        let mut tables = Vec::with_capacity(run.len());
        for listed in run {
            let table = Arc::new(Table::open(disk, folder, listed.finished, cache)?);
            tables.push(Placed { table, hidden: listed.hidden.clone().into() });
        }
        layers.push(Layer::Run(tables.into()));
    }
    Ok(Rest::new(Arc::clone(merge), layers))
}
