//! Statements that read rows.

use super::build::Build;
use super::random::Random;
use super::schema::{Column, Schema, Table};
use super::value::Kind;
use super::write::range;
use crate::cases::file::Step;

pub(super) fn statement(random: &mut Random, schema: &Schema) -> Option<Step> {
    let table = random.pick(&schema.tables)?;
    let mut build = Build::new(random);
    let shape = Shape::new(random);
    build.text("SELECT ").text(&selection(random, table, &shape)).text(&format!(" FROM {}", table.name));
    let found = restrictions(random, table, &mut build);
    if shape.grouped {
        let keys = [table.partition(), table.clustering()].concat();
        let count = random.between(table.partition().len(), keys.len());
        let names: Vec<&str> = keys.iter().take(count).map(|c| c.name.as_str()).collect();
        build.text(&format!(" GROUP BY {}", names.join(", ")));
    }
    if found.partition
        && random.one_in(3)
        && let Some(first) = table.clustering().first()
    {
        build.text(&format!(" ORDER BY {} {}", first.name, random.word(&["ASC", "DESC"])));
    }
    if random.one_in(6) && !shape.aggregate && !shape.distinct {
        let limit = random.between(1, 3).to_string();
        build.text(" PER PARTITION LIMIT ").value(&limit);
    }
    if random.one_in(5) {
        let limit = random.between(1, 6).to_string();
        build.text(" LIMIT ").value(&limit);
    }
    if found.filtering && !random.one_in(8) {
        build.text(" ALLOW FILTERING");
    }
    let mut step = build.step();
    if random.one_in(3) {
        step.page = Some(random.between(1, 5) as i32);
    }
    Some(step)
}

/// What a selection is of.
struct Shape {
    distinct: bool,
    aggregate: bool,
    grouped: bool,
    json: bool,
}

impl Shape {
    fn new(random: &mut Random) -> Shape {
        let shape = random.below(12);
        Shape {
            distinct: shape == 0,
            aggregate: shape < 4,
            grouped: shape == 3 || shape == 4,
            json: shape == 5,
        }
        .settled()
    }

    /// DISTINCT goes with no aggregate here.
    fn settled(mut self) -> Shape {
        self.aggregate &= !self.distinct;
        self
    }
}

fn selection(random: &mut Random, table: &Table, shape: &Shape) -> String {
    let names =
        |columns: Vec<&&Column>| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(", ");
    if shape.distinct {
        let columns = [table.partition(), table.statics()].concat();
        return format!("DISTINCT {}", names(columns.iter().collect()));
    }
    if shape.aggregate {
        let numbers: Vec<&Column> = table.columns.iter().filter(|c| c.kind.is_number()).collect();
        // Cassandra describes these of a timeuuid by the class of an older type of its own.
        let others: Vec<&Column> =
            table.columns.iter().filter(|c| c.kind != Kind::Simple("timeuuid")).collect();
        return match (random.below(4), random.pick(&numbers), random.pick(&others)) {
            (0, _, _) => "count(*)".to_owned(),
            (1, Some(number), _) => format!("sum({0}), avg({0}), count({0})", number.name),
            (_, _, Some(column)) => format!("min({0}), max({0}), count({0})", column.name),
            _ => "count(1)".to_owned(),
        };
    }
    let json = if shape.json { "JSON " } else { "" };
    if random.one_in(2) {
        return format!("{json}*");
    }
    let all: Vec<&Column> = table.columns.iter().collect();
    let parts: Vec<String> =
        random.some(&all).into_iter().map(|column| part(random, table, column)).collect();
    format!("{json}{}", parts.join(", "))
}

/// A column, or something of it.
fn part(random: &mut Random, table: &Table, column: &Column) -> String {
    let name = column.name.as_str();
    let key = !table.values().iter().any(|value| value.name == name);
    match (&column.kind, random.below(6)) {
        (_, 0) if !key && table.timed => format!("writetime({name})"),
        (_, 1) if !key && table.timed => format!("maxwritetime({name})"),
        (Kind::Map(of, _), 2) => format!("{name}[{}]", of.literal(random)),
        (Kind::Set(of), 2) => format!("{name}[{}..]", of.literal(random)),
        (Kind::Udt(_, fields), 2) => match random.pick(fields) {
            Some((field, _)) => format!("{name}.{field}"),
            None => name.to_owned(),
        },
        (kind, 2) if kind.is_number() => format!("{name} + 1"),
        (kind, 3) if kind.is_number() => format!("CAST({name} AS text)"),
        // Named: of toJson and to_json Cassandra shows the one that was first called for the type.
        (_, 4) => format!("toJson({name}) AS {name}_json"),
        (_, 5) => format!("{name} AS {name}_x"),
        _ => name.to_owned(),
    }
}

struct Restricted {
    /// The whole partition key is given.
    partition: bool,
    filtering: bool,
}

fn restrictions(random: &mut Random, table: &Table, build: &mut Build) -> Restricted {
    let mut found = Restricted { partition: false, filtering: false };
    let mut and = And(false);
    let partition = table.partition();
    match random.below(6) {
        0 => {}
        1 => {
            let values: Vec<String> = partition.iter().map(|c| c.value(random)).collect();
            let names: Vec<&str> = partition.iter().map(|c| c.name.as_str()).collect();
            let operator = random.word(&[">", ">=", "<", "<=", "="]);
            and.next(build).text(&format!("token({}) {operator} token(", names.join(", ")));
            build.values(&values).text(")");
        }
        2 => {
            for column in &partition {
                let values: Vec<String> = (0..random.between(1, 3)).map(|_| column.value(random)).collect();
                and.next(build).text(&format!("{} IN (", column.name)).values(&values).text(")");
            }
        }
        _ => {
            found.partition = true;
            for column in &partition {
                let value = column.value(random);
                and.next(build).text(&format!("{} = ", column.name)).value(&value);
            }
        }
    }
    if found.partition || random.one_in(4) {
        found.filtering |= !found.partition;
        clustering(random, table, build, &mut and);
    }
    if random.one_in(4)
        && let Some(column) = random.pick(&table.columns)
    {
        found.filtering = true;
        filter(random, column, and.next(build));
    }
    found
}

/// Equalities on the first clustering columns, then a range, an IN, or several columns at once.
fn clustering(random: &mut Random, table: &Table, build: &mut Build, and: &mut And) {
    let columns = table.clustering();
    if columns.is_empty() || random.one_in(3) {
        return;
    }
    if columns.len() > 1 && random.one_in(4) {
        let count = random.between(2, columns.len());
        let names: Vec<&str> = columns.iter().take(count).map(|c| c.name.as_str()).collect();
        let values: Vec<String> = columns.iter().take(count).map(|c| c.value(random)).collect();
        let operator = random.word(&["=", ">", ">=", "<", "<="]);
        and.next(build).text(&format!("({}) {operator} (", names.join(", "))).values(&values).text(")");
        return;
    }
    let fixed = random.below(columns.len() + 1);
    for column in columns.iter().take(fixed) {
        let value = column.value(random);
        and.next(build).text(&format!("{} = ", column.name)).value(&value);
    }
    let Some(column) = columns.get(fixed) else { return };
    if random.one_in(3) {
        let values: Vec<String> = (0..random.between(1, 3)).map(|_| column.value(random)).collect();
        and.next(build).text(&format!("{} IN (", column.name)).values(&values).text(")");
    } else if and.0 {
        range(random, column, build);
    }
}

fn filter(random: &mut Random, column: &Column, build: &mut Build) {
    let (name, value) = (column.name.as_str(), column.value(random));
    match (&column.kind, random.below(3)) {
        (Kind::List(element) | Kind::Set(element), _) => {
            let element = element.literal(random);
            build.text(&format!("{name} CONTAINS ")).value(&element);
        }
        (Kind::Map(key, _), 0) => {
            let key = key.literal(random);
            build.text(&format!("{name} CONTAINS KEY ")).value(&key);
        }
        (Kind::Map(_, entry), 1) => {
            let entry = entry.literal(random);
            build.text(&format!("{name} CONTAINS ")).value(&entry);
        }
        (Kind::Map(key, entry), _) => {
            let (key, entry) = (key.literal(random), entry.literal(random));
            build.text(&format!("{name}[")).value(&key).text("] = ").value(&entry);
        }
        (_, 0) => {
            build.text(&format!("{name} {} ", random.word(&["<", "<=", ">", ">="]))).value(&value);
        }
        _ => {
            build.text(&format!("{name} = ")).value(&value);
        }
    }
}

/// Whether there is a restriction before.
struct And(bool);

impl And {
    fn next<'a>(&mut self, build: &'a mut Build) -> &'a mut Build {
        let word = if self.0 { " AND " } else { " WHERE " };
        self.0 = true;
        build.text(word)
    }
}
