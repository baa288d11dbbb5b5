//! Decoded blocks kept in memory, up to a number of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::page::Page;
use super::table::{BLOCK_BYTES, Guide};

/// A block in its decoded form.
#[derive(Clone)]
pub(crate) enum Block {
    Page(Arc<Page>),
    Guide(Arc<Guide>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<(u64, u64), Block> for Bytes {
    fn weight(&self, _key: &(u64, u64), block: &Block) -> u64 {
        // What the cache itself holds for an entry is counted too, or small blocks would exceed the limit.
        const ENTRY: usize = 64;
        let bytes = match block {
            Block::Page(page) => page.allocated(),
            Block::Guide(guide) => guide.allocated(),
        };
        (bytes + ENTRY) as u64
    }
}

/// How full a cache is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    pub capacity_bytes: u64,
    pub bytes: u64,
    /// `None`: they are not counted.
    pub blocks: Option<u64>,
}

/// Blocks by table and offset. Evicts what was not asked for again (S3-FIFO), so one scan does not empty it.
///
/// Guides (filters and index blocks) are needed by every read, so their tables keep them, as many as there is room
/// for; those past that are blocks as any other.
pub(crate) struct BlockCache {
    blocks: Cache<(u64, u64), Block, Bytes>,
    pinned: AtomicU64,
    guide_bytes: u64,
}

impl BlockCache {
    pub fn new(bytes: usize, guide_bytes: usize) -> Self {
        Self {
            blocks: Cache::with_weighter(bytes / BLOCK_BYTES + 1, bytes as u64, Bytes),
            pinned: AtomicU64::new(0),
            guide_bytes: guide_bytes as u64,
        }
    }

    pub fn get(&self, table: u64, offset: u64) -> Option<Block> {
        self.blocks.get(&(table, offset))
    }

    pub fn insert(&self, table: u64, offset: u64, block: Block) {
        self.blocks.insert((table, offset), block);
    }

    /// Whether a table may keep so many bytes of guides until it [lets go](BlockCache::unpin) of them.
    pub fn pin(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let fits = |pinned: u64| pinned.checked_add(bytes).filter(|&sum| sum <= self.guide_bytes);
        self.pinned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub fn unpin(&self, bytes: usize) {
        self.pinned.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// The blocks, without the guides that tables keep.
    pub fn blocks(&self) -> CacheStats {
        let blocks = Some(self.blocks.len() as u64);
        CacheStats { capacity_bytes: self.blocks.capacity(), bytes: self.blocks.weight(), blocks }
    }

    /// The guides that tables keep.
    pub fn guides(&self) -> CacheStats {
        let bytes = self.pinned.load(Ordering::Relaxed);
        CacheStats { capacity_bytes: self.guide_bytes, bytes, blocks: None }
    }

    /// Blocks asked for and found, and asked for and not found, since the start.
    pub fn asked(&self) -> (u64, u64) {
        (self.blocks.hits(), self.blocks.misses())
    }

    pub fn bytes(&self) -> u64 {
        self.blocks.weight() + self.pinned.load(Ordering::Relaxed)
    }
}
