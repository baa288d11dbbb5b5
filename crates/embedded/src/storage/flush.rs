//! Flushing: a frozen tree becomes a run of tables.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::StorageError;
use super::layers::{Frozen, Layer, hiding, placed};
use super::log::segment_path;
use super::shared::Shared;
use super::table::{self, Finished, Table, TableWriter};

/// How long to wait after a failed flush, for one when the disk is full.
const RETRY: Duration = Duration::from_secs(1);

/// Works until the store is closed.
pub(crate) fn run(shared: &Shared) {
    loop {
        {
            let mut flow = shared.flow.lock();
            while flow.frozen == flow.flushed && !flow.closing {
                shared.changed.wait(&mut flow);
            }
            if flow.closing {
                return;
            }
        }
        let result = flush(shared);
        let mut flow = shared.flow.lock();
        match result {
            Ok(()) => {
                flow.flushed += 1;
                flow.flush_error = None;
                shared.changed.notify_all();
                drop(flow);
                shared.nudge(|queue| queue.look = true);
            }
            Err(error) => {
                if !flow.closing {
                    tracing::error!(%error, "cannot write what is in memory to a table file; trying again");
                }
                flow.flush_error = Some(error);
                shared.changed.notify_all();
                shared.changed.wait_for(&mut flow, RETRY);
            }
        }
    }
}

/// Has what is in memory written out, and waits for it.
pub(crate) fn flush_now(shared: &Shared) -> Result<(), StorageError> {
    let ticket = {
        let mut flow = shared.flow.lock();
        flow.flush_error = None;
        flow.freezes_wanted += 1;
        flow.freezes_wanted
    };
    shared.nudge(|queue| queue.look = true);
    let mut flow = shared.flow.lock();
    let mut target = None;
    loop {
        if flow.freezes_done >= ticket && target.is_none() {
            target = Some(flow.frozen);
        }
        if target.is_some_and(|target| flow.flushed >= target) {
            return Ok(());
        }
        if let Some(error) = &flow.flush_error {
            return Err(error.clone());
        }
        if flow.closing {
            return Err(StorageError::Closed);
        }
        shared.changed.wait(&mut flow);
    }
}

/// Writes the frozen tree, then lets go of its part of the log.
fn flush(shared: &Shared) -> Result<(), StorageError> {
    shared.check_broken()?;
    let Some(frozen) = shared.state.read().rest.frozen().cloned() else { return Ok(()) };
    // Compaction reads it again soon, and so do those who just wrote: not worth compressing.
    let mut output = Output::new(shared, &shared.folder, false);
    for page in frozen.tree.leaves() {
        if shared.flow.lock().closing {
            return Err(StorageError::Closed);
        }
        for (key, value) in page.iter() {
            if hiding(&frozen.hidden, key).is_none() {
                output.add(key, value)?;
            }
        }
    }
    let tables = open_tables(shared, &output.finish()?)?;
    let replaced = shared.replace_layers(|rest| {
        let mut layers = Vec::with_capacity(rest.layers.len() + 1);
        for layer in &rest.layers {
            match layer {
                Layer::Frozen(Frozen { first_segment, hidden, .. })
                    if *first_segment == frozen.first_segment =>
                {
                    layers.extend(Layer::run(placed(&tables, &frozen.hidden, hidden).into_iter()));
                }
                other => layers.push(other.clone()),
            }
        }
        layers
    });
    replaced.inspect_err(|_| shared.abandon(&tables))?;
    let first_segment = shared.state.read().first_segment;
    for number in frozen.first_segment..first_segment {
        let path = segment_path(&shared.folder, number);
        if let Err(error) = shared.disk().remove(&path) {
            tracing::warn!(file = %path.display(), %error, "a segment of the log that is no longer needed stays until the next start");
        }
    }
    Ok(())
}

/// Opens tables just written.
pub(crate) fn open_tables(shared: &Shared, finished: &[Finished]) -> Result<Vec<Arc<Table>>, StorageError> {
    let Shared { folder, options, cache, .. } = shared;
    let open = |&finished: &Finished| Table::open(&options.disk, folder, finished, cache).map(Arc::new);
    finished.iter().map(open).collect()
}

/// Writes entries in key order to tables of limited size.
pub(crate) struct Output<'a> {
    shared: &'a Shared,
    folder: &'a Path,
    compress: bool,
    writer: Option<TableWriter<'a>>,
    finished: Vec<Finished>,
    /// Bytes written when somebody last looked.
    seen: u64,
}

impl Drop for Output<'_> {
    /// Files that were finished and not asked for are nobody's: they would take room until the next start.
    fn drop(&mut self) {
        for finished in &self.finished {
            table::remove(self.shared.disk(), self.folder, finished.id);
        }
    }
}

/// A writer looks up from its work every so many bytes: some milliseconds.
const LOOK_UP_EVERY: u64 = 256 << 10;

impl<'a> Output<'a> {
    pub fn new(shared: &'a Shared, folder: &'a Path, compress: bool) -> Self {
        Self { shared, folder, compress, writer: None, finished: Vec::new(), seen: 0 }
    }

    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let id = self.shared.next_table.fetch_add(1, Ordering::Relaxed);
                let writer = TableWriter::create(
                    self.shared.disk(),
                    self.folder,
                    id,
                    &*self.shared.merge,
                    self.compress,
                )?;
                self.writer.insert(writer)
            }
        };
        writer.add(key, value)?;
        if writer.bytes() >= self.shared.options.table_bytes
            && let Some(full) = self.writer.take()
        {
            self.finished.push(full.finish()?);
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        let finished: u64 = self.finished.iter().map(|finished| finished.size).sum();
        finished + self.writer.as_ref().map_or(0, TableWriter::bytes)
    }

    /// Whether enough was written since the last `true` to look up.
    pub fn take_written(&mut self) -> bool {
        let bytes = self.bytes();
        let look_up = bytes >= self.seen + LOOK_UP_EVERY;
        if look_up {
            self.seen = bytes;
        }
        look_up
    }

    /// The tables, durable with their names.
    pub fn finish(mut self) -> Result<Vec<Finished>, StorageError> {
        if let Some(last) = self.writer.take() {
            self.finished.push(last.finish()?);
        }
        if !self.finished.is_empty() {
            let synced = self.shared.disk().sync_dir(self.folder);
            synced.map_err(|error| StorageError::io("sync", self.folder, error))?;
        }
        Ok(std::mem::take(&mut self.finished))
    }
}
