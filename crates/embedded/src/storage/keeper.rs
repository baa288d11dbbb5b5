//! The keeper of the log's files: makes the next segment ahead of time, and in periodic mode puts the log on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::log::Segment;
use super::shared::Shared;
use super::{Durability, StorageError};

/// How long to wait before trying again to make a segment.
const RETRY: Duration = Duration::from_millis(500);

/// The log's files, as far as more than one thread deals with them.
pub(crate) struct LogFiles {
    /// The segment to be used next.
    spare: Option<Arc<Segment>>,
    /// Whether it will be needed soon.
    pub spare_wanted: bool,
    /// Whether it is being made at this moment.
    making: bool,
    next_number: u32,
    /// Segments that may not be on disk as far as they are written, in order; the last one is in use. Kept in
    /// periodic mode only: in group mode the committer syncs.
    unsynced: Vec<Arc<Segment>>,
    pub closing: bool,
}

impl LogFiles {
    pub fn new(last: Arc<Segment>) -> Self {
        let next_number = last.header.number + 1;
        Self {
            spare: None,
            spare_wanted: false,
            making: false,
            next_number,
            unsynced: vec![last],
            closing: false,
        }
    }
}

/// The segment to go on in, of at least this size.
pub(crate) fn next_segment(shared: &Shared, size: u32) -> Result<Arc<Segment>, StorageError> {
    let mut files = shared.files.lock();
    while files.making {
        shared.files_changed.wait(&mut files);
    }
    let segment = match files.spare.take() {
        Some(spare) if size <= spare.header.size => spare,
        // Numbers follow each other, so a larger segment takes the number, and the name, of a spare that is too small.
        Some(small) => create(shared, small.header.number, size)?,
        None => create(shared, files.next_number, size.max(shared.options.segment_bytes))?,
    };
    files.next_number = segment.header.number + 1;
    files.spare_wanted = false;
    if matches!(shared.options.durability, Durability::Periodic { .. }) {
        files.unsynced.push(Arc::clone(&segment));
    }
    shared.files_changed.notify_all();
    Ok(segment)
}

/// Works until the store is closed.
pub(crate) fn run(shared: &Shared) {
    let every = match shared.options.durability {
        Durability::Group => None,
        Durability::Periodic { every } => Some(every),
    };
    let mut retry_at = Instant::now();
    let mut sync_at = every.map(|every| Instant::now() + every);
    let mut files = shared.files.lock();
    while !files.closing {
        let now = Instant::now();
        let wants_spare = files.spare_wanted && files.spare.is_none();
        if wants_spare && retry_at <= now {
            if let Err(error) = make_spare(shared, &mut files) {
                tracing::warn!(%error, "cannot make the next segment of the log ahead of time");
                retry_at = now + RETRY;
            }
        } else if sync_at.is_some_and(|at| at <= now || files.unsynced.len() > 1) {
            sync_all(shared, &mut files);
            sync_at = every.map(|every| Instant::now() + every);
        } else {
            let retry_at = wants_spare.then_some(retry_at);
            match retry_at.into_iter().chain(sync_at).min() {
                Some(at) => _ = shared.files_changed.wait_until(&mut files, at),
                None => shared.files_changed.wait(&mut files),
            }
        }
    }
}

/// Puts everything written so far on disk, out of turn.
pub(crate) fn sync_now(shared: &Shared) -> Result<(), StorageError> {
    sync_all(shared, &mut shared.files.lock());
    shared.check_broken()
}

fn make_spare(shared: &Shared, files: &mut MutexGuard<'_, LogFiles>) -> Result<(), StorageError> {
    files.making = true;
    let number = files.next_number;
    let made = MutexGuard::unlocked(files, || create(shared, number, shared.options.segment_bytes));
    files.making = false;
    shared.files_changed.notify_all();
    files.spare = Some(made?);
    Ok(())
}

/// Puts everything written so far on disk, and has the committer note it in the log. A failure is final: the system
/// may have dropped the pages and would report the next sync as done.
fn sync_all(shared: &Shared, files: &mut MutexGuard<'_, LogFiles>) {
    let end = shared.log_end();
    let segments = files.unsynced.clone();
    let synced = MutexGuard::unlocked(files, || {
        if end <= shared.log_synced() || shared.check_broken().is_err() {
            return true;
        }
        for segment in &segments {
            if let Err(error) = segment.file.sync() {
                shared.break_off(&StorageError::io("sync", &segment.path, error));
                return false;
            }
        }
        shared.log_synced.store(end.to_u64(), Ordering::Release);
        shared.nudge(|queue| queue.mark = true);
        true
    });
    // The last one was still in use.
    if synced && let Some(last) = segments.last() {
        files.unsynced.retain(|segment| segment.header.number >= last.header.number);
    }
}

fn create(shared: &Shared, number: u32, size: u32) -> Result<Arc<Segment>, StorageError> {
    Segment::create(shared.disk(), &shared.folder, number, size).map(Arc::new)
}
