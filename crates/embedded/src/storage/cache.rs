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
pub(crate) struct BlockCache(Cache<(u64, u64), Block, Bytes>);

impl BlockCache {
    pub fn new(bytes: usize) -> Self {
        Self(Cache::with_weighter(bytes / BLOCK_BYTES + 1, bytes as u64, Bytes))
    }

    pub fn get(&self, table: u64, offset: u64) -> Option<Block> {
        self.0.get(&(table, offset))
    }

    pub fn insert(&self, table: u64, offset: u64, block: Block) {
        self.0.insert((table, offset), block);
    }

    pub fn bytes(&self) -> u64 {
        self.0.weight()
    }
}
