//! Random histories against a plain map: writes in any order of time, deletions, dropped prefixes, flushes,
//! compactions, restarts, crashes, power losses, checkpoints, and views kept across all of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ilium_embedded::storage::{Batch, DiskStore, Durability, Io, MemoryStore, Options, Store, View};
use proptest::prelude::*;

use crate::storage_sim::{Random, SimDisk};
use crate::storage_toy::{GRACE, Rows, Toy, deleted, live, rows, time_of};

/// What the store should hold: the winning value of every key, group deletions included.
#[derive(Clone, Default)]
pub struct Model(BTreeMap<Vec<u8>, (i64, Option<Vec<u8>>)>);

#[derive(Clone, Debug)]
pub enum Change {
    /// The payload is this byte so many times.
    Put {
        key: Vec<u8>,
        age: u8,
        payload: (u8, u16),
    },
    Delete {
        key: Vec<u8>,
        age: u8,
    },
    DeleteGroup {
        group: u8,
        age: u8,
    },
    Drop {
        prefix: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Flush,
    Compact,
    Maintain,
    Restart,
    Kill,
    PowerLoss(u64),
    Advance(u16),
    TakeView,
    CheckView,
    Checkpoint,
    Scrub,
}

impl Model {
    /// Applies changes to the model and adds them to a batch. Write times lie in the last half of a grace: nothing
    /// older than a deletion that may be gone ever arrives.
    pub fn apply(&mut self, changes: &[Change], now: u32, batch: &mut Batch) {
        let time = |age: u8| (i64::from(now) + i64::from(GRACE)) * 1_000_000 - i64::from(age) * 150_000;
        for change in changes {
            match change {
                Change::Put { key, age, payload } => {
                    let payload = vec![payload.0; payload.1.into()];
                    batch.put(key, &live(time(*age), &payload));
                    self.merge(key, (time(*age), Some(payload)));
                }
                Change::Delete { key, age } => {
                    batch.put(key, &deleted(time(*age)));
                    self.merge(key, (time(*age), None));
                }
                Change::DeleteGroup { group, age } => {
                    batch.put(&[*group], &deleted(time(*age)));
                    self.merge(&[*group], (time(*age), None));
                }
                Change::Drop { prefix } => {
                    batch.drop_prefix(prefix);
                    self.0.retain(|key, _| !key.starts_with(prefix));
                }
            }
        }
    }

    fn merge(&mut self, key: &[u8], new: (i64, Option<Vec<u8>>)) {
        // A deletion wins over a value of the same time.
        let rank = |value: &(i64, Option<Vec<u8>>)| (value.0, value.1.is_none(), value.1.clone());
        let old = self.0.entry(key.to_vec()).or_insert_with(|| new.clone());
        if rank(&new) > rank(old) {
            *old = new;
        }
    }

    pub fn rows(&self) -> Rows {
        let hidden = |key: &[u8], time| self.0.get(&key[..1]).is_some_and(|(deleted, _)| time <= *deleted);
        let visible = self.0.iter().filter(|(key, (time, _))| key.len() > 1 && !hidden(key, *time));
        visible.filter_map(|(key, (_, payload))| Some((key.clone(), payload.clone()?))).collect()
    }
}

pub fn small_options(disk: SimDisk, durability: Durability) -> Options {
    Options {
        durability,
        memory_bytes: 6 << 10,
        log_bytes: 12 << 10,
        segment_bytes: 4 << 10,
        cache_bytes: 16 << 10,
        table_bytes: 6 << 10,
        reserve_bytes: 0,
        disk: Arc::new(disk),
        ..Options::default()
    }
}

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let key = || {
        (b'a'..b'e', prop::collection::vec(0..4u8, 1..4))
            .prop_map(|(group, rest)| std::iter::once(group).chain(rest).collect::<Vec<u8>>())
    };
    let payload = (any::<u8>(), 0..400u16);
    let change = prop_oneof![
        12 => (key(), any::<u8>(), payload).prop_map(|(key, age, payload)| Change::Put { key, age, payload }),
        4 => (key(), any::<u8>()).prop_map(|(key, age)| Change::Delete { key, age }),
        1 => (b'a'..b'e', any::<u8>()).prop_map(|(group, age)| Change::DeleteGroup { group, age }),
        1 => key().prop_map(|key| Change::Drop { prefix: key[..key.len() - 1].to_vec() }),
    ];
    prop::collection::vec(change, 1..6)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => changes().prop_map(Step::Commit),
        3 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => Just(Step::Maintain),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(Step::PowerLoss),
        2 => (0..200u16).prop_map(Step::Advance),
        1 => Just(Step::TakeView),
        1 => Just(Step::CheckView),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Scrub),
    ]
}

/// A store under test and the disk it is on, if it is on one.
struct Subject {
    store: Box<dyn Store>,
    disk: Option<(SimDisk, Durability)>,
    toy: Arc<Toy>,
}

impl Subject {
    fn open(disk: Option<(SimDisk, Durability)>, toy: Arc<Toy>) -> Self {
        let store: Box<dyn Store> = match &disk {
            None => Box::new(MemoryStore::new(Arc::clone(&toy) as _)),
            Some((disk, durability)) => {
                let options = small_options(disk.clone(), *durability);
                Box::new(DiskStore::open(Path::new("/data"), Arc::clone(&toy) as _, options).unwrap())
            }
        };
        Self { store, disk, toy }
    }

    /// Leaves the store as it is and starts another on what `find` makes of the disk.
    fn start_over(&mut self, find: impl FnOnce(&SimDisk) -> SimDisk) {
        if let Some((disk, durability)) = &self.disk {
            *self = Self::open(Some((find(disk), *durability)), Arc::clone(&self.toy));
        }
    }
}

fn run(mut subject: Subject, steps: Vec<Step>) {
    let mut model = Model::default();
    let mut kept: Option<(View, Rows)> = None;
    let mut checkpoints = 0;
    for step in steps {
        match step {
            Step::Commit(changes) => {
                let mut batch = Batch::new();
                model.apply(&changes, subject.toy.now.load(Ordering::Relaxed), &mut batch);
                subject.store.commit(batch).wait().unwrap();
            }
            Step::Flush => subject.store.flush().unwrap(),
            Step::Compact => subject.store.compact().unwrap(),
            Step::Maintain => subject.store.maintain().unwrap(),
            Step::Restart => {
                if let Some((disk, durability)) = subject.disk.clone() {
                    let toy = Arc::clone(&subject.toy);
                    drop(subject);
                    subject = Subject::open(Some((disk, durability)), toy);
                }
            }
            Step::Kill => subject.start_over(|disk| disk.now().after_kill()),
            Step::PowerLoss(seed) => {
                if matches!(subject.disk, Some((_, Durability::Group))) {
                    subject.start_over(|disk| disk.now().after_power_loss(&mut Random::new(seed)));
                }
            }
            Step::Advance(seconds) => {
                subject.toy.now.fetch_add(u32::from(seconds), Ordering::Relaxed);
            }
            Step::TakeView => kept = Some((subject.store.view(), model.rows())),
            Step::CheckView => {
                if let Some((view, expected)) = &kept {
                    assert_eq!(&rows(view), expected, "a view changed");
                }
            }
            Step::Checkpoint => {
                if let Some((disk, durability)) = &subject.disk {
                    checkpoints += 1;
                    let folder = format!("/copy{checkpoints}");
                    subject.store.checkpoint(Path::new(&folder)).unwrap();
                    let options = small_options(disk.clone(), *durability);
                    let copy =
                        DiskStore::open(Path::new(&folder), Arc::clone(&subject.toy) as _, options).unwrap();
                    assert_eq!(rows(&copy.view()), model.rows(), "a checkpoint differs");
                }
            }
            Step::Scrub => {
                let report = subject.store.scrub().unwrap();
                assert!(report.damage.is_empty(), "{:?}", report.damage);
            }
        }
        check(&subject.store.view(), &model);
    }
}

fn check(view: &View, model: &Model) {
    let expected = model.rows();
    assert_eq!(rows(view), expected);
    let mut out = Vec::new();
    for (key, payload) in &expected {
        assert!(view.get_settled(key, &time_of, Io::Allowed, &mut out).unwrap());
        assert_eq!(&out[9..], payload);
    }
    for group in b'a'..b'e' {
        let mut range = view.range_in_group(
            &[group],
            std::ops::Bound::Included(&[group]),
            std::ops::Bound::Excluded(&[group + 1]),
            true,
            Io::Allowed,
        );
        let mut backwards = Vec::new();
        while let Some((key, _)) = range.next().unwrap() {
            if expected.contains_key(key) {
                backwards.push(key.to_vec());
            }
        }
        let forwards = expected.keys().filter(|key| key[0] == group);
        assert!(backwards.iter().rev().eq(forwards), "group {group}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_store_in_memory_agrees_with_the_model(steps in prop::collection::vec(step(), 1..120)) {
        run(Subject::open(None, Toy::new()), steps);
    }

    #[test]
    fn a_store_on_disk_agrees_with_the_model(steps in prop::collection::vec(step(), 1..120)) {
        run(Subject::open(Some((SimDisk::default(), Durability::Group)), Toy::new()), steps);
    }

    #[test]
    fn a_periodic_store_agrees_with_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let durability = Durability::Periodic { every: Duration::from_millis(1) };
        run(Subject::open(Some((SimDisk::default(), durability)), Toy::new()), steps);
    }
}

/// Enough for a test run; more by `ILIUM_STORAGE_CASES`.
fn cases() -> u32 {
    std::env::var("ILIUM_STORAGE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}
