//! Rewriting tables: merges their entries, leaves out what may go, and puts the outcome in their place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::flush::{Output, open_tables};
use super::layers::{Hidden, Layer, Placed, Rest, hide, hiding, placed};
use super::shared::{Shared, Underway};
use super::table::Table;
use super::tree::Tree;
use super::{Io, Merge, Purged, Range, Shadow, StorageError};

/// What a rewrite does about deletions past their grace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletions {
    Drop,
    Keep,
}

/// How fast a rewrite may go.
pub(crate) enum Pace {
    Full,
    BytesPerSecond(u64),
}

/// Merges tables into new ones. Returns the new ones.
pub(crate) fn rewrite(
    shared: &Shared,
    inputs: &[Arc<Table>],
    pace: &Pace,
) -> Result<Vec<Arc<Table>>, StorageError> {
    match attempt(shared, inputs, pace, Deletions::Drop)? {
        Some(tables) => Ok(tables),
        // A write older than a deletion just dropped came in meanwhile: it was hidden and must stay so.
        None => Ok(attempt(shared, inputs, pace, Deletions::Keep)?.unwrap_or_default()),
    }
}

/// `None` if a write that came in meanwhile was older than a deletion that was dropped.
fn attempt(
    shared: &Shared,
    inputs: &[Arc<Table>],
    pace: &Pace,
    deletions: Deletions,
) -> Result<Option<Vec<Arc<Table>>>, StorageError> {
    let ids: HashSet<u64> = inputs.iter().map(|table| table.id()).collect();
    let (underway, rest, outside_trees) = Rewriting::begin(shared);
    let merge = &*shared.merge;
    let layers: Vec<Layer> = rest.runs().filter_map(|run| only(run, &ids)).collect();
    let begun = hidden_by_table(&layers);
    let mut outside = Outside {
        merge,
        tables: rest.tables().filter(|placed| !ids.contains(&placed.table.id())).cloned().collect(),
        trees: outside_trees,
        deletions,
        group: Vec::new(),
        oldest: None,
        newest_dropped: i64::MIN,
    };

    let mut entries = Range::of_all(&shared.merge, layers.into_iter());
    let mut output = Output::new(shared, &shared.folder, true);
    let mut purger = merge.purger();
    let mut brake = Brake { pace, started: Instant::now() };
    let mut rewritten = Vec::new();
    while let Some((key, value)) = entries.next()? {
        outside.enter(key);
        rewritten.clear();
        match purger.purge(key, value, &mut outside, &mut rewritten) {
            Purged::Keep => output.add(key, value)?,
            Purged::Rewritten => output.add(key, &rewritten)?,
            Purged::Gone => {}
        }
        if output.take_written() && brake.hold(shared, output.bytes()) {
            return Err(StorageError::Closed);
        }
    }
    let tables = output.finish().and_then(|finished| open_tables(shared, &finished))?;

    if !underway.may_install(outside.newest_dropped) {
        shared.abandon(&tables);
        return Ok(None);
    }
    install(shared, &ids, &tables, &begun).inspect_err(|_| shared.abandon(&tables))?;
    Ok(Some(tables))
}

/// Lets writes know of a rewrite, from its beginning to its end.
struct Rewriting<'a> {
    shared: &'a Shared,
    number: u64,
}

impl<'a> Rewriting<'a> {
    /// Begins, and says what there is at that moment: the layers, and what is in memory with its oldest write time.
    fn begin(shared: &'a Shared) -> (Self, Arc<Rest>, Vec<(Tree, i64)>) {
        let number = shared.next_rewrite.fetch_add(1, Ordering::Relaxed);
        let mut state = shared.state.write();
        state.rewrites.push(Underway { number, oldest_arrived: i64::MAX, barrier: i64::MIN });
        let frozen = state.rest.frozen().map(|frozen| (frozen.tree.clone(), frozen.oldest));
        let trees = std::iter::once((state.tree.clone(), state.oldest)).chain(frozen).collect();
        (Self { shared, number }, Arc::clone(&state.rest), trees)
    }

    /// Whether all writes since the beginning are newer than the deletions that were dropped. If so, older ones wait
    /// from here on until the deletions are gone: then they come after them and are not hidden.
    fn may_install(&self, newest_dropped: i64) -> bool {
        let mut state = self.shared.state.write();
        let Some(underway) = state.rewrites.iter_mut().find(|rewrite| rewrite.number == self.number) else {
            return false;
        };
        let may = underway.oldest_arrived > newest_dropped;
        if may {
            underway.barrier = newest_dropped;
        }
        may
    }
}

impl Drop for Rewriting<'_> {
    fn drop(&mut self) {
        self.shared.state.write().rewrites.retain(|rewrite| rewrite.number != self.number);
        let _flow = self.shared.flow.lock();
        self.shared.changed.notify_all();
    }
}

/// Puts the new tables in place of the old.
fn install(
    shared: &Shared,
    ids: &HashSet<u64>,
    tables: &[Arc<Table>],
    begun: &HashMap<u64, Hidden>,
) -> Result<(), StorageError> {
    shared.replace_layers(|rest| {
        put_in(rest, ids, placed(tables, &Hidden::default(), &hidden_since(rest, begun)))
    })
}

/// The layers without the tables of `ids` and with `placed`: in a run they fit, or as one of their own.
fn put_in(rest: &Rest, ids: &HashSet<u64>, mut placed: Vec<Placed>) -> Vec<Layer> {
    let mut layers = Vec::with_capacity(rest.layers.len() + 1);
    for layer in &rest.layers {
        let run = match layer {
            Layer::Frozen(_) => {
                layers.push(layer.clone());
                continue;
            }
            Layer::Run(run) => run,
        };
        let mut kept: Vec<Placed> =
            run.iter().filter(|table| !ids.contains(&table.table.id())).cloned().collect();
        let fits =
            kept.len() < run.len() && !placed.iter().any(|new| kept.iter().any(|old| new.overlaps(old)));
        if fits {
            kept.append(&mut placed);
            kept.sort_by(|a, b| a.table.summary.first_key.cmp(&b.table.summary.first_key));
        }
        layers.extend(Layer::run(kept.into_iter()));
    }
    layers.extend(Layer::run(placed.into_iter()));
    layers
}

/// The tables of a run that are in `ids`.
fn only(run: &Arc<[Placed]>, ids: &HashSet<u64>) -> Option<Layer> {
    Layer::run(run.iter().filter(|placed| ids.contains(&placed.table.id())).cloned())
}

/// What is hidden in each table of these runs.
fn hidden_by_table(runs: &[Layer]) -> HashMap<u64, Hidden> {
    let tables = runs.iter().flat_map(|layer| match layer {
        Layer::Frozen(_) => &[],
        Layer::Run(tables) => &tables[..],
    });
    tables.map(|placed| (placed.table.id(), Arc::clone(&placed.hidden))).collect()
}

/// The prefixes dropped since a rewrite of these tables began. Each table is asked for itself: one prefix may be
/// dropped before, and again now that another table has keys of it.
fn hidden_since(rest: &Rest, begun: &HashMap<u64, Hidden>) -> Hidden {
    let mut since = Hidden::default();
    for placed in rest.tables() {
        let Some(before) = begun.get(&placed.table.id()) else { continue };
        for prefix in placed.hidden.iter().filter(|prefix| !before.contains(prefix)) {
            since = hide(&since, prefix);
        }
    }
    since
}

/// What is not in the rewrite and may be hidden by what is.
struct Outside<'a> {
    merge: &'a dyn Merge,
    tables: Vec<Placed>,
    /// What was in memory at the start, with the oldest write time of each.
    trees: Vec<(Tree, i64)>,
    deletions: Deletions,
    group: Vec<u8>,
    /// The oldest write time outside in the group, once somebody asked.
    oldest: Option<i64>,
    newest_dropped: i64,
}

impl Outside<'_> {
    fn enter(&mut self, key: &[u8]) {
        let group = key.get(..self.merge.group_len(key)).unwrap_or(key);
        if self.group != group {
            self.group.clear();
            self.group.extend_from_slice(group);
            self.oldest = None;
        }
    }

    fn oldest_in_group(&self) -> i64 {
        let tables = self.tables.iter().filter_map(|Placed { table, hidden }| {
            let held = hiding(hidden, &self.group).is_none()
                // A filter that cannot be read may hold anything; whoever reads the table is told of the damage.
                && table.may_hold_group(&self.group, Io::Allowed).unwrap_or(true);
            held.then_some(table.summary.oldest)
        });
        let trees = self.trees.iter().filter_map(|(tree, oldest)| {
            let (page, at) = tree.first_from(std::ops::Bound::Included(&self.group))?;
            page.key(at).starts_with(&self.group).then_some(*oldest)
        });
        tables.chain(trees).min().unwrap_or(i64::MAX)
    }
}

impl Shadow for Outside<'_> {
    fn may_drop(&mut self, write_time: i64) -> bool {
        if self.deletions == Deletions::Keep {
            return false;
        }
        let oldest = match self.oldest {
            Some(oldest) => oldest,
            None => *self.oldest.insert(self.oldest_in_group()),
        };
        let may = write_time < oldest;
        if may {
            self.newest_dropped = self.newest_dropped.max(write_time);
        }
        may
    }
}

/// Keeps a rewrite to its pace, and ends it when the store closes.
struct Brake<'a> {
    pace: &'a Pace,
    started: Instant,
}

/// Runs past which rewriting goes at full speed: reads get slow otherwise.
const MANY_RUNS: usize = 16;

impl Brake<'_> {
    /// Waits until `bytes` may have been written; `true` if the store is closing.
    fn hold(&mut self, shared: &Shared, bytes: u64) -> bool {
        let until = match *self.pace {
            Pace::BytesPerSecond(rate) if rate > 0 => {
                self.started + Duration::from_micros(bytes.saturating_mul(1_000_000) / rate)
            }
            _ => self.started,
        };
        let in_haste = shared.state.read().rest.runs().count() > MANY_RUNS;
        let mut flow = shared.flow.lock();
        while !in_haste && !flow.closing && Instant::now() < until {
            shared.changed.wait_until(&mut flow, until);
        }
        flow.closing
    }
}
