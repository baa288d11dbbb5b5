//! CREATE INDEX and DROP INDEX (`CreateIndexStatement`, `DropIndexStatement`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{CreateIndex, IndexOn, IndexTarget};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Column, ColumnKind, Index, IndexKind, Table};
use ilium_store::{Error, Result, SchemaChange, SchemaChangeKind};

use super::alter_table::{quoted_name, table_change};
use super::draft::Draft;
use super::entry::{IndexEntry, TableEntry};
use super::names::{is_word, is_word_byte};
use super::properties::Properties;

/// What `USING` says of the one kind of index there is here.
const PLAIN_CLASS: &str = "legacy_local_table";

pub fn create(draft: &mut Draft, statement: &CreateIndex, keyspace: &str) -> Result<Option<SchemaChange>> {
    check_class(statement)?;
    let scope = draft.existing_keyspace(keyspace)?;
    let table_name = statement.table.name.as_str();
    let Some(entry) = draft.entry(keyspace, table_name).cloned() else {
        return Err(Error::invalid(format!("Table '{table_name}' doesn't exist")));
    };
    let is_taken = |name: &str| {
        let mut indexes = scope.tables.values().flat_map(|table| &table.indexes);
        indexes.any(|index| &*index.name == name)
    };
    let given = statement.name.as_ref().map(|name| name.name.as_str());
    if let Some(name) = given.filter(|name| is_taken(name)) {
        return match statement.if_not_exists {
            true => Ok(None),
            false => Err(Error::invalid(format!("Index '{name}' already exists"))),
        };
    }
    let table = &entry.table;
    if table.flags.counter {
        return Err(Error::invalid("Secondary indexes on counter tables aren't supported"));
    }
    let target = match statement.targets.as_slice() {
        [target] => target,
        [] => {
            return Err(Error::invalid(
                "Only CUSTOM indexes can be created without specifying a target column",
            ));
        }
        targets => {
            targets.iter().try_for_each(|target| column_of(table, target).map(|_| ()))?;
            return Err(Error::invalid("Only CUSTOM indexes support multiple columns"));
        }
    };
    let (place, column) = column_of(table, target)?;
    let on = match target.on {
        IndexOn::Simple if column.column_type.is_collection() => IndexOn::Values,
        on => on,
    };
    check_target(table, column, on)?;
    let name = match given {
        Some(name) => name.to_owned(),
        None => available_name(table_name, &column.name, is_taken),
    };
    let index = Index {
        name: Arc::from(name.as_str()),
        kind: IndexKind::Composites,
        options: BTreeMap::from([("target".to_owned(), target_text(column, on))]),
    };
    if let Some(same) = table.indexes.iter().find(|other| other.options == index.options) {
        return match statement.if_not_exists {
            true => Ok(None),
            false => {
                Err(Error::invalid(format!("Index {name} is a duplicate of existing index {}", same.name)))
            }
        };
    }
    if !is_word(&name) {
        return Err(Error::config(format!("Illegal index name {name}")));
    }
    let number = draft.new_index_number()?;
    let mut entry = TableEntry::clone(&entry);
    entry.indexes.push(IndexEntry { name: Arc::clone(&index.name), number, column: place, on, ready: false });
    entry.indexes.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = Table::clone(&entry.table);
    table.indexes.push(index);
    table.indexes.sort_by(|a, b| a.name.cmp(&b.name));
    let change = table_change(SchemaChangeKind::Updated, &table);
    entry.table = Arc::new(table);
    draft.put_table(entry);
    Ok(Some(change))
}

pub fn drop(draft: &mut Draft, keyspace: &str, name: &str, if_exists: bool) -> Result<Option<SchemaChange>> {
    let entries = draft.entries_of(keyspace);
    let Some(entry) = entries.iter().find(|entry| entry.index(name).is_some()) else {
        return match if_exists {
            true => Ok(None),
            false => Err(Error::invalid(format!("Index '{keyspace}.{name}' doesn't exist'"))),
        };
    };
    let mut entry = TableEntry::clone(entry);
    let mut table = Table::clone(&entry.table);
    table.indexes.retain(|index| &*index.name != name);
    draft.touched.dropped_indexes.extend(entry.index(name).map(|index| index.number));
    entry.indexes.retain(|index| &*index.name != name);
    let change = table_change(SchemaChangeKind::Updated, &table);
    entry.table = Arc::new(table);
    draft.put_table(entry);
    Ok(Some(change))
}

/// The names of the indexes on a column, separated by commas.
pub fn names_of_indexes_on(entry: &TableEntry, column: &str) -> Option<String> {
    let place = entry.table.column_index(column)?;
    let on_column = entry.indexes.iter().filter(|index| index.column == place);
    let names: Vec<&str> = on_column.map(|index| &*index.name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The classes that come with Cassandra, by their short names.
fn is_known_class(class: &str) -> bool {
    let short = class.rsplit('.').next().unwrap_or(class);
    ["sai", "StorageAttachedIndex", "SASIIndex"].iter().any(|known| short.eq_ignore_ascii_case(known))
}

/// The class after USING and the options after WITH (`IndexAttributes.validate`).
fn check_class(statement: &CreateIndex) -> Result<()> {
    let properties = Properties::read(&statement.options, &["options"])?;
    match &statement.using {
        Some(class) if statement.custom || !class.eq_ignore_ascii_case(PLAIN_CLASS) => {
            return Err(Error::config(if is_known_class(class) {
                format!(
                    "the index class '{class}' is not supported by Ilium yet: without USING, CREATE INDEX makes a \
                     secondary index"
                )
            } else {
                format!("Unable to find custom indexer class '{class}'")
            }));
        }
        None if statement.custom => {
            return Err(Error::config(format!("Unable to find custom indexer class '{PLAIN_CLASS}'")));
        }
        _ => {}
    }
    if properties.has("options") {
        return Err(Error::invalid("Cannot specify options for a non-CUSTOM index"));
    }
    Ok(())
}

fn column_of<'a>(table: &'a Table, target: &IndexTarget) -> Result<(usize, &'a Column)> {
    let name = target.column.as_str();
    let place = table.column_index(name).and_then(|i| table.columns.get(i).map(|column| (i, column)));
    place.ok_or_else(|| {
        Error::invalid(format!(
            "Undefined column name {} in table {}",
            quote_if_needed(name),
            quoted_name(table)
        ))
    })
}

/// As `system_schema.indexes` and DESCRIBE show what is indexed.
fn target_text(column: &Column, on: IndexOn) -> String {
    let name = quote_if_needed(&column.name);
    match on {
        IndexOn::Simple => name.into_owned(),
        on => format!("{}({name})", word(on)),
    }
}

/// What the text of an index target stands for, by the reverse of the above.
pub fn parse_target(text: &str) -> (String, IndexOn) {
    let on = [IndexOn::Values, IndexOn::Keys, IndexOn::Entries, IndexOn::Full];
    let wrapped = on.into_iter().find_map(|on| {
        let name = text.strip_prefix(word(on))?.strip_prefix('(')?.strip_suffix(')')?;
        Some((name, on))
    });
    let (name, on) = wrapped.unwrap_or((text, IndexOn::Simple));
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_owned(),
    };
    (name, on)
}

fn word(on: IndexOn) -> &'static str {
    match on {
        IndexOn::Simple => "",
        IndexOn::Values => "values",
        IndexOn::Keys => "keys",
        IndexOn::Entries => "entries",
        IndexOn::Full => "full",
    }
}

fn check_target(table: &Table, column: &Column, on: IndexOn) -> Result<()> {
    let (name, column_type) = (&column.name, &column.column_type);
    if column_type.references_duration() {
        return Err(Error::invalid(match column_type {
            ty if ty.is_collection() => {
                "Secondary indexes are not supported on collections containing durations"
            }
            ty if ty.is_tuple() => "Secondary indexes are not supported on tuples containing durations",
            ty if ty.is_udt() => "Secondary indexes are not supported on UDTs containing durations",
            _ => "Secondary indexes are not supported on duration columns",
        }));
    }
    let is_key = matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering);
    if table.flags.dense || !table.flags.compound {
        if is_key {
            return Err(Error::invalid(
                "Secondary indexes are not supported on PRIMARY KEY columns in COMPACT STORAGE tables",
            ));
        }
        if table.flags.dense {
            return Err(Error::invalid(
                "Secondary indexes are not supported on compact value column of COMPACT STORAGE tables",
            ));
        }
    }
    if column.kind == ColumnKind::PartitionKey && table.partition_key().count() == 1 {
        return Err(Error::invalid(format!(
            "Cannot create secondary index on the only partition key column {name}"
        )));
    }
    if column_type.is_frozen_collection() && on != IndexOn::Full {
        return Err(Error::invalid(format!(
            "Cannot create {}() index on frozen column {name}. Frozen collections are immutable and must be fully \
             indexed by using the 'full({})' modifier",
            word(on),
            quote_if_needed(name)
        )));
    }
    if !column_type.is_frozen_collection() && on == IndexOn::Full {
        return Err(Error::invalid("full() indexes can only be created on frozen collections"));
    }
    if !column_type.is_collection() && on != IndexOn::Simple {
        return Err(Error::invalid(format!(
            "Cannot create {}() index on {name}. Non-collection columns only support simple indexes",
            word(on)
        )));
    }
    let is_map = matches!(column_type, CqlType::Map { frozen: false, .. });
    if !is_map && matches!(on, IndexOn::Keys | IndexOn::Entries) {
        return Err(Error::invalid(format!(
            "Cannot create index on {} of column {name} with non-map type",
            word(on)
        )));
    }
    if column_type.is_udt() && column_type.is_multi_cell() {
        return Err(Error::invalid(format!("Cannot create index on non-frozen UDT column {name}")));
    }
    Ok(())
}

/// `table_column_idx` of the characters that a name may have, numbered where it is taken.
fn available_name(table: &str, column: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let base: String = format!("{table}_{column}_idx")
        .chars()
        .filter(|c| u8::try_from(*c).is_ok_and(is_word_byte))
        .collect();
    if !is_taken(&base) {
        return base;
    }
    let mut number = 1;
    loop {
        let name = format!("{base}_{number}");
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}
