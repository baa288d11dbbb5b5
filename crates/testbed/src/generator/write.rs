//! Statements that change rows, and now and then the schema.

use super::build::Build;
use super::random::Random;
use super::schema::{Column, Role, Schema, Table};
use super::text;
use super::value::Kind;
use crate::cases::file::Step;

pub(super) fn statement(random: &mut Random, schema: &mut Schema) -> Option<Step> {
    let at = random.below(schema.tables.len());
    if random.one_in(60) {
        return schema.index(random, at);
    }
    if random.one_in(60) {
        let types = schema.types.clone();
        return schema.tables.get_mut(at)?.alter(random, &types);
    }
    let table = schema.tables.get(at)?;
    if random.one_in(80) {
        return Some(text(format!("TRUNCATE {}", table.name)));
    }
    if random.one_in(8) {
        return Some(batch(random, table));
    }
    let mut build = Build::new(random);
    change(random, table, &mut build, true);
    Some(build.step())
}

/// An insert, an update or a deletion; with conditions where they are allowed.
fn change(random: &mut Random, table: &Table, build: &mut Build, conditions: bool) {
    let conditions = conditions && !table.timed && !table.counters && random.one_in(6);
    match random.below(10) {
        _ if table.counters => update(random, table, build, false),
        0..=4 => insert(random, table, build, conditions),
        5 | 6 => update(random, table, build, conditions),
        _ => delete(random, table, build, conditions),
    }
}

/// Writes of few times, so that some are at the same.
fn timestamp(random: &mut Random, table: &Table, build: &mut Build) {
    if table.timed {
        let time = random.between(1, 20).to_string();
        build.text(" USING TIMESTAMP ").value(&time);
    }
}

fn insert(random: &mut Random, table: &Table, build: &mut Build, conditions: bool) {
    let statics_alone = !table.statics().is_empty() && random.one_in(6);
    let keys = if statics_alone { table.partition() } else { keys(table) };
    let others = if statics_alone { table.statics() } else { table.values() };
    let mut columns: Vec<(&Column, String)> = keys.iter().map(|c| (*c, c.value(random))).collect();
    for column in random.some(&others) {
        let value = if random.one_in(6) { "null".to_owned() } else { column.value(random) };
        columns.push((column, value));
    }
    let names: Vec<&str> = columns.iter().map(|(c, _)| c.name.as_str()).collect();
    build.text(&format!("INSERT INTO {} ({}) VALUES (", table.name, names.join(", ")));
    let values: Vec<String> = columns.into_iter().map(|(_, value)| value).collect();
    build.values(&values).text(")");
    if conditions {
        build.text(" IF NOT EXISTS");
    }
    timestamp(random, table, build);
}

fn keys(table: &Table) -> Vec<&Column> {
    table.with_role(|role| matches!(role, Role::Partition | Role::Clustering { .. }))
}

fn update(random: &mut Random, table: &Table, build: &mut Build, conditions: bool) {
    let statics_alone = !table.statics().is_empty() && random.one_in(4);
    let columns = if statics_alone { table.statics() } else { table.values() };
    build.text(&format!("UPDATE {}", table.name));
    timestamp(random, table, build);
    build.text(" SET ");
    for (n, column) in random.some(&columns).into_iter().enumerate() {
        build.text(if n == 0 { "" } else { ", " });
        assign(random, column, build);
    }
    let keys = if statics_alone { table.partition() } else { keys(table) };
    equalities(random, &keys, build, !conditions);
    condition(random, table, build, conditions, statics_alone);
}

fn assign(random: &mut Random, column: &Column, build: &mut Build) {
    let (name, value) = (column.name.as_str(), column.value(random));
    if column.kind == Kind::Counter {
        build.text(&format!("{name} = {name} {} ", random.word(&["+", "-"]))).value(&value);
        return;
    }
    match (&column.kind, random.below(4)) {
        (Kind::List(_), 1) => build.text(&format!("{name} = {name} + ")).value(&value),
        (Kind::List(_), 2) => build.text(&format!("{name} = ")).value(&value).text(&format!(" + {name}")),
        (Kind::List(element), 3) if random.one_in(2) => {
            let element = element.literal(random);
            build.text(&format!("{name}[{}] = ", random.below(3))).value(&element)
        }
        (Kind::List(_) | Kind::Set(_), 3) => build.text(&format!("{name} = {name} - ")).value(&value),
        (Kind::Set(_) | Kind::Map(..), 1) => build.text(&format!("{name} = {name} + ")).value(&value),
        (Kind::Map(key, entry), 2) => {
            let (key, entry) = (key.literal(random), entry.literal(random));
            build.text(&format!("{name}[")).value(&key).text("] = ").value(&entry)
        }
        (Kind::Map(key, _), 3) => {
            let keys = Kind::Set(key.clone()).literal(random);
            build.text(&format!("{name} = {name} - ")).value(&keys)
        }
        (Kind::Udt(_, fields), 1 | 2) => match random.pick(fields) {
            Some((field, kind)) => {
                let value = kind.literal(random);
                build.text(&format!("{name}.{field} = ")).value(&value)
            }
            None => build,
        },
        _ => {
            let value = if random.one_in(5) { "null".to_owned() } else { value };
            build.text(&format!("{name} = ")).value(&value)
        }
    };
}

/// ` WHERE` with an equality for each, the last one now and then an IN.
fn equalities(random: &mut Random, keys: &[&Column], build: &mut Build, many: bool) {
    for (n, key) in keys.iter().enumerate() {
        build.text(if n == 0 { " WHERE " } else { " AND " });
        if many && n + 1 == keys.len() && random.one_in(6) {
            let values: Vec<String> = (0..random.between(1, 3)).map(|_| key.value(random)).collect();
            build.text(&format!("{} IN (", key.name)).values(&values).text(")");
        } else {
            let value = key.value(random);
            build.text(&format!("{} = ", key.name)).value(&value);
        }
    }
}

fn condition(random: &mut Random, table: &Table, build: &mut Build, wanted: bool, statics: bool) {
    if !wanted {
        return;
    }
    let columns = if statics { table.statics() } else { table.values() };
    let Some(column) = random.pick(&columns).filter(|_| !random.one_in(4)) else {
        build.text(" IF EXISTS");
        return;
    };
    let (name, value) = (column.name.as_str(), column.value(random));
    match (&column.kind, random.below(4)) {
        (Kind::Map(key, entry), 0) => {
            let (key, entry) = (key.literal(random), entry.literal(random));
            build.text(&format!(" IF {name}[")).value(&key).text("] = ").value(&entry);
        }
        (Kind::List(element), 0) => {
            let element = element.literal(random);
            build.text(&format!(" IF {name}[{}] = ", random.below(3))).value(&element);
        }
        (_, 1) => {
            build.text(&format!(" IF {name} = null"));
        }
        (_, 2) => {
            build.text(&format!(" IF {name} IN (")).values(&[value]).text(")");
        }
        _ => {
            let operator = random.word(&["=", "!=", "<", ">="]);
            build.text(&format!(" IF {name} {operator} ")).value(&value);
        }
    }
}

fn delete(random: &mut Random, table: &Table, build: &mut Build, conditions: bool) {
    let clustering = table.clustering();
    let what = if conditions { random.below(2) } else { random.below(5) };
    build.text("DELETE ");
    let statics_alone = what == 0 && !table.statics().is_empty() && random.one_in(2);
    if what == 0 {
        let columns = if statics_alone { table.statics() } else { table.regular() };
        for (n, column) in random.some(&columns).into_iter().enumerate() {
            build.text(if n == 0 { "" } else { ", " }).text(&column.name);
            match &column.kind {
                Kind::Map(key, _) if random.one_in(2) => {
                    let key = key.literal(random);
                    build.text("[").value(&key).text("]");
                }
                Kind::Set(element) if random.one_in(2) => {
                    let element = element.literal(random);
                    build.text("[").value(&element).text("]");
                }
                _ => {}
            }
        }
        build.text(" ");
    }
    build.text(&format!("FROM {}", table.name));
    timestamp(random, table, build);
    match what {
        0 if statics_alone => equalities(random, &table.partition(), build, false),
        0 | 1 => equalities(random, &keys(table), build, !conditions),
        // A partition, a prefix, a range after a prefix.
        _ => {
            equalities(random, &table.partition(), build, clustering.is_empty());
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
    condition(random, table, build, conditions, statics_alone);
}

/// One bound or two on a column.
pub(super) fn range(random: &mut Random, column: &Column, build: &mut Build) {
    let which = random.below(3);
    if which != 1 {
        let (operator, value) = (random.word(&[">", ">="]), column.value(random));
        build.text(&format!(" AND {} {operator} ", column.name)).value(&value);
    }
    if which != 0 {
        let (operator, value) = (random.word(&["<", "<="]), column.value(random));
        build.text(&format!(" AND {} {operator} ", column.name)).value(&value);
    }
}

fn batch(random: &mut Random, table: &Table) -> Step {
    let kind = match table.counters {
        true => "COUNTER ",
        false if random.one_in(2) => "UNLOGGED ",
        false => "",
    };
    let mut all = format!("BEGIN {kind}BATCH ");
    for _ in 0..random.between(1, 4) {
        let mut build = Build::unbound();
        change(random, table, &mut build, false);
        all += &build.into_text();
        all += "; ";
    }
    text(all + "APPLY BATCH")
}
