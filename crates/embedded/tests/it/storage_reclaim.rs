//! Space comes back: what was overwritten, deleted, or dropped is gone from disk, and reads do not pay for it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ilium_embedded::storage::{Batch, Commit, DiskStore, Durability, Merge, Options, Purge, Store};

use crate::storage_folder::Folder;
use crate::storage_sim::Random;
use crate::storage_toy::{GRACE, Toy, deleted, live, rows, stored};

fn open(folder: &Path, toy: &Arc<Toy>) -> DiskStore {
    let options = Options {
        durability: Durability::Periodic { every: Duration::from_secs(10) },
        memory_bytes: 1 << 20,
        log_bytes: 2 << 20,
        segment_bytes: 1 << 20,
        table_bytes: 2 << 20,
        ..Options::default()
    };
    DiskStore::open(folder, Arc::clone(toy) as _, options).unwrap()
}

/// Bytes of the files in a folder.
fn folder_bytes(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Commits all of these, many at a time.
fn commit_all(store: &DiskStore, batches: impl Iterator<Item = Batch>) {
    let mut waiting: Vec<Commit> = Vec::new();
    for batch in batches {
        waiting.push(store.commit(batch));
        if waiting.len() == 1000 {
            waiting.drain(..).for_each(|commit| commit.wait().unwrap());
        }
    }
    waiting.into_iter().for_each(|commit| commit.wait().unwrap());
}

fn put(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(key, value);
    batch
}

fn queue_key(i: u32) -> Vec<u8> {
    [b"q".as_slice(), &i.to_be_bytes()].concat()
}

/// What a new folder takes that holds one row.
fn new_folder_bytes() -> u64 {
    let folder = Folder::new();
    let store = open(folder.path(), &Toy::new());
    commit_all(&store, std::iter::once(put(b"a1", &live(1, &[1; 100]))));
    store.flush().unwrap();
    drop(store);
    folder_bytes(folder.path())
}

#[test]
fn a_row_updated_very_often_takes_no_more_than_a_new_one() {
    let folder = Folder::new();
    let store = open(folder.path(), &Toy::new());
    commit_all(&store, (0..100_000).map(|time| put(b"a1", &live(time, &[1; 100]))));
    store.flush().unwrap();
    store.maintain().unwrap();
    let stats = store.stats();
    assert!(stats.table_entries < 4, "{stats:?}");
    assert_eq!(stored(&store.view(), b"a1"), Some(live(99_999, &[1; 100])));
    drop(store);
    assert!(folder_bytes(folder.path()) <= 2 * new_folder_bytes());
}

#[test]
fn a_drained_queue_is_gone_once_its_grace_is_over() {
    let folder = Folder::new();
    let toy = Toy::new();
    let store = open(folder.path(), &toy);
    commit_all(&store, std::iter::once(put(b"a1", &live(1, &[1; 100]))));
    let rows_in_queue = 60_000;
    for i in (0..rows_in_queue).step_by(1000) {
        commit_all(&store, (i..i + 1000).map(|i| put(&queue_key(i), &live(1_000_000, &[2; 100]))));
        commit_all(&store, (i..i + 1000).map(|i| put(&queue_key(i), &deleted(2_000_000))));
    }
    toy.now.store(GRACE + 10, Ordering::Relaxed);
    store.maintain().unwrap();
    let stats = store.stats();
    assert!(stats.table_entries + stats.memory_entries < 100, "{stats:?}");
    assert_eq!(rows(&store.view()).into_keys().collect::<Vec<_>>(), [b"a1".to_vec()]);
    drop(store);
    assert!(folder_bytes(folder.path()) <= 2 * new_folder_bytes());
}

#[test]
fn deletions_within_their_grace_stay_and_are_not_rewritten_over_and_over() {
    let folder = Folder::new();
    let toy = Toy::new();
    let store = open(folder.path(), &toy);
    commit_all(&store, (0..2000).map(|i| put(&queue_key(i), &deleted(2_000_000))));
    store.flush().unwrap();
    store.maintain().unwrap();
    assert_eq!(store.stats().table_entries, 2000);
}

#[test]
fn a_dropped_prefix_gives_its_files_back() {
    let folder = Folder::new();
    let store = open(folder.path(), &Toy::new());
    commit_all(&store, std::iter::once(put(b"a1", &live(1, &[1; 100]))));
    let mut random = Random::new(1);
    let mut noise = || (0..100).map(|_| random.below(256) as u8).collect::<Vec<u8>>();
    commit_all(&store, (0..20_000).map(|i| put(&queue_key(i), &live(1, &noise()))));
    store.compact().unwrap();
    assert!(store.stats().table_bytes > 1 << 20);
    let mut batch = Batch::new();
    batch.drop_prefix(b"q");
    store.commit(batch).wait().unwrap();
    store.maintain().unwrap();
    assert!(store.stats().table_bytes < 2000, "{:?}", store.stats());
    assert_eq!(rows(&store.view()).len(), 1);
    drop(store);
    assert!(folder_bytes(folder.path()) <= 2 * new_folder_bytes());
}

#[test]
fn runs_stay_few_however_much_is_flushed() {
    let folder = Folder::new();
    let store = open(folder.path(), &Toy::new());
    for round in 0..60u32 {
        commit_all(&store, (0..200).map(|i| put(&queue_key(i * 60 + round), &live(1, &[3; 100]))));
        store.flush().unwrap();
    }
    store.maintain().unwrap();
    let stats = store.stats();
    assert!(stats.runs <= 8, "{stats:?}");
    assert_eq!(rows(&store.view()).len(), 12_000);
}

/// A data model that is meddled with once a rewrite has begun.
struct Meddled {
    toy: Arc<Toy>,
    meddle: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Merge for Meddled {
    fn merge(&self, key: &[u8], a: &[u8], b: &[u8], out: &mut Vec<u8>) {
        self.toy.merge(key, a, b, out);
    }

    fn oldest(&self, key: &[u8], value: &[u8]) -> i64 {
        self.toy.oldest(key, value)
    }

    fn newest(&self, key: &[u8], value: &[u8]) -> i64 {
        self.toy.newest(key, value)
    }

    fn group_len(&self, key: &[u8]) -> usize {
        self.toy.group_len(key)
    }

    fn droppable_at(&self, key: &[u8], value: &[u8]) -> Option<u32> {
        self.toy.droppable_at(key, value)
    }

    fn now(&self) -> u32 {
        self.toy.now()
    }

    fn purger(&self) -> Box<dyn Purge + '_> {
        if let Some(meddle) = self.meddle.lock().unwrap().take() {
            meddle();
        }
        self.toy.purger()
    }
}

#[test]
fn a_prefix_dropped_again_during_a_rewrite_stays_dropped() {
    let folder = Folder::new();
    let meddled = Arc::new(Meddled { toy: Toy::new(), meddle: Mutex::default() });
    let store =
        Arc::new(DiskStore::open(folder.path(), Arc::clone(&meddled) as _, Options::default()).unwrap());
    let drop_it = || {
        let mut batch = Batch::new();
        batch.drop_prefix(b"qx");
        batch
    };
    // Too many others for the table to be worth a rewrite because of the drop.
    commit_all(&store, (0..5000).map(|i| put(&queue_key(i), &live(1, &[3; 100]))));
    commit_all(&store, std::iter::once(put(b"qx1", &live(1, b"old"))));
    store.flush().unwrap();
    store.commit(drop_it()).wait().unwrap();
    commit_all(&store, std::iter::once(put(b"qx2", &live(2, b"new"))));
    store.flush().unwrap();

    let during = Arc::clone(&store);
    let meddle = move || during.commit(drop_it()).wait().unwrap();
    *meddled.meddle.lock().unwrap() = Some(Box::new(meddle));
    store.compact().unwrap();
    assert!(meddled.meddle.lock().unwrap().is_none(), "no rewrite began");
    assert_eq!(rows(&store.view()).len(), 5000);
}
