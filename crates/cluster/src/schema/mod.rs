//! The cluster's schema, from the rows of its own tables. Pure: whoever asks the cluster gives the answers.
//!
//! Cells are found by the names of their columns, and one that a release does not have reads as its default, so that
//! Cassandra from 4.0 on and ScyllaDB are read alike. What is made is what the embedded engine would have of the same
//! statements; views are tables, which can be read.

mod changes;
mod columns;
mod options;
mod rows;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::murmur3::hash3_x64_128;
use ilium_cql::schema::{Keyspace, Schema, Table, TableFlags, TableOptions, UuidBytes};
use ilium_protocol::Rows;

pub use changes::changes;
pub use rows::SchemaError;

use self::columns::{Columns, Indexes};
use self::rows::{Row, Source};
use self::types::Types;

/// What is read, in the order [`read`] takes it: `SELECT * FROM` each.
pub const SOURCES: [&str; 10] = [
    "system_schema.keyspaces",
    "system_schema.types",
    "system_schema.tables",
    "system_schema.views",
    "system_schema.columns",
    "system_schema.dropped_columns",
    "system_schema.indexes",
    "system_virtual_schema.keyspaces",
    "system_virtual_schema.tables",
    "system_virtual_schema.columns",
];

/// The strategy of what a node keeps for itself: that of virtual keyspaces, for which no source names one.
const LOCAL_STRATEGY: &str = "org.apache.cassandra.locator.LocalStrategy";

/// The schema that these rows describe. A source that the cluster does not have is `None`.
pub fn read(version: UuidBytes, sources: &[Option<Rows<'_>>; SOURCES.len()]) -> Result<Schema, SchemaError> {
    let [keyspaces, types, tables, views, columns, dropped, indexes, of_virtual @ ..] = sources;
    let [virtual_keyspaces, virtual_tables, virtual_columns] = of_virtual;
    let mut read = BTreeMap::new();
    let mut types = Types::read(types)?;
    for row in Source::rows(keyspaces)? {
        let row = row?;
        let name: Arc<str> = row.name("keyspace_name")?.into();
        let types = types.of(&name);
        read.insert(
            Arc::clone(&name),
            Keyspace {
                durable_writes: row.boolean("durable_writes")?.unwrap_or(true),
                replication: row.texts("replication")?.unwrap_or_default(),
                is_virtual: false,
                tables: BTreeMap::new(),
                types,
                name,
            },
        );
    }
    for row in Source::rows(virtual_keyspaces)? {
        let name: Arc<str> = row?.name("keyspace_name")?.into();
        read.insert(
            Arc::clone(&name),
            Keyspace {
                durable_writes: true,
                replication: BTreeMap::from([("class".to_owned(), LOCAL_STRATEGY.to_owned())]),
                is_virtual: true,
                tables: BTreeMap::new(),
                types: BTreeMap::new(),
                name,
            },
        );
    }
    let mut columns = Columns::read(columns, dropped, &read)?;
    let mut indexes = Indexes::read(indexes)?;
    for (source, name_column) in [(tables, "table_name"), (views, "view_name")] {
        for row in Source::rows(source)? {
            let row = row?;
            let table = table(&row, row.name(name_column)?, &mut columns, &mut indexes)?;
            // A table that was made or dropped while sources were read has no columns yet, or no more.
            let is_whole = table.partition_key().next().is_some();
            if let Some(keyspace) = read.get_mut(&table.keyspace).filter(|_| is_whole) {
                keyspace.tables.insert(Arc::clone(&table.name), Arc::new(table));
            }
        }
    }
    let mut columns = Columns::read(virtual_columns, &None, &read)?;
    for row in Source::rows(virtual_tables)? {
        let row = row?;
        let table = virtual_table(&row, &mut columns)?;
        if let Some(keyspace) = read.get_mut(&table.keyspace) {
            keyspace.tables.insert(Arc::clone(&table.name), Arc::new(table));
        }
    }
    let keyspaces = read.into_iter().map(|(name, keyspace)| (name, Arc::new(keyspace))).collect();
    Ok(Schema { version, keyspaces })
}

fn table(
    row: &Row<'_>,
    name: &str,
    columns: &mut Columns,
    indexes: &mut Indexes,
) -> Result<Table, SchemaError> {
    let keyspace = row.name("keyspace_name")?;
    let id = row.uuid("id")?.ok_or_else(|| row.error("id", "is missing"))?;
    // A view has none, and is made of rows as tables of today are.
    let flags = match row.set("flags")? {
        Some(words) => flags(&words),
        None => TableFlags { compound: true, ..TableFlags::default() },
    };
    Ok(Table {
        columns: columns.of_table(keyspace, name, flags),
        indexes: indexes.of(keyspace, name),
        dropped_columns: columns.dropped(keyspace, name),
        options: options::read(row)?,
        flags,
        id,
        keyspace: keyspace.into(),
        name: name.into(),
    })
}

fn virtual_table(row: &Row<'_>, columns: &mut Columns) -> Result<Table, SchemaError> {
    let (keyspace, name) = (row.name("keyspace_name")?, row.name("table_name")?);
    let flags = TableFlags { compound: true, ..TableFlags::default() };
    Ok(Table {
        columns: columns.of_table(keyspace, name, flags),
        indexes: Vec::new(),
        dropped_columns: BTreeMap::new(),
        options: TableOptions {
            comment: row.text("comment")?.unwrap_or_default().to_owned(),
            ..TableOptions::default()
        },
        flags,
        id: virtual_id(keyspace, name),
        keyspace: keyspace.into(),
        name: name.into(),
    })
}

/// No source tells the id of a virtual table, and two tables must not have one.
fn virtual_id(keyspace: &str, name: &str) -> UuidBytes {
    let (high, low) = hash3_x64_128(format!("{keyspace}.{name}").as_bytes());
    (u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())).to_be_bytes()
}

fn flags(words: &[&str]) -> TableFlags {
    TableFlags {
        counter: words.contains(&"counter"),
        dense: words.contains(&"dense"),
        super_column: words.contains(&"super"),
        compound: words.contains(&"compound"),
    }
}
