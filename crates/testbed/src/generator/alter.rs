//! Statements that change the schema between others.

use super::random::Random;
use super::schema::{Column, Role, Schema, Table};
use super::text;
use super::value::Kind;
use crate::cases::file::Step;

/// Changes a table, its indexes or a type.
pub(super) fn statement(random: &mut Random, schema: &mut Schema, at: usize) -> Option<Step> {
    match random.below(8) {
        0 | 1 => schema.index(random, at),
        2 => drop_index(random, schema.tables.get_mut(at)?),
        3 => alter_type(random, schema),
        4 => rename(random, schema.tables.get_mut(at)?),
        5 => schema.tables.get(at).map(|table| text(format!("TRUNCATE {}", table.name))),
        _ => {
            let types = schema.types.clone();
            let table = schema.tables.get_mut(at)?;
            if random.one_in(2) { drop_column(random, table) } else { add_column(random, table, &types) }
        }
    }
}

fn drop_index(random: &mut Random, table: &mut Table) -> Option<Step> {
    let name = random.pick(&table.indexes)?.name.clone();
    table.indexes.retain(|index| index.name != name);
    Some(text(format!("DROP INDEX {name}")))
}

fn drop_column(random: &mut Random, table: &mut Table) -> Option<Step> {
    let values = table.values();
    if table.counters || table.regular().len() < 2 {
        return None;
    }
    let dropped = (*random.pick(&values)?).clone();
    let name = dropped.name;
    // One that is stored in parts and is no collection cannot be dropped, nor can one with an index.
    let indexed = table.indexes.iter().any(|index| index.column == name);
    if !indexed && !matches!(dropped.kind, Kind::Udt(..)) {
        table.columns.retain(|c| c.name != name);
        table.dropped.push((name.clone(), dropped.kind, dropped.role));
    }
    Some(text(format!("ALTER TABLE {} DROP {name}", table.name)))
}

fn add_column(random: &mut Random, table: &mut Table, types: &[Kind]) -> Option<Step> {
    if table.counters {
        return None;
    }
    // No static ones beside an index on the partition key: see there.
    let may = table.indexed().all(|column| column.role != Role::Partition);
    let column = match table.dropped.pop() {
        Some((name, kind, role)) if (may || role == Role::Regular) && random.one_in(2) => {
            Column::new(random, name, kind, role)
        }
        _ => {
            table.added += 1;
            let is_static = may && !table.clustering().is_empty() && random.one_in(4);
            let role = if is_static { Role::Static } else { Role::Regular };
            let kind = Kind::column(random, types);
            Column::new(random, format!("w{}", table.added), kind, role)
        }
    };
    let suffix = if column.role == Role::Static { " static" } else { "" };
    let alter = format!("ALTER TABLE {} ADD {} {}{suffix}", table.name, column.name, column.kind.cql());
    table.columns.push(column);
    Some(text(alter))
}

/// Only columns of the primary key can be renamed, those with an index not.
fn rename(random: &mut Random, table: &mut Table) -> Option<Step> {
    table.added += 1;
    let to = format!("r{}", table.added);
    let at = random.below(table.columns.len());
    let column = table.columns.get_mut(at)?;
    let from = column.name.clone();
    if column.role.is_key() && table.indexes.iter().all(|index| index.column != from) {
        column.name.clone_from(&to);
    }
    Some(text(format!("ALTER TABLE {} RENAME {from} TO {to}", table.name)))
}

/// Adds a field to a type or renames one.
fn alter_type(random: &mut Random, schema: &mut Schema) -> Option<Step> {
    let types = schema.types.clone();
    let at = random.below(types.len());
    let before = types.get(at)?;
    // Cassandra goes on sorting an index's entries by the type as it was, and fails to write them to disk.
    let indexed = |table: &Table| table.indexed().any(|column| column.kind.has(before));
    if schema.tables.iter().any(indexed) {
        return None;
    }
    // A key without the new field and one with a null there are equal: which spelling a row keeps depends on when
    // Cassandra flushes.
    let keyed = |table: &Table| {
        let mut keys = table.columns.iter().filter(|column| column.role.is_key());
        keys.any(|column| column.kind.has(before))
    };
    let keyed = schema.tables.iter().any(keyed);
    let Kind::Udt(name, mut fields) = before.clone() else { return None };
    let statement = if random.one_in(2) && !keyed {
        let field = (format!("g{}", fields.len()), Kind::simple(random));
        let statement = format!("ALTER TYPE {name} ADD {} {}", field.0, field.1.cql());
        fields.push(field);
        statement
    } else {
        let index = random.below(fields.len());
        let field = fields.get_mut(index)?;
        let to = format!("{}x", field.0);
        let statement = format!("ALTER TYPE {name} RENAME {} TO {to}", field.0);
        field.0 = to;
        statement
    };
    let altered = Kind::Udt(name, fields);
    for kind in &mut schema.types {
        kind.replace(&altered);
    }
    for table in &mut schema.tables {
        for column in &mut table.columns {
            if column.kind.replace(&altered) {
                column.fill(random);
            }
        }
        for (_, kind, _) in &mut table.dropped {
            kind.replace(&altered);
        }
    }
    Some(text(statement))
}
