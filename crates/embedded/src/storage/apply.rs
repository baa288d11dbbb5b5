//! Making batches visible to readers.

use std::time::Duration;

use parking_lot::{RwLock, RwLockWriteGuard};

use super::batch::{Op, Ops};
use super::shared::{Shared, State};
use super::tree::Tree;
use super::{Batch, Merge};

/// A batch past this many bytes is applied to a snapshot that then takes the tree's place: readers do not wait for
/// it, at the price of copying the pages it touches.
const LARGE_BATCH: usize = 64 << 10;
/// How long a write waits at most before it looks again whether the deletion it is older than is gone.
const BARRIER_POLL: Duration = Duration::from_millis(1);

/// What applying a batch means beyond the tree.
struct Beyond {
    /// No write time in the batch is less.
    oldest: i64,
    dropped: Vec<Box<[u8]>>,
}

/// Makes batches visible, each as a whole.
pub(crate) fn apply<'a>(shared: &Shared, batches: impl Iterator<Item = &'a Batch>, scratch: &mut Vec<u8>) {
    let merge = &*shared.merge;
    let mut state = shared.state.write();
    let mut dropped = false;
    for batch in batches {
        if batch.bytes() > LARGE_BATCH {
            let mut tree = state.tree.clone();
            // Nobody else changes the tree, so it is the same when the lock is taken again.
            drop(state);
            let beyond = change(&mut tree, batch.encoded(), merge, scratch);
            state = admit(shared, shared.state.write(), || beyond.oldest);
            state.tree = tree;
            dropped |= state.note(beyond);
        } else {
            state = admit(shared, state, || oldest(batch, merge));
            dropped |= state.apply(batch.encoded(), merge, scratch);
            // Lets a reader in that waits: none waits longer than one batch takes.
            RwLockWriteGuard::bump(&mut state);
        }
    }
    drop(state);
    if dropped {
        shared.flow.lock().reclaim = true;
        shared.changed.notify_all();
    }
}

/// Waits while a deletion is being dropped that would have hidden what was written at `oldest`.
fn admit<'a>(
    shared: &'a Shared,
    mut state: RwLockWriteGuard<'a, State>,
    oldest: impl Fn() -> i64,
) -> RwLockWriteGuard<'a, State> {
    let waits = |state: &State, time: i64| state.rewrites.iter().any(|rewrite| time <= rewrite.barrier);
    while !state.rewrites.is_empty() && waits(&state, oldest()) {
        drop(state);
        shared.changed.wait_for(&mut shared.flow.lock(), BARRIER_POLL);
        state = RwLock::write(&shared.state);
    }
    state
}

impl State {
    /// Applies the changes of one batch or several; returns whether a prefix was dropped.
    pub fn apply(&mut self, ops: &[u8], merge: &dyn Merge, scratch: &mut Vec<u8>) -> bool {
        let beyond = change(&mut self.tree, ops, merge, scratch);
        self.note(beyond)
    }

    fn note(&mut self, beyond: Beyond) -> bool {
        self.oldest = self.oldest.min(beyond.oldest);
        for rewrite in &mut self.rewrites {
            rewrite.oldest_arrived = rewrite.oldest_arrived.min(beyond.oldest);
        }
        for prefix in &beyond.dropped {
            self.rest = self.rest.without_prefix(prefix).into();
        }
        !beyond.dropped.is_empty()
    }
}

fn change(tree: &mut Tree, ops: &[u8], merge: &dyn Merge, scratch: &mut Vec<u8>) -> Beyond {
    let mut beyond = Beyond { oldest: i64::MAX, dropped: Vec::new() };
    for op in Ops::new(ops).flatten() {
        match op {
            Op::Put { key, value } => {
                beyond.oldest = beyond.oldest.min(merge.oldest(key, value));
                tree.put(key, value, merge, scratch);
            }
            Op::Drop { prefix } => {
                tree.drop_prefix(prefix);
                beyond.dropped.push(prefix.into());
            }
        }
    }
    beyond
}

/// A lower bound of the write times in a batch.
fn oldest(batch: &Batch, merge: &dyn Merge) -> i64 {
    let times = Ops::new(batch.encoded()).flatten().filter_map(|op| match op {
        Op::Put { key, value } => Some(merge.oldest(key, value)),
        Op::Drop { .. } => None,
    });
    times.min().unwrap_or(i64::MAX)
}
