//! A page: a few kilobytes of sorted entries packed into one buffer. Leaves of the memory table, blocks of table files
//! once decoded, and index blocks are all pages, so one search and one cursor serve them all.

use std::ops::Bound;

/// Sorted keys with their values, bytes in one buffer in order of arrival, slots in order of keys.
///
/// Positions given to the methods are below [`len`](Page::len) (for `insert`: not above it); every caller has them
/// from a search of the same page.
#[derive(Default, Debug)]
pub(crate) struct Page {
    data: Vec<u8>,
    slots: Vec<Slot>,
    /// Bytes that all keys begin with.
    shared: usize,
    /// Bytes of `data` no slot points to: values that were replaced.
    dead: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The key's four bytes after the shared ones, so that a search mostly stays within the slots.
    head: u32,
    at: u32,
    key: u32,
    value: u32,
}

/// Room taken ahead when a page's buffer grows. Doubling would leave a third of a memory table's budget unused; this
/// much costs a reallocation every few rows.
const SLACK: usize = 512;

impl Clone for Page {
    /// A page is cloned to be changed while a view still reads the original, so the copy has room to grow.
    fn clone(&self) -> Self {
        self.copy(0, self.len(), SLACK)
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "positions come from a search of this page, slots are made with the data"
)]
impl Page {
    /// Room for `bytes` of keys and values in `entries` entries.
    pub fn with_room(bytes: usize, entries: usize) -> Self {
        Self { data: Vec::with_capacity(bytes), slots: Vec::with_capacity(entries), shared: 0, dead: 0 }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn key(&self, i: usize) -> &[u8] {
        let slot = self.slots[i];
        let at = slot.at as usize;
        &self.data[at..at + slot.key as usize]
    }

    pub fn value(&self, i: usize) -> &[u8] {
        let slot = self.slots[i];
        let at = slot.at as usize + slot.key as usize;
        &self.data[at..at + slot.value as usize]
    }

    pub fn entry(&self, i: usize) -> (&[u8], &[u8]) {
        (self.key(i), self.value(i))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|i| self.entry(i))
    }

    pub fn first_key(&self) -> Option<&[u8]> {
        (!self.is_empty()).then(|| self.key(0))
    }

    pub fn last_key(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|last| self.key(last))
    }

    /// The position of `key`, or where it would go.
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let Some(prefix) = self.first_key().map(|first| &first[..self.shared]) else { return Err(0) };
        let Some(rest) = key.strip_prefix(prefix) else {
            return Err(if key < prefix { 0 } else { self.len() });
        };
        let head = head(rest);
        self.slots.binary_search_by(|slot| {
            slot.head.cmp(&head).then_with(|| {
                let at = slot.at as usize;
                self.data[at + self.shared..at + slot.key as usize].cmp(rest)
            })
        })
    }

    /// The first position whose key is `key` or greater (greater only, with `after`).
    pub fn lower_bound(&self, key: &[u8], after: bool) -> usize {
        match self.search(key) {
            Ok(i) => i + usize::from(after),
            Err(i) => i,
        }
    }

    /// The first position from `bound` on.
    pub fn first_from(&self, bound: Bound<&[u8]>) -> Option<usize> {
        let at = match bound {
            Bound::Included(key) => self.lower_bound(key, false),
            Bound::Excluded(key) => self.lower_bound(key, true),
            Bound::Unbounded => 0,
        };
        (at < self.len()).then_some(at)
    }

    /// The last position up to `bound`.
    pub fn last_to(&self, bound: Bound<&[u8]>) -> Option<usize> {
        let end = match bound {
            Bound::Included(key) => self.lower_bound(key, true),
            Bound::Excluded(key) => self.lower_bound(key, false),
            Bound::Unbounded => self.len(),
        };
        end.checked_sub(1)
    }

    /// Memory the page holds, spare room included.
    pub fn allocated(&self) -> usize {
        size_of::<Self>() + self.data.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    /// Bytes of the keys and values in it.
    pub fn payload(&self) -> usize {
        self.data.len() - self.dead
    }

    /// Adds an entry whose key is greater than all others.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.insert(self.len(), key, value);
    }

    pub fn insert(&mut self, i: usize, key: &[u8], value: &[u8]) {
        let shared = self.first_key().map_or(key.len(), |first| common(&first[..self.shared], key));
        if shared != self.shared {
            self.share(shared);
        }
        self.make_room(key.len() + value.len());
        let at = self.data.len() as u32;
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(8);
        }
        let head = head(&key[shared..]);
        self.slots.insert(i, Slot { head, at, key: key.len() as u32, value: value.len() as u32 });
    }

    /// Adds an entry whose key is greater than all others: the first `shared` bytes of the last one's, then `rest`.
    /// `None` if the last key is shorter than that. To be followed by [`index`](Page::index).
    pub fn push_sharing(&mut self, shared: usize, rest: &[u8], value: &[u8]) -> Option<()> {
        let at = self.data.len();
        if shared > 0 {
            let last = *self.slots.last()?;
            if shared > last.key as usize {
                return None;
            }
            self.data.extend_from_within(last.at as usize..last.at as usize + shared);
        }
        self.data.extend_from_slice(rest);
        self.data.extend_from_slice(value);
        let key = (shared + rest.len()) as u32;
        self.slots.push(Slot { head: 0, at: at as u32, key, value: value.len() as u32 });
        Some(())
    }

    /// Makes entries that were only pushed fit to be searched.
    pub fn index(&mut self) {
        let ends = self.first_key().zip(self.last_key());
        self.share(ends.map_or(0, |(first, last)| common(first, last)));
    }

    pub fn set_value(&mut self, i: usize, value: &[u8]) {
        let slot = self.slots[i];
        let start = slot.at as usize + slot.key as usize;
        if value.len() <= slot.value as usize {
            self.data[start..start + value.len()].copy_from_slice(value);
            self.slots[i].value = value.len() as u32;
            self.dead += slot.value as usize - value.len();
            return;
        }
        let key_at = slot.at as usize;
        self.make_room(slot.key as usize + value.len());
        let at = self.data.len() as u32;
        self.data.extend_from_within(key_at..key_at + slot.key as usize);
        self.data.extend_from_slice(value);
        self.slots[i] = Slot { at, value: value.len() as u32, ..slot };
        self.dead += slot.key as usize + slot.value as usize;
        if self.dead > self.data.len() / 2 {
            *self = self.clone();
        }
    }

    /// Moves the entries from position `i` on to a page of their own.
    pub fn split_off(&mut self, i: usize) -> Self {
        let right = self.copy(i, self.len(), SLACK);
        *self = self.copy(0, i, SLACK);
        right
    }

    /// The entries from `start` to `end` on a page without dead bytes.
    fn copy(&self, start: usize, end: usize, slack: usize) -> Self {
        let slots = &self.slots[start..end];
        let bytes: usize = slots.iter().map(|slot| (slot.key + slot.value) as usize).sum();
        let mut copy = Self::with_room(bytes + slack, slots.len() + 4);
        for slot in slots {
            let at = copy.data.len() as u32;
            let start = slot.at as usize;
            copy.data.extend_from_slice(&self.data[start..start + (slot.key + slot.value) as usize]);
            copy.slots.push(Slot { at, ..*slot });
        }
        copy.index();
        copy
    }

    /// The position that cuts the page into halves of about the same bytes, neither of them empty.
    pub fn middle(&self) -> usize {
        let half = self.payload() / 2;
        let mut sum = 0;
        let cut = self.slots.iter().position(|slot| {
            sum += (slot.key + slot.value) as usize;
            sum >= half
        });
        cut.unwrap_or(0).clamp(1, self.len().saturating_sub(1).max(1))
    }

    /// Forgets the entry at `i`.
    pub fn remove(&mut self, i: usize) {
        let slot = self.slots.remove(i);
        self.dead += (slot.key + slot.value) as usize;
        if self.dead > self.data.len() / 2 {
            *self = self.clone();
        }
    }

    /// Sets how many bytes all keys share, and the heads that follow from it.
    fn share(&mut self, shared: usize) {
        self.shared = shared;
        for slot in &mut self.slots {
            let at = slot.at as usize;
            slot.head = head(&self.data[at + shared..at + slot.key as usize]);
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.data.capacity() - self.data.len() < bytes {
            self.data.reserve_exact(bytes + SLACK);
        }
    }
}

/// The first four bytes as a number that compares as they do; a shorter key is padded with zeros.
fn head(rest: &[u8]) -> u32 {
    match rest.first_chunk() {
        Some(bytes) => u32::from_be_bytes(*bytes),
        None => {
            rest.iter().fold((0, 24), |(head, shift), &byte| (head | u32::from(byte) << shift, shift - 8)).0
        }
    }
}

/// How many bytes two keys have in common at the beginning.
pub(crate) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_page_finds_what_a_sorted_map_finds(
            entries in prop::collection::vec((prop::collection::vec(0..3u8, 0..12), 0..40usize), 1..60),
            wanted in prop::collection::vec(prop::collection::vec(0..3u8, 0..12), 20),
        ) {
            let mut page = Page::default();
            let mut map = std::collections::BTreeMap::new();
            for (key, len) in entries {
                let value = vec![7; len];
                match page.search(&key) {
                    Ok(at) => page.set_value(at, &value),
                    Err(at) => page.insert(at, &key, &value),
                }
                map.insert(key, value);
            }
            prop_assert!(page.iter().eq(map.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))));
            for key in wanted.iter().chain(map.keys()) {
                let expected = map.keys().position(|other| other == key);
                prop_assert_eq!(page.search(key).ok(), expected);
                let after = map.keys().filter(|other| *other < key).count();
                prop_assert_eq!(page.lower_bound(key, false), after);
            }
            if page.len() > 1 {
                let mut left = page.clone();
                let right = left.split_off(page.middle());
                prop_assert!(!left.is_empty() && !right.is_empty());
                prop_assert!(left.iter().chain(right.iter()).eq(page.iter()));
            }
            while !page.is_empty() {
                let key = page.key(page.len() / 2).to_vec();
                page.remove(page.len() / 2);
                map.remove(&key);
                prop_assert!(page.search(&key).is_err());
                prop_assert!(page.iter().eq(map.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))));
            }
        }
    }
}
