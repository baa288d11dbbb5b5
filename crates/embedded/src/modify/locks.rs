//! Locks of partitions, for statements that must know what is stored before they write.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use parking_lot::{Mutex, MutexGuard};

/// Many small locks that partitions share by hash: enough that two busy partitions rarely meet.
pub struct PartitionLocks {
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

const STRIPES: usize = 1024;

impl Default for PartitionLocks {
    fn default() -> PartitionLocks {
        PartitionLocks { stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }
}

impl PartitionLocks {
    /// Holds the partitions named by their stored prefixes, in an order that is everyone's, so none wait in a circle.
    /// Blocks.
    pub fn lock<'l>(&'l self, partitions: impl IntoIterator<Item = &'l [u8]>) -> Vec<MutexGuard<'l, ()>> {
        let stripes: BTreeSet<usize> =
            partitions.into_iter().map(|prefix| self.hasher.hash_one(prefix) as usize % STRIPES).collect();
        stripes
            .into_iter()
            .filter_map(|stripe| self.stripes.get(stripe))
            .map(|stripe| stripe.lock())
            .collect()
    }
}
