//! A small data model for the store's tests: registers with write times, in groups that can be deleted as one.
//!
//! A key's first byte is its group. A value is `[kind][write time, 8 bytes][payload]`; the greater (time, kind,
//! payload) wins. The key that is the group byte alone holds a deletion of the whole group: it hides what was written
//! in the group at or before its time. A deletion may go [`GRACE`] seconds after it was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ilium_embedded::storage::{Io, Merge, Purge, Purged, Shadow, View};

pub const GRACE: u32 = 100;
const LIVE: u8 = 0;
const DELETED: u8 = 1;

#[derive(Default)]
pub struct Toy {
    pub now: AtomicU32,
}

pub fn live(time: i64, payload: &[u8]) -> Vec<u8> {
    [&[LIVE][..], &time.to_be_bytes(), payload].concat()
}

pub fn deleted(time: i64) -> Vec<u8> {
    [&[DELETED][..], &time.to_be_bytes()].concat()
}

pub fn time_of(value: &[u8]) -> i64 {
    i64::from_be_bytes(value[1..9].try_into().unwrap())
}

fn rank(value: &[u8]) -> (i64, u8, &[u8]) {
    (time_of(value), value[0], &value[9..])
}

/// Write times are microseconds.
fn droppable_at(value: &[u8]) -> Option<u32> {
    (value[0] == DELETED).then(|| u32::try_from(time_of(value) / 1_000_000).unwrap_or(0) + GRACE)
}

impl Toy {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }
}

impl Merge for Toy {
    fn merge(&self, _key: &[u8], a: &[u8], b: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(if rank(a) >= rank(b) { a } else { b });
    }

    fn oldest(&self, _key: &[u8], value: &[u8]) -> i64 {
        time_of(value)
    }

    fn newest(&self, _key: &[u8], value: &[u8]) -> i64 {
        time_of(value)
    }

    fn group_len(&self, _key: &[u8]) -> usize {
        1
    }

    fn droppable_at(&self, _key: &[u8], value: &[u8]) -> Option<u32> {
        droppable_at(value)
    }

    fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    fn purger(&self) -> Box<dyn Purge + '_> {
        Box::new(ToyPurge { now: self.now(), group: None })
    }
}

struct ToyPurge {
    now: u32,
    /// The group whose deletion was seen last, and its time.
    group: Option<(u8, i64)>,
}

impl Purge for ToyPurge {
    fn purge(&mut self, key: &[u8], value: &[u8], shadow: &mut dyn Shadow, _out: &mut Vec<u8>) -> Purged {
        let time = time_of(value);
        if key.len() == 1 {
            self.group = Some((key[0], time));
        } else if self.group.is_some_and(|(group, deleted)| group == key[0] && time <= deleted) {
            return Purged::Gone;
        }
        match droppable_at(value) {
            Some(at) if at <= self.now && shadow.may_drop(time) => Purged::Gone,
            _ => Purged::Keep,
        }
    }
}

/// What a reader of the toy sees: live payloads that no deletion hides.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// All visible rows, read by a range scan.
pub fn rows(view: &View) -> Rows {
    let mut rows = Rows::new();
    let mut group = None;
    let mut range = view.prefix(&[], false, Io::Allowed);
    while let Some((key, value)) = range.next().unwrap() {
        if key.len() == 1 {
            group = Some((key[0], time_of(value)));
            continue;
        }
        let hidden = group.is_some_and(|(group, deleted)| group == key[0] && time_of(value) <= deleted);
        if value[0] == LIVE && !hidden {
            rows.insert(key.to_vec(), value[9..].to_vec());
        }
    }
    rows
}

/// The stored value of one key, deletions included.
pub fn stored(view: &View, key: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    view.get_settled(key, &time_of, Io::Allowed, &mut out).unwrap().then_some(out)
}
