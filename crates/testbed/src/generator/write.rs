//! Statements that change rows.

use super::build::Build;
use super::json::json;
use super::random::Random;
use super::restrict::range;
use super::schema::{Column, NOW, Role, Table};
use super::{assign, condition};
use crate::cases::file::Step;

/// What a change may be.
#[derive(Clone, Copy)]
pub(super) struct Wish<'w> {
    /// Conditions are allowed.
    pub(super) conditions: bool,
    /// The statement may say its time.
    pub(super) timestamp: bool,
    /// Literals of key columns, by name; those not named are made up.
    pub(super) pinned: &'w [(String, String)],
}

impl Wish<'_> {
    fn key(&self, random: &mut Random, column: &Column) -> String {
        match self.pinned.iter().find(|(name, _)| *name == column.name) {
            Some((_, literal)) => literal.clone(),
            None => column.value(random),
        }
    }
}

/// One change, alone.
pub(super) fn statement(random: &mut Random, table: &Table) -> Step {
    let mut build = Build::new(random);
    change(random, table, &mut build, Wish { conditions: true, timestamp: true, pinned: &[] });
    let unset = build.has_unset();
    sent(random, &[table], unset, build.step())
}

/// Adds what goes along with a statement on these tables: its second, its time, the protocol's version.
pub(super) fn sent(random: &mut Random, tables: &[&Table], unset: bool, mut step: Step) -> Step {
    if tables.iter().any(|table| table.timed) {
        step.timestamp = Some(random.between(1, 20) as i64);
    }
    if tables.iter().any(|table| table.aged) {
        step.now = Some(NOW + random.below(60) as i32);
    } else if random.one_in(6) {
        step.protocol = Some(if unset || random.one_in(2) { 4 } else { 3 });
    }
    step
}

/// An insert, an update or a deletion; with conditions where they are allowed.
pub(super) fn change(random: &mut Random, table: &Table, build: &mut Build, wish: Wish<'_>) {
    let conditions = wish.conditions && !table.timed && !table.counters && random.one_in(5);
    let wish = Wish { conditions, ..wish };
    match random.below(10) {
        // What a counter that was deleted goes on from when it is counted again depends on Cassandra's cache.
        _ if table.counters => update(random, table, build, wish),
        0 => insert_json(random, table, build, wish),
        1..=4 => insert(random, table, build, wish),
        5 | 6 => update(random, table, build, wish),
        _ => delete(random, table, build, wish),
    }
}

/// A time of few, so that some writes are at the same, and a time to live.
fn using(random: &mut Random, table: &Table, build: &mut Build, wish: Wish<'_>, lives: bool) {
    let mut word = " USING ";
    if table.timed && wish.timestamp && random.one_in(2) {
        let time = random.between(1, 20).to_string();
        build.text(" USING TIMESTAMP ").value(&time);
        word = " AND ";
    }
    if table.aged && lives && random.one_in(2) {
        let time = if random.one_in(8) { 0 } else { random.between(1, 60) };
        build.text(word).text("TTL ").value(&time.to_string());
    }
}

fn insert(random: &mut Random, table: &Table, build: &mut Build, wish: Wish<'_>) {
    let statics_alone = !table.statics().is_empty() && random.one_in(6);
    let keys = if statics_alone { table.partition() } else { keys(table) };
    let others = if statics_alone { table.statics() } else { table.values() };
    let others = random.some(&others);
    let names: Vec<&str> =
        keys.iter().chain(others.iter().copied()).map(|column| column.name.as_str()).collect();
    build.text(&format!("INSERT INTO {} ({}) VALUES (", table.name, names.join(", ")));
    for (n, column) in keys.into_iter().enumerate() {
        let value = wish.key(random, column);
        build.text(if n == 0 { "" } else { ", " }).value(&value);
    }
    for column in others {
        build.text(", ");
        let value = column.value(random);
        match random.below(12) {
            0 | 1 => build.value("null"),
            2 => build.unset_or(&value),
            3 if column.kind.is_number() => build.text(&format!("{value} + 1")),
            _ => build.value(&value),
        };
    }
    build.text(")");
    if wish.conditions {
        build.text(" IF NOT EXISTS");
    }
    using(random, table, build, wish, true);
}

fn insert_json(random: &mut Random, table: &Table, build: &mut Build, wish: Wish<'_>) {
    let mut fields: Vec<String> = Vec::new();
    for column in keys(table) {
        let value = wish.key(random, column);
        fields.push(format!("\"{}\": {}", column.name, json(&column.kind, &value)));
    }
    for column in random.some(&table.values()) {
        let value = if random.one_in(6) { "null".to_owned() } else { column.value(random) };
        fields.push(format!("\"{}\": {}", column.name, json(&column.kind, &value)));
    }
    build.text(&format!("INSERT INTO {} JSON '{{{}}}'", table.name, fields.join(", ")));
    build.text(&random.word(&["", " DEFAULT UNSET", " DEFAULT NULL"]));
    if wish.conditions {
        build.text(" IF NOT EXISTS");
    }
    using(random, table, build, wish, true);
}

fn keys(table: &Table) -> Vec<&Column> {
    table.with_role(Role::is_key)
}

fn update(random: &mut Random, table: &Table, build: &mut Build, wish: Wish<'_>) {
    let statics_alone = !table.statics().is_empty() && random.one_in(4);
    let columns = if statics_alone { table.statics() } else { table.values() };
    build.text(&format!("UPDATE {}", table.name));
    using(random, table, build, wish, true);
    build.text(" SET ");
    let mut some = random.some(&columns);
    // A column twice: two fields, two entries.
    if random.one_in(8)
        && let Some(again) = random.pick(&some)
    {
        some.push(again);
    }
    for (n, column) in some.into_iter().enumerate() {
        build.text(if n == 0 { "" } else { ", " });
        assign::assign(random, column, build, wish.conditions);
    }
    let keys = if statics_alone { table.partition() } else { keys(table) };
    equalities(random, &keys, build, wish);
    condition::conditions(random, table, build, wish.conditions, statics_alone);
}

/// ` WHERE` with an equality for each, the last one now and then an IN.
fn equalities(random: &mut Random, keys: &[&Column], build: &mut Build, wish: Wish<'_>) {
    for (n, key) in keys.iter().enumerate() {
        build.text(if n == 0 { " WHERE " } else { " AND " });
        let free = wish.pinned.is_empty() && !wish.conditions;
        if free && n + 1 == keys.len() && random.one_in(6) {
            let values: Vec<String> = (0..random.between(1, 3)).map(|_| key.value(random)).collect();
            build.text(&key.name).is_in(random, &values);
        } else {
            let value = wish.key(random, key);
            build.text(&format!("{} = ", key.name)).value(&value);
        }
    }
}

fn delete(random: &mut Random, table: &Table, build: &mut Build, wish: Wish<'_>) {
    let clustering = table.clustering();
    let what = if wish.conditions { random.below(2) } else { random.below(6) };
    build.text("DELETE ");
    let statics_alone = what == 0 && !table.statics().is_empty() && random.one_in(2);
    if what == 0 {
        let columns = if statics_alone { table.statics() } else { table.regular() };
        for (n, column) in random.some(&columns).into_iter().enumerate() {
            build.text(if n == 0 { "" } else { ", " });
            assign::target(random, column, build);
        }
        build.text(" ");
    }
    build.text(&format!("FROM {}", table.name));
    using(random, table, build, wish, false);
    match what {
        0 if statics_alone => equalities(random, &table.partition(), build, wish),
        0 | 1 => equalities(random, &keys(table), build, wish),
        // A partition, a prefix, a range after a prefix, a range of several columns.
        _ => {
            equalities(random, &table.partition(), build, wish);
            if what == 5 && clustering.len() > 1 {
                several(random, &clustering, build);
                return;
            }
            let fixed = random.below(clustering.len() + 1);
            for column in clustering.iter().take(fixed) {
                let value = column.value(random);
                build.text(&format!(" AND {} = ", column.name)).value(&value);
            }
            if let Some(column) = clustering.get(fixed).filter(|_| what > 2) {
                range(random, column, build);
            }
        }
    }
    condition::conditions(random, table, build, wish.conditions, statics_alone);
}

/// A range of the first columns together.
fn several(random: &mut Random, clustering: &[&Column], build: &mut Build) {
    let columns: Vec<&Column> =
        clustering.iter().take(random.between(2, clustering.len())).copied().collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    for operators in [&[">", ">=", "="], &["<", "<=", "="]] {
        if random.one_in(3) {
            continue;
        }
        let values: Vec<String> = columns.iter().map(|column| column.value(random)).collect();
        build.text(&format!(" AND ({}) {} (", names.join(", "), random.word(operators)));
        build.values(&values).text(")");
    }
}
