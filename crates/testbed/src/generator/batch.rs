//! Batches, as statements and as messages.

use super::build::Build;
use super::random::Random;
use super::schema::{Schema, Table};
use super::write::{Wish, change, sent};
use crate::cases::file::Step;
use crate::wire::BatchKind;

pub(super) fn statement(random: &mut Random, schema: &Schema, at: usize) -> Option<Step> {
    let first = schema.tables.get(at)?;
    let count = random.between(1, 4);
    // Conditions want one partition of one table.
    let conditions = !first.timed && !first.counters && random.one_in(3);
    let mut pinned: Vec<(String, String)> = Vec::new();
    if conditions || random.one_in(3) {
        pinned.extend(first.partition().iter().map(|column| (column.name.clone(), column.value(random))));
    }
    let mut tables = vec![first];
    if pinned.is_empty() {
        for _ in 1..count {
            // Those that say their times stay among themselves, as counters do.
            let other = random.pick(&schema.tables).filter(|t| t.timed == first.timed);
            tables.push(other.filter(|t| t.counters == first.counters).unwrap_or(first));
        }
    } else {
        tables.resize(count, first);
    }
    if random.one_in(2) {
        written(random, &tables, conditions, &pinned)
    } else {
        message(random, &tables, conditions, &pinned)
    }
    .into()
}

fn written(random: &mut Random, tables: &[&Table], conditions: bool, pinned: &[(String, String)]) -> Step {
    let counters = tables.iter().any(|table| table.counters);
    let timed = tables.iter().any(|table| table.timed);
    let kind = if counters { "COUNTER ".to_owned() } else { random.word(&["UNLOGGED ", ""]) };
    let whole = timed && random.one_in(3);
    let mut all = format!("BEGIN {kind}BATCH ");
    if whole {
        all += &format!("USING TIMESTAMP {} ", random.between(1, 20));
    }
    for table in tables {
        let mut build = Build::written();
        change(random, table, &mut build, Wish { conditions, timestamp: !whole, pinned });
        all += &build.into_text();
        all += "; ";
    }
    let step = Step { text: all + "APPLY BATCH", ..Step::default() };
    sent(random, tables, false, step)
}

fn message(random: &mut Random, tables: &[&Table], conditions: bool, pinned: &[(String, String)]) -> Step {
    let kind = match (tables.iter().any(|table| table.counters), random.below(2)) {
        (true, _) => BatchKind::Counter,
        (_, 0) => BatchKind::Unlogged,
        _ => BatchKind::Logged,
    };
    let mut unset = false;
    let mut items = Vec::new();
    for table in tables {
        let mut build = Build::item(random);
        change(random, table, &mut build, Wish { conditions, timestamp: true, pinned });
        unset |= build.has_unset();
        items.push(build.into_item());
    }
    let name = match kind {
        BatchKind::Logged => "logged",
        BatchKind::Unlogged => "unlogged",
        BatchKind::Counter => "counter",
    };
    let step = Step { text: format!("BATCH {name}"), batch: Some((kind, items)), ..Step::default() };
    sent(random, tables, unset, step)
}
