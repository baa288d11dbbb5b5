//! Power losses and kills at every moment: the disk is captured after each call that changed it, and a new store must
//! find exactly what some prefix of the history left, and at least what was acknowledged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ilium_embedded::storage::{Batch, DiskStore, Durability, Store};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::storage_model::{Change, Model, changes, small_options};
use crate::storage_sim::{Random, SimDisk};
use crate::storage_toy::{Rows, Toy, live, rows, stored, time_of};

const FOLDER: &str = "/data";

fn open(disk: &SimDisk, durability: Durability) -> DiskStore {
    DiskStore::open(Path::new(FOLDER), Toy::new(), small_options(disk.clone(), durability)).unwrap()
}

/// Batches from a seed, with the rows after each, the state before the first included.
fn history(seed: u64, length: usize) -> (Vec<Batch>, Vec<Rows>) {
    let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut model = Model::default();
    let mut batches = Vec::new();
    let mut states = vec![model.rows()];
    for _ in 0..length {
        let changes: Vec<Change> = changes().new_tree(&mut runner).unwrap().current();
        let mut batch = Batch::new();
        model.apply(&changes, 0, &mut batch);
        batches.push(batch);
        states.push(model.rows());
    }
    (batches, states)
}

/// Runs a history, captures the disk after the call of this number, and returns whether there was such a call.
fn run_and_lose(
    durability: Durability,
    seed: u64,
    call: u64,
    look: &mut dyn FnMut(&crate::storage_sim::Moment, usize, &[Rows]),
) -> bool {
    let (batches, states) = history(seed, 40);
    let disk = SimDisk::default();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let witness = Arc::clone(&acknowledged);
    disk.capture_at(call, Arc::new(move || witness.load(Ordering::SeqCst)));
    let store = open(&disk, durability);
    for (i, batch) in batches.into_iter().enumerate() {
        store.commit(batch).wait().unwrap();
        acknowledged.fetch_add(1, Ordering::SeqCst);
        if i % 13 == 12 {
            store.flush().unwrap();
        }
        if i == 30 {
            store.compact().unwrap();
        }
    }
    drop(store);
    match disk.captured() {
        Some(moment) => {
            look(&moment, moment.witnessed, &states);
            true
        }
        None => false,
    }
}

fn assert_is_one_of(found: &Rows, states: &[Rows], least: usize, most: usize, what: &str) {
    let most = most.min(states.len() - 1);
    let matching = states[least..=most].iter().any(|state| state == found);
    let earlier = states.iter().position(|state| state == found);
    assert!(matching, "{what}: found the state after {earlier:?} batches, expected {least} to {most}");
}

#[test]
fn a_power_loss_at_any_moment_loses_nothing_acknowledged() {
    let mut images = 0;
    for seed in 0..seeds() {
        let mut call = 1;
        while run_and_lose(Durability::Group, seed, call, &mut |moment, acknowledged, states| {
            for image in 0..4 {
                let mut random = Random::new(seed * 1_000_003 + call * 31 + image);
                let disk = moment.after_power_loss(&mut random);
                let what = format!("seed {seed}, call {call}, image {image}");
                let store =
                    DiskStore::open(Path::new(FOLDER), Toy::new(), small_options(disk, Durability::Group))
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_is_one_of(&rows(&store.view()), states, acknowledged, acknowledged + 1, &what);
                let report = store.scrub().unwrap();
                assert!(report.damage.is_empty(), "{what}: {:?}", report.damage);
                images += 1;
            }
        }) {
            call += 1 + seed % 3;
        }
        assert!(call > 100, "the history is too short to mean anything");
    }
    println!("{images} images of a power loss opened and read");
}

#[test]
fn a_kill_at_any_moment_loses_nothing_acknowledged_in_either_mode() {
    for durability in [Durability::Group, Durability::Periodic { every: Duration::from_millis(1) }] {
        let mut call = 1;
        while run_and_lose(durability, 7, call, &mut |moment, acknowledged, states| {
            let store = open(&moment.after_kill(), durability);
            let what = format!("{durability:?}, call {call}");
            assert_is_one_of(&rows(&store.view()), states, acknowledged, acknowledged + 1, &what);
        }) {
            call += 2;
        }
    }
}

/// What a restart after a kill read back, somebody may have seen: it stays, whatever of it was on disk by then.
#[test]
fn a_power_loss_after_a_kill_keeps_what_was_found_in_between() {
    for seed in 200..200 + seeds() {
        let mut call = 1;
        while run_and_lose(Durability::Group, seed, call, &mut |moment, acknowledged, states| {
            let mut random = Random::new(seed * 104_729 + call);
            // The power goes while the second start is still reading.
            let killed = moment.after_kill();
            killed.capture_at(1 + random.below(6), Arc::new(|| 0));
            drop(open(&killed, Durability::Group));
            if let Some(moment) = killed.captured() {
                let store = open(&moment.after_power_loss(&mut random), Durability::Group);
                let what = format!("seed {seed}, call {call}, lost at start");
                assert_is_one_of(&rows(&store.view()), states, acknowledged, acknowledged + 1, &what);
            }
            // The power goes after it.
            let killed = moment.after_kill();
            let store = open(&killed, Durability::Group);
            let mut found = rows(&store.view());
            let what = format!("seed {seed}, call {call}");
            assert_is_one_of(&found, states, acknowledged, acknowledged + 1, &what);
            for writes in 0..2 {
                if writes > 0 {
                    let mut batch = Batch::new();
                    batch.put(b"z1", &live(1, b"after the kill"));
                    store.commit(batch).wait().unwrap();
                    found.insert(b"z1".to_vec(), b"after the kill".to_vec());
                }
                let lost = killed.now().after_power_loss(&mut random);
                let options = small_options(lost, Durability::Group);
                let store = DiskStore::open(Path::new(FOLDER), Toy::new(), options)
                    .unwrap_or_else(|error| panic!("{what}, {writes} writes: {error}"));
                assert_eq!(rows(&store.view()), found, "{what}, {writes} writes");
            }
        }) {
            call += 1 + seed % 2;
        }
    }
}

#[test]
fn a_periodic_store_loses_only_the_end_of_its_history_in_a_power_loss() {
    let durability = Durability::Periodic { every: Duration::from_millis(1) };
    for seed in 100..100 + seeds() {
        let mut call = 1;
        while run_and_lose(durability, seed, call, &mut |moment, acknowledged, states| {
            for image in 0..3 {
                let mut random = Random::new(seed * 7919 + call * 17 + image);
                let store = open(&moment.after_power_loss(&mut random), durability);
                let what = format!("seed {seed}, call {call}, image {image}");
                assert_is_one_of(&rows(&store.view()), states, 0, acknowledged + 1, &what);
            }
        }) {
            call += 3;
        }
    }
}

/// Several writers at once, with a crash while they write: groups of batches share a record.
#[test]
fn concurrent_writers_keep_all_that_was_acknowledged_and_batches_stay_whole() {
    const WRITERS: u8 = 4;
    for seed in 0..seeds() {
        let disk = SimDisk::default();
        let acknowledged: Vec<_> = (0..WRITERS).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let store = Arc::new(open(&disk, Durability::Group));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged[writer as usize]));
                std::thread::spawn(move || {
                    for time in 1..=60usize {
                        let mut batch = Batch::new();
                        for key in 0..3u8 {
                            batch.put(&[b'a' + writer, key], &live(time as i64, &[key; 100]));
                        }
                        store.commit(batch).wait().unwrap();
                        acknowledged.store(time, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let mut random = Random::new(seed);
        while disk.calls() < 40 + random.below(200) {
            std::thread::yield_now();
        }
        let before: Vec<usize> = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let moment = disk.now();
        let found = open(&moment.after_power_loss(&mut random), Durability::Group);
        for (writer, before) in before.into_iter().enumerate() {
            let time_of_key = |key: u8| {
                stored(&found.view(), &[b'a' + writer as u8, key]).map_or(0, |value| time_of(&value) as usize)
            };
            assert!(time_of_key(0) >= before, "writer {writer} lost an acknowledged batch");
            assert!((1..3).all(|key| time_of_key(key) == time_of_key(0)), "writer {writer} has half a batch");
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }
}

/// Enough for a test run; more by `ILIUM_STORAGE_SEEDS`.
fn seeds() -> u64 {
    std::env::var("ILIUM_STORAGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3)
}
