//! How large tables are, for those who ask the system tables: told when they are read, kept nowhere.

use std::ops::Bound;

use ilium_store::Result;

use super::{Inner, in_words};
use crate::catalog::TableEntry;
use crate::layout::key::{partition_prefix_len, split};
use crate::storage::{CacheStats, Io, StorageError, View};
use crate::system::live::{Cache, Stored, TableSize};

/// Partitions looked at. Tokens are uniform, so the span that these cover tells the number of all to about one part in
/// 16, the root of it.
const SAMPLE: u64 = 256;

/// Entries looked at in each partition, from its beginning.
const ENTRIES_EACH: u64 = 8;

impl Stored for Inner {
    fn size_of(&self, table: &TableEntry) -> Result<TableSize> {
        size_under(&self.store.view(), table.number).map_err(in_words)
    }

    fn caches(&self) -> Vec<Cache> {
        let stats = self.store.stats();
        let cache = |name: &str, blocks: CacheStats| Cache {
            name: name.to_owned(),
            capacity_bytes: blocks.capacity_bytes,
            size_bytes: blocks.bytes,
            entries: blocks.blocks,
        };
        vec![cache("chunks", stats.blocks), cache("guides", stats.guides)]
    }
}

/// The first partitions of a table.
#[derive(Default)]
struct Sample {
    partitions: u64,
    entries: u64,
    /// Bytes of those entries.
    bytes: u64,
    /// The token of the first partition after them; `None`: there is none.
    next_token: Option<i64>,
    /// Whether a partition has more entries than were looked at.
    is_cut: bool,
}

fn size_under(view: &View, number: u32) -> std::result::Result<TableSize, StorageError> {
    let known = view.estimate(&number.to_be_bytes())?;
    let sample = Sample::of(view, number)?;
    let mut size =
        TableSize { disk_bytes: known.disk_bytes, partitions: sample.partitions, bytes: sample.bytes };
    if let Some(next) = sample.next_token {
        let span = (i128::from(next) - i128::from(i64::MIN)).max(1) as f64;
        size.partitions = (sample.partitions as f64 * 2f64.powi(64) / span) as u64;
    }
    if sample.is_cut || sample.next_token.is_some() {
        let entries = known.entries.max(sample.entries).max(size.partitions);
        size.bytes = (entries as f64 * sample.bytes as f64 / sample.entries.max(1) as f64) as u64;
    }
    Ok(size)
}

impl Sample {
    fn of(view: &View, number: u32) -> std::result::Result<Sample, StorageError> {
        let after = number.checked_add(1).map(u32::to_be_bytes);
        let from = |key: &[u8]| {
            let end = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(&after[..]));
            view.range(Bound::Included(key), end, false, Io::Allowed)
        };
        let mut sample = Sample::default();
        let mut range = from(&number.to_be_bytes());
        let (mut partition, mut seen) = (Vec::new(), 0);
        while let Some((key, value)) = range.next()? {
            if partition.is_empty() || !key.starts_with(&partition) {
                if sample.partitions == SAMPLE {
                    sample.next_token = split(key).map(|parts| parts.token);
                    break;
                }
                partition = key.get(..partition_prefix_len(key)).unwrap_or(key).to_vec();
                sample.partitions += 1;
                seen = 0;
            } else if seen == ENTRIES_EACH {
                sample.is_cut = true;
                // Above every kind of entry of the partition.
                let mut past = partition.clone();
                past.push(u8::MAX);
                range = from(&past);
                continue;
            }
            seen += 1;
            sample.entries += 1;
            sample.bytes += (key.len() + value.len()) as u64;
        }
        Ok(sample)
    }
}
