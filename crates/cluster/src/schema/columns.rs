//! Columns and indexes of tables, before their tables are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::schema::{Column, ColumnKind, DroppedColumn, Index, IndexKind, Keyspace, TableFlags};
use ilium_protocol::Rows;

use super::rows::{Row, SchemaError, Source};
use super::types::parse;

/// A keyspace and a table in it.
type TableName = (String, String);

fn table_name(row: &Row<'_>) -> Result<TableName, SchemaError> {
    Ok((row.name("keyspace_name")?.to_owned(), row.name("table_name")?.to_owned()))
}

/// The columns of all tables, and those that were dropped.
pub struct Columns {
    live: BTreeMap<TableName, Vec<Column>>,
    dropped: BTreeMap<TableName, BTreeMap<Arc<str>, DroppedColumn>>,
}

impl Columns {
    /// `keyspaces` have the types that columns refer to.
    pub fn read(
        columns: &Option<Rows<'_>>,
        dropped: &Option<Rows<'_>>,
        keyspaces: &BTreeMap<Arc<str>, Keyspace>,
    ) -> Result<Columns, SchemaError> {
        let mut read = Columns { live: BTreeMap::new(), dropped: BTreeMap::new() };
        for row in Source::rows(columns)? {
            let row = row?;
            let of = table_name(&row)?;
            let column = Column {
                name: row.name("column_name")?.into(),
                column_type: column_type(&row, keyspaces)?,
                kind: kind(&row)?,
                // -1 where there is none.
                position: row.int("position")?.and_then(|position| position.try_into().ok()).unwrap_or(0),
                descending: row
                    .text("clustering_order")?
                    .is_some_and(|order| order.eq_ignore_ascii_case("desc")),
            };
            read.live.entry(of).or_default().push(column);
        }
        for row in Source::rows(dropped)? {
            let row = row?;
            let name: Arc<str> = row.name("column_name")?.into();
            let column = DroppedColumn {
                name: Arc::clone(&name),
                column_type: column_type(&row, keyspaces)?,
                kind: kind(&row)?,
                // Kept in milliseconds.
                dropped_time: row.long("dropped_time")?.unwrap_or(0).saturating_mul(1000),
            };
            read.dropped.entry(table_name(&row)?).or_default().insert(name, column);
        }
        Ok(read)
    }

    /// Takes a table's columns, in the order of `SELECT *`.
    pub fn of_table(&mut self, keyspace: &str, table: &str, flags: TableFlags) -> Vec<Column> {
        let mut columns = self.live.remove(&(keyspace.to_owned(), table.to_owned())).unwrap_or_default();
        show_as_statements_do(&mut columns, flags);
        columns.sort_by(|one, other| {
            let key = |column: &Column| (column.kind, column.position);
            key(one).cmp(&key(other)).then_with(|| one.name.as_bytes().cmp(other.name.as_bytes()))
        });
        columns
    }

    /// Takes what was dropped of a table.
    pub fn dropped(&mut self, keyspace: &str, table: &str) -> BTreeMap<Arc<str>, DroppedColumn> {
        self.dropped.remove(&(keyspace.to_owned(), table.to_owned())).unwrap_or_default()
    }
}

/// A table WITH COMPACT STORAGE stores columns that statements do not see (`CreateTableStatement.fixupCompactTable`).
fn show_as_statements_do(columns: &mut Vec<Column>, flags: TableFlags) {
    if !flags.dense && !flags.compound && !flags.super_column {
        columns.retain(|column| !matches!(column.kind, ColumnKind::Clustering | ColumnKind::Regular));
        let statics = columns.iter_mut().filter(|column| column.kind == ColumnKind::Static);
        statics.for_each(|column| column.kind = ColumnKind::Regular);
    } else if flags.dense {
        let is_hidden =
            |column: &Column| column.kind == ColumnKind::Regular && column.column_type == CqlType::Empty;
        columns.retain(|column| !is_hidden(column));
    }
}

fn column_type(row: &Row<'_>, keyspaces: &BTreeMap<Arc<str>, Keyspace>) -> Result<CqlType, SchemaError> {
    let types = keyspaces.get(row.name("keyspace_name")?).map(|keyspace| &keyspace.types);
    Ok(parse(row.name("type")?, &|name| types?.get(name).cloned()))
}

fn kind(row: &Row<'_>) -> Result<ColumnKind, SchemaError> {
    Ok(match row.text("kind")? {
        Some("partition_key") => ColumnKind::PartitionKey,
        Some("clustering") => ColumnKind::Clustering,
        Some("static") => ColumnKind::Static,
        // Dropped columns have had a kind since Cassandra 4.0 only.
        Some("regular") | None => ColumnKind::Regular,
        Some(other) => return Err(row.error("kind", format!("is the unknown word {other:?}"))),
    })
}

/// The indexes of all tables.
pub struct Indexes(BTreeMap<TableName, Vec<Index>>);

impl Indexes {
    pub fn read(source: &Option<Rows<'_>>) -> Result<Indexes, SchemaError> {
        let mut read: BTreeMap<TableName, Vec<Index>> = BTreeMap::new();
        for row in Source::rows(source)? {
            let row = row?;
            let index = Index {
                name: row.name("index_name")?.into(),
                kind: match row.text("kind")? {
                    Some("KEYS") => IndexKind::Keys,
                    Some("COMPOSITES") => IndexKind::Composites,
                    _ => IndexKind::Custom,
                },
                options: row.texts("options")?.unwrap_or_default(),
            };
            read.entry(table_name(&row)?).or_default().push(index);
        }
        Ok(Indexes(read))
    }

    /// Takes a table's indexes, by name.
    pub fn of(&mut self, keyspace: &str, table: &str) -> Vec<Index> {
        self.0.remove(&(keyspace.to_owned(), table.to_owned())).unwrap_or_default()
    }
}
