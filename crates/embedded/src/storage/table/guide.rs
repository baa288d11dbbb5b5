//! What a table's reads are guided by: an index block and the filter beside it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::super::cache::Block;
use super::super::page::Page;
use super::super::{Io, StorageError};
use super::{Table, filter};

/// A filter and its index block, decoded.
#[derive(Debug)]
pub(crate) struct Guide {
    filter: Vec<u8>,
    /// Upper bounds of the data blocks' keys, to their handles.
    pub index: Page,
}

impl Guide {
    /// Whether a name of this hash may be under the index; `false` is certain.
    pub fn may_hold(&self, hash: u64) -> bool {
        filter::may_hold(&self.filter, hash)
    }

    /// Memory it holds.
    pub fn allocated(&self) -> usize {
        self.filter.capacity() + self.index.allocated()
    }
}

/// The guides a table keeps, by their place in its top: those that were asked for and that there was room for.
#[derive(Default)]
pub(super) struct Guides(Box<[OnceLock<Guide>]>);

impl Guides {
    pub fn new(count: usize) -> Self {
        Self((0..count).map(|_| OnceLock::new()).collect())
    }

    /// Memory the guides hold.
    pub fn allocated(&self) -> usize {
        self.0.iter().filter_map(OnceLock::get).map(Guide::allocated).sum()
    }
}

/// A guide that the table or the cache keeps.
pub(super) enum GuideRef<'t> {
    Kept(&'t Guide),
    Cached(Arc<Guide>),
}

impl Deref for GuideRef<'_> {
    type Target = Guide;

    fn deref(&self) -> &Guide {
        match self {
            Self::Kept(guide) => guide,
            Self::Cached(guide) => guide,
        }
    }
}

impl Table {
    /// The guide at `at` of the top; `None` past its end.
    pub(super) fn guide(&self, at: usize, io: Io) -> Result<Option<GuideRef<'_>>, StorageError> {
        let Some(place) = self.guides.0.get(at) else { return Ok(None) };
        if let Some(guide) = place.get() {
            return Ok(Some(GuideRef::Kept(guide)));
        }
        let Some((filter, index)) = self.partition(at)? else { return Ok(None) };
        if let Some(Block::Guide(guide)) = self.cache.get(self.id(), index.offset) {
            return Ok(Some(GuideRef::Cached(guide)));
        }
        let guide = Guide { filter: self.read(filter, io)?, index: self.read_page(index, io)? };
        let bytes = guide.allocated();
        if !self.cache.pin(bytes) {
            let guide = Arc::new(guide);
            self.cache.insert(self.id(), index.offset, Block::Guide(Arc::clone(&guide)));
            return Ok(Some(GuideRef::Cached(guide)));
        }
        if place.set(guide).is_err() {
            // Another reader was faster.
            self.cache.unpin(bytes);
        }
        Ok(place.get().map(GuideRef::Kept))
    }
}
