//! When the disk fails, fills up, or belongs to somebody else; and when a caller asks too much.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_embedded::storage::{Batch, DiskStore, Durability, Io, Options, StorageError, Store};

use crate::storage_folder::Folder;
use crate::storage_model::small_options;
use crate::storage_sim::{Fail, Random, SimDisk};
use crate::storage_toy::{Toy, live, rows, stored};

fn options(disk: &SimDisk) -> Options {
    small_options(disk.clone(), Durability::Group)
}

fn open(options: Options) -> DiskStore {
    DiskStore::open(Path::new("/data"), Toy::new(), options).unwrap()
}

fn put(store: &DiskStore, i: u32) -> Result<(), StorageError> {
    let mut batch = Batch::new();
    let mut random = Random::new(u64::from(i));
    let payload: Vec<u8> = (0..200).map(|_| random.below(256) as u8).collect();
    batch.put(&key(i), &live(1, &payload));
    store.commit(batch).wait()
}

fn key(i: u32) -> Vec<u8> {
    [b"a".as_slice(), &i.to_be_bytes()].concat()
}

/// Tries again until it works; what waits for the disk looks again within a second.
fn eventually(mut attempt: impl FnMut() -> Result<(), StorageError>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = attempt() {
        assert!(Instant::now() < deadline, "still failing: {error}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn writes_stop_at_the_reserve_and_come_back_with_the_space() {
    let disk = SimDisk::default();
    disk.set_capacity(Some(120_000));
    let store = open(Options { reserve_bytes: 40_000, ..options(&disk) });
    let mut written = 0;
    let error = loop {
        match put(&store, written) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the disk never filled");
    };
    assert!(matches!(error, StorageError::DiskFull { reserve: 40_000, .. }), "{error}");
    assert!(error.to_string().contains("reserve"), "{error}");
    assert!(written > 100);
    assert_eq!(rows(&store.view()).len(), written as usize);
    disk.set_capacity(None);
    eventually(|| put(&store, written));
    assert_eq!(rows(&store.view()).len(), written as usize + 1);
    assert!(store.scrub().unwrap().damage.is_empty());
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_costs_nothing_acknowledged() {
    let disk = SimDisk::default();
    disk.set_capacity(Some(60_000));
    let store = open(options(&disk));
    let mut acknowledged = Vec::new();
    let mut failures = 0;
    for i in 0..600 {
        match put(&store, i) {
            Ok(()) => acknowledged.push(key(i)),
            Err(_) => failures += 1,
        }
    }
    assert!(failures > 0);
    // What could not be finished does not take the little room there is.
    let table_files =
        || disk.files().keys().filter(|path| path.display().to_string().contains("table-")).count() as u64;
    eventually(|| match table_files() <= store.stats().tables + 1 {
        true => Ok(()),
        false => Err(StorageError::Closed),
    });
    let all_there = |store: &DiskStore| acknowledged.iter().all(|key| stored(&store.view(), key).is_some());
    assert!(all_there(&store));
    disk.set_capacity(None);
    eventually(|| store.flush());
    eventually(|| put(&store, 1000));
    assert!(all_there(&store));
    drop(store);
    assert!(all_there(&open(options(&disk))));
}

#[test]
fn a_failed_sync_ends_writing_until_a_restart() {
    let disk = SimDisk::default();
    let store = open(options(&disk));
    put(&store, 1).unwrap();
    disk.fail(Fail::Sync("log-"));
    assert!(matches!(put(&store, 2), Err(StorageError::Io { what: "sync", .. })));
    let error = put(&store, 3).unwrap_err();
    assert!(matches!(error, StorageError::Poisoned { .. }), "{error}");
    assert!(stored(&store.view(), &key(1)).is_some(), "reads go on");
    assert!(stored(&store.view(), &key(2)).is_none(), "nobody sees what is not known to be durable");
    let found = open(options(&disk.now().after_kill()));
    assert!(stored(&found.view(), &key(1)).is_some());
    put(&found, 4).unwrap();
}

#[test]
fn a_failed_append_fails_its_writes_only_and_leaves_no_partial_record() {
    let disk = SimDisk::default();
    let store = open(options(&disk));
    put(&store, 1).unwrap();
    disk.fail(Fail::Write("log-"));
    assert!(matches!(put(&store, 2), Err(StorageError::Io { what: "write", .. })));
    put(&store, 3).unwrap();
    for found in [&store, &open(options(&disk.now().after_kill()))] {
        assert_eq!(rows(&found.view()).into_keys().collect::<Vec<_>>(), [key(1), key(3)]);
    }
}

#[test]
fn a_failed_flush_is_tried_again() {
    let disk = SimDisk::default();
    let store = open(options(&disk));
    put(&store, 1).unwrap();
    disk.fail(Fail::Write("table-"));
    assert!(store.flush().is_err());
    eventually(|| store.flush());
    assert_eq!(store.stats().tables, 1);
    assert!(stored(&store.view(), &key(1)).is_some());
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = Folder::new();
    let store = DiskStore::open(folder.path(), Toy::new(), Options::default()).unwrap();
    let error = DiskStore::open(folder.path(), Toy::new(), Options::default()).err().unwrap();
    assert!(matches!(error, StorageError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    drop(store);
    DiskStore::open(folder.path(), Toy::new(), Options::default()).unwrap();
}

#[test]
fn what_is_past_a_limit_is_refused_at_once() {
    let disk = SimDisk::default();
    let store = open(Options { batch_bytes: 1000, queue_bytes: 5000, ..options(&disk) });
    let mut large = Batch::new();
    large.put(b"a", &live(1, &[0; 1000]));
    assert!(matches!(store.commit(large).wait(), Err(StorageError::BatchTooLarge { limit: 1000, .. })));
    let held = disk.hold_writes();
    let mut waiting = Vec::new();
    for i in 0..100 {
        let mut batch = Batch::new();
        batch.put(&key(i), &live(1, &[7; 200]));
        waiting.push(store.commit(batch));
    }
    drop(held);
    let outcomes: Vec<_> = waiting.into_iter().map(|commit| commit.wait()).collect();
    let refused =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(StorageError::Overloaded { .. }))).count();
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(refused >= 50 && done >= 20 && refused + done == 100, "{refused} refused, {done} done");
    put(&store, 1000).unwrap();
}

#[test]
fn a_store_that_is_dropped_answers_what_waits() {
    let disk = SimDisk::default();
    let store = open(options(&disk));
    let waiting: Vec<_> = (0..50)
        .map(|i| {
            let mut batch = Batch::new();
            batch.put(&key(i), &live(1, b"x"));
            store.commit(batch)
        })
        .collect();
    drop(store);
    assert!(waiting.into_iter().all(|commit| commit.wait().is_ok()));
    assert_eq!(rows(&open(options(&disk)).view()).len(), 50);
}

#[test]
fn a_reader_that_may_not_wait_is_told_so_and_can_go_on_elsewhere() {
    let disk = SimDisk::default();
    let store = open(options(&disk));
    for i in 0..300 {
        put(&store, i).unwrap();
    }
    store.compact().unwrap();
    drop(store);
    let store = open(options(&disk));
    let view = store.view();
    let mut out = Vec::new();
    assert!(matches!(view.get(&key(7), Io::Cached, &mut out), Err(StorageError::WouldRead)));
    assert!(view.get(&key(7), Io::Allowed, &mut out).unwrap());
    assert!(view.get(&key(7), Io::Cached, &mut out).unwrap(), "it is in memory now");
    let mut range = view.range(Bound::Unbounded, Bound::Unbounded, false, Io::Cached);
    let mut found = Vec::new();
    let mut hops = 0;
    loop {
        match range.next() {
            Ok(Some((key, _))) => found.push(key.to_vec()),
            Ok(None) => break,
            Err(StorageError::WouldRead) => {
                hops += 1;
                range = std::thread::spawn(move || {
                    range.allow_io();
                    range
                })
                .join()
                .unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(hops, 1);
    assert_eq!(found, (0..300).map(key).collect::<Vec<_>>());
}

/// A write older than a deletion that compaction is dropping must not be hidden first and visible later.
#[test]
fn nothing_a_deletion_hid_comes_alive_when_compaction_drops_it() {
    use std::sync::atomic::Ordering;
    for round in 0..60u64 {
        let (disk, toy) = (SimDisk::default(), Toy::new());
        let store = DiskStore::open(Path::new("/data"), Arc::clone(&toy) as _, options(&disk)).unwrap();
        let mut batch = Batch::new();
        batch.put(b"a", &crate::storage_toy::deleted(2_000_000));
        (0..20).for_each(|i| batch.put(&key(i), &live(1_000_000, b"hidden")));
        store.commit(batch).wait().unwrap();
        store.flush().unwrap();
        toy.now.store(1000, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let compaction = scope.spawn(|| store.compact().unwrap());
            let mut seen = Vec::new();
            for i in 100..140 {
                for _ in 0..round * 20 {
                    std::hint::spin_loop();
                }
                let mut batch = Batch::new();
                batch.put(&key(i), &live(1_500_000, b"late"));
                store.commit(batch).wait().unwrap();
                seen.push((i, rows(&store.view()).contains_key(&key(i))));
            }
            compaction.join().unwrap();
            let after = rows(&store.view());
            for (i, was_visible) in seen {
                assert_eq!(after.contains_key(&key(i)), was_visible, "row {i}, round {round}");
            }
        });
    }
}
