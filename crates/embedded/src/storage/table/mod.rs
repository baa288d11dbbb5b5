//! Immutable table files.
//!
//! ```text
//! block ... block filter index | block ... block filter index | ... | summary | top | footer
//! ```
//! Entries are in data blocks; an index block says where about a hundred of them are, the filter before it which
//! names they may hold (the two are a *guide*); the top says where the index blocks are. Summary, top and the guides
//! that were used stay in memory, data blocks come through the cache. Every byte is under a checksum that is verified
//! whenever it is read from disk.

pub(crate) mod block;
mod filter;
mod footer;
mod garbage;
mod guide;
mod scrub;
mod writer;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::block::{Handle, read_entries, unframe};
use self::footer::{BadFooter, FOOTER_LEN, Footer};
use self::guide::Guides;
use super::cache::{Block, BlockCache};
use super::disk::{Disk, DiskFile};
use super::encode::Input;
use super::layers::Place;
use super::page::Page;
use super::{Io, StorageError};

pub(crate) use self::filter::hash;
pub(crate) use self::footer::Summary;
pub(crate) use self::guide::Guide;
pub(crate) use self::writer::{BLOCK_BYTES, Finished, TableWriter};

/// Index blocks from which on counting them is exact enough to tell a share.
const COARSE_FROM: usize = 16;

/// How a read goes about blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub io: Io,
    /// Whether data blocks read from disk go into the cache: not for scans, they would drive out what is asked for often.
    pub keep: bool,
}

/// An open table file.
pub(crate) struct Table {
    pub finished: Finished,
    pub summary: Summary,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Upper bound of each index block's keys, to the handles of its filter and itself.
    top: Page,
    /// As many as `top` has entries.
    guides: Guides,
    cache: Arc<BlockCache>,
    disk: Arc<dyn Disk>,
    /// Whether the file goes with the last view of it.
    obsolete: AtomicBool,
}

/// The file of a table.
pub(crate) fn path(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("table-{id:08}"))
}

/// The id in a table file's name.
pub(crate) fn id_in(name: &str) -> Option<u64> {
    name.strip_prefix("table-")?.parse().ok()
}

/// Removes the file of a table nobody refers to.
pub(crate) fn remove(disk: &dyn Disk, folder: &Path, id: u64) {
    remove_file(disk, &path(folder, id));
}

fn remove_file(disk: &dyn Disk, path: &Path) {
    if let Err(error) = disk.remove(path) {
        tracing::warn!(file = %path.display(), %error, "a table that is not needed stays until the next start");
    }
}

impl Table {
    /// Opens a file and verifies that it is the one that was finished; its blocks are verified as they are read.
    pub fn open(
        disk: &Arc<dyn Disk>,
        folder: &Path,
        finished: Finished,
        cache: &Arc<BlockCache>,
    ) -> Result<Self, StorageError> {
        let path = path(folder, finished.id);
        let file = disk.open(&path).map_err(|error| StorageError::io("open", &path, error))?;
        let size = file.size().map_err(|error| StorageError::io("look at", &path, error))?;
        if size != finished.size {
            let what = format!("it has {size} bytes and had {} when it was written", finished.size);
            return Err(StorageError::damaged(&path, size.min(finished.size), what));
        }
        let at = size.saturating_sub(FOOTER_LEN as u64);
        let mut bytes = [0; FOOTER_LEN];
        file.read_at(at, &mut bytes).map_err(|error| StorageError::io("read", &path, error))?;
        let footer = match Footer::read(&bytes) {
            Ok(footer) => footer,
            Err(BadFooter::Damaged(what)) => return Err(StorageError::damaged(&path, at, what)),
            Err(BadFooter::Newer { found, known }) => {
                return Err(StorageError::NewerFormat { file: path, found, known });
            }
        };
        let seal = bytes.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        if footer.table != finished.id || seal != finished.seal {
            return Err(StorageError::damaged(&path, at, "the footer is of another table"));
        }
        let mut table = Self {
            finished,
            summary: Summary::default(),
            path,
            file,
            top: Page::default(),
            guides: Guides::default(),
            cache: Arc::clone(cache),
            disk: Arc::clone(disk),
            obsolete: AtomicBool::new(false),
        };
        let summary = table.read(footer.summary, Io::Allowed)?;
        table.summary = Summary::read(&summary).ok_or_else(|| {
            StorageError::damaged(&table.path, footer.summary.offset, "the summary makes no sense")
        })?;
        table.top = table.read_page(footer.top, Io::Allowed)?;
        table.guides = Guides::new(table.top.len());
        Ok(table)
    }

    pub fn id(&self) -> u64 {
        self.finished.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has the file removed once nobody reads it any more.
    pub fn retire(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }

    /// Whether any key between these bounds may be in the table.
    pub fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        self.summary.first_key.as_slice() <= last && first <= self.summary.last_key.as_slice()
    }

    /// Where `key` is.
    pub fn get(&self, key: &[u8], hash: u64, reading: Reading) -> Result<Option<Place>, StorageError> {
        let Some(guide) = self.guide(self.top.lower_bound(key, true), reading.io)? else { return Ok(None) };
        if !guide.may_hold(hash) {
            return Ok(None);
        }
        let index = &guide.index;
        let Some(handle) = self.data_handle(index, index.lower_bound(key, true))? else { return Ok(None) };
        let page = self.page(handle, reading)?;
        Ok(page.search(key).ok().map(|at| (page, at)))
    }

    /// Whether keys that start with `group`, a whole group's name, may be in the table; `false` is certain.
    pub fn may_hold_group(&self, group: &[u8], io: Io) -> Result<bool, StorageError> {
        if !self.overlaps(group, &self.summary.last_key) {
            return Ok(false);
        }
        let hash = hash(group);
        for at in self.top.lower_bound(group, true)..self.top.len() {
            let Some(guide) = self.guide(at, io)? else { break };
            if guide.may_hold(hash) {
                return Ok(true);
            }
            // The group goes on in the next index block only if keys of it are below this one's upper bound.
            if !self.top.key(at).starts_with(group) {
                break;
            }
        }
        Ok(false)
    }

    /// About how much of the table is under a prefix, from 0 to 1.
    pub fn share_under(&self, prefix: &[u8]) -> Result<f64, StorageError> {
        let under = |index: &Page| (0..index.len()).filter(|&at| index.key(at).starts_with(prefix)).count();
        if self.top.len() >= COARSE_FROM {
            return Ok(under(&self.top) as f64 / self.top.len() as f64);
        }
        let (mut blocks, mut hidden) = (0, 0);
        for at in 0..self.top.len() {
            let Some(guide) = self.guide(at, Io::Allowed)? else { break };
            blocks += guide.index.len();
            hidden += under(&guide.index);
        }
        Ok(hidden as f64 / blocks.max(1) as f64)
    }

    /// The first entry from `bound` on, or (`reversed`) the last up to it.
    pub fn seek(
        &self,
        bound: Bound<&[u8]>,
        reversed: bool,
        reading: Reading,
    ) -> Result<Option<Place>, StorageError> {
        for top in around(&self.top, bound, reversed) {
            let Some(guide) = self.guide(top, reading.io)? else { break };
            for block in around(&guide.index, bound, reversed) {
                let Some(handle) = self.data_handle(&guide.index, block)? else { break };
                let page = self.page(handle, reading)?;
                let at = if reversed { page.last_to(bound) } else { page.first_from(bound) };
                if let Some(at) = at {
                    return Ok(Some((page, at)));
                }
            }
        }
        Ok(None)
    }

    /// The handles of the filter and the index block at `at` of the top.
    fn partition(&self, at: usize) -> Result<Option<(Handle, Handle)>, StorageError> {
        if at >= self.top.len() {
            return Ok(None);
        }
        let mut input = Input(self.top.value(at));
        match (Handle::read(&mut input), Handle::read(&mut input)) {
            (Some(filter), Some(index)) => Ok(Some((filter, index))),
            _ => Err(StorageError::damaged(&self.path, 0, "the top of the index makes no sense")),
        }
    }

    fn data_handle(&self, index: &Page, at: usize) -> Result<Option<Handle>, StorageError> {
        if at >= index.len() {
            return Ok(None);
        }
        let handle = Handle::read(&mut Input(index.value(at)));
        handle.map(Some).ok_or_else(|| StorageError::damaged(&self.path, 0, "an index block makes no sense"))
    }

    fn page(&self, handle: Handle, reading: Reading) -> Result<Arc<Page>, StorageError> {
        if let Some(Block::Page(page)) = self.cache.get(self.id(), handle.offset) {
            return Ok(page);
        }
        let page = Arc::new(self.read_page(handle, reading.io)?);
        if reading.keep {
            self.cache.insert(self.id(), handle.offset, Block::Page(Arc::clone(&page)));
        }
        Ok(page)
    }

    fn read_page(&self, handle: Handle, io: Io) -> Result<Page, StorageError> {
        read_entries(&self.read(handle, io)?).ok_or_else(|| {
            StorageError::damaged(&self.path, handle.offset, "the block's entries make no sense")
        })
    }

    /// The payload of a block, from disk, verified.
    fn read(&self, handle: Handle, io: Io) -> Result<Vec<u8>, StorageError> {
        let end = handle.offset.checked_add(u64::from(handle.len));
        if end.is_none_or(|end| end > self.finished.size) {
            return Err(StorageError::damaged(
                &self.path,
                handle.offset,
                "a block reaches past the end of the file",
            ));
        }
        let mut block = vec![0; handle.len as usize];
        let result = match io {
            Io::Allowed => self.file.read_at(handle.offset, &mut block),
            Io::Cached => match self.file.read_at_once(handle.offset, &mut block) {
                Ok(true) => Ok(()),
                Ok(false) => return Err(StorageError::WouldRead),
                Err(error) => Err(error),
            },
        };
        result.map_err(|error| StorageError::io("read", &self.path, error))?;
        unframe(&block, self.id(), handle.offset)
            .map_err(|what| StorageError::damaged(&self.path, handle.offset, what))
    }
}

/// The positions of an index to look at for `bound`, nearest first. Index keys are upper bounds: greater than every
/// key under them.
fn around(index: &Page, bound: Bound<&[u8]>, reversed: bool) -> impl Iterator<Item = usize> + use<> {
    let nearest = match bound {
        Bound::Included(key) | Bound::Excluded(key) => index.lower_bound(key, true),
        Bound::Unbounded if reversed => index.len(),
        Bound::Unbounded => 0,
    };
    let (start, end) = if reversed { (0, index.len().min(nearest + 1)) } else { (nearest, index.len()) };
    (start..end).map(move |i| if reversed { end - 1 - i } else { i })
}

impl Drop for Table {
    fn drop(&mut self) {
        self.cache.unpin(self.guides.allocated());
        if self.obsolete.load(Ordering::Relaxed) {
            remove_file(&*self.disk, &self.path);
        }
    }
}
