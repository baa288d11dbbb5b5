//! The ordered key-value store under the engine: a log, a table in memory, immutable table files, and compaction.
//!
//! *Writes are blind*: a value put for a key that exists is combined with it by [`Merge`], whenever the two meet (in
//! memory, on flush, on compaction, on read). Because merging is commutative, associative and idempotent, neither
//! the order of arrival nor the age of a file decides anything; write times inside the values do.
//!
//! *Vocabulary*: a [`Batch`] is committed whole; a [`View`] is a snapshot; a *tree* is the table in memory, *frozen*
//! once full; a *table* is an immutable file of *blocks*; a *run* is a list of tables whose keys do not overlap; the
//! *manifest* lists what belongs to the store; a *group* is the keys among which one value may hide another (the
//! engine's partitions).

mod apply;
mod batch;
mod cache;
mod commit;
mod committer;
mod compact;
mod disk;
mod encode;
mod error;
mod estimate;
mod flush;
mod keeper;
mod layers;
mod log;
mod manifest;
mod memory;
mod options;
mod page;
mod range;
mod rewrite;
mod shared;
mod store;
mod table;
mod tree;
mod upkeep;
mod view;

use std::path::Path;

pub use batch::Batch;
pub use cache::CacheStats;
pub use commit::Commit;
pub use disk::{Disk, DiskFile, RealDisk};
pub use error::StorageError;
pub use estimate::Estimate;
pub use memory::MemoryStore;
pub use options::{Durability, Options};
pub use range::{Entry, Range};
pub use store::DiskStore;
pub use upkeep::{Damage, ScrubReport, Stats};
pub use view::View;

/// All the store knows of the values it keeps.
pub trait Merge: Send + Sync + 'static {
    /// Appends to `out` (empty) the combination of two values written for `key`. Must be commutative, associative and
    /// idempotent, down to the bytes.
    fn merge(&self, key: &[u8], a: &[u8], b: &[u8], out: &mut Vec<u8>);

    /// A lower bound of the write times in a value (microseconds).
    fn oldest(&self, key: &[u8], value: &[u8]) -> i64;

    /// An upper bound of the write times in a value; see [`View::get_settled`].
    fn newest(&self, key: &[u8], value: &[u8]) -> i64 {
        let _ = (key, value);
        i64::MAX
    }

    /// How many leading bytes of `key` name its group: a value can hide values of its own group only. Files can tell
    /// quickly that they hold nothing of a group. A group's name must not be the beginning of another's; a key may be
    /// a group of its own.
    fn group_len(&self, key: &[u8]) -> usize;

    /// The second (as [`now`](Merge::now) counts) from which a [`Purge`] may find something in this value to drop,
    /// `None` if never. Tells the store where rewriting is worth the work.
    fn droppable_at(&self, key: &[u8], value: &[u8]) -> Option<u32>;

    /// The clock, in seconds.
    fn now(&self) -> u32;

    /// Starts one pass over entries in key order.
    fn purger(&self) -> Box<dyn Purge + '_>;
}

/// Decides, entry by entry in key order, what a rewrite leaves behind. It may remember what it saw earlier in the
/// same group, so that what a deletion hides goes no later than the deletion itself.
pub trait Purge {
    /// Looks at one merged entry. For [`Purged::Rewritten`] the new value is appended to `out` (empty). Before dropping
    /// anything that may hide older values, asks [`Shadow::may_drop`].
    fn purge(&mut self, key: &[u8], value: &[u8], shadow: &mut dyn Shadow, out: &mut Vec<u8>) -> Purged;
}

/// What the entries of a rewrite may still be hiding elsewhere.
pub trait Shadow {
    /// Whether a deletion written at `write_time` (microseconds) may go: nothing of the current key's group outside
    /// this rewrite was written at or before that time.
    fn may_drop(&mut self, write_time: i64) -> bool;
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// It stays as it is.
    Keep,
    /// It stays, with the value in `out`.
    Rewritten,
    /// Nothing of it is left.
    Gone,
}

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// Answer from memory or not at all ([`StorageError::WouldRead`]): for callers on an asynchronous thread.
    Cached,
    /// Read files where needed: for callers that may block.
    Allowed,
}

/// An ordered key-value store with atomic batches, snapshots and merging writes.
pub trait Store: Send + Sync {
    /// Queues the batch and returns at once. The future resolves when the batch is as durable as the store is set to
    /// make it and every later view sees all of it. Batches take effect in the order of these calls.
    fn commit(&self, batch: Batch) -> Commit;

    /// A snapshot of everything committed so far; cheap enough to take for one read.
    fn view(&self) -> View;

    /// Writes what is in memory to table files. Blocks.
    fn flush(&self) -> Result<(), StorageError>;

    /// Merges everything to one run, dropping what may go. Blocks.
    fn compact(&self) -> Result<(), StorageError>;

    /// Does what is due by the [clock](Merge::now), as the store does by itself from time to time. Blocks.
    fn maintain(&self) -> Result<(), StorageError>;

    /// Puts a consistent, openable copy into `folder`, which must be empty or absent, while writes go on. Blocks.
    fn checkpoint(&self, folder: &Path) -> Result<(), StorageError>;

    /// Reads every file and verifies all of it, without filling the cache. Blocks. An error is one of the scrub
    /// itself; damage is in the report.
    fn scrub(&self) -> Result<ScrubReport, StorageError>;

    /// Why no write is taken at this moment, if that is so. Quick; looks at the disk's free space now and then.
    fn check_writable(&self) -> Result<(), StorageError>;

    /// Figures of this moment.
    fn stats(&self) -> Stats;
}
