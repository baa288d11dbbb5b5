//! `IF`.

use super::build::Build;
use super::random::Random;
use super::schema::{Column, Table};
use super::value::Kind;

/// Conditions after an UPDATE or a DELETE, if they are wanted. `statics`: on static columns alone.
pub(super) fn conditions(random: &mut Random, table: &Table, build: &mut Build, wanted: bool, statics: bool) {
    if !wanted {
        return;
    }
    let columns = if statics && !random.one_in(12) { table.statics() } else { table.values() };
    if columns.is_empty() || random.one_in(4) {
        build.text(" IF EXISTS");
        return;
    }
    let mut word = " IF ";
    let count = random.between(1, 2);
    for _ in 0..count {
        if let Some(column) = random.pick(&columns) {
            build.text(word);
            condition(random, column, build, count == 1);
            word = " AND ";
        }
    }
}

const COMPARE: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

/// `alone`: which of several Cassandra looks at first is a hash table's affair, so that one it would refuse (an order
/// with an empty collection) is made up only alone.
fn condition(random: &mut Random, column: &Column, build: &mut Build, alone: bool) {
    let (name, value) = (column.name.as_str(), column.value(random));
    let refused = ["{}", "[]"].contains(&value.as_str());
    let operator = random.word(if alone || !refused { &COMPARE } else { &["=", "!="] });
    match (&column.kind, random.below(6)) {
        (Kind::Map(key, entry), 0 | 1) => {
            // Cassandra compares a map's values as if they were of the type of its keys
            // (`ColumnCondition.ElementAccessBound`), which says what is equal only where that type compares bytes.
            let by_bytes = ["text", "ascii", "blob"].contains(&key.cql().as_str());
            let (operator, entry) = match (key == entry, by_bytes) {
                (true, _) => (operator, entry.literal(random)),
                (false, true) => (random.word(&["=", "!="]), entry.literal(random)),
                (false, false) => (random.word(&["=", "!="]), "null".to_owned()),
            };
            let key = key.literal(random);
            build.text(&format!("{name}[")).value(&key).text(&format!("] {operator} ")).value(&entry);
        }
        (Kind::List(element), 0 | 1) => {
            let (index, element) = (random.below(3).to_string(), element.literal(random));
            build.text(&format!("{name}[")).value(&index).text(&format!("] {operator} ")).value(&element);
        }
        (Kind::Udt(_, fields), 0 | 1) => {
            if let Some((field, kind)) = random.pick(fields) {
                let value = kind.literal(random);
                build.text(&format!("{name}.{field} {operator} ")).value(&value);
            }
        }
        (Kind::List(element) | Kind::Set(element), 2) => {
            let element = element.literal(random);
            build.text(&format!("{name} CONTAINS ")).value(&element);
        }
        (Kind::Map(key, entry), 2) => {
            let (word, part) = if random.one_in(2) { ("CONTAINS KEY", key) } else { ("CONTAINS", entry) };
            let part = part.literal(random);
            build.text(&format!("{name} {word} ")).value(&part);
        }
        (_, 3) => {
            build.text(&format!("{name} {} null", random.word(&["=", "!=", "="])));
        }
        (_, 4) => {
            let values: Vec<String> = (0..random.between(1, 3)).map(|_| column.value(random)).collect();
            build.text(name).is_in(random, &values);
        }
        _ => {
            build.text(&format!("{name} {operator} ")).value(&value);
        }
    }
}
