//! Writing a table file: entries in key order, each once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::disk::{Disk, DiskFile};
use super::super::tree::separator;
use super::super::{Merge, StorageError};
use super::block::{Entries, Framer, Handle};
use super::filter;
use super::footer::{Footer, Summary};
use super::{path, remove_file};

/// A data block is closed past this many bytes of payload. Against twice that, reads by key that miss the cache cost
/// two thirds of the CPU, a scan costs a fifth more, and files are 4 of 100 larger (rows of 200 bytes, storage_bench).
pub(crate) const BLOCK_BYTES: usize = 4 * 1024;
/// An index block is closed past this many bytes; it then speaks for one to two hundred data blocks.
const INDEX_BYTES: usize = 4 * 1024;
/// Bytes gathered before a write.
const WRITE_BYTES: usize = 256 * 1024;

/// A table file being written; removed if it is dropped before [`finish`](TableWriter::finish).
pub(crate) struct TableWriter<'a> {
    disk: &'a dyn Disk,
    merge: &'a dyn Merge,
    finished: bool,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    id: u64,
    framer: Framer,
    compress: bool,
    /// Bytes not yet written, and where they go.
    out: Vec<u8>,
    written: u64,
    block: Entries,
    index: Entries,
    /// Hashes for the filter beside the index block.
    hashes: Vec<u64>,
    group: Vec<u8>,
    top: Entries,
    summary: Summary,
    scratch: Vec<u8>,
}

/// A finished table file, as the manifest refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub id: u64,
    pub size: u64,
    /// The footer's checksum: the manifest knows by it that the file is the one that was written.
    pub seal: u32,
}

impl<'a> TableWriter<'a> {
    pub fn create(
        disk: &'a dyn Disk,
        folder: &Path,
        id: u64,
        merge: &'a dyn Merge,
        compress: bool,
    ) -> Result<Self, StorageError> {
        let path = path(folder, id);
        let file = disk.create(&path, 0).map_err(|error| StorageError::io("create", &path, error))?;
        Ok(Self {
            disk,
            merge,
            finished: false,
            path,
            file,
            id,
            framer: Framer::default(),
            compress,
            out: Vec::with_capacity(WRITE_BYTES + 4 * BLOCK_BYTES),
            written: 0,
            block: Entries::default(),
            index: Entries::default(),
            hashes: Vec::new(),
            group: Vec::new(),
            top: Entries::default(),
            summary: Summary { oldest: i64::MAX, newest: i64::MIN, ..Summary::default() },
            scratch: Vec::new(),
        })
    }

    /// Adds an entry; its key is greater than all before.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        if self.block.bytes() >= BLOCK_BYTES {
            self.end_block(Some(key))?;
        }
        if self.summary.entries == 0 {
            self.summary.first_key = key.to_vec();
        }
        self.summary.entries += 1;
        self.summary.oldest = self.summary.oldest.min(self.merge.oldest(key, value));
        self.summary.newest = self.summary.newest.max(self.merge.newest(key, value));
        if let Some(second) = self.merge.droppable_at(key, value) {
            self.summary.garbage.add(second);
        }
        self.hashes.push(filter::hash(key));
        if let Some(group) = key.get(..self.merge.group_len(key))
            && group != self.group
        {
            self.hashes.push(filter::hash(group));
            self.group.clear();
            self.group.extend_from_slice(group);
        }
        self.block.add(key, value);
        Ok(())
    }

    /// Bytes the file has so far, about.
    pub fn bytes(&self) -> u64 {
        self.offset() + self.block.bytes() as u64
    }

    /// Completes the file and makes its content durable (its name is the caller's affair).
    pub fn finish(mut self) -> Result<Finished, StorageError> {
        self.summary.last_key = self.block.last_key().to_vec();
        if self.block.count() > 0 {
            self.end_block(None)?;
        }
        if self.index.count() > 0 {
            self.end_partition();
        }
        self.scratch.clear();
        self.summary.put(&mut self.scratch);
        let summary = self.frame(Part::Summary);
        let top = self.frame(Part::Top);
        let footer = Footer { table: self.id, summary, top }.to_bytes();
        let seal = footer.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        self.out.extend_from_slice(&footer);
        self.write_out()?;
        self.file.sync().map_err(|error| StorageError::io("sync", &self.path, error))?;
        self.finished = true;
        Ok(Finished { id: self.id, size: self.written, seal })
    }

    fn offset(&self) -> u64 {
        self.written + self.out.len() as u64
    }

    /// Closes the data block. Index keys are greater than all keys before and not greater than those after.
    fn end_block(&mut self, next: Option<&[u8]>) -> Result<(), StorageError> {
        let last = self.block.last_key();
        let bound = match next {
            Some(next) => separator(Some(last), Some(next)),
            None => [last, &[0]].concat(),
        };
        let handle = self.frame(Part::Block);
        self.block.clear();
        self.scratch.clear();
        handle.put(&mut self.scratch);
        self.index.add(&bound, &self.scratch);
        if self.index.bytes() >= INDEX_BYTES {
            self.end_partition();
        }
        if self.out.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    /// Closes the index block and the filter beside it.
    fn end_partition(&mut self) {
        let filter = self.frame(Part::Filter);
        let index = self.frame(Part::Index);
        self.scratch.clear();
        filter.put(&mut self.scratch);
        index.put(&mut self.scratch);
        self.top.add(self.index.last_key(), &self.scratch);
        self.index.clear();
        self.hashes.clear();
        self.group.clear();
    }

    fn frame(&mut self, part: Part) -> Handle {
        let offset = self.offset();
        let built;
        let (payload, compress) = match part {
            Part::Block => (self.block.payload(), self.compress),
            Part::Index => (self.index.payload(), self.compress),
            Part::Top => (self.top.payload(), self.compress),
            Part::Summary => (self.scratch.as_slice(), false),
            Part::Filter => {
                built = filter::build(&self.hashes);
                (built.as_slice(), false)
            }
        };
        let len = self.framer.put(&mut self.out, self.id, offset, payload, compress);
        Handle { offset, len }
    }

    fn write_out(&mut self) -> Result<(), StorageError> {
        self.file
            .write_at(self.written, &self.out)
            .map_err(|error| StorageError::io("write", &self.path, error))?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

impl Drop for TableWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            remove_file(self.disk, &self.path);
        }
    }
}

/// The blocks of a table file.
#[derive(Clone, Copy)]
enum Part {
    Block,
    Filter,
    Index,
    Summary,
    Top,
}
