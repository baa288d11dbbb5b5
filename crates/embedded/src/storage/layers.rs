//! The layers of a store that no longer change: a frozen tree, and runs of tables.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use super::manifest::Listed;
use super::page::Page;
use super::table::{Reading, Table, hash};
use super::tree::Tree;
use super::{Io, Merge, StorageError};

/// What all views share until a flush, a compaction or a dropped prefix replaces it.
pub(crate) struct Rest {
    pub merge: Arc<dyn Merge>,
    pub layers: Vec<Layer>,
}

/// One sorted source of entries. Their order among each other means nothing: values merge.
#[derive(Clone)]
pub(crate) enum Layer {
    Frozen(Frozen),
    Run(Arc<[Placed]>),
}

/// A tree that takes no more writes and waits to be a table.
#[derive(Clone)]
pub(crate) struct Frozen {
    pub tree: Tree,
    /// No write time in it is less.
    pub oldest: i64,
    /// The segment of the log where it begins.
    pub first_segment: u32,
    pub hidden: Hidden,
}

/// A table in its place in a run; the tables of a run are in key order and do not overlap.
#[derive(Clone)]
pub(crate) struct Placed {
    pub table: Arc<Table>,
    pub hidden: Hidden,
}

/// One read by key as it goes from layer to layer.
pub(crate) struct Read<'a> {
    pub key: &'a [u8],
    /// The key's hash, once a table asked for it.
    pub hash: Option<u64>,
    pub io: Io,
    pub found: bool,
    pub settles: &'a dyn Fn(&[u8]) -> i64,
    /// The time before which nothing written matters any more, once a table asked for it.
    pub settled: Option<i64>,
    pub out: &'a mut Vec<u8>,
    pub merged: Vec<u8>,
}

impl Read<'_> {
    pub fn add(&mut self, merge: &dyn Merge, value: &[u8]) {
        if self.found {
            self.merged.clear();
            merge.merge(self.key, self.out, value, &mut self.merged);
            std::mem::swap(self.out, &mut self.merged);
        } else {
            self.out.extend_from_slice(value);
            self.found = true;
        }
        self.settled = None;
    }

    fn settled(&mut self) -> i64 {
        if !self.found {
            return i64::MIN;
        }
        *self.settled.get_or_insert_with(|| (self.settles)(self.out))
    }
}

/// Prefixes whose keys were dropped after the layer was written.
pub(crate) type Hidden = Arc<[Box<[u8]>]>;

/// An entry: a page and a position in it.
pub(crate) type Place = (Arc<Page>, usize);

impl Rest {
    /// The same with every key of `prefix` gone.
    pub fn without_prefix(&self, prefix: &[u8]) -> Self {
        let layers = self.layers.iter().map(|layer| match layer {
            Layer::Frozen(frozen) => {
                Layer::Frozen(Frozen { hidden: hide(&frozen.hidden, prefix), ..frozen.clone() })
            }
            Layer::Run(tables) => {
                Layer::Run(tables.iter().map(|table| table.without_prefix(prefix)).collect())
            }
        });
        Self::new(Arc::clone(&self.merge), layers.collect())
    }

    /// The layers without the tables of which nothing is left, except those that are being rewritten: what is put in
    /// their place must know what was hidden in them.
    pub fn pruned(&self, is_busy: impl Fn(&Table) -> bool) -> Vec<Layer> {
        let layers = self.layers.iter().filter_map(|layer| match layer {
            Layer::Frozen(_) => Some(layer.clone()),
            Layer::Run(tables) => Layer::run(
                tables.iter().filter(|placed| !placed.is_gone() || is_busy(&placed.table)).cloned(),
            ),
        });
        layers.collect()
    }

    /// Layers so ordered that a read by key meets the newest first: it may then pass over the rest.
    pub fn new(merge: Arc<dyn Merge>, mut layers: Vec<Layer>) -> Self {
        layers.sort_by_key(|layer| Reverse(layer.newest()));
        Self { merge, layers }
    }

    pub fn frozen(&self) -> Option<&Frozen> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::Frozen(frozen) => Some(frozen),
            Layer::Run(_) => None,
        })
    }

    pub fn runs(&self) -> impl Iterator<Item = &Arc<[Placed]>> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Frozen(_) => None,
            Layer::Run(tables) => Some(tables),
        })
    }

    pub fn tables(&self) -> impl Iterator<Item = &Placed> {
        self.runs().flat_map(|run| run.iter())
    }
}

impl Placed {
    fn without_prefix(&self, prefix: &[u8]) -> Self {
        let summary = &self.table.summary;
        let apart = summary.last_key.as_slice() < prefix
            || (summary.first_key.as_slice() > prefix && !summary.first_key.starts_with(prefix));
        let hidden = if apart { Arc::clone(&self.hidden) } else { hide(&self.hidden, prefix) };
        Self { table: Arc::clone(&self.table), hidden }
    }

    /// Whether all keys of the table are hidden by one prefix.
    fn is_gone(&self) -> bool {
        let summary = &self.table.summary;
        hiding(&self.hidden, &summary.first_key).is_some_and(|prefix| summary.last_key.starts_with(prefix))
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.table.overlaps(&other.table.summary.first_key, &other.table.summary.last_key)
    }

    pub fn listed(&self) -> Listed {
        Listed { finished: self.table.finished, hidden: self.hidden.to_vec() }
    }
}

impl Layer {
    fn newest(&self) -> i64 {
        match self {
            Self::Frozen(_) => i64::MAX,
            Self::Run(tables) => {
                tables.iter().map(|placed| placed.table.summary.newest).max().unwrap_or(i64::MIN)
            }
        }
    }

    /// A run of tables; `None` if there are none.
    pub fn run(tables: impl Iterator<Item = Placed>) -> Option<Self> {
        let tables: Arc<[Placed]> = tables.collect();
        (!tables.is_empty()).then_some(Self::Run(tables))
    }

    /// Adds the layer's value for the key of `read`, if there is one.
    pub fn get(&self, merge: &dyn Merge, read: &mut Read<'_>) -> Result<(), StorageError> {
        let key = read.key;
        match self {
            Self::Frozen(frozen) => {
                if hiding(&frozen.hidden, key).is_none()
                    && let Some(value) = frozen.tree.get(key)
                {
                    read.add(merge, value);
                }
            }
            Self::Run(tables) => {
                let at = match tables.len() {
                    // Whether the key is in its bounds the table's own index will tell.
                    1 => 0,
                    _ => tables.partition_point(|placed| placed.table.summary.last_key.as_slice() < key),
                };
                if let Some(Placed { table, hidden }) = tables.get(at)
                    && table.summary.newest >= read.settled()
                    && hiding(hidden, key).is_none()
                {
                    let hash = *read.hash.get_or_insert_with(|| hash(key));
                    if let Some((page, at)) = table.get(key, hash, Reading { io: read.io, keep: true })? {
                        read.add(merge, page.value(at));
                    }
                }
            }
        }
        Ok(())
    }

    /// The next entry from `bound` on in the given direction, with the prefixes to skip there.
    pub fn seek(
        &self,
        bound: Bound<&[u8]>,
        reversed: bool,
        reading: Reading,
    ) -> Result<Option<(Place, &Hidden)>, StorageError> {
        let tables = match self {
            Self::Frozen(Frozen { tree, hidden, .. }) => {
                let place = if reversed { tree.last_to(bound) } else { tree.first_from(bound) };
                return Ok(place.map(|place| (place, hidden)));
            }
            Self::Run(tables) => tables,
        };
        let nearest = match bound {
            Bound::Included(key) | Bound::Excluded(key) => {
                tables.partition_point(|placed| placed.table.summary.last_key.as_slice() < key)
            }
            Bound::Unbounded if reversed => tables.len(),
            Bound::Unbounded => 0,
        };
        let mut forward = tables.iter().skip(nearest);
        let mut backward = tables.iter().take(nearest + 1).rev();
        while let Some(Placed { table, hidden }) = if reversed { backward.next() } else { forward.next() } {
            if let Some(place) = table.seek(bound, reversed, reading)? {
                return Ok(Some((place, hidden)));
            }
        }
        Ok(None)
    }

    /// Whether the layer may hold keys of a group; `false` is certain. A tree is as quick to search as to ask.
    pub fn may_hold_group(&self, group: &[u8], io: Io) -> Result<bool, StorageError> {
        match self {
            Self::Frozen(_) => Ok(true),
            Self::Run(tables) => {
                for placed in tables.iter() {
                    if placed.table.may_hold_group(group, io)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// New tables in their place, less the prefixes that are hidden now and were not when they were begun.
pub(crate) fn placed(tables: &[Arc<Table>], before: &Hidden, now: &Hidden) -> Vec<Placed> {
    let dropped: Vec<&Box<[u8]>> = now.iter().filter(|prefix| !before.contains(prefix)).collect();
    let place = |table: &Arc<Table>| {
        let placed = Placed { table: Arc::clone(table), hidden: Hidden::default() };
        dropped.iter().fold(placed, |placed, prefix| placed.without_prefix(prefix))
    };
    tables.iter().map(place).filter(|placed| !placed.is_gone()).collect()
}

/// The dropped prefix that `key` is under, if any.
pub(crate) fn hiding<'a>(hidden: &'a Hidden, key: &[u8]) -> Option<&'a [u8]> {
    hidden.iter().map(|prefix| &**prefix).find(|prefix| key.starts_with(prefix))
}

/// The list with one more prefix, and without those it makes superfluous.
pub(crate) fn hide(hidden: &Hidden, prefix: &[u8]) -> Hidden {
    if hiding(hidden, prefix).is_some() {
        return Arc::clone(hidden);
    }
    let wider = hidden.iter().filter(|other| !other.starts_with(prefix)).cloned();
    wider.chain([prefix.into()]).collect()
}

/// The smallest key greater than all that start with `prefix`; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end: Vec<u8> = prefix.iter().copied().take(last + 1).collect();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end)
}
