//! Reading a range: one cursor a layer, merged key by key.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use super::layers::{Hidden, Layer, after_prefix, hiding};
use super::page::Page;
use super::table::Reading;
use super::{Io, Merge, StorageError};

/// Data blocks that one cursor puts into the cache. A page of rows stays for the next reader; the rest of a long scan
/// is not worth what it would drive out.
const KEPT_BLOCKS: u32 = 32;

/// A key and its value.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

/// Entries of a [`View`](super::View) in order. Lends one entry at a time; holds no lock, only what the view holds.
///
/// After [`StorageError::WouldRead`] nothing is lost: move it to a thread that may block, [`allow_io`](Range::allow_io),
/// and go on.
pub struct Range {
    merge: Arc<dyn Merge>,
    cursors: Vec<Cursor>,
    travel: Travel,
    key: Vec<u8>,
    value: Vec<u8>,
    scratch: Vec<u8>,
}

/// Where all cursors go.
struct Travel {
    start: Bound<Vec<u8>>,
    /// Where to stop, in the direction of travel.
    end: Bound<Vec<u8>>,
    /// The one group that all keys are in, if so.
    group: Option<Vec<u8>>,
    reversed: bool,
    io: Io,
    /// Whether blocks go to the cache at all.
    keep: bool,
}

struct Cursor {
    layer: Layer,
    position: Position,
    blocks: u32,
}

enum Position {
    /// Nothing was looked at yet.
    Fresh,
    /// Still to be looked up, from here on.
    Seek(Bound<Vec<u8>>),
    /// At an entry, which may have been returned already.
    At {
        page: Arc<Page>,
        at: usize,
        hidden: Hidden,
        taken: bool,
    },
    Done,
}

impl Range {
    pub(crate) fn new(
        merge: &Arc<dyn Merge>,
        layers: impl Iterator<Item = Layer>,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
        group: Option<&[u8]>,
        reversed: bool,
        io: Io,
    ) -> Self {
        let (start, end) = if reversed { (to, from) } else { (from, to) };
        let travel = Travel {
            start: start.map(<[u8]>::to_vec),
            end: end.map(<[u8]>::to_vec),
            group: group.map(<[u8]>::to_vec),
            reversed,
            io,
            keep: true,
        };
        Self {
            merge: Arc::clone(merge),
            cursors: layers.map(|layer| Cursor { layer, position: Position::Fresh, blocks: 0 }).collect(),
            travel,
            key: Vec::new(),
            value: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// All entries of these layers, leaving the cache as it is: for those who read everything once.
    pub(crate) fn of_all(merge: &Arc<dyn Merge>, layers: impl Iterator<Item = Layer>) -> Self {
        let mut range =
            Self::new(merge, layers, (Bound::Unbounded, Bound::Unbounded), None, false, Io::Allowed);
        range.travel.keep = false;
        range
    }

    /// From now on, reads files where needed.
    pub fn allow_io(&mut self) {
        self.travel.io = Io::Allowed;
    }

    /// The next key and its value, merged over all layers.
    #[expect(
        clippy::should_implement_trait,
        reason = "lends from its own buffers, which Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, StorageError> {
        for cursor in &mut self.cursors {
            cursor.settle(&self.travel)?;
        }
        self.cursors.retain(|cursor| !matches!(cursor.position, Position::Done));
        let Some((first, several)) = self.nearest() else { return Ok(None) };
        if several {
            return Ok(self.merged(first));
        }
        let Some(cursor) = self.cursors.get_mut(first) else { return Ok(None) };
        cursor.take();
        Ok(cursor.entry())
    }

    /// The cursor with the next key, and whether others are at the same one; `None` past the end.
    fn nearest(&self) -> Option<(usize, bool)> {
        let reversed = self.travel.reversed;
        let mut nearest: Option<(usize, &[u8])> = None;
        let mut several = false;
        for (i, cursor) in self.cursors.iter().enumerate() {
            let Some((key, _)) = cursor.entry() else { continue };
            let order = nearest.map_or(Ordering::Less, |(_, best)| key.cmp(best));
            match if reversed && nearest.is_some() { order.reverse() } else { order } {
                Ordering::Less => {
                    nearest = Some((i, key));
                    several = false;
                }
                Ordering::Equal => several = true,
                Ordering::Greater => {}
            }
        }
        let (first, key) = nearest?;
        let inside = match (&self.travel.end, reversed) {
            (Bound::Unbounded, _) => true,
            (Bound::Included(end), false) => key <= end.as_slice(),
            (Bound::Excluded(end), false) => key < end.as_slice(),
            (Bound::Included(end), true) => key >= end.as_slice(),
            (Bound::Excluded(end), true) => key > end.as_slice(),
        };
        inside.then_some((first, several))
    }

    fn merged(&mut self, first: usize) -> Option<Entry<'_>> {
        let mut cursors = self.cursors.iter_mut().skip(first);
        let cursor = cursors.next()?;
        let (key, value) = cursor.entry()?;
        self.key.clear();
        self.key.extend_from_slice(key);
        self.value.clear();
        self.value.extend_from_slice(value);
        cursor.take();
        for cursor in cursors {
            let Some((key, value)) = cursor.entry() else { continue };
            if key == self.key {
                self.scratch.clear();
                self.merge.merge(key, &self.value, value, &mut self.scratch);
                std::mem::swap(&mut self.value, &mut self.scratch);
                cursor.take();
            }
        }
        Some((&self.key, &self.value))
    }
}

impl Cursor {
    fn entry(&self) -> Option<Entry<'_>> {
        match &self.position {
            Position::At { page, at, .. } => Some(page.entry(*at)),
            _ => None,
        }
    }

    fn take(&mut self) {
        if let Position::At { taken, .. } = &mut self.position {
            *taken = true;
        }
    }

    /// Moves on from an entry that was taken and past all that is hidden. On an error the position is kept.
    fn settle(&mut self, travel: &Travel) -> Result<(), StorageError> {
        let reversed = travel.reversed;
        loop {
            match &mut self.position {
                Position::Done => return Ok(()),
                Position::Fresh => {
                    let absent = match &travel.group {
                        Some(group) => !self.layer.may_hold_group(group, travel.io)?,
                        None => false,
                    };
                    self.position =
                        if absent { Position::Done } else { Position::Seek(travel.start.clone()) };
                }
                Position::At { page, at, taken: taken @ true, .. } => {
                    let next = if reversed { at.checked_sub(1) } else { Some(*at + 1) };
                    match next.filter(|&next| next < page.len()) {
                        Some(next) => (*at, *taken) = (next, false),
                        None => self.position = Position::Seek(Bound::Excluded(page.key(*at).to_vec())),
                    }
                }
                Position::At { page, at, hidden, .. } => match hiding(hidden, page.key(*at)) {
                    None => return Ok(()),
                    Some(prefix) if reversed => {
                        self.position = Position::Seek(Bound::Excluded(prefix.to_vec()))
                    }
                    Some(prefix) => {
                        self.position = after_prefix(prefix)
                            .map_or(Position::Done, |end| Position::Seek(Bound::Included(end)));
                    }
                },
                Position::Seek(bound) => {
                    let bound = bound.as_ref().map(Vec::as_slice);
                    let keep = travel.keep && self.blocks < KEPT_BLOCKS;
                    let reading = Reading { io: travel.io, keep };
                    let found = self.layer.seek(bound, reversed, reading)?;
                    self.blocks += 1;
                    self.position = match found {
                        Some(((page, at), hidden)) => {
                            Position::At { page, at, hidden: Arc::clone(hidden), taken: false }
                        }
                        None => Position::Done,
                    };
                }
            }
        }
    }
}
