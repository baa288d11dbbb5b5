//! Random statements, restarts and crashes against Cassandra's rules written apart from the engine.
//!
//! Whatever a flush, a compaction or a purge past its grace does, reads must be what the model says, which forgets
//! nothing: nothing deleted comes alive and nothing vanishes early. For that no write is older than what may be
//! purged: write times are within 40 s of now, the grace is 100 s.
//!
//! More than CI's cases: `PROPTEST_CASES=5000 cargo test -p ilium-embedded --test it model::`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use ilium_cql::murmur3::Token;
use proptest::prelude::*;

use crate::model_engine::{Database, Row};
use crate::model_rules::{Cell, Partition, Range, Seen, Stamp};
use crate::model_tables::Model;
use crate::model_writes::{Action, Came, Guard, Table, Write, range, write};

const START: i64 = 1_700_000_000;

/// Of table `plain`.
const DEFAULT_TTL: u32 = 130;

/// Seconds that what a statement writes will live.
fn ttl(write: &Write) -> Option<u32> {
    match write.action {
        Action::Insert(_) | Action::Update(_) => {
            let default = (write.table == Table::Plain).then_some(DEFAULT_TTL);
            write.ttl.map(u32::from).or(default)
        }
        _ => None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    Batch(Vec<Write>, bool),
    ConditionalBatch(Vec<(Write, bool)>),
    Flush,
    Compact,
    Restart,
    Crash,
    Checkpoint,
    Advance(u16),
    /// With a time stamp so many seconds ago.
    DropX(u8),
    AddX,
    Truncate(Table),
    Check(Range),
}

fn step() -> impl Strategy<Value = Step> {
    let table = prop_oneof![Just(Table::Wide), Just(Table::Plain), Just(Table::Counter)];
    prop_oneof![
        40 => write().prop_map(Step::Write),
        5 => (prop::collection::vec(write(), 1..5), any::<bool>()).prop_map(|(all, logged)| Step::Batch(all, logged)),
        3 => prop::collection::vec((write(), any::<bool>()), 1..4).prop_map(Step::ConditionalBatch),
        5 => Just(Step::Flush),
        4 => Just(Step::Compact),
        2 => Just(Step::Restart),
        2 => Just(Step::Crash),
        1 => Just(Step::Checkpoint),
        4 => (0..30u16).prop_map(Step::Advance),
        2 => (30..200u16).prop_map(Step::Advance),
        1 => (0..40u8).prop_map(Step::DropX),
        2 => Just(Step::AddX),
        1 => table.prop_map(Step::Truncate),
        12 => range().prop_map(Step::Check),
    ]
}

struct Pair {
    database: Database,
    model: Model,
    has_x: bool,
    /// Seconds at which an expiring write was made at an explicit time, and how many were.
    expiring: BTreeSet<i64>,
    bumped: i64,
}

impl Pair {
    fn new(in_memory: bool) -> Pair {
        let database = Database::new(in_memory, START);
        database.do_it(
            "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        );
        let values = "i int, x text, ss set<int>, m map<text, int>, l list<int>";
        for text in [
            format!(
                "CREATE TABLE wide (p int, c int, d int, s int static, {values}, PRIMARY KEY (p, c, d)) \
                 WITH CLUSTERING ORDER BY (c ASC, d DESC) AND gc_grace_seconds = 100"
            ),
            format!(
                "CREATE TABLE plain (p int PRIMARY KEY, {values}) \
                 WITH gc_grace_seconds = 100 AND default_time_to_live = {DEFAULT_TTL}"
            ),
            "CREATE TABLE counted (p int, c int, d int, hits counter, PRIMARY KEY (p, c, d)) \
             WITH CLUSTERING ORDER BY (c ASC, d DESC) AND gc_grace_seconds = 100"
                .to_owned(),
            "CREATE INDEX ON wide (i)".to_owned(),
            "CREATE INDEX ON plain (values(m))".to_owned(),
        ] {
            database.do_it(&text);
        }
        Pair { database, model: Model::default(), has_x: true, expiring: BTreeSet::new(), bumped: 0 }
    }

    /// A millisecond on: no two statements have one time, and a conditional one has room for its own.
    fn tick(&self) -> i64 {
        self.database.clock.0.fetch_add(1000, Ordering::Relaxed) + 1000
    }

    fn second(&self) -> i64 {
        self.database.clock.0.load(Ordering::Relaxed) / 1_000_000
    }

    /// USING TIMESTAMP: times meet each other often, but not two of expiring writes: which of those wins depends in
    /// Cassandra on whether a compaction came between.
    fn explicit(&mut self, write: &Write) -> Option<i64> {
        let second = self.second() + i64::from(write.age?);
        if ttl(write).is_none() || self.expiring.insert(second) {
            return Some(second * 1_000_000 + 500);
        }
        self.bumped += 1;
        Some(second * 1_000_000 + 501 + self.bumped % 400)
    }

    fn write(&mut self, write: &Write) {
        let write = if self.has_x { write.clone() } else { write.clone().without_x() };
        let now = self.tick();
        let counts = write.table == Table::Counter;
        let explicit = self.explicit(&write);
        let deletes = !matches!(write.action, Action::Count(_));
        let (text, unset) = write.text(explicit.filter(|_| !counts));
        // A deletion of counters that is older than their sums leaves them, but not what Cassandra would.
        let time = explicit.filter(|_| !(counts && deletes)).unwrap_or(now);
        let came = write.came(&self.model, self.second());
        let sent = if counts { time } else { now };
        let answer = self.database.run(&text, unset, Some(sent), None);
        match came {
            Came::Refused => assert!(answer.is_err(), "{text}: should be refused, was {answer:?}"),
            Came::NotApplied | Came::Done => {
                let rows = answer.unwrap_or_else(|error| panic!("{text}: {error}"));
                if write.guard != Guard::Always {
                    assert_eq!(rows[0][0], Some(vec![u8::from(came == Came::Done)]), "{text}: [applied]");
                }
            }
        }
        if came == Came::Done {
            let before = self.model.clone();
            self.model.apply(&write, &before, Stamp { time, ttl: ttl(&write), second: self.second() });
        }
    }

    fn batch(&mut self, writes: &[Write], logged: bool) {
        let counts = writes[0].table == Table::Counter;
        let kind = match (counts, logged) {
            (true, _) => "COUNTER ",
            (false, true) => "",
            (false, false) => "UNLOGGED ",
        };
        let now = self.tick();
        let before = self.model.clone();
        let mut after = before.clone();
        let (mut texts, mut unset, mut refused) = (Vec::new(), 0, false);
        for write in writes {
            let mut write = write.clone().in_batch();
            if !self.has_x {
                write = write.without_x();
            }
            let is_count = matches!(write.action, Action::Count(_));
            if (write.table == Table::Counter) != counts || counts && !is_count {
                continue;
            }
            let explicit = self.explicit(&write);
            let (text, more) = write.text(explicit);
            texts.push(format!("{text};"));
            unset += more;
            refused |= write.came(&before, self.second()) == Came::Refused;
            if !refused {
                let time = explicit.unwrap_or(now);
                // Counters add up within a batch; all else is read as it was before.
                let seen = if counts { after.clone() } else { before.clone() };
                after.apply(&write, &seen, Stamp { time, ttl: ttl(&write), second: self.second() });
            }
        }
        if texts.is_empty() {
            return;
        }
        let text = format!("BEGIN {kind}BATCH {} APPLY BATCH", texts.join(" "));
        match self.database.run(&text, unset, Some(now), None) {
            Err(error) => assert!(refused, "{text}: {error}"),
            Ok(_) => {
                assert!(!refused, "{text}: should be refused");
                self.model = after;
            }
        }
    }

    fn conditional_batch(&mut self, writes: &[(Write, bool)]) {
        let now = self.tick();
        let before = self.model.clone();
        let mut after = before.clone();
        let (mut texts, mut unset, mut came) = (Vec::new(), 0, Vec::new());
        let (first, _) = &writes[0];
        for (place, (write, conditional)) in writes.iter().enumerate() {
            let mut write = write.clone().in_conditional_batch(first.p, place == 0 || *conditional);
            write.table = if first.table == Table::Plain { Table::Plain } else { Table::Wide };
            if !self.has_x {
                write = write.without_x();
            }
            let (text, more) = write.text(None);
            texts.push(format!("{text};"));
            unset += more;
            came.push(write.came(&before, self.second()));
            if came.iter().all(|came| *came == Came::Done) {
                // It does not hide what is written along with it: a partition's deletion is a microsecond older.
                let whole = write.table == Table::Plain && matches!(write.action, Action::DeleteRow);
                let time = now - i64::from(whole);
                let stamp = Stamp { time, ttl: ttl(&write), second: self.second() };
                after.apply(&write, &before, stamp);
            }
        }
        let text = format!("BEGIN BATCH {} APPLY BATCH", texts.join(" "));
        let applied = !came.contains(&Came::NotApplied);
        match self.database.run(&text, unset, Some(now), None) {
            Err(error) => assert!(applied && came.contains(&Came::Refused), "{text}: {error}"),
            Ok(rows) => {
                assert_eq!(rows[0][0], Some(vec![u8::from(applied)]), "{text}: [applied]");
                if applied {
                    assert!(!came.contains(&Came::Refused), "{text}: should be refused");
                    self.model = after;
                }
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(write) => self.write(write),
            Step::Batch(writes, logged) => self.batch(writes, *logged),
            Step::ConditionalBatch(writes) => self.conditional_batch(writes),
            Step::Flush => self.database.engine().flush().unwrap(),
            Step::Compact => self.database.engine().compact().unwrap(),
            Step::Restart => self.database.restart(),
            Step::Crash => self.database.crash(),
            Step::Checkpoint => self.database.checkpoint(),
            Step::Advance(seconds) => {
                self.database.clock.0.fetch_add(i64::from(*seconds) * 1_000_000, Ordering::Relaxed);
            }
            Step::DropX(age) if self.has_x => {
                let time = self.model.drop_x(self.tick() - i64::from(*age) * 1_000_000);
                for table in ["wide", "plain"] {
                    self.database.do_it(&format!("ALTER TABLE {table} DROP x USING TIMESTAMP {time}"));
                }
                self.has_x = false;
            }
            Step::AddX if !self.has_x => {
                for table in ["wide", "plain"] {
                    self.database.do_it(&format!("ALTER TABLE {table} ADD x text"));
                }
                self.model.add_x();
                self.has_x = true;
            }
            Step::DropX(_) | Step::AddX => {}
            Step::Truncate(table) => {
                self.database.do_it(&format!("TRUNCATE {}", table.name()));
                self.model.truncate(*table);
            }
            Step::Check(range) => self.check(*range),
        }
    }

    fn select(&self, table: Table) -> String {
        let keys = if table == Table::Plain { "p" } else { "p, c, d" };
        if table == Table::Counter {
            return format!("SELECT {keys}, hits FROM counted");
        }
        let statics = if table == Table::Wide { ", s, writetime(s), ttl(s)" } else { "" };
        let x = if self.has_x { ", x, writetime(x), ttl(x)" } else { "" };
        let name = table.name();
        format!("SELECT {keys}{statics}, i, writetime(i), ttl(i){x}, ss, m, l FROM {name}")
    }

    /// A row as [`select`](Self::select) gives it; without one, the static content alone.
    fn row(&self, table: Table, p: i32, statics: &Seen<'_>, row: Option<((i32, i32), &Seen<'_>)>) -> Row {
        let now = self.second();
        let int = |value: i32| Some(value.to_be_bytes().to_vec());
        let mut out = vec![int(p)];
        if table != Table::Plain {
            out.extend([row.and_then(|((c, _), _)| int(c)), row.and_then(|((_, d), _)| int(d))]);
        }
        let seen = row.map(|(_, seen)| seen);
        let mut simple = |cell: Option<&Cell>| {
            out.push(cell.and_then(|cell| cell.value.clone()));
            // Thousandths: a conditional statement takes a time of its own within its millisecond.
            out.push(cell.map(|cell| (cell.time / 1000).to_be_bytes().to_vec()));
            out.push(cell.and_then(|cell| int((cell.expiry?.1 - now) as i32)));
        };
        if table == Table::Counter {
            out.push(seen.and_then(|seen| seen.cell("hits")).and_then(|cell| cell.value.clone()));
            return out;
        }
        if table == Table::Wide {
            simple(statics.cell("s"));
        }
        simple(seen.and_then(|seen| seen.cell("i")));
        if self.has_x {
            simple(seen.and_then(|seen| seen.cell("x")));
        }
        out.extend(["ss", "m", "l"].map(|column| seen.and_then(|seen| seen.collection(column))));
        out
    }

    /// The rows of a partition that the model sees, in order.
    fn rows(
        &self,
        table: Table,
        p: i32,
        range: Option<Range>,
        wanted: &dyn Fn(&Seen<'_>) -> bool,
    ) -> Vec<Row> {
        let empty = Partition::default();
        let partition = self.model.partition(table, p).unwrap_or(&empty);
        let now = self.second();
        let statics = partition.seen_statics(now);
        let rows = partition.rows.keys().filter(|at| range.is_none_or(|range| range.contains(at)));
        rows.filter_map(|at| {
            let seen = partition.seen(at, now).filter(|seen| wanted(seen))?;
            let Reverse(d) = at.1;
            Some(self.row(table, p, &statics, Some(((at.0, d), &seen))))
        })
        .collect()
    }

    fn whole(&self, table: Table, p: i32) -> Vec<Row> {
        let rows = self.rows(table, p, None, &|_| true);
        let statics = self.model.partition(table, p).map(|partition| partition.seen_statics(self.second()));
        match statics {
            Some(statics) if rows.is_empty() && statics.exists() => vec![self.row(table, p, &statics, None)],
            _ => rows,
        }
    }

    /// Rows read by their whole key, one column of many: such a read need not look into every file.
    fn check_rows_by_key(&self, table: Table, p: i32) {
        let Some(partition) = self.model.partition(table, p) else { return };
        let now = self.second();
        for at in partition.rows.keys() {
            let (c, Reverse(d)) = at;
            let key = match table {
                Table::Plain => format!("p = {p}"),
                _ => format!("p = {p} AND c = {c} AND d = {d}"),
            };
            let name = table.name();
            let i = |seen: &Seen<'_>| seen.cell("i").and_then(|cell| cell.value.clone());
            let expected: Vec<Row> = partition.seen(at, now).iter().map(|seen| vec![i(seen)]).collect();
            self.expect_of(&format!("SELECT i FROM {name} WHERE {key}"), None, &expected);
            let expected: Vec<Row> = expected
                .iter()
                .map(|_| match table {
                    Table::Plain => vec![Some(p.to_be_bytes().to_vec())],
                    _ => [p, *c].iter().map(|value| Some(value.to_be_bytes().to_vec())).collect(),
                })
                .collect();
            let keys = if table == Table::Plain { "p" } else { "p, c" };
            self.expect_of(&format!("SELECT {keys} FROM {name} WHERE {key}"), None, &expected);
        }
    }

    fn expect(&self, table: Table, rest: &str, page_size: Option<u32>, expected: &[Row]) {
        self.expect_of(&format!("{}{rest}", self.select(table)), page_size, expected);
    }

    fn expect_of(&self, text: &str, page_size: Option<u32>, expected: &[Row]) {
        let mut found = self.database.run(text, 0, None, page_size).unwrap_or_else(|e| panic!("{text}: {e}"));
        let columns: Vec<&str> = text[7..text.find(" FROM").unwrap()].split(", ").collect();
        for row in &mut found {
            for (value, _) in row.iter_mut().zip(&columns).filter(|(_, name)| name.starts_with("writetime")) {
                *value = value
                    .take()
                    .map(|time| (i64::from_be_bytes(time.try_into().unwrap()) / 1000).to_be_bytes().to_vec());
            }
        }
        assert!(
            found == expected,
            "{text} (pages of {page_size:?}), columns {columns:?}\n   found {}\nexpected {}",
            shown(&found),
            shown(expected)
        );
    }

    fn check(&self, range: Range) {
        let mut ring: Vec<i32> = (0..3).collect();
        ring.sort_by_key(|p| Token::of(&p.to_be_bytes()).0);
        for table in Table::ALL {
            let all: Vec<Row> = ring.iter().flat_map(|p| self.whole(table, *p)).collect();
            self.expect(table, "", None, &all);
            self.expect(table, "", Some(2), &all);
            for p in 0..3 {
                let whole = self.whole(table, p);
                self.expect(table, &format!(" WHERE p = {p}"), None, &whole);
                if table != Table::Counter {
                    self.check_rows_by_key(table, p);
                }
                if table == Table::Plain {
                    continue;
                }
                let backwards: Vec<Row> = whole.into_iter().rev().collect();
                self.expect(table, &format!(" WHERE p = {p} ORDER BY c DESC, d ASC"), Some(2), &backwards);
                let slice = self.rows(table, p, Some(range), &|_| true);
                self.expect(table, &format!(" WHERE p = {p} AND {}", range.text()), None, &slice);
            }
        }
        for value in -1..4i32 {
            let wire = value.to_be_bytes();
            let has =
                |seen: &Seen<'_>| seen.cell("i").is_some_and(|cell| cell.value.as_deref() == Some(&wire));
            let of_i: Vec<Row> = ring.iter().flat_map(|p| self.rows(Table::Wide, *p, None, &has)).collect();
            self.expect(Table::Wide, &format!(" WHERE i = {value}"), Some(2), &of_i);
            let has = |seen: &Seen<'_>| seen.elements("m").any(|(_, found)| found == wire);
            let of_m: Vec<Row> = ring.iter().flat_map(|p| self.rows(Table::Plain, *p, None, &has)).collect();
            self.expect(Table::Plain, &format!(" WHERE m CONTAINS {value}"), None, &of_m);
        }
    }
}

fn shown(rows: &[Row]) -> String {
    let value = |value: &Option<Vec<u8>>| match value {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() <= 8 => {
            bytes.iter().fold(0i64, |sum, byte| (sum << 8) | i64::from(*byte)).to_string()
        }
        Some(bytes) => format!("{bytes:02x?}"),
    };
    rows.iter().map(|row| format!("\n    {}", row.iter().map(value).collect::<Vec<_>>().join(" "))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Seconds in CI; see above for more.
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_answers_as_the_rules_say(
        in_memory in prop::bool::weighted(0.2),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut pair = Pair::new(in_memory);
        for step in &steps {
            pair.step(step);
        }
        pair.check(Range::CFrom(0));
        pair.database.engine().compact().unwrap();
        pair.check(Range::CFrom(0));
    }
}

#[test]
fn increments_add_up_whatever_the_clients_clocks_say() {
    let pair = Pair::new(true);
    let add = "UPDATE counted SET hits = hits + 2 WHERE p = 1 AND c = 1 AND d = 1";
    for time in [2_000_000, 1_000_000, 2_000_000] {
        pair.database.run(add, 0, Some(time), None).unwrap();
    }
    pair.database.do_it(&format!("BEGIN COUNTER BATCH {add}; {}; APPLY BATCH", add.replace('+', "-")));
    let found = pair.database.do_it("SELECT hits FROM counted");
    assert_eq!(found, [vec![Some(6i64.to_be_bytes().to_vec())]]);
}

#[test]
fn a_value_is_found_by_its_index_after_an_equal_one_of_the_same_map_expired() {
    let mut pair = Pair::new(true);
    pair.database.do_it("UPDATE plain USING TTL 0 SET m['a'] = 1 WHERE p = 1");
    pair.database.do_it("UPDATE plain USING TTL 5 SET m['b'] = 1 WHERE p = 1");
    pair.step(&Step::Advance(10));
    assert_eq!(pair.database.do_it("SELECT p FROM plain WHERE m CONTAINS 1").len(), 1);
}
