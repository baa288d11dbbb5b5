//! A snapshot of the store, made of layers that are merged on read.

use std::ops::Bound;
use std::sync::Arc;

use super::page::Page;
use super::tree::Tree;
use super::{Io, Merge, Range, StorageError};

/// Everything committed when it was taken, and nothing later: a batch is seen whole or not at all, however long the
/// view lives. It costs two reference counts; the memory and files it shows stay until it goes.
#[derive(Clone)]
pub struct View {
    tree: Tree,
    rest: Arc<Rest>,
}

/// The layers that no longer change, shared by all views until a flush or a compaction replaces them.
pub(crate) struct Rest {
    pub merge: Arc<dyn Merge>,
    pub layers: Vec<Layer>,
}

/// Prefixes whose keys were dropped after the layer was written.
pub(crate) type Hidden = Arc<[Box<[u8]>]>;

/// One sorted source of entries.
#[derive(Clone)]
pub(crate) enum Layer {
    Tree(Tree, Hidden),
}

/// An entry: a page and a position in it.
pub(crate) type Place = (Arc<Page>, usize);

impl View {
    pub(crate) fn new(tree: Tree, rest: Arc<Rest>) -> Self {
        Self { tree, rest }
    }

    /// Puts the value of `key`, merged over all layers, into `out` in place of what was there; `false` if there is
    /// none.
    pub fn get(&self, key: &[u8], io: Io, out: &mut Vec<u8>) -> Result<bool, StorageError> {
        out.clear();
        let mut found = false;
        let mut merged = Vec::new();
        let mut add = |value: &[u8]| {
            if found {
                merged.clear();
                self.rest.merge.merge(key, out, value, &mut merged);
                std::mem::swap(out, &mut merged);
            } else {
                out.extend_from_slice(value);
                found = true;
            }
        };
        if let Some(value) = self.tree.get(key) {
            add(value);
        }
        for layer in &self.rest.layers {
            layer.get(key, io, &mut add)?;
        }
        Ok(found)
    }

    /// The entries between two keys, in key order or (`reversed`) against it.
    pub fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, reversed: bool, io: Io) -> Range {
        let layers = std::iter::once(Layer::Tree(self.tree.clone(), Hidden::default()))
            .chain(self.rest.layers.iter().cloned())
            .collect();
        Range::new(Arc::clone(&self.rest.merge), layers, from, to, reversed, io)
    }

    /// The entries whose key starts with `prefix`.
    pub fn prefix(&self, prefix: &[u8], reversed: bool, io: Io) -> Range {
        let end = after_prefix(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.range(Bound::Included(prefix), to, reversed, io)
    }
}

impl Layer {
    fn get(&self, key: &[u8], _io: Io, add: &mut impl FnMut(&[u8])) -> Result<(), StorageError> {
        match self {
            Self::Tree(tree, hidden) => {
                if hiding(hidden, key).is_none()
                    && let Some(value) = tree.get(key)
                {
                    add(value);
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
        _io: Io,
    ) -> Result<Option<(Place, &Hidden)>, StorageError> {
        match self {
            Self::Tree(tree, hidden) => {
                let place = if reversed { tree.last_to(bound) } else { tree.first_from(bound) };
                Ok(place.map(|place| (place, hidden)))
            }
        }
    }
}

/// The dropped prefix that `key` is under, if any.
pub(crate) fn hiding<'a>(hidden: &'a Hidden, key: &[u8]) -> Option<&'a [u8]> {
    hidden.iter().map(|prefix| &**prefix).find(|prefix| key.starts_with(prefix))
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
