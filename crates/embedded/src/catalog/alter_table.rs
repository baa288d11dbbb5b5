//! ALTER TABLE and DROP TABLE (`AlterTableStatement`, `DropTableStatement`).

use std::collections::BTreeSet;
use std::sync::Arc;

use ilium_cql::ast::{AlterTable, ColumnDefinition, Name, TableChange};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Column, ColumnKind, DroppedColumn, Table};
use ilium_store::{Error, Result, SchemaChange, SchemaChangeKind, SchemaTarget};

use super::create_table::has_loose_nested_collection;
use super::draft::Draft;
use super::entry::TableEntry;
use super::indexes::names_of_indexes_on;
use super::table_options::altered_table_options;
use super::type_names::{TypeScope, expand_user_types};

/// `now`: microseconds, when a column is dropped without a time stamp.
pub fn alter(
    draft: &mut Draft,
    statement: &AlterTable,
    keyspace: &str,
    now: i64,
) -> Result<Option<SchemaChange>> {
    let name = statement.name.name.as_str();
    let Some(entry) = draft.entry(keyspace, name).cloned() else {
        return missing(keyspace, name, statement.if_exists);
    };
    let table = Table::clone(&entry.table);
    let altered = match &statement.change {
        TableChange::Add { if_not_exists, columns } => {
            let types = &draft.existing_keyspace(keyspace)?.types;
            add_columns(table, columns, *if_not_exists, TypeScope { keyspace, types })?
        }
        TableChange::Drop { if_exists, columns, timestamp } => {
            drop_columns(table, &entry, columns, *if_exists, timestamp.unwrap_or(now))?
        }
        TableChange::Rename { renames, .. } => rename_columns(table, &entry, renames)?,
        TableChange::AlterType { .. } => {
            return Err(Error::invalid("Altering column types is no longer supported"));
        }
        TableChange::Mask { if_exists, column, mask } => {
            if mask.is_some() {
                return Err(Error::invalid("data masking (MASKED WITH) is not supported by Ilium yet"));
            }
            if table.column(column.as_str()).is_none() && !if_exists {
                return Err(Error::invalid(format!(
                    "Column with name '{}' doesn't exist on table '{name}'",
                    column.as_str()
                )));
            }
            table
        }
        TableChange::Options(properties) => {
            let mut table = table;
            table.options = altered_table_options(&table.options, properties)?;
            if table.flags.counter && table.options.default_time_to_live > 0 {
                return Err(Error::invalid("Cannot set default_time_to_live on a table with counters"));
            }
            table
        }
        TableChange::DropCompactStorage => {
            return Err(Error::invalid("DROP COMPACT STORAGE is disabled. Enable in cassandra.yaml to use."));
        }
    };
    if altered == *entry.table {
        return Ok(None);
    }
    let change = table_change(SchemaChangeKind::Updated, &altered);
    draft.put_table(renumbered(&entry, altered)?);
    Ok(Some(change))
}

pub fn drop(draft: &mut Draft, keyspace: &str, name: &str, if_exists: bool) -> Result<Option<SchemaChange>> {
    let Some(entry) = draft.entry(keyspace, name).cloned() else {
        return missing(keyspace, name, if_exists);
    };
    draft.drop_table(&entry);
    Ok(Some(table_change(SchemaChangeKind::Dropped, &entry.table)))
}

fn missing(keyspace: &str, name: &str, if_exists: bool) -> Result<Option<SchemaChange>> {
    match if_exists {
        true => Ok(None),
        false => Err(Error::invalid(format!("Table '{keyspace}.{name}' doesn't exist"))),
    }
}

pub fn table_change(kind: SchemaChangeKind, table: &Table) -> SchemaChange {
    SchemaChange {
        kind,
        keyspace: Arc::clone(&table.keyspace),
        target: SchemaTarget::Table(Arc::clone(&table.name)),
    }
}

/// As Cassandra's messages name a table: each part quoted where it must be.
pub fn quoted_name(table: &Table) -> String {
    format!("{}.{}", quote_if_needed(&table.keyspace), quote_if_needed(&table.name))
}

/// The entry with another set of columns: those that stay keep their numbers, those that are added again after a DROP
/// have theirs back, those that are new get fresh ones.
pub fn renumbered(entry: &TableEntry, table: Table) -> Result<TableEntry> {
    let mut next_cell_id = entry.next_cell_id;
    let mut cell_ids = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        if matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering) {
            cell_ids.push(0);
            continue;
        }
        let kept = entry.table.column_index(&column.name).and_then(|i| entry.cell_ids.get(i));
        cell_ids.push(match kept.or_else(|| entry.dropped_ids.get(&column.name)) {
            Some(id) => *id,
            None => {
                let id = next_cell_id;
                next_cell_id = id.checked_add(1).ok_or_else(|| {
                    Error::invalid(format!(
                        "table {} has had {id} columns, dropped ones included, and can have no more: copy it to a new \
                         table",
                        quoted_name(&table)
                    ))
                })?;
                id
            }
        });
    }
    let mut indexes = entry.indexes.clone();
    for index in &mut indexes {
        let name = entry.table.columns.get(index.column).map(|column| Arc::clone(&column.name));
        let place = name.and_then(|name| table.column_index(&name));
        index.column = place
            .ok_or_else(|| Error::internal(format!("index {} is on a column that is gone", index.name)))?;
    }
    let mut dropped_ids = entry.dropped_ids.clone();
    for (column, id) in entry.table.columns.iter().zip(&entry.cell_ids).skip(entry.key_len()) {
        if table.column_index(&column.name).is_none() {
            dropped_ids.insert(Arc::clone(&column.name), *id);
        }
    }
    let mut renumbered = entry.with_columns(Arc::new(table), cell_ids, next_cell_id);
    renumbered.indexes = indexes;
    renumbered.dropped_ids = dropped_ids;
    Ok(renumbered)
}

fn add_columns(
    mut table: Table,
    columns: &[ColumnDefinition],
    if_not_exists: bool,
    scope: TypeScope<'_>,
) -> Result<Table> {
    for definition in columns {
        let name = definition.name.as_str();
        let column_type = scope.resolve(&definition.column_type)?;
        if definition.mask.is_some() {
            return Err(Error::invalid("data masking (MASKED WITH) is not supported by Ilium yet"));
        }
        if table.column(name).is_some() {
            if if_not_exists {
                continue;
            }
            return Err(Error::invalid(format!("Column with name '{name}' already exists")));
        }
        if is_compact(&table) {
            return Err(Error::invalid("Cannot add new column to a COMPACT STORAGE table"));
        }
        if definition.is_static && table.clustering().next().is_none() {
            return Err(Error::invalid(
                "Static columns are only useful (and thus allowed) if the table has at least one clustering column",
            ));
        }
        if has_loose_nested_collection(&column_type) {
            return Err(Error::invalid(format!(
                "Non-frozen UDTs with nested non-frozen collections are not supported for column {name}"
            )));
        }
        let kind = if definition.is_static { ColumnKind::Static } else { ColumnKind::Regular };
        if let Some(dropped) = table.dropped_columns.get(name) {
            if !column_type.is_serialization_compatible_with(&dropped.column_type) {
                return Err(Error::invalid(format!(
                    "Cannot add a column '{name}' of type {column_type}, incompatible with previously dropped column \
                     '{name}' of type {}",
                    dropped.column_type
                )));
            }
            if dropped.kind != kind {
                let word = |kind| if kind == ColumnKind::Static { "STATIC" } else { "REGULAR" };
                return Err(Error::invalid(format!(
                    "Cannot re-add previously dropped column '{name}' of kind {}, incompatible with previous kind {}",
                    word(kind),
                    word(dropped.kind)
                )));
            }
            if table.flags.counter {
                return Err(Error::invalid(format!(
                    "Cannot re-add previously dropped counter column {name}"
                )));
            }
        }
        let column = Column { name: Arc::from(name), column_type, kind, position: 0, descending: false };
        // Within statics and within regulars, by the bytes of the name.
        let place = table
            .columns
            .iter()
            .position(|other| (other.kind, &other.name) > (kind, &column.name))
            .unwrap_or(table.columns.len());
        table.columns.insert(place, column);
    }
    // Cassandra looks at the whole table only now (`TableMetadata.validate`).
    let others = table.columns.iter().filter(|c| c.kind >= ColumnKind::Static);
    for column in others {
        let message = match (table.flags.counter, column.column_type.is_counter()) {
            (true, false) => "Cannot have a non counter column",
            (false, true) => "Cannot have a counter column",
            _ => continue,
        };
        let kind_of_table = if table.flags.counter { "a counter table" } else { "a non counter table" };
        return Err(Error::config(format!(
            "{}.{}: {message} (\"{}\") in {kind_of_table}",
            table.keyspace, table.name, column.name
        )));
    }
    Ok(table)
}

/// A table whose columns cannot be told from its keys once stored, as COMPACT STORAGE made them.
fn is_compact(table: &Table) -> bool {
    table.flags.dense || table.flags.super_column || !table.flags.compound
}

fn drop_columns(
    mut table: Table,
    entry: &TableEntry,
    columns: &[Name],
    if_exists: bool,
    timestamp: i64,
) -> Result<Table> {
    let columns: BTreeSet<&str> = columns.iter().map(Name::as_str).collect();
    for name in columns {
        let Some(place) = table.column_index(name) else {
            if if_exists {
                continue;
            }
            return Err(Error::invalid(format!(
                "Column {name} was not found in table '{}'",
                quoted_name(&table)
            )));
        };
        let column = table.columns.remove(place);
        if matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering) {
            return Err(Error::invalid(format!("Cannot drop PRIMARY KEY column {name}")));
        }
        if column.column_type.is_udt() && column.column_type.is_multi_cell() {
            return Err(Error::invalid(format!(
                "Cannot drop non-frozen column {name} of user type {}",
                column.column_type
            )));
        }
        if table.flags.dense {
            return Err(Error::invalid(format!(
                "Cannot drop column {name}: it is the value of a COMPACT STORAGE table"
            )));
        }
        if let Some(indexes) = names_of_indexes_on(entry, name) {
            return Err(Error::invalid(format!(
                "Cannot drop column {name} because it has dependent secondary indexes ({indexes})"
            )));
        }
        let dropped = DroppedColumn {
            name: Arc::clone(&column.name),
            column_type: expand_user_types(&column.column_type),
            kind: column.kind,
            dropped_time: timestamp,
        };
        table.dropped_columns.insert(column.name, dropped);
    }
    Ok(table)
}

fn rename_columns(mut table: Table, entry: &TableEntry, renames: &[(Name, Name)]) -> Result<Table> {
    for (from, to) in renames {
        let (from, to) = (from.as_str(), to.as_str());
        let before = &entry.table;
        let Some(place) = before.column_index(from) else {
            return Err(Error::invalid(format!(
                "Undefined column name {} in table {}",
                quote_if_needed(from),
                quoted_name(before)
            )));
        };
        if place >= entry.key_len() {
            return Err(Error::invalid(format!("Cannot rename non PRIMARY KEY column {from}")));
        }
        if before.column(to).is_some() || table.column(to).is_some() {
            return Err(Error::invalid(format!(
                "Cannot rename column {from} to {to} in table '{}'; another column with that name already exists",
                quoted_name(before)
            )));
        }
        if let Some(indexes) = names_of_indexes_on(entry, from) {
            return Err(Error::invalid(format!(
                "Can't rename column {from} because it has dependent secondary indexes ({indexes})"
            )));
        }
        if let Some(column) = table.columns.get_mut(place) {
            column.name = Arc::from(to);
        }
    }
    Ok(table)
}
