//! The store without a disk: the tree alone.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::RwLock;

use super::batch::{Op, Ops};
use super::layers::Rest;
use super::tree::Tree;
use super::{Batch, Commit, Io, Merge, Purged, ScrubReport, Shadow, Stats, StorageError, Store, View};

/// How often garbage is looked for. A pass costs a fraction of a second a million rows.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Entries looked at under one lock: some tenths of a millisecond for which others wait.
const SWEEP_STEP: usize = 1000;

/// Keeps everything in memory and forgets it when dropped. A commit is done when the call returns.
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Dropped first, which ends the thread.
    stop: Option<Sender<()>>,
    sweeper: Option<JoinHandle<()>>,
}

struct Shared {
    tree: RwLock<Tree>,
    rest: Arc<Rest>,
}

/// There is nothing outside the tree for a deletion to hide.
struct NothingElsewhere;

impl Shadow for NothingElsewhere {
    fn may_drop(&mut self, _write_time: i64) -> bool {
        true
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(merge: Arc<dyn Merge>) -> Self {
        let rest = Arc::new(Rest::new(merge, Vec::new()));
        let shared = Arc::new(Shared { tree: RwLock::default(), rest });
        let (stop, stopped) = channel();
        let swept = Arc::clone(&shared);
        let sweeper = std::thread::Builder::new().name("storage-sweep".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(SWEEP_EVERY) {
                if let Err(error) = swept.sweep() {
                    tracing::error!(%error, "deleted rows stay in memory");
                }
            }
        });
        if let Err(error) = &sweeper {
            tracing::warn!(%error, "no thread to reclaim memory: deleted rows stay until maintenance is asked for");
        }
        Self { shared, stop: Some(stop), sweeper: sweeper.ok() }
    }
}

impl Shared {
    /// Purges group by group, so that what a deletion hides and the deletion itself go under one lock.
    fn sweep(&self) -> Result<(), StorageError> {
        let mut from = Bound::Unbounded;
        while let Some(last) = self.sweep_some(from.as_ref().map(Vec::as_slice))? {
            from = Bound::Excluded(last);
        }
        Ok(())
    }

    /// Purges some whole groups after `from` and returns the last key of them; `None` when there are no more.
    fn sweep_some(&self, from: Bound<&[u8]>) -> Result<Option<Vec<u8>>, StorageError> {
        let merge = &*self.rest.merge;
        let mut purger = merge.purger();
        let mut tree = self.tree.write();
        let before = View::new(tree.clone(), Arc::clone(&self.rest));
        let mut entries = before.range(from, Bound::Unbounded, false, Io::Cached);
        let mut last: Option<Vec<u8>> = None;
        let mut seen = 0;
        while let Some((key, value)) = entries.next()? {
            let group = key.get(..merge.group_len(key)).unwrap_or(key);
            if seen >= SWEEP_STEP && !last.as_ref().is_some_and(|last| last.starts_with(group)) {
                return Ok(last);
            }
            let mut rewritten = Vec::new();
            match purger.purge(key, value, &mut NothingElsewhere, &mut rewritten) {
                Purged::Keep => {}
                Purged::Rewritten => tree.replace(key, &rewritten),
                Purged::Gone => tree.remove(key),
            }
            last = Some(key.to_vec());
            seen += 1;
        }
        Ok(None)
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Commit {
        let mut scratch = Vec::new();
        let mut tree = self.shared.tree.write();
        for op in Ops::new(batch.encoded()).flatten() {
            match op {
                Op::Put { key, value } => tree.put(key, value, &*self.shared.rest.merge, &mut scratch),
                Op::Drop { prefix } => tree.drop_prefix(prefix),
            }
        }
        Commit::ready(Ok(()))
    }

    fn view(&self) -> View {
        View::new(self.shared.tree.read().clone(), Arc::clone(&self.shared.rest))
    }

    fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.shared.sweep()
    }

    fn maintain(&self) -> Result<(), StorageError> {
        self.compact()
    }

    fn checkpoint(&self, _folder: &Path) -> Result<(), StorageError> {
        Err(StorageError::InMemory)
    }

    fn scrub(&self) -> Result<ScrubReport, StorageError> {
        Ok(ScrubReport::default())
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        let tree = self.shared.tree.read();
        Stats { memory_bytes: tree.bytes() as u64, memory_entries: tree.len() as u64, ..Stats::default() }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(sweeper) = self.sweeper.take() {
            // A panic there was reported by the panic hook already.
            let _ = sweeper.join();
        }
    }
}
