//! `WHERE` of a SELECT.

use super::build::Build;
use super::random::Random;
use super::schema::{Column, Role, Table};
use super::value::Kind;

pub(super) struct Restricted {
    /// The whole partition key is given.
    pub(super) partition: bool,
    pub(super) filtering: bool,
    /// The partition key is given by lists.
    pub(super) several: bool,
}

pub(super) fn restrictions(random: &mut Random, table: &Table, build: &mut Build) -> Restricted {
    let mut found = Restricted { partition: false, filtering: false, several: false };
    let mut and = And(false);
    let mut by_static = false;
    match random.below(9) {
        0 => {}
        1 => tokens(random, table, build, &mut and),
        2 => {
            for column in &table.partition() {
                let values: Vec<String> = (0..random.between(1, 3)).map(|_| column.value(random)).collect();
                and.next(build).text(&column.name).is_in(random, &values);
            }
            found.several = true;
            found.partition = random.one_in(2);
        }
        // By an index alone, if there is one.
        3 => {
            if let Some(column) = indexed(random, table) {
                by_static = column.role == Role::Static;
                filter(random, column, and.next(build));
            }
        }
        // A part of the key.
        4 if random.one_in(2) => {
            found.filtering = true;
            if let Some(column) = random.pick(&table.partition()) {
                filter(random, column, and.next(build));
            }
        }
        _ => {
            found.partition = true;
            for column in &table.partition() {
                let value = column.value(random);
                and.next(build).text(&format!("{} = ", column.name)).value(&value);
            }
        }
    }
    // Where the partition is given, and rows of it, an index on a static column finds Cassandra nothing: it looks for
    // the rows among the index's entries, which know the partition alone. Such a read is left to the cases; with another index
    // it is chance which of the two is used.
    let mut rows = Rows::All;
    if found.partition || !by_static && random.one_in(4) {
        found.filtering |= !found.partition;
        rows = clustering(random, table, build, &mut and);
    }
    // After a list of several columns' values it takes another clustering column's value for unset.
    let may = |column: &&Column| match (rows, column.role) {
        (Rows::Some | Rows::Listed, Role::Static) => !is_indexed(table, column),
        (Rows::Listed, Role::Clustering { .. }) => false,
        _ => true,
    };
    for _ in 0..[0, 0, 0, 0, 0, 1, 1, 2].get(random.below(8)).copied().unwrap_or(0) {
        if let Some(column) = random.pick(&table.columns).filter(may) {
            found.filtering = true;
            filter(random, column, and.next(build));
        }
    }
    if random.one_in(5)
        && let Some(column) = indexed(random, table).filter(may)
    {
        found.filtering = true;
        filter(random, column, and.next(build));
    }
    found
}

fn is_indexed(table: &Table, column: &Column) -> bool {
    table.indexes.iter().any(|index| index.column == column.name)
}

fn indexed<'t>(random: &mut Random, table: &'t Table) -> Option<&'t Column> {
    let index = random.pick(&table.indexes)?;
    table.columns.iter().find(|column| column.name == index.column)
}

/// One bound or two on the token.
fn tokens(random: &mut Random, table: &Table, build: &mut Build, and: &mut And) {
    let partition = table.partition();
    let names: Vec<&str> = partition.iter().map(|c| c.name.as_str()).collect();
    let bounds: &[&[&str]] = match random.below(3) {
        0 => &[&[">", ">=", "<", "<=", "="]],
        1 => &[&[">", ">="], &["<", "<="]],
        _ => &[&[">=", ">"]],
    };
    for operators in bounds {
        and.next(build).text(&format!("token({}) {} ", names.join(", "), random.word(operators)));
        if random.one_in(4) {
            let token =
                random.word(&["0", "-9223372036854775808", "9223372036854775807", "-4611686018427387904"]);
            build.value(&token);
        } else {
            let values: Vec<String> = partition.iter().map(|c| c.value(random)).collect();
            build.text("token(").values(&values).text(")");
        }
    }
}

/// Which rows of a partition are asked for.
#[derive(Clone, Copy)]
enum Rows {
    All,
    Some,
    /// By a list of several columns' values.
    Listed,
}

/// Equalities on the first clustering columns, then a range, an IN, or several columns at once.
fn clustering(random: &mut Random, table: &Table, build: &mut Build, and: &mut And) -> Rows {
    let columns = table.clustering();
    if columns.is_empty() || random.one_in(3) {
        return Rows::All;
    }
    // Several columns at once, perhaps after equalities.
    if columns.len() > 1 && random.one_in(3) {
        let first = if random.one_in(3) { random.below(columns.len() - 1) } else { 0 };
        for column in columns.iter().take(first) {
            let value = column.value(random);
            and.next(build).text(&format!("{} = ", column.name)).value(&value);
        }
        let rest = columns.get(first..).unwrap_or_default();
        return several(random, rest, build, and);
    }
    let fixed = random.below(columns.len() + 1);
    for column in columns.iter().take(fixed) {
        if random.one_in(8) {
            is_in(random, column, build, and);
        } else {
            let value = column.value(random);
            and.next(build).text(&format!("{} = ", column.name)).value(&value);
        }
    }
    let Some(column) = columns.get(fixed) else { return Rows::Some };
    if random.one_in(3) {
        is_in(random, column, build, and);
    } else if and.0 {
        range(random, column, build);
    }
    Rows::Some
}

fn is_in(random: &mut Random, column: &Column, build: &mut Build, and: &mut And) {
    let count = if random.one_in(8) { 0 } else { random.between(1, 3) };
    let values: Vec<String> = (0..count).map(|_| column.value(random)).collect();
    and.next(build).text(&column.name).is_in(random, &values);
}

/// `(a, b) > (1, 2)`, with another bound or not, or `(a, b) IN (...)`.
fn several(random: &mut Random, columns: &[&Column], build: &mut Build, and: &mut And) -> Rows {
    let count = random.between(1, columns.len());
    let take = |count: usize| columns.iter().take(count).copied().collect::<Vec<&Column>>();
    let names = |columns: &[&Column]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(", ");
    let some = take(count);
    if random.one_in(3) {
        and.next(build).text(&format!("({}) IN (", names(&some)));
        for n in 0..random.between(1, 3) {
            let values: Vec<String> = some.iter().map(|c| c.value(random)).collect();
            build.text(if n == 0 { "(" } else { ", (" }).values(&values).text(")");
        }
        build.text(")");
        return Rows::Listed;
    }
    let bounds: &[&[&str]] = match random.below(4) {
        0 => &[&["="]],
        1 => &[&[">", ">="]],
        2 => &[&["<", "<="]],
        _ => &[&[">", ">="], &["<", "<="]],
    };
    for operators in bounds {
        let some = if random.one_in(3) { take(random.between(1, columns.len())) } else { some.clone() };
        let values: Vec<String> = some.iter().map(|c| c.value(random)).collect();
        and.next(build).text(&format!("({}) {} ", names(&some), random.word(operators)));
        build.tuple(random, &values);
    }
    Rows::Some
}

fn filter(random: &mut Random, column: &Column, build: &mut Build) {
    let (name, value) = (column.name.as_str(), column.value(random));
    // Of static rows Cassandra's filters see deleted elements too (`RowFilter.filter` purges others only).
    let whole = random.one_in(5) || column.role == Role::Static;
    match (column.open(), random.below(3)) {
        (Kind::List(element) | Kind::Set(element), _) if !whole => {
            let element = element.literal(random);
            build.text(&format!("{name} CONTAINS ")).value(&element);
        }
        (Kind::Map(key, _), 0) if !whole => {
            let key = key.literal(random);
            build.text(&format!("{name} CONTAINS KEY ")).value(&key);
        }
        (Kind::Map(_, entry), 1) if !whole => {
            let entry = entry.literal(random);
            build.text(&format!("{name} CONTAINS ")).value(&entry);
        }
        (Kind::Map(key, entry), _) if !whole => {
            let (key, entry) = (key.literal(random), entry.literal(random));
            build.text(&format!("{name}[")).value(&key).text("] = ").value(&entry);
        }
        (_, 0) => {
            build.text(&format!("{name} {} ", random.word(&["<", "<=", ">", ">="]))).value(&value);
        }
        (_, 1) if random.one_in(6) => {
            build.text(&format!("{name} IN (")).values(&[value]).text(")");
        }
        _ => {
            build.text(&format!("{name} = ")).value(&value);
        }
    }
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

/// Whether there is a restriction before.
struct And(bool);

impl And {
    fn next<'a>(&mut self, build: &'a mut Build) -> &'a mut Build {
        let word = if self.0 { " AND " } else { " WHERE " };
        self.0 = true;
        build.text(word)
    }
}
