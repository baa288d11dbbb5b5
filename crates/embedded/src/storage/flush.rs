//! Flushing: a frozen tree becomes a run of tables.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::layers::{Frozen, Hidden, Layer, Placed, hiding};
use super::log::segment_path;
use super::shared::Shared;
use super::table::{Finished, Table, TableWriter};
use super::{Merge, StorageError};

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

/// Writes the frozen tree, then lets go of its part of the log.
fn flush(shared: &Shared) -> Result<(), StorageError> {
    let Some(frozen) = shared.state.read().rest.frozen().cloned() else { return Ok(()) };
    let mut output = Output::new(shared);
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
    let run = output.finish()?;
    shared.replace_layers(|rest| {
        let mut layers = Vec::with_capacity(rest.layers.len() + 1);
        for layer in &rest.layers {
            match layer {
                Layer::Frozen(Frozen { first_segment, hidden, .. })
                    if *first_segment == frozen.first_segment =>
                {
                    layers
                        .extend(place(&run, hidden.iter().filter(|prefix| !frozen.hidden.contains(prefix))));
                }
                other => layers.push(other.clone()),
            }
        }
        layers
    })?;
    let first_segment = shared.state.read().first_segment;
    for number in frozen.first_segment..first_segment {
        let path = segment_path(&shared.folder, number);
        if let Err(error) = shared.disk().remove(&path) {
            tracing::warn!(file = %path.display(), %error, "a segment of the log that is no longer needed stays until the next start");
        }
    }
    Ok(())
}

/// New tables as a run, less the prefixes dropped since they were begun; `None` if nothing is left.
pub(crate) fn place<'a>(run: &[Arc<Table>], dropped: impl Iterator<Item = &'a Box<[u8]>>) -> Option<Layer> {
    let mut placed: Vec<Placed> =
        run.iter().map(|table| Placed { table: Arc::clone(table), hidden: Hidden::default() }).collect();
    for prefix in dropped {
        placed = placed.iter().filter_map(|table| table.without_prefix(prefix)).collect();
    }
    (!placed.is_empty()).then(|| Layer::Run(placed.into()))
}

/// Writes entries in key order to tables of limited size.
pub(crate) struct Output<'a> {
    shared: &'a Shared,
    merge: &'a dyn Merge,
    writer: Option<TableWriter<'a>>,
    finished: Vec<Finished>,
}

impl<'a> Output<'a> {
    pub fn new(shared: &'a Shared) -> Self {
        Self { shared, merge: &*shared.merge, writer: None, finished: Vec::new() }
    }

    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let id = self.shared.next_table.fetch_add(1, Ordering::Relaxed);
                let writer = TableWriter::create(self.shared.disk(), &self.shared.folder, id, self.merge)?;
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

    /// The tables, durable and open.
    pub fn finish(mut self) -> Result<Vec<Arc<Table>>, StorageError> {
        if let Some(last) = self.writer.take() {
            self.finished.push(last.finish()?);
        }
        let Shared { folder, options, cache, .. } = self.shared;
        if !self.finished.is_empty() {
            options.disk.sync_dir(folder).map_err(|error| StorageError::io("sync", folder, error))?;
        }
        let open = |&finished: &Finished| Table::open(&options.disk, folder, finished, cache).map(Arc::new);
        self.finished.iter().map(open).collect()
    }
}
