//! Compaction: which tables are worth rewriting together, and when.
//!
//! Runs are kept in *tiers* by size. Once a tier has [`FAN`] runs they become one run, mostly of the next tier: an
//! entry is rewritten once a tier, and a read looks into fewer than [`FAN`] runs a tier. Besides, a table that is
//! mostly garbage is rewritten by itself or with what shares groups with it, and a table whose keys were dropped is
//! removed or rewritten.
//!
//! Two threads do it, one for jobs that are done in seconds, one for the rest: however long a large one takes, what
//! is flushed meanwhile does not pile up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

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
/// A job of more than so many times what memory holds is a large one.
const LARGE_JOB: u64 = 16;
/// A third of the processor against one thread that serves requests.
const NICENESS: i32 = 5;
/// How often garbage is looked for though nothing was flushed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Seconds after which a table whose garbage could not be dropped is tried again.
const TRY_AGAIN: u32 = 600;

/// Tables to be rewritten together.
type Job = Vec<Arc<Table>>;

/// Which jobs somebody takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    Small,
    Large,
    All,
}

/// What is being compacted, and what that came to earlier.
#[derive(Default)]
pub(crate) struct Compaction {
    /// Tables that are being rewritten.
    busy: HashSet<u64>,
    tried: Tried,
}

/// Garbage of a table that could not be dropped because it may hide something elsewhere: when that was found out (by
/// the clock), and how many entries.
type Tried = HashMap<u64, (u32, u64)>;

/// Works until the store is closed.
pub(crate) fn run(shared: &Shared, jobs: Jobs) {
    // Those who wait for an answer go first; should the system refuse, they share the processor evenly.
    let _ = rustix::process::setpriority_process(None, NICENESS);
    let mut seen = 0;
    loop {
        if let Err(error) = maintain(shared, jobs)
            && !shared.flow.lock().closing
        {
            tracing::error!(%error, "compaction failed; it is tried again in a while");
        }
        let look_again = Instant::now() + LOOK_EVERY;
        let mut flow = shared.flow.lock();
        while flow.rearranged == seen && !flow.reclaim && !flow.closing {
            if shared.changed.wait_until(&mut flow, look_again).timed_out() {
                break;
            }
        }
        if flow.closing {
            return;
        }
        seen = flow.rearranged;
    }
}

/// Does all that is due by now. What is in memory goes first: a table's deletions cannot go while it may hold what
/// they hide.
pub(crate) fn maintain(shared: &Shared, jobs: Jobs) -> Result<(), StorageError> {
    if jobs != Jobs::Large {
        if garbage_in_memory(shared) {
            flush_now(shared)?;
        }
        if std::mem::take(&mut shared.flow.lock().reclaim) {
            // Notes in the manifest what the log alone knew, and lets go of tables nothing is left of.
            let compaction = shared.compaction.lock();
            shared.replace_layers(|rest| rest.pruned(|table| compaction.is_busy(table)))?;
        }
    }
    // Who asks for everything has everything tried again, once.
    let mut tried = (jobs == Jobs::All).then(Tried::new);
    while let Some(claim) = claim(shared, jobs, tried.as_ref())? {
        let found = claim.work(&Pace::BytesPerSecond(shared.options.compaction_bytes_per_second))?;
        if let Some(tried) = &mut tried {
            tried.extend(found);
        }
        if shared.flow.lock().closing {
            break;
        }
    }
    Ok(())
}

/// Merges everything to one run.
pub(crate) fn compact_all(shared: &Shared) -> Result<(), StorageError> {
    let claim = {
        let mut compaction = wait_until_idle(shared);
        let rest = Arc::clone(&shared.state.read().rest);
        let job: Job = rest.tables().map(|placed| Arc::clone(&placed.table)).collect();
        shared.check_space(bytes(&job))?;
        Claim::new(shared, &mut compaction, job)
    };
    if !claim.job.is_empty() {
        claim.work(&Pace::Full)?;
    }
    Ok(())
}

fn wait_until_idle(shared: &Shared) -> MutexGuard<'_, Compaction> {
    let mut compaction = shared.compaction.lock();
    while !compaction.busy.is_empty() {
        shared.compacted.wait(&mut compaction);
    }
    compaction
}

/// The next job. Who takes all jobs waits for those of others, which may make more.
fn claim<'a>(
    shared: &'a Shared,
    jobs: Jobs,
    tried: Option<&Tried>,
) -> Result<Option<Claim<'a>>, StorageError> {
    let mut compaction = shared.compaction.lock();
    loop {
        let rest = Arc::clone(&shared.state.read().rest);
        let job = compaction.pick(shared, &rest, jobs, tried.unwrap_or(&compaction.tried))?;
        if let Some(job) = job {
            return Ok(Some(Claim::new(shared, &mut compaction, job)));
        }
        if jobs != Jobs::All || compaction.busy.is_empty() {
            return Ok(None);
        }
        shared.compacted.wait(&mut compaction);
    }
}

/// A job that is somebody's, until this is dropped.
struct Claim<'a> {
    shared: &'a Shared,
    job: Job,
}

impl<'a> Claim<'a> {
    fn new(shared: &'a Shared, compaction: &mut Compaction, job: Job) -> Self {
        compaction.busy.extend(job.iter().map(|table| table.id()));
        Self { shared, job }
    }

    /// Does the job; returns what of the garbage in it is left.
    fn work(self, pace: &Pace) -> Result<Tried, StorageError> {
        let now = self.shared.merge.now();
        let outputs = rewrite(self.shared, &self.job, pace)?;
        let left: Tried =
            outputs.iter().map(|table| (table.id(), (now, table.summary.garbage.due(now)))).collect();
        let mut compaction = self.shared.compaction.lock();
        compaction.tried.retain(|_, (at, _)| now.abs_diff(*at) < TRY_AGAIN);
        compaction.tried.extend(&left);
        drop(compaction);
        Ok(left)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut compaction = self.shared.compaction.lock();
        for table in &self.job {
            compaction.busy.remove(&table.id());
        }
        self.shared.compacted.notify_all();
    }
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
    fn pick(
        &self,
        shared: &Shared,
        rest: &Rest,
        jobs: Jobs,
        tried: &Tried,
    ) -> Result<Option<Job>, StorageError> {
        let room = shared.room_for_rewrites()?;
        let large = shared.options.memory_bytes as u64 * LARGE_JOB;
        let suits = |job: &Job| {
            let bytes = bytes(job);
            if bytes > room {
                tracing::warn!(
                    needed = bytes,
                    usable = room,
                    "no room to compact tables: free space on the disk"
                );
            }
            bytes <= room && (jobs == Jobs::All || (jobs == Jobs::Large) == (bytes > large))
        };
        shared.check_broken()?;
        let mut choices = self.tiers(shared, rest);
        choices.extend(self.garbage(shared, rest, tried));
        choices.extend(self.dropped(rest)?);
        Ok(choices.into_iter().find(suits))
    }

    fn is_busy(&self, table: &Table) -> bool {
        self.busy.contains(&table.id())
    }

    /// For each tier that has enough runs: those, and all smaller ones, which cost little more.
    fn tiers(&self, shared: &Shared, rest: &Rest) -> Vec<Job> {
        let idle = rest.runs().filter(|run| !run.iter().any(|placed| self.is_busy(&placed.table)));
        let mut runs: Vec<(u32, Job)> = idle
            .map(|run| {
                let tables: Job = run.iter().map(|placed| Arc::clone(&placed.table)).collect();
                (tier(bytes(&tables), shared.options.memory_bytes as u64), tables)
            })
            .collect();
        runs.sort_by_key(|(tier, _)| *tier);
        let full =
            runs.chunk_by(|a, b| a.0 == b.0).filter(|runs| runs.len() >= FAN).filter_map(|runs| runs.first());
        full.map(|&(full, _)| {
            let chosen = runs.iter().take_while(|&&(tier, _)| tier <= full);
            chosen.flat_map(|(_, tables)| tables.iter().cloned()).collect()
        })
        .collect()
    }

    /// A table with enough droppable entries, with those that share groups with it if they have their share too.
    fn garbage(&self, shared: &Shared, rest: &Rest, tried: &Tried) -> Option<Job> {
        let now = shared.merge.now();
        let due = |table: &Arc<Table>| {
            let tried = tried.get(&table.id()).filter(|(at, _)| now.abs_diff(*at) < TRY_AGAIN);
            table.summary.garbage.due(now).saturating_sub(tried.map_or(0, |&(_, entries)| entries))
        };
        let mostly_garbage = |tables: &[Arc<Table>]| {
            let due: u64 = tables.iter().map(due).sum();
            let entries: u64 = tables.iter().map(|table| table.summary.entries).sum();
            due > 0 && due as f64 >= entries as f64 * GARBAGE_SHARE
        };
        let mut tables = rest.tables().map(|placed| &placed.table);
        let worst =
            tables.find(|table| !self.is_busy(table) && mostly_garbage(std::slice::from_ref(table)))?;
        let related: Job = rest
            .tables()
            .map(|placed| &placed.table)
            .filter(|table| related(&*shared.merge, worst, table))
            .cloned()
            .collect();
        if !mostly_garbage(&related) {
            return Some(vec![Arc::clone(worst)]);
        }
        // Alone it would keep its garbage: better wait for those that are being rewritten.
        (!related.iter().any(|table| self.is_busy(table))).then_some(related)
    }

    /// A table of which enough was dropped.
    fn dropped(&self, rest: &Rest) -> Result<Option<Job>, StorageError> {
        for Placed { table, hidden } in rest.tables().filter(|placed| !self.is_busy(&placed.table)) {
            let mut share = 0.0;
            for prefix in hidden.iter() {
                share += table.share_under(prefix)?;
            }
            if share >= GARBAGE_SHARE {
                return Ok(Some(vec![Arc::clone(table)]));
            }
        }
        Ok(None)
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

/// The tier of a run: up to a sixteenth of what memory holds, and for each further one [`FAN`] times as much.
fn tier(bytes: u64, memory: u64) -> u32 {
    let mut limit = (memory / 16).max(1);
    let mut tier = 0;
    while bytes > limit {
        limit = limit.saturating_mul(FAN as u64);
        tier += 1;
    }
    tier
}

fn bytes(job: &Job) -> u64 {
    job.iter().map(|table| table.finished.size).sum()
}
