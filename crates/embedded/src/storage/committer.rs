//! The committer: the one thread that writes the log and the tree.
//!
//! It takes all batches that wait, writes them as one record, syncs once (in group mode), makes them visible, and
//! answers them all. What a reader sees is therefore as durable as the acknowledgement of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::apply::apply;
use super::commit::Acknowledge;
use super::keeper;
use super::layers::{Frozen, Hidden, Layer, Rest};
use super::log::LogWriter;
use super::shared::Shared;
use super::{Batch, Durability, StorageError};

/// A record is closed past this many bytes: what is written in one go, and held up by one sync.
const RECORD_BYTES: usize = 1 << 20;

pub(crate) struct Committer {
    shared: Arc<Shared>,
    log: LogWriter,
    /// Bytes logged since the tree was empty.
    logged: u64,
    /// Whether the next segment of the log was asked for.
    asked: bool,
    /// Whether the store was just made and is not one on disk yet.
    new: bool,
    pace: Pace,
    scratch: Vec<u8>,
}

/// How fast batches come. Where they come fast, letting some gather before each record spares most of its cost: waking
/// up, one call to write, going back to sleep. A lone writer, who waits for each answer, never meets this.
struct Pace {
    syncs: bool,
    since: Instant,
    batches: usize,
    fast: bool,
}

/// The time that batches are given to gather, a small part of what a client sees anyway.
const GATHER: Duration = Duration::from_micros(100);
/// What counts as fast: more batches in this time than one writer could make who waits for each answer.
const FAST: (usize, Duration) = (32, Duration::from_millis(1));

impl Pace {
    fn count(&mut self, batches: usize) {
        self.batches += batches;
        let passed = self.since.elapsed();
        if passed >= FAST.1 {
            self.fast =
                !self.syncs && self.batches as u128 * FAST.1.as_nanos() >= FAST.0 as u128 * passed.as_nanos();
            self.batches = 0;
            self.since = Instant::now();
        }
    }

    fn is_fast(&self) -> bool {
        self.fast
    }
}

/// What waited for the committer.
struct Orders {
    batches: Vec<(Batch, Acknowledge)>,
    mark: bool,
    close: bool,
}

impl Committer {
    pub fn new(shared: Arc<Shared>, log: LogWriter, logged: u64, new: bool) -> Self {
        // A sync takes long enough for writes to gather by themselves.
        let syncs = shared.options.durability == Durability::Group;
        let pace = Pace { syncs, since: Instant::now(), batches: 0, fast: false };
        Self { shared, log, logged, asked: false, new, pace, scratch: Vec::new() }
    }

    /// Works until the store is closed and nothing waits any more.
    pub fn run(mut self) {
        // The log may have filled it.
        self.freeze_if_due();
        let mut record = Vec::new();
        loop {
            let orders = self.next();
            let mut bytes = 0;
            for waiting in orders.batches {
                bytes += waiting.0.bytes();
                record.push(waiting);
                if bytes >= RECORD_BYTES {
                    self.commit(&mut record);
                    bytes = 0;
                }
            }
            if !record.is_empty() {
                self.commit(&mut record);
            }
            self.freeze_if_due();
            if orders.mark {
                self.mark();
            }
            if orders.close {
                break;
            }
        }
        self.close();
    }

    /// Sleeps until something waits and takes all of it.
    fn next(&mut self) -> Orders {
        if self.pace.is_fast() {
            std::thread::sleep(GATHER);
        }
        let mut queue = self.shared.queue.lock();
        while queue.waiting.is_empty() && !queue.look && !queue.mark && !queue.closing {
            queue.sleeping = true;
            self.shared.work.wait(&mut queue);
            queue.sleeping = false;
        }
        self.pace.count(queue.waiting.len());
        queue.bytes = 0;
        queue.look = false;
        let room = Vec::with_capacity(queue.waiting.len());
        Orders {
            batches: std::mem::replace(&mut queue.waiting, room),
            mark: std::mem::take(&mut queue.mark),
            close: queue.closing,
        }
    }

    fn commit(&mut self, record: &mut Vec<(Batch, Acknowledge)>) {
        let outcome = self.write(record);
        if outcome.is_ok() {
            apply(&self.shared, record.iter().map(|(batch, _)| batch), &mut self.scratch);
        }
        for (_, acknowledge) in record.drain(..) {
            acknowledge.answer(outcome.clone());
        }
        self.freeze_if_due();
    }

    /// Makes the batches as durable as the store is set to.
    fn write(&mut self, record: &[(Batch, Acknowledge)]) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        shared.check_broken()?;
        let bytes: usize = record.iter().map(|(batch, _)| batch.bytes()).sum();
        // Twice: they go to the log now and to a table later.
        shared.check_space(2 * bytes as u64)?;
        self.wait_for_memory()?;
        self.settle()?;
        if !self.log.has_room(bytes) {
            self.rotate(bytes)?;
        }
        self.log.append(record.iter().map(|(batch, _)| batch.encoded()), shared.log_synced())?;
        self.logged += LogWriter::needs(bytes) as u64;
        if self.log.past_half() && !self.asked {
            self.asked = true;
            shared.files.lock().spare_wanted = true;
            shared.files_changed.notify_all();
        }
        shared.log_end.store(self.log.end().to_u64(), Ordering::Release);
        if shared.options.durability == Durability::Group {
            self.sync()?;
            self.mark();
        } else if record.iter().any(|(batch, _)| batch.drops()) {
            // The manifest may tell of the drop before the log is synced next, and what came before it must not be
            // lost then.
            keeper::sync_now(&shared)?;
        }
        Ok(())
    }

    /// Makes a new store durable before the first write to it.
    fn settle(&mut self) -> Result<(), StorageError> {
        if self.new {
            let segment = self.log.segment();
            segment.file.sync().map_err(|error| StorageError::io("sync", &segment.path, error))?;
            // What a folder without one before it in its path is in has no name.
            let above = self.shared.folder.parent().map(|above| match above.as_os_str().is_empty() {
                true => Path::new("."),
                false => above,
            });
            for folder in std::iter::once(self.shared.folder.as_path()).chain(above) {
                let synced = self.shared.disk().sync_dir(folder);
                synced.map_err(|error| StorageError::io("sync", folder, error))?;
            }
            self.shared.catalog.lock().written = true;
            self.shared.replace_layers(|rest| rest.layers.clone())?;
            self.new = false;
        }
        Ok(())
    }

    /// Puts the log on disk up to its end. A failure is final: the system may have dropped the pages and would report
    /// the next sync as done.
    fn sync(&mut self) -> Result<(), StorageError> {
        let segment = self.log.segment();
        segment.file.sync().map_err(|error| {
            let error = StorageError::io("sync", &segment.path, error);
            self.shared.break_off(&error);
            error
        })?;
        self.shared.log_synced.store(self.log.end().to_u64(), Ordering::Release);
        Ok(())
    }

    /// Leaves word in the log of how far it is on disk, so that what is before can never pass for a torn end.
    fn mark(&mut self) {
        if self.log.has_room(0)
            && self.shared.check_broken().is_ok()
            && let Err(error) = self.log.mark(self.shared.log_synced())
        {
            tracing::warn!(%error, "the log does not say how far it is on disk");
        }
    }

    /// Goes on in the next segment, one that takes a record of `payload` bytes.
    fn rotate(&mut self, payload: usize) -> Result<(), StorageError> {
        let size = u32::try_from(LogWriter::segment_for(payload)).unwrap_or(u32::MAX);
        self.log.rotate(keeper::next_segment(&self.shared, size)?);
        self.asked = false;
        Ok(())
    }

    /// Waits while the tree is full and the one before it is not flushed yet.
    fn wait_for_memory(&mut self) -> Result<(), StorageError> {
        if self.shared.state.read().tree.bytes() < self.shared.options.memory_bytes {
            return Ok(());
        }
        let mut flow = self.shared.flow.lock();
        while flow.frozen > flow.flushed && !flow.closing {
            if let Some(error) = &flow.flush_error {
                return Err(error.clone());
            }
            self.shared.changed.wait(&mut flow);
        }
        drop(flow);
        self.freeze_if_due();
        Ok(())
    }

    /// Freezes the tree if it is full or somebody asked, and no other frozen tree waits.
    fn freeze_if_due(&mut self) {
        let options = &self.shared.options;
        let bytes = self.shared.state.read().tree.bytes();
        let full = bytes >= options.memory_bytes || self.logged >= options.log_bytes;
        let wanted = {
            let flow = self.shared.flow.lock();
            if flow.frozen > flow.flushed || !full && flow.freezes_wanted == flow.freezes_done {
                return;
            }
            flow.freezes_wanted
        };
        let frozen = if self.logged > 0 { self.freeze() } else { Ok(()) };
        let mut flow = self.shared.flow.lock();
        match frozen {
            Ok(()) => {
                flow.frozen += u64::from(self.logged > 0);
                flow.freezes_done = wanted;
                self.logged = 0;
            }
            // What is in memory stays there until the next try; who waits for a flush is told.
            Err(error) => flow.flush_error = Some(error),
        }
        self.shared.changed.notify_all();
    }

    fn freeze(&mut self) -> Result<(), StorageError> {
        self.rotate(0)?;
        let mut guard = self.shared.state.write();
        let state = &mut *guard;
        let frozen = Layer::Frozen(Frozen {
            tree: std::mem::take(&mut state.tree),
            oldest: std::mem::replace(&mut state.oldest, i64::MAX),
            first_segment: std::mem::replace(&mut state.first_segment, self.log.segment().header.number),
            hidden: Hidden::default(),
        });
        let layers = std::iter::once(frozen).chain(state.rest.layers.iter().cloned()).collect();
        state.rest = Arc::new(Rest::new(Arc::clone(&self.shared.merge), layers));
        Ok(())
    }

    /// At a clean end even a periodic store has everything on disk.
    fn close(&mut self) {
        if self.shared.log_synced() < self.shared.log_end() {
            match keeper::sync_now(&self.shared) {
                Ok(()) => self.mark(),
                Err(error) => tracing::error!(%error, "the end of the log may not be on disk"),
            }
        }
    }
}

impl Drop for Committer {
    /// However the thread ends, nobody waits for it in vain.
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock();
        queue.closing = true;
        queue.waiting.clear();
    }
}
