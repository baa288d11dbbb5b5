//! The memory table: a B-tree of [pages](super::page) that is cheap to snapshot. A clone shares every node; a change
//! copies only the nodes on its path that somebody still shares, so a view never sees a later write and a writer
//! never waits for a reader to finish.

use std::ops::Bound;
use std::sync::Arc;

use super::Merge;
use super::layers::after_prefix;
use super::page::{Page, common};

/// A leaf is split past this many bytes. Copying one for a snapshot costs about as much as allocating it, and a
/// search in it touches a few cache lines; half or twice the size measured no better.
const LEAF_BYTES: usize = 8192;
/// An inner node is split past this many children: three levels then reach over 100,000 leaves.
const FANOUT: usize = 64;

/// An ordered map of byte strings with cheap snapshots.
#[derive(Clone)]
pub(crate) struct Tree {
    root: Node,
    entries: usize,
    bytes: usize,
}

#[derive(Clone)]
enum Node {
    Leaf(Arc<Page>),
    Inner(Arc<Inner>),
}

/// `keys` has one entry fewer than `children`: the keys below `keys[i]` are in `children[i]` or before it.
#[derive(Clone)]
struct Inner {
    keys: Page,
    children: Vec<Node>,
}

/// What a change did to the node it went through.
struct Change {
    grown: isize,
    added: bool,
    split: Option<(Vec<u8>, Node)>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::new(Page::default())), entries: 0, bytes: 0 }
    }
}

impl Tree {
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Memory held by the leaves, spare room included; what a snapshot alone still holds is not counted.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes `value` for `key`, merged with what is there. `scratch` is room for the merge.
    pub fn put(&mut self, key: &[u8], value: &[u8], merge: &dyn Merge, scratch: &mut Vec<u8>) {
        let change = self.root.put(key, value, merge, scratch);
        self.bytes = self.bytes.saturating_add_signed(change.grown);
        self.entries += usize::from(change.added);
        if let Some((separator, right)) = change.split {
            let mut keys = Page::default();
            keys.push(&separator, &[]);
            let left = std::mem::replace(&mut self.root, Node::Leaf(Arc::default()));
            self.root = Node::Inner(Arc::new(Inner { keys, children: vec![left, right] }));
        }
    }

    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(page) => return page.search(key).ok().map(|i| page.value(i)),
                Node::Inner(inner) => node = inner.children.get(inner.child_for(key))?,
            }
        }
    }

    /// The first entry from `from` on, as a leaf and a position in it.
    pub fn first_from(&self, from: Bound<&[u8]>) -> Option<(Arc<Page>, usize)> {
        self.root.first_from(from)
    }

    /// The last entry up to `to`, as a leaf and a position in it.
    pub fn last_to(&self, to: Bound<&[u8]>) -> Option<(Arc<Page>, usize)> {
        self.root.last_to(to)
    }

    /// All leaves in order.
    pub fn leaves(&self) -> Vec<Arc<Page>> {
        let mut leaves = Vec::new();
        self.root.collect(&mut leaves);
        leaves
    }

    /// Entries under a prefix, and the memory of their leaves; a leaf that others share counts by its share.
    pub fn under(&self, prefix: &[u8]) -> (usize, usize) {
        let leaves = self.leaves();
        let first = leaves.partition_point(|leaf| leaf.last_key().is_some_and(|last| last < prefix));
        let end = after_prefix(prefix);
        let (mut entries, mut bytes) = (0, 0);
        for leaf in leaves.iter().skip(first) {
            let from = leaf.lower_bound(prefix, false);
            let to = end.as_deref().map_or(leaf.len(), |end| leaf.lower_bound(end, false));
            if from >= to {
                break;
            }
            entries += to - from;
            bytes += leaf.allocated() * (to - from) / leaf.len();
        }
        (entries, bytes)
    }

    /// Rebuilds the tree with each leaf replaced by what `change` makes of it (`None`: as it was).
    pub fn rewrite(&mut self, mut change: impl FnMut(&Page) -> Option<Page>) {
        let leaves = self.leaves().into_iter().map(|leaf| change(&leaf).map_or(leaf, Arc::new));
        *self = Self::from_leaves(leaves.filter(|leaf| !leaf.is_empty()).collect());
    }

    /// Replaces the value of a key that is there.
    pub fn replace(&mut self, key: &[u8], value: &[u8]) {
        self.root.edit(key, &mut self.bytes, |leaf, at| leaf.set_value(at, value));
    }

    /// Removes one key.
    pub fn remove(&mut self, key: &[u8]) {
        let before = &mut self.entries;
        let emptied = self.root.edit(key, &mut self.bytes, |leaf, at| {
            leaf.remove(at);
            *before -= 1;
        });
        if emptied {
            *self = Self::default();
        }
    }

    /// Removes every key that starts with `prefix`.
    pub fn drop_prefix(&mut self, prefix: &[u8]) {
        self.rewrite(|leaf| {
            let start = leaf.lower_bound(prefix, false);
            let doomed = (start..leaf.len()).take_while(|&i| leaf.key(i).starts_with(prefix)).count();
            (doomed > 0).then(|| {
                let mut kept = Page::with_room(leaf.payload(), leaf.len() - doomed);
                for i in (0..start).chain(start + doomed..leaf.len()) {
                    kept.push(leaf.key(i), leaf.value(i));
                }
                kept
            })
        });
    }

    fn from_leaves(leaves: Vec<Arc<Page>>) -> Self {
        let entries = leaves.iter().map(|leaf| leaf.len()).sum();
        let bytes = leaves.iter().map(|leaf| leaf.allocated()).sum();
        let mut level: Vec<(Vec<u8>, Node)> = leaves
            .into_iter()
            .map(|leaf| (leaf.first_key().unwrap_or_default().to_vec(), Node::Leaf(leaf)))
            .collect();
        while level.len() > 1 {
            let mut above = Vec::with_capacity(level.len() / FANOUT + 1);
            let mut below = level.into_iter();
            while let Some((first, node)) = below.next() {
                let mut inner = Inner { keys: Page::default(), children: vec![node] };
                for (key, node) in below.by_ref().take(FANOUT - 1) {
                    inner.keys.push(&key, &[]);
                    inner.children.push(node);
                }
                above.push((first, Node::Inner(Arc::new(inner))));
            }
            level = above;
        }
        match level.pop() {
            Some((_, root)) => Self { root, entries, bytes },
            None => Self::default(),
        }
    }
}

impl Inner {
    fn child_for(&self, key: &[u8]) -> usize {
        self.keys.lower_bound(key, true)
    }

    fn put(&mut self, key: &[u8], value: &[u8], merge: &dyn Merge, scratch: &mut Vec<u8>) -> Change {
        let at = self.child_for(key);
        let Some(child) = self.children.get_mut(at) else {
            return Change { grown: 0, added: false, split: None };
        };
        let mut change = child.put(key, value, merge, scratch);
        if let Some((separator, right)) = change.split.take() {
            self.keys.insert(at, &separator, &[]);
            self.children.insert(at + 1, right);
            if self.children.len() > FANOUT {
                change.split = Some(self.split(at + 2 == self.children.len()));
            }
        }
        change
    }

    /// Splits in half, or, for keys that arrive in order, leaves the left node full.
    fn split(&mut self, at_end: bool) -> (Vec<u8>, Node) {
        let keep = if at_end { self.children.len() - 2 } else { self.children.len() / 2 };
        let children = self.children.split_off(keep);
        let keys = self.keys.split_off(keep);
        let separator = self.keys.last_key().unwrap_or_default().to_vec();
        self.keys.remove(keep - 1);
        (separator, Node::Inner(Arc::new(Self { keys, children })))
    }
}

impl Node {
    fn put(&mut self, key: &[u8], value: &[u8], merge: &dyn Merge, scratch: &mut Vec<u8>) -> Change {
        let leaf = match self {
            Self::Inner(inner) => return Arc::make_mut(inner).put(key, value, merge, scratch),
            Self::Leaf(leaf) => Arc::make_mut(leaf),
        };
        let before = leaf.allocated() as isize;
        let found = leaf.search(key);
        let at = match found {
            Ok(at) => {
                scratch.clear();
                merge.merge(key, leaf.value(at), value, scratch);
                leaf.set_value(at, scratch);
                at
            }
            Err(at) => {
                leaf.insert(at, key, value);
                at
            }
        };
        let mut change = Change { grown: -before, added: found.is_err(), split: None };
        if leaf.allocated() > LEAF_BYTES && leaf.len() > 1 {
            let cut = if at + 1 == leaf.len() && found.is_err() { at } else { leaf.middle() };
            let right = leaf.split_off(cut);
            let separator = separator(leaf.last_key(), right.first_key());
            change.grown += right.allocated() as isize;
            change.split = Some((separator, Self::Leaf(Arc::new(right))));
        }
        change.grown += leaf.allocated() as isize;
        change
    }

    /// Changes the leaf that has `key`; nodes left empty are taken out, and `true` says this one is.
    fn edit(&mut self, key: &[u8], bytes: &mut usize, change: impl FnOnce(&mut Page, usize)) -> bool {
        match self {
            Self::Leaf(leaf) => {
                if let Ok(at) = leaf.search(key) {
                    let leaf = Arc::make_mut(leaf);
                    *bytes -= leaf.allocated().min(*bytes);
                    change(leaf, at);
                    *bytes += leaf.allocated();
                }
                leaf.is_empty()
            }
            Self::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                let at = inner.child_for(key);
                if inner.children.get_mut(at).is_some_and(|child| child.edit(key, bytes, change)) {
                    inner.children.remove(at);
                    if !inner.keys.is_empty() {
                        inner.keys.remove(at.min(inner.keys.len() - 1));
                    }
                }
                inner.children.is_empty()
            }
        }
    }

    fn first_from(&self, from: Bound<&[u8]>) -> Option<(Arc<Page>, usize)> {
        match self {
            Self::Leaf(page) => page.first_from(from).map(|at| (Arc::clone(page), at)),
            Self::Inner(inner) => {
                let start = match from {
                    Bound::Included(key) | Bound::Excluded(key) => inner.child_for(key),
                    Bound::Unbounded => 0,
                };
                inner.children.iter().skip(start).find_map(|child| child.first_from(from))
            }
        }
    }

    fn last_to(&self, to: Bound<&[u8]>) -> Option<(Arc<Page>, usize)> {
        match self {
            Self::Leaf(page) => page.last_to(to).map(|at| (Arc::clone(page), at)),
            Self::Inner(inner) => {
                let end = match to {
                    Bound::Included(key) | Bound::Excluded(key) => inner.child_for(key) + 1,
                    Bound::Unbounded => inner.children.len(),
                };
                inner.children.iter().take(end).rev().find_map(|child| child.last_to(to))
            }
        }
    }

    fn collect(&self, leaves: &mut Vec<Arc<Page>>) {
        match self {
            Self::Leaf(page) => leaves.push(Arc::clone(page)),
            Self::Inner(inner) => inner.children.iter().for_each(|child| child.collect(leaves)),
        }
    }
}

/// The shortest key that is greater than `left` and not greater than `right`: what tells two neighbours apart.
pub(crate) fn separator(left: Option<&[u8]>, right: Option<&[u8]>) -> Vec<u8> {
    let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
    right.iter().copied().take(common(left, right) + 1).collect()
}
