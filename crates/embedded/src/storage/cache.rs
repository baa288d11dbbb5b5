//! Decoded blocks kept in memory, up to a number of bytes.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::page::Page;
use super::table::BLOCK_BYTES;

/// A block in its decoded form.
#[derive(Clone)]
pub(crate) enum Block {
    Page(Arc<Page>),
    Filter(Arc<[u8]>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<(u64, u64), Block> for Bytes {
    fn weight(&self, _key: &(u64, u64), block: &Block) -> u64 {
        // What the cache itself holds for an entry is counted too, or small blocks would exceed the limit.
        const ENTRY: usize = 64;
        let bytes = match block {
            Block::Page(page) => page.allocated(),
            Block::Filter(filter) => filter.len(),
        };
        (bytes + ENTRY) as u64
    }
}

/// Blocks by table and offset. Evicts what was not asked for again (S3-FIFO), so one scan does not empty it.
///
/// Index blocks and filters have a part of their own: every read needs them, and data blocks would drive them out.
pub(crate) struct BlockCache {
    data: Cache<(u64, u64), Block, Bytes>,
    guides: Cache<(u64, u64), Block, Bytes>,
}

/// Which part of the cache a block belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Data,
    Guides,
}

impl BlockCache {
    pub fn new(data_bytes: usize, guide_bytes: usize) -> Self {
        let part = |bytes: usize| Cache::with_weighter(bytes / BLOCK_BYTES + 1, bytes as u64, Bytes);
        Self { data: part(data_bytes), guides: part(guide_bytes) }
    }

    pub fn get(&self, part: Part, table: u64, offset: u64) -> Option<Block> {
        self.part(part).get(&(table, offset))
    }

    pub fn insert(&self, part: Part, table: u64, offset: u64, block: Block) {
        self.part(part).insert((table, offset), block);
    }

    pub fn bytes(&self) -> u64 {
        self.data.weight() + self.guides.weight()
    }

    fn part(&self, part: Part) -> &Cache<(u64, u64), Block, Bytes> {
        match part {
            Part::Data => &self.data,
            Part::Guides => &self.guides,
        }
    }
}
