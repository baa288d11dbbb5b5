//! What every implementation of the store does alike.

use std::ops::{Bound, Deref};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ilium_embedded::storage::{Batch, DiskStore, Durability, Io, MemoryStore, Options, Store};

use crate::storage_folder::Folder;
use crate::storage_toy::{GRACE, Toy, deleted, live, rows, stored};

/// A store of some implementation, and where it lives.
struct Opened {
    store: Box<dyn Store>,
    _folder: Option<Folder>,
}

impl Deref for Opened {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

type Open = fn(Arc<Toy>) -> Opened;

fn memory(toy: Arc<Toy>) -> Opened {
    Opened { store: Box::new(MemoryStore::new(toy)), _folder: None }
}

fn disk(toy: Arc<Toy>, durability: Durability) -> Opened {
    let folder = Folder::new();
    let options = Options {
        durability,
        memory_bytes: 64 << 10,
        segment_bytes: 32 << 10,
        table_bytes: 64 << 10,
        ..Options::default()
    };
    let store = Box::new(DiskStore::open(folder.path(), toy, options).unwrap());
    Opened { store, _folder: Some(folder) }
}

fn group(toy: Arc<Toy>) -> Opened {
    disk(toy, Durability::Group)
}

fn periodic(toy: Arc<Toy>) -> Opened {
    disk(toy, Durability::Periodic { every: Duration::from_millis(5) })
}

/// Runs each test on each implementation.
macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name(super::memory) })*
        }
        mod on_disk_group {
            $(#[test] fn $name() { super::$name(super::group) })*
        }
        mod on_disk_periodic {
            $(#[test] fn $name() { super::$name(super::periodic) })*
        }
    };
}

on_each!(
    what_is_under_a_prefix_is_told_about_right,
    a_value_reads_back,
    values_of_one_key_merge_by_write_time_not_by_arrival,
    a_view_never_sees_later_writes,
    a_batch_is_applied_in_order,
    a_dropped_prefix_is_gone_and_takes_new_writes,
    ranges_respect_their_bounds_in_both_directions,
    a_batch_is_seen_whole_or_not_at_all,
    deletions_go_after_their_grace_and_nothing_they_hid_comes_back,
);

fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    store.commit(batch).wait().unwrap();
}

fn a_value_reads_back(open: Open) {
    let store = open(Toy::new());
    put(&*store, b"ak", &live(1, b"v"));
    assert_eq!(stored(&store.view(), b"ak"), Some(live(1, b"v")));
    assert_eq!(stored(&store.view(), b"a"), None);
    assert_eq!(stored(&store.view(), b"akk"), None);
}

fn values_of_one_key_merge_by_write_time_not_by_arrival(open: Open) {
    let store = open(Toy::new());
    put(&*store, b"ak", &live(5, b"new"));
    put(&*store, b"ak", &live(3, b"old"));
    assert_eq!(stored(&store.view(), b"ak"), Some(live(5, b"new")));
    store.flush().unwrap();
    put(&*store, b"ak", &live(4, b"older"));
    assert_eq!(stored(&store.view(), b"ak"), Some(live(5, b"new")));
    assert_eq!(rows(&store.view()).len(), 1);
    put(&*store, b"ak", &deleted(9));
    store.flush().unwrap();
    assert_eq!(rows(&store.view()).len(), 0);
}

fn a_view_never_sees_later_writes(open: Open) {
    let store = open(Toy::new());
    for i in 0..2000u32 {
        put(&*store, &[b"a".as_slice(), &i.to_be_bytes()].concat(), &live(1, b"first"));
    }
    let before = store.view();
    for i in 0..4000u32 {
        put(&*store, &[b"a".as_slice(), &i.to_be_bytes()].concat(), &live(2, b"a longer second value"));
    }
    let mut batch = Batch::new();
    batch.drop_prefix(b"a\0\0\0");
    store.commit(batch).wait().unwrap();
    store.flush().unwrap();
    assert_eq!(rows(&before).len(), 2000);
    assert!(rows(&before).values().all(|payload| payload == b"first"));
    assert_eq!(rows(&store.view()).len(), 4000 - 256);
}

fn a_batch_is_applied_in_order(open: Open) {
    let store = open(Toy::new());
    let mut batch = Batch::new();
    batch.put(b"a1", &live(1, b"before"));
    batch.drop_prefix(b"a");
    batch.put(b"a2", &live(1, b"after"));
    store.commit(batch).wait().unwrap();
    assert_eq!(rows(&store.view()).into_keys().collect::<Vec<_>>(), [b"a2".to_vec()]);
}

fn a_dropped_prefix_is_gone_and_takes_new_writes(open: Open) {
    let store = open(Toy::new());
    for flushed in [true, false] {
        for key in [b"a1", b"b1", b"b2", b"c1"] {
            put(&*store, key, &live(100, b"x"));
        }
        if flushed {
            store.flush().unwrap();
        }
        let mut batch = Batch::new();
        batch.drop_prefix(b"b");
        store.commit(batch).wait().unwrap();
        assert_eq!(rows(&store.view()).into_keys().collect::<Vec<_>>(), [b"a1".to_vec(), b"c1".to_vec()]);
        assert_eq!(stored(&store.view(), b"b1"), None);
        put(&*store, b"b1", &live(1, b"older than what was dropped"));
        assert_eq!(rows(&store.view())[b"b1".as_slice()], b"older than what was dropped");
        store.compact().unwrap();
        assert_eq!(rows(&store.view()).len(), 3);
    }
}

fn ranges_respect_their_bounds_in_both_directions(open: Open) {
    let store = open(Toy::new());
    for i in (0..1000u32).rev() {
        put(&*store, &[b"a".as_slice(), &(i * 2).to_be_bytes()].concat(), &live(1, &[0; 40]));
        if i % 300 == 0 {
            store.flush().unwrap();
        }
    }
    let view = store.view();
    let key = |i: u32| [b"a".as_slice(), &i.to_be_bytes()].concat();
    let read = |from: Bound<u32>, to: Bound<u32>, reversed| {
        let (from, to) = (from.map(key), to.map(key));
        let mut range = view.range(
            from.as_ref().map(Vec::as_slice),
            to.as_ref().map(Vec::as_slice),
            reversed,
            Io::Allowed,
        );
        let mut found = Vec::new();
        while let Some((key, _)) = range.next().unwrap() {
            found.push(u32::from_be_bytes(key[1..].try_into().unwrap()));
        }
        found
    };
    use Bound::{Excluded, Included, Unbounded};
    for (from, to, expected) in [
        (Included(10), Included(14), vec![10, 12, 14]),
        (Excluded(10), Excluded(14), vec![12]),
        (Included(9), Excluded(15), vec![10, 12, 14]),
        (Unbounded, Included(2), vec![0, 2]),
        (Excluded(1994), Unbounded, vec![1996, 1998]),
        (Included(1999), Unbounded, vec![]),
        (Included(14), Included(10), vec![]),
        (Unbounded, Unbounded, (0..1000).map(|i| i * 2).collect()),
    ] {
        assert_eq!(read(from, to, false), expected);
        let backwards: Vec<u32> = expected.into_iter().rev().collect();
        assert_eq!(read(from, to, true), backwards);
    }
}

fn a_batch_is_seen_whole_or_not_at_all(open: Open) {
    let store = open(Toy::new());
    for size in [3u16, 1000] {
        let batch = |time: i64| {
            let mut batch = Batch::new();
            for i in 0..size {
                batch.put(&[b"a".as_slice(), &i.to_be_bytes()].concat(), &live(time, &[time as u8; 100]));
            }
            batch
        };
        store.commit(batch(1)).wait().unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (2..40).for_each(|time| store.commit(batch(time)).wait().unwrap()));
            while !writer.is_finished() {
                let found = rows(&store.view());
                let first = found.values().next().unwrap();
                assert!(found.values().all(|payload| payload == first), "half a batch of {size}");
            }
        });
        let mut drop_all = Batch::new();
        drop_all.drop_prefix(b"");
        store.commit(drop_all).wait().unwrap();
    }
}

fn deletions_go_after_their_grace_and_nothing_they_hid_comes_back(open: Open) {
    let toy = Toy::new();
    let store = open(Arc::clone(&toy));
    put(&*store, b"a1", &live(1_000_000, b"hidden by the group's deletion"));
    put(&*store, b"a2", &live(3_000_000, b"newer"));
    put(&*store, b"b1", &live(1_000_000, b"hidden by its own deletion"));
    store.flush().unwrap();
    put(&*store, b"a", &deleted(2_000_000));
    put(&*store, b"b1", &deleted(2_000_000));
    toy.now.store(GRACE, Ordering::Relaxed);
    store.compact().unwrap();
    assert!(stored(&store.view(), b"a").is_some(), "its grace is not over");
    assert_eq!(rows(&store.view()).len(), 1);
    toy.now.store(GRACE + 2, Ordering::Relaxed);
    store.compact().unwrap();
    assert_eq!(stored(&store.view(), b"a"), None);
    assert_eq!(stored(&store.view(), b"a1"), None);
    assert_eq!(stored(&store.view(), b"b1"), None);
    assert_eq!(rows(&store.view()).into_keys().collect::<Vec<_>>(), [b"a2".to_vec()]);
}

fn what_is_under_a_prefix_is_told_about_right(open: Open) {
    let store = open(Toy::new());
    let value = live(1, &[7; 50]);
    for chunk in 0..30u32 {
        let mut batch = Batch::new();
        for i in chunk * 100..(chunk + 1) * 100 {
            batch.put(&[b"large".as_slice(), &i.to_be_bytes()].concat(), &value);
        }
        batch.put(&[b"little".as_slice(), &chunk.to_be_bytes()].concat(), &value);
        store.commit(batch).wait().unwrap();
    }
    let check = |when: &str| {
        let large = store.view().estimate(b"large").unwrap();
        assert!((2700..=3300).contains(&large.entries), "{when}: {large:?} of 3000");
        assert!(large.disk_bytes + large.memory_bytes > 3000, "{when}: {large:?}");
        let little = store.view().estimate(b"little").unwrap();
        // Indexes tell whole blocks, so a file may be out by one, which is some hundred entries.
        let blocks = 200 * store.stats().tables;
        assert!(little.entries <= 30 + blocks, "{when}: {little:?} of 30");
        for absent in [b"k".as_slice(), b"lb", b"z"] {
            assert_eq!(store.view().estimate(absent).unwrap().entries, 0, "{when}");
        }
    };
    check("as written");
    store.flush().unwrap();
    check("flushed");
    store.compact().unwrap();
    check("compacted");
    let mut batch = Batch::new();
    batch.drop_prefix(b"large");
    store.commit(batch).wait().unwrap();
    assert_eq!(store.view().estimate(b"large").unwrap().entries, 0, "dropped");
}
