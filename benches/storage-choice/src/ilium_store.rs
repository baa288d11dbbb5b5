//! Ilium's own store, through its public parts.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use ilium_embedded::layout::key::partition_prefix_len;
use ilium_embedded::storage::{Batch, Commit, DiskStore, Durability, Io, Options, Store};

use crate::contender::{Delta, Each};
use crate::rows;

pub struct IliumStore(DiskStore);

impl IliumStore {
    pub fn open(folder: &Path) -> Result<IliumStore> {
        IliumStore::open_with(folder, Durability::Group)
    }

    pub fn open_with(folder: &Path, durability: Durability) -> Result<IliumStore> {
        let options = Options { durability, ..Options::default() };
        Ok(IliumStore(DiskStore::open(folder, Arc::new(rows::policy()), options)?))
    }

    pub fn write(&self, deltas: Vec<Delta>) -> Result<()> {
        let commits: Vec<Commit> = deltas
            .into_iter()
            .map(|(key, value)| {
                let mut batch = Batch::new();
                batch.put(&key, &value);
                self.0.commit(batch)
            })
            .collect();
        Ok(commits.into_iter().try_for_each(Commit::wait)?)
    }

    /// One batch of several entries.
    pub fn begin(&self, entries: &[Delta]) -> Commit {
        let mut batch = Batch::new();
        for (key, value) in entries {
            batch.put(key, value);
        }
        self.0.commit(batch)
    }

    pub fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        Ok(self.0.view().get(key, Io::Allowed, out)?)
    }

    pub fn range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        let mut range = self.0.view().range(Bound::Included(from), Bound::Excluded(to), false, Io::Allowed);
        while let Some((key, value)) = range.next()? {
            each(key, value)?;
        }
        Ok(())
    }

    /// As [`range`](IliumStore::range) within one partition.
    pub fn row_range(&self, from: &[u8], to: &[u8], each: Each<'_>) -> Result<()> {
        let group = from.get(..partition_prefix_len(from)).unwrap_or_default();
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let mut range = self.0.view().range_in_group(group, bounds.0, bounds.1, false, Io::Allowed);
        while let Some((key, value)) = range.next()? {
            each(key, value)?;
        }
        Ok(())
    }

    pub fn flush(&self) -> Result<()> {
        Ok(self.0.flush()?)
    }

    pub fn compact(&self) -> Result<()> {
        Ok(self.0.compact()?)
    }
}
