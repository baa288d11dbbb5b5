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
    /// Bytes of `data` no slot points to: values that were replaced.
    dead: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
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
        let mut copy = Self::with_room(self.data.len() - self.dead + SLACK, self.slots.len() + 4);
        for (key, value) in self.iter() {
            copy.push(key, value);
        }
        copy
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "positions come from a search of this page, slots are made with the data"
)]
impl Page {
    /// Room for `bytes` of keys and values in `entries` entries.
    pub fn with_room(bytes: usize, entries: usize) -> Self {
        Self { data: Vec::with_capacity(bytes), slots: Vec::with_capacity(entries), dead: 0 }
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
        self.slots.binary_search_by(|slot| {
            let at = slot.at as usize;
            self.data[at..at + slot.key as usize].cmp(key)
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
        let slot = self.append(key, value);
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(8);
        }
        self.slots.insert(i, slot);
    }

    /// Adds an entry whose key is greater than all others: the first `shared` bytes of the last one's, then `rest`.
    /// `None` if the last key is shorter than that.
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
        self.slots.push(Slot { at: at as u32, key: (shared + rest.len()) as u32, value: value.len() as u32 });
        Some(())
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
        self.slots[i] = Slot { at, key: slot.key, value: value.len() as u32 };
        self.dead += slot.key as usize + slot.value as usize;
        if self.dead > self.data.len() / 2 {
            *self = self.clone();
        }
    }

    /// Moves the entries from position `i` on to a page of their own.
    pub fn split_off(&mut self, i: usize) -> Self {
        let mut right = Self::with_room(self.payload_from(i) + SLACK, self.len() - i + 4);
        for at in i..self.len() {
            right.push(self.key(at), self.value(at));
        }
        self.slots.truncate(i);
        *self = self.clone();
        right
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

    fn payload_from(&self, i: usize) -> usize {
        self.slots[i..].iter().map(|slot| (slot.key + slot.value) as usize).sum()
    }

    fn append(&mut self, key: &[u8], value: &[u8]) -> Slot {
        self.make_room(key.len() + value.len());
        let at = self.data.len() as u32;
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
        Slot { at, key: key.len() as u32, value: value.len() as u32 }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.data.capacity() - self.data.len() < bytes {
            self.data.reserve_exact(bytes + SLACK);
        }
    }
}
