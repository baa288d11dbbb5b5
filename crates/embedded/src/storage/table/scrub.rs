//! Reading a whole table to see that it is sound.

use super::super::{Io, StorageError};
use super::block::{Handle, read_entries};
use super::{Table, filter};

impl Table {
    /// Reads every block from disk, past the cache, and checks that keys ascend under their index, that filters hold
    /// them and that none are missing. Returns the bytes read.
    pub fn scrub(&self) -> Result<u64, StorageError> {
        let mut entries = 0;
        let mut bytes = 0;
        let mut last: Option<Vec<u8>> = None;
        for at in 0..self.top.len() {
            let Some((filter_at, index_at)) = self.partition(at)? else { break };
            let filter = self.read(filter_at, Io::Allowed)?;
            let index = self.read_page(index_at, Io::Allowed)?;
            bytes += u64::from(filter_at.len) + u64::from(index_at.len);
            for block in 0..index.len() {
                let Some(handle) = self.data_handle(&index, block)? else { break };
                let page = read_entries(&self.read(handle, Io::Allowed)?)
                    .ok_or_else(|| self.unsound(handle, "the block's entries make no sense"))?;
                bytes += u64::from(handle.len);
                entries += page.len() as u64;
                for (key, _) in page.iter() {
                    if last.as_ref().is_some_and(|last| last.as_slice() >= key) {
                        return Err(self.unsound(handle, "keys are not in order"));
                    }
                    if index.key(block) <= key || self.top.key(at) <= key {
                        return Err(self.unsound(handle, "a key is past the bound its index gives"));
                    }
                    if !filter::may_hold(&filter, filter::hash(key)) {
                        return Err(self.unsound(handle, "a key is missing from its filter"));
                    }
                    last = Some(key.to_vec());
                }
            }
        }
        if entries != self.summary.entries || last.is_some_and(|last| last != self.summary.last_key) {
            let what =
                format!("it has {entries} entries and had {} when it was written", self.summary.entries);
            return Err(StorageError::damaged(&self.path, 0, what));
        }
        Ok(bytes)
    }

    fn unsound(&self, handle: Handle, what: &str) -> StorageError {
        StorageError::damaged(&self.path, handle.offset, what)
    }
}
