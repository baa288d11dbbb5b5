//! Settings of a store on disk, each with the reason for its default.

use std::sync::Arc;
use std::time::Duration;

use super::disk::{Disk, RealDisk};

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After it is on disk; the writes that wait share one sync.
    Group,
    /// After the operating system has it, which outlives the process but not the machine; synced this often, and
    /// whenever a segment of the log is full.
    Periodic {
        /// The most that a power loss may cost.
        every: Duration,
    },
}

/// How a store on disk is kept.
#[derive(Clone)]
pub struct Options {
    /// Default [`Durability::Group`]: an acknowledged write is never lost.
    pub durability: Durability,
    /// Memory for new writes before they are flushed to a table file; twice that while a flush runs. Default 32 MiB:
    /// holds 100,000 rows of 200 bytes, and twice it leaves room for the rest under 150 MB.
    pub memory_bytes: usize,
    /// The most log kept for what is in memory: flushed past that even if memory is not full, as when one row is
    /// updated a million times. Default 64 MiB, read back in a fraction of a second at the next start.
    pub log_bytes: u64,
    /// The size of one file of the log. Default 16 MiB: two of them are the least a folder takes, and a new one is
    /// needed a few times a second at most.
    pub segment_bytes: u32,
    /// Memory for the rows most asked for, in blocks of table files. Default 64 MiB; see `memory_bytes` for the sum.
    /// The system's page cache is behind it.
    pub cache_bytes: usize,
    /// Memory for filters and indexes of table files that stay there; the rest of them shares `cache_bytes`. Default
    /// 128 MiB: those of 60 million rows; a million rows take two.
    pub guide_bytes: usize,
    /// The most that may wait to be written; past it a write is refused at once. Default 64 MiB: a second's worth.
    pub queue_bytes: usize,
    /// The largest batch. Default 16 MiB, Cassandra's limit on a mutation (half a commit log segment).
    pub batch_bytes: usize,
    /// Compaction starts a new table file past this size. Default 128 MiB: a terabyte is 8,000 open files, and
    /// rewriting one for the garbage in it takes a second or two.
    pub table_bytes: u64,
    /// Free space on the disk below which writes are refused. Default 256 MiB: what flushing both memory tables,
    /// the log meanwhile and a small compaction need, twice over.
    pub reserve_bytes: u64,
    /// The most that compaction writes a second while it keeps up. Default 64 MiB, as Cassandra's
    /// `compaction_throughput`.
    pub compaction_bytes_per_second: u64,
    /// The file system. Default: the machine's.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Group,
            memory_bytes: 32 << 20,
            log_bytes: 64 << 20,
            segment_bytes: 16 << 20,
            cache_bytes: 64 << 20,
            guide_bytes: 128 << 20,
            queue_bytes: 64 << 20,
            batch_bytes: 16 << 20,
            table_bytes: 128 << 20,
            reserve_bytes: 256 << 20,
            compaction_bytes_per_second: 64 << 20,
            disk: Arc::new(RealDisk),
        }
    }
}
