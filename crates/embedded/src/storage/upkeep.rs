//! Checkpoints, scrubs and figures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cache::CacheStats;
use super::flush::Output;
use super::layers::{Layer, Placed};
use super::log::{self, Segment};
use super::manifest::{Listed, Manifest};
use super::shared::Shared;
use super::{Range, StorageError, View};

/// What a [scrub](super::Store::scrub) found.
#[derive(Debug, Default)]
pub struct ScrubReport {
    /// Table files read.
    pub tables: usize,
    /// Bytes of tables and log read.
    pub bytes: u64,
    /// What is damaged; empty if all is well.
    pub damage: Vec<Damage>,
}

/// Something that a scrub found not to be as it was written.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Names the file and the place.
    pub error: StorageError,
    /// The first and the last key of a table file: what may be lost.
    pub keys: Option<(Vec<u8>, Vec<u8>)>,
}

/// Figures of a store, as they are at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of new writes in memory, those being flushed included.
    pub memory_bytes: u64,
    /// Entries among them.
    pub memory_entries: u64,
    /// Sorted runs of table files a read may have to look into.
    pub runs: u64,
    /// Table files.
    pub tables: u64,
    /// Bytes of the table files.
    pub table_bytes: u64,
    /// Entries in the table files; those of one key in two files count twice.
    pub table_entries: u64,
    /// Bytes of blocks in memory.
    pub cache_bytes: u64,
    /// Those that others may drive out.
    pub blocks: CacheStats,
    /// Filters and indexes that stay.
    pub guides: CacheStats,
    /// Blocks that were found in memory since the start.
    pub cache_hits: u64,
    /// Blocks that had to be read since the start.
    pub cache_misses: u64,
    /// Bytes of batches that wait for the committer.
    pub queued_bytes: u64,
}

pub(crate) fn stats(shared: &Shared) -> Stats {
    let (mut stats, rest) = {
        let state = shared.state.read();
        let (bytes, entries) = (state.tree.bytes() as u64, state.tree.len() as u64);
        (Stats { memory_bytes: bytes, memory_entries: entries, ..Stats::default() }, Arc::clone(&state.rest))
    };
    if let Some(frozen) = rest.frozen() {
        stats.memory_bytes += frozen.tree.bytes() as u64;
        stats.memory_entries += frozen.tree.len() as u64;
    }
    stats.runs = rest.runs().count() as u64;
    for placed in rest.tables() {
        stats.tables += 1;
        stats.table_bytes += placed.table.finished.size;
        stats.table_entries += placed.table.summary.entries;
    }
    stats.cache_bytes = shared.cache.bytes();
    stats.blocks = shared.cache.blocks();
    stats.guides = shared.cache.guides();
    (stats.cache_hits, stats.cache_misses) = shared.cache.asked();
    stats.queued_bytes = shared.queue.lock().bytes as u64;
    stats
}

/// Copies what a view shows: tables by a second name, what is in memory as a table of its own.
pub(crate) fn checkpoint(shared: &Shared, view: &View, folder: &Path) -> Result<(), StorageError> {
    let disk = shared.disk();
    disk.create_dir(folder).map_err(|error| StorageError::io("make", folder, error))?;
    let names = disk.list(folder).map_err(|error| StorageError::io("list", folder, error))?;
    if !names.is_empty() {
        return Err(StorageError::NotEmpty { folder: folder.to_path_buf() });
    }
    let rest = view.rest();
    let in_memory = rest.layers.iter().filter(|layer| matches!(layer, Layer::Frozen(_))).cloned();
    let mut entries = Range::of_all(&shared.merge, std::iter::once(view.active()).chain(in_memory));
    let mut output = Output::new(shared, folder, true);
    while let Some((key, value)) = entries.next()? {
        output.add(key, value)?;
    }
    let from_memory = output.finish()?;
    for placed in rest.tables() {
        let from = placed.table.path();
        let to = from.file_name().map_or_else(PathBuf::new, |name| folder.join(name));
        disk.link(from, &to).map_err(|error| StorageError::io("link", &to, error))?;
    }
    let listed =
        from_memory.into_iter().map(|finished| Listed { finished, hidden: Vec::new() }).collect::<Vec<_>>();
    let mut runs: Vec<Vec<Listed>> =
        rest.runs().map(|run| run.iter().map(Placed::listed).collect()).collect();
    if !listed.is_empty() {
        runs.push(listed);
    }
    // The log of the copy is empty. It is there before the manifest that speaks of it, as in every store.
    Segment::create(disk, folder, 1, shared.options.segment_bytes)?;
    let next_table = shared.next_table.load(Ordering::Relaxed);
    Manifest { next_table, first_segment: 1, runs }.write(disk, folder)
}

/// Reads all of the store's files.
pub(crate) fn scrub(shared: &Shared) -> Result<ScrubReport, StorageError> {
    let mut report = ScrubReport::default();
    let note = |result: Result<u64, StorageError>, keys, report: &mut ScrubReport| match result {
        Ok(bytes) => report.bytes += bytes,
        Err(error) => report.damage.push(Damage { error, keys }),
    };
    let rest = Arc::clone(&shared.state.read().rest);
    for placed in rest.tables() {
        let summary = &placed.table.summary;
        let keys = Some((summary.first_key.clone(), summary.last_key.clone()));
        note(placed.table.scrub(), keys, &mut report);
        report.tables += 1;
    }
    // While this is held no segment is removed.
    let _catalog = shared.catalog.lock();
    let (first, end) = {
        let state = shared.state.read();
        (state.rest.frozen().map_or(state.first_segment, |frozen| frozen.first_segment), shared.log_end())
    };
    note(log::scrub(shared.disk(), &shared.folder, first, end), None, &mut report);
    note(Manifest::read(shared.disk(), &shared.folder).map(|_| 0), None, &mut report);
    Ok(report)
}
