//! A snapshot of the store.

use std::ops::Bound;
use std::sync::Arc;

use super::layers::{Frozen, Hidden, Layer, Read, Rest, after_prefix};
use super::tree::Tree;
use super::{Io, Range, StorageError};

/// Everything committed when it was taken, and nothing later: a batch is seen whole or not at all, however long the
/// view lives. It costs two reference counts; the memory and files it shows stay until it goes.
#[derive(Clone)]
pub struct View {
    tree: Tree,
    rest: Arc<Rest>,
}

impl View {
    pub(crate) fn new(tree: Tree, rest: Arc<Rest>) -> Self {
        Self { tree, rest }
    }

    /// Puts the value of `key`, merged over all layers, into `out` in place of what was there; `false` if there is
    /// none.
    pub fn get(&self, key: &[u8], io: Io, out: &mut Vec<u8>) -> Result<bool, StorageError> {
        self.get_settled(key, &|_| i64::MIN, io, out)
    }

    /// Like [`get`](View::get), for those who need not know all of the value: `settled` gives a time before which
    /// nothing written could change what they make of a value (microseconds). Files with nothing newer are passed
    /// over; the newest are asked first.
    pub fn get_settled(
        &self,
        key: &[u8],
        settled: &dyn Fn(&[u8]) -> i64,
        io: Io,
        out: &mut Vec<u8>,
    ) -> Result<bool, StorageError> {
        let merge = &*self.rest.merge;
        let mut read = Read {
            key,
            hash: None,
            io,
            found: false,
            settles: settled,
            settled: None,
            out,
            merged: Vec::new(),
        };
        read.out.clear();
        if let Some(value) = self.tree.get(key) {
            read.add(merge, value);
        }
        for layer in &self.rest.layers {
            layer.get(merge, &mut read)?;
        }
        Ok(read.found)
    }

    /// The entries between two keys, in key order or (`reversed`) against it.
    pub fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, reversed: bool, io: Io) -> Range {
        self.read(None, (from, to), reversed, io)
    }

    /// The entries whose key starts with `prefix`.
    pub fn prefix(&self, prefix: &[u8], reversed: bool, io: Io) -> Range {
        let end = after_prefix(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.range(Bound::Included(prefix), to, reversed, io)
    }

    /// Like [`range`](View::range) where every key between the bounds is in the group of this whole name (see
    /// [`Merge::group_len`](super::Merge::group_len)): files that have nothing of it are passed over.
    pub fn range_in_group(
        &self,
        group: &[u8],
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reversed: bool,
        io: Io,
    ) -> Range {
        self.read(Some(group), (from, to), reversed, io)
    }

    fn read(
        &self,
        group: Option<&[u8]>,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        reversed: bool,
        io: Io,
    ) -> Range {
        let layers = std::iter::once(self.active()).chain(self.rest.layers.iter().cloned());
        Range::new(&self.rest.merge, layers, bounds, group, reversed, io)
    }

    pub(crate) fn active(&self) -> Layer {
        Layer::Frozen(Frozen {
            tree: self.tree.clone(),
            oldest: i64::MIN,
            first_segment: 0,
            hidden: Hidden::default(),
        })
    }

    pub(crate) fn rest(&self) -> &Arc<Rest> {
        &self.rest
    }
}
