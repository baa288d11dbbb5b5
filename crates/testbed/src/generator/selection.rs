//! What a SELECT gives.

use super::random::Random;
use super::schema::{Column, Role, Table};
use super::value::Kind;

/// What a selection is of.
pub(super) struct Shape {
    pub(super) distinct: bool,
    pub(super) aggregate: bool,
    pub(super) grouped: bool,
    pub(super) json: bool,
}

impl Shape {
    pub(super) fn new(random: &mut Random) -> Shape {
        let shape = random.below(12);
        Shape {
            distinct: shape == 0,
            aggregate: shape > 0 && shape < 4,
            grouped: shape == 3 || shape == 4,
            json: shape == 5 || random.one_in(30),
        }
    }
}

/// A row whose marker has expired hides from Cassandra those of its columns that were written before the marker and
/// are not asked for, if both are still in memory: such tables are asked for all columns.
pub(super) fn selection(random: &mut Random, table: &Table, shape: &Shape) -> String {
    let some = selected(random, table, shape);
    if !table.aged || some.ends_with('*') {
        return some;
    }
    let all: Vec<&str> = table.values().iter().map(|c| c.name.as_str()).collect();
    format!("{some}, {}", all.join(", "))
}

fn selected(random: &mut Random, table: &Table, shape: &Shape) -> String {
    let json = if shape.json { "JSON " } else { "" };
    if shape.distinct && !table.aged {
        let columns = [table.partition(), table.statics()].concat();
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        return format!("{json}DISTINCT {}", names.join(", "));
    }
    if shape.aggregate {
        let mut parts: Vec<String> = Vec::new();
        if shape.grouped && random.one_in(2) {
            parts.extend(table.partition().iter().map(|c| c.name.clone()));
        }
        for _ in 0..random.between(1, 3) {
            parts.push(aggregate(random, table));
        }
        return format!("{json}{}", parts.join(", "));
    }
    if random.one_in(3) {
        return format!("{json}*");
    }
    let all: Vec<&Column> = table.columns.iter().collect();
    let mut parts: Vec<String> =
        random.some(&all).into_iter().map(|column| part(random, table, column)).collect();
    if random.one_in(12) {
        let names: Vec<&str> = table.partition().iter().map(|c| c.name.as_str()).collect();
        parts.push(format!("token({})", names.join(", ")));
    }
    format!("{json}{}", parts.join(", "))
}

fn aggregate(random: &mut Random, table: &Table) -> String {
    let numbers: Vec<&Column> = table.columns.iter().filter(|c| c.kind.is_number()).collect();
    // Cassandra describes these of a timeuuid, as it does its mask, by the class of an older type of its own.
    let others: Vec<&Column> = table.columns.iter().filter(|c| c.kind != Kind::Simple("timeuuid")).collect();
    match (random.below(5), random.pick(&numbers), random.pick(&others)) {
        (0, _, _) => random.word(&["count(*)", "count(1)"]),
        (1, Some(number), _) => format!("{}({})", random.word(&["sum", "avg"]), number.name),
        (2, Some(number), _) => format!("{}({} + 1)", random.word(&["sum", "max"]), number.name),
        (_, _, Some(column)) => format!("{}({})", random.word(&["min", "max", "count"]), column.name),
        _ => "count(1)".to_owned(),
    }
}

/// A column, or something of it.
fn part(random: &mut Random, table: &Table, column: &Column) -> String {
    let name = column.name.as_str();
    let key = !table.values().iter().any(|value| value.name == name);
    match random.below(9) {
        0 if !key && (table.timed || table.aged) => written(random, table, column),
        1 | 2 => piece(random, column),
        3 | 4 => call(random, table, column).unwrap_or_else(|| name.to_owned()),
        // Named: of toJson and to_json Cassandra shows the one that was first called for the type.
        5 => format!("toJson({name}) AS {name}_json"),
        6 => format!("{name} AS {name}_x"),
        _ => name.to_owned(),
    }
}

/// When a value was written, and how long it lasts.
fn written(random: &mut Random, table: &Table, column: &Column) -> String {
    let function = match (table.timed, table.aged, random.below(3)) {
        (_, true, 0) | (false, true, _) => "ttl",
        (_, _, 1) => "maxwritetime",
        _ => "writetime",
    };
    let what = if random.one_in(3) { piece(random, column) } else { column.name.clone() };
    format!("{function}({what})")
}

/// An element, a field or a slice, where it has any.
fn piece(random: &mut Random, column: &Column) -> String {
    let name = column.name.as_str();
    match column.open() {
        Kind::Map(of, _) | Kind::Set(of) => {
            let (a, b) = (of.literal(random), of.literal(random));
            match random.below(4) {
                0 => format!("{name}[{a}..{b}]"),
                1 => format!("{name}[{a}..]"),
                2 => format!("{name}[..{b}]"),
                _ => format!("{name}[{a}]"),
            }
        }
        Kind::Udt(_, fields) => match random.pick(fields) {
            Some((field, _)) => format!("{name}.{field}"),
            None => name.to_owned(),
        },
        kind if kind.is_number() => {
            let operation = random.word(&["+ 1", "- 1", "* 2", "/ 2", "% 2", "+ 0.5"]);
            match random.below(4) {
                0 => format!("-{name}"),
                1 => format!("{name} + {name}"),
                _ => format!("{name} {operation}"),
            }
        }
        _ => name.to_owned(),
    }
}

/// A function of a column.
fn call(random: &mut Random, table: &Table, column: &Column) -> Option<String> {
    let name = column.name.as_str();
    // Cassandra takes a descending column for one of another type.
    if matches!(column.role, Role::Clustering { descending: true }) {
        return None;
    }
    if random.one_in(6) && column.kind != Kind::Simple("timeuuid") {
        return Some(format!("{}({name})", random.word(&["mask_default", "mask_null"])));
    }
    Some(match column.open() {
        Kind::List(_) | Kind::Set(_) => {
            let function = random.word(&[
                "collection_count",
                "collection_min",
                "collection_max",
                "collection_sum",
                "collection_avg",
            ]);
            format!("{function}({name})")
        }
        Kind::Map(..) => format!("{}({name})", random.word(&["map_keys", "map_values", "collection_count"])),
        Kind::Vector(..) => {
            let other = random.pick(&table.columns).filter(|c| c.kind == column.kind).unwrap_or(column);
            let function =
                random.word(&["similarity_cosine", "similarity_euclidean", "similarity_dot_product"]);
            format!("{function}({name}, {})", other.name)
        }
        Kind::Simple("text" | "ascii") => match random.below(4) {
            0 => format!("mask_inner({name}, 1, 1)"),
            1 => format!("mask_outer({name}, 1, 1, '#')"),
            2 => format!("text_as_blob({name})"),
            _ => format!("mask_replace({name}, 'x')"),
        },
        Kind::Simple("timestamp" | "date") if random.one_in(3) => {
            let length = random.word(&["1d", "1mo", "2w", "1y"]);
            match random.below(3) {
                0 => format!("floor({name}, {length})"),
                1 => format!("{name} + {length}"),
                _ => format!("{name} - {length}"),
            }
        }
        Kind::Simple("timestamp") => {
            format!(
                "{}({name})",
                random.word(&["to_date", "to_unix_timestamp", "to_timestamp", "min_timeuuid"])
            )
        }
        Kind::Simple("date") => {
            format!("{}({name})", random.word(&["to_timestamp", "to_unix_timestamp", "date_as_blob"]))
        }
        Kind::Simple("timeuuid") => {
            format!("{}({name})", random.word(&["to_timestamp", "to_date", "to_unix_timestamp"]))
        }
        Kind::Simple(of) if column.kind.is_number() => {
            let to = random.word(&[
                "int", "bigint", "smallint", "tinyint", "varint", "double", "float", "decimal", "text",
            ]);
            match random.below(4) {
                0 => format!("{}({name})", random.word(&["abs", "round", "exp", "log", "log10"])),
                1 => format!("{of}_as_blob({name})"),
                _ => format!("CAST({name} AS {to})"),
            }
        }
        Kind::Simple("blob") => format!("mask_hash({name})"),
        Kind::Simple(of) => match random.below(2) {
            0 => format!("{of}_as_blob({name})"),
            _ => format!("CAST({name} AS text)"),
        },
        _ => return None,
    })
}
