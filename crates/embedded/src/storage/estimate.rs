//! How much is under a prefix, told from indexes alone.

use super::layers::{Layer, Placed, hiding};
use super::{StorageError, View};

/// What is under a prefix, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Entries; those of one key in two files count twice.
    pub entries: u64,
    /// Bytes of table files, compressed as they are.
    pub disk_bytes: u64,
    /// Bytes of new writes in memory.
    pub memory_bytes: u64,
}

impl View {
    /// Looks at the leaves in memory and at the indexes of table files, and reads no data. May read the disk.
    pub fn estimate(&self, prefix: &[u8]) -> Result<Estimate, StorageError> {
        let mut found = Estimate::default();
        for layer in std::iter::once(&self.active()).chain(&self.rest().layers) {
            match layer {
                Layer::Frozen(frozen) if hiding(&frozen.hidden, prefix).is_some() => {}
                Layer::Frozen(frozen) => {
                    let (entries, bytes) = frozen.tree.under(prefix);
                    found.entries += entries as u64;
                    found.memory_bytes += bytes as u64;
                }
                Layer::Run(tables) => {
                    for placed in tables.iter() {
                        let share = share_of(placed, prefix)?;
                        found.entries += (placed.table.summary.entries as f64 * share) as u64;
                        found.disk_bytes += (placed.table.finished.size as f64 * share) as u64;
                    }
                }
            }
        }
        Ok(found)
    }
}

/// How much of a table is under a prefix, from 0 to 1.
fn share_of(placed: &Placed, prefix: &[u8]) -> Result<f64, StorageError> {
    let summary = &placed.table.summary;
    let (first, last) = (summary.first_key.as_slice(), summary.last_key.as_slice());
    let apart = last < prefix || (first > prefix && !first.starts_with(prefix));
    if apart || hiding(&placed.hidden, prefix).is_some() {
        return Ok(0.0);
    }
    if first.starts_with(prefix) && last.starts_with(prefix) {
        return Ok(1.0);
    }
    placed.table.share_under(prefix)
}
