//! Compaction: which tables are worth rewriting together, and when.
//!
//! Runs are kept in *tiers* by size. Once a tier has [`FAN`] runs they become one run, mostly of the next tier: an
//! entry is rewritten once a tier, and a read looks into fewer than [`FAN`] runs a tier. Besides, a table that is
//! mostly garbage is rewritten by itself or with what it overlaps, and a table whose keys were dropped is removed or
//! rewritten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::flush::flush_now;
use super::layers::{Placed, Rest};
use super::rewrite::{Pace, rewrite};
use super::shared::Shared;
use super::table::Table;
use super::{Merge, StorageError};

/// Runs of one tier that become one. Four is the usual middle between rewriting much and reading many.
const FAN: usize = 4;
/// The share of entries that must be droppable, or hidden, to rewrite a table for it (as Cassandra's
/// `tombstone_threshold`).
const GARBAGE_SHARE: f64 = 0.2;
/// Runs past which compaction goes at full speed: reads get slow otherwise.
const MANY_RUNS: usize = 16;
/// How often garbage is looked for though nothing was flushed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Seconds after which a table whose garbage could not be dropped is tried again.
const TRY_AGAIN: u32 = 600;

/// What compaction remembers of the tables it made.
#[derive(Default)]
pub(crate) struct Compaction {
    tried: HashMap<u64, Tried>,
}

/// Garbage that could not be dropped because it may hide something elsewhere.
struct Tried {
    /// By the clock.
    at: u32,
    entries: u64,
}

/// Works until the store is closed.
pub(crate) fn run(shared: &Shared) {
    let mut flushed = 0;
    loop {
        if let Err(error) = maintain(shared)
            && !shared.flow.lock().closing
        {
            tracing::error!(%error, "compaction failed; it is tried again in a while");
        }
        let look_again = Instant::now() + LOOK_EVERY;
        let mut flow = shared.flow.lock();
        while flow.flushed == flushed && !flow.reclaim && !flow.closing {
            if shared.changed.wait_until(&mut flow, look_again).timed_out() {
                break;
            }
        }
        if flow.closing {
            return;
        }
        flushed = flow.flushed;
    }
}

/// Does all that is due by now. What is in memory goes first: a table's deletions cannot go while it may hold what
/// they hide.
pub(crate) fn maintain(shared: &Shared) -> Result<(), StorageError> {
    if garbage_in_memory(shared) {
        flush_now(shared)?;
    }
    compact_due(shared)
}

fn compact_due(shared: &Shared) -> Result<(), StorageError> {
    let mut compaction = shared.compaction.lock();
    if std::mem::take(&mut shared.flow.lock().reclaim) {
        // Notes in the manifest what the log alone knew, and lets go of tables nothing is left of.
        shared.replace_layers(Rest::pruned)?;
    }
    loop {
        let rest = Arc::clone(&shared.state.read().rest);
        let Some(inputs) = compaction.pick(shared, &rest)? else { return Ok(()) };
        let pace = match rest.runs().count() > MANY_RUNS {
            true => Pace::Full,
            false => Pace::BytesPerSecond(shared.options.compaction_bytes_per_second),
        };
        let outputs = rewrite(shared, &inputs, &pace)?;
        let now = shared.merge.now();
        compaction.tried.retain(|_, tried| now.abs_diff(tried.at) < TRY_AGAIN);
        let tried =
            |table: &Arc<Table>| (table.id(), Tried { at: now, entries: table.summary.garbage.due(now) });
        compaction.tried.extend(outputs.iter().map(tried));
        if shared.flow.lock().closing {
            return Ok(());
        }
    }
}

/// Merges everything to one run.
pub(crate) fn compact_all(shared: &Shared) -> Result<(), StorageError> {
    let mut compaction = shared.compaction.lock();
    let tables: Vec<Arc<Table>> =
        shared.state.read().rest.tables().map(|placed| Arc::clone(&placed.table)).collect();
    let bytes = tables.iter().map(|table| table.finished.size).sum();
    shared.check_space(bytes)?;
    rewrite(shared, &tables, &Pace::Full)?;
    compaction.forget();
    Ok(())
}

/// Whether enough of what is in memory could go for it to be worth a flush.
fn garbage_in_memory(shared: &Shared) -> bool {
    let (tree, now) = (shared.state.read().tree.clone(), shared.merge.now());
    let droppable =
        |key: &[u8], value: &[u8]| shared.merge.droppable_at(key, value).is_some_and(|at| at <= now);
    let leaves = tree.leaves();
    let due = leaves.iter().flat_map(|leaf| leaf.iter()).filter(|(key, value)| droppable(key, value)).count();
    due > 0 && due as f64 >= tree.len() as f64 * GARBAGE_SHARE
}

impl Compaction {
    /// Has everything tried again.
    pub fn forget(&mut self) {
        self.tried.clear();
    }

    /// The tables to rewrite next.
    fn pick(&self, shared: &Shared, rest: &Rest) -> Result<Option<Vec<Arc<Table>>>, StorageError> {
        let room = shared.room_for_rewrites()?;
        let fits =
            |tables: &Vec<Arc<Table>>| tables.iter().map(|table| table.finished.size).sum::<u64>() <= room;
        let choices = [tier(shared, rest), self.garbage(shared, rest), dropped(rest)?];
        Ok(choices.into_iter().flatten().find(fits))
    }

    /// A table with enough droppable entries, with those that share groups with it if they have their share too.
    fn garbage(&self, shared: &Shared, rest: &Rest) -> Option<Vec<Arc<Table>>> {
        let now = shared.merge.now();
        let due = |table: &Arc<Table>| {
            let tried = self.tried.get(&table.id()).filter(|tried| now.abs_diff(tried.at) < TRY_AGAIN);
            table.summary.garbage.due(now).saturating_sub(tried.map_or(0, |tried| tried.entries))
        };
        let mostly_garbage = |tables: &[Arc<Table>]| {
            let due: u64 = tables.iter().map(due).sum();
            let entries: u64 = tables.iter().map(|table| table.summary.entries).sum();
            due > 0 && due as f64 >= entries as f64 * GARBAGE_SHARE
        };
        let mut tables = rest.tables().map(|placed| &placed.table);
        let worst = tables.find(|table| mostly_garbage(std::slice::from_ref(table)))?;
        let related: Vec<Arc<Table>> = rest
            .tables()
            .map(|placed| &placed.table)
            .filter(|table| related(&*shared.merge, worst, table))
            .cloned()
            .collect();
        Some(if mostly_garbage(&related) { related } else { vec![Arc::clone(worst)] })
    }
}

/// Whether the other table may hold keys of a group that this one has, and so keep its deletions from going.
fn related(merge: &dyn Merge, table: &Table, other: &Table) -> bool {
    let group = |key: &[u8]| key.get(..merge.group_len(key)).unwrap_or(key).to_vec();
    let (this, other) = (&table.summary, &other.summary);
    let last = group(&this.last_key);
    group(&this.first_key) <= other.last_key
        && (other.first_key <= last || other.first_key.starts_with(&last))
}

/// The runs of a tier that has enough of them, and all smaller ones, which cost little more.
fn tier(shared: &Shared, rest: &Rest) -> Option<Vec<Arc<Table>>> {
    let smallest = (shared.options.memory_bytes as u64 / 16).max(1);
    let tier_of = |run: &[Placed]| {
        let bytes: u64 = run.iter().map(|placed| placed.table.finished.size).sum();
        let mut tier = 0;
        let mut limit = smallest;
        while bytes > limit {
            limit = limit.saturating_mul(FAN as u64);
            tier += 1;
        }
        tier
    };
    let mut runs: Vec<(u32, &Arc<[Placed]>)> = rest.runs().map(|run| (tier_of(run), run)).collect();
    runs.sort_by_key(|(tier, _)| *tier);
    let full = runs.chunk_by(|a, b| a.0 == b.0).find(|runs| runs.len() >= FAN)?.first()?.0;
    let chosen = runs.iter().take_while(|(tier, _)| *tier <= full);
    Some(chosen.flat_map(|(_, run)| run.iter().map(|placed| Arc::clone(&placed.table))).collect())
}

/// A table of which enough was dropped.
fn dropped(rest: &Rest) -> Result<Option<Vec<Arc<Table>>>, StorageError> {
    for placed in rest.tables() {
        let mut share = 0.0;
        for prefix in placed.hidden.iter() {
            share += placed.table.share_under(prefix)?;
        }
        if share >= GARBAGE_SHARE {
            return Ok(Some(vec![Arc::clone(&placed.table)]));
        }
    }
    Ok(None)
}
