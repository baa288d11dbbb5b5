//! The tables of `system_schema` and `system_virtual_schema`, in which clients read the schema.

use ilium_cql::CqlType;
use ilium_cql::schema::{Column, ColumnKind, IndexKind, Keyspace, Schema, Table};
use ilium_store::Result;

use super::row::Rows;
use crate::catalog::{flag_words, kind_word};

/// `system_schema`: every keyspace that is not virtual.
pub(super) fn fill(rows: &mut Rows<'_>, schema: &Schema) -> Result<()> {
    let name = rows.table.name.clone();
    for keyspace in schema.keyspaces.values().filter(|keyspace| !keyspace.is_virtual) {
        match &*name {
            "keyspaces" => {
                rows.row()
                    .text("keyspace_name", &keyspace.name)
                    .boolean("durable_writes", keyspace.durable_writes)
                    .map("replication", &keyspace.replication)?;
            }
            "tables" => keyspace.tables.values().try_for_each(|table| table_row(rows, table))?,
            "columns" => keyspace.tables.values().for_each(|table| column_rows(rows, table)),
            "dropped_columns" => dropped_column_rows(rows, keyspace),
            "indexes" => index_rows(rows, keyspace)?,
            "types" => type_rows(rows, keyspace)?,
            _ => {}
        }
    }
    Ok(())
}

/// `system_virtual_schema`: the virtual keyspaces.
pub(super) fn fill_virtual(rows: &mut Rows<'_>, schema: &Schema) -> Result<()> {
    let name = rows.table.name.clone();
    for keyspace in schema.keyspaces.values().filter(|keyspace| keyspace.is_virtual) {
        match &*name {
            "keyspaces" => {
                rows.row().text("keyspace_name", &keyspace.name);
            }
            "tables" => {
                for table in keyspace.tables.values() {
                    rows.row()
                        .text("keyspace_name", &table.keyspace)
                        .text("table_name", &table.name)
                        .text("comment", &table.options.comment);
                }
            }
            "columns" => keyspace.tables.values().for_each(|table| column_rows(rows, table)),
            _ => {}
        }
    }
    Ok(())
}

fn table_row(rows: &mut Rows<'_>, table: &Table) -> Result<()> {
    let options = &table.options;
    let mut row = rows
        .row()
        .text("keyspace_name", &table.keyspace)
        .text("table_name", &table.name)
        .text("additional_write_policy", &options.additional_write_policy)
        .double("bloom_filter_fp_chance", options.bloom_filter_fp_chance)
        .map("caching", &options.caching)?
        .text("comment", &options.comment)
        .map("compaction", &options.compaction)?
        .map("compression", &options.compression)?
        .double("crc_check_chance", options.crc_check_chance)
        // Two options that are gone; Cassandra keeps writing their columns for drivers.
        .double("dclocal_read_repair_chance", 0.0)
        .double("read_repair_chance", 0.0)
        .count("default_time_to_live", options.default_time_to_live)
        .map("extensions", &options.extensions)?
        .elements("flags", flag_words(table.flags))?
        .count("gc_grace_seconds", options.gc_grace_seconds)
        .uuid("id", table.id)
        .count("max_index_interval", options.max_index_interval)
        .count("memtable_flush_period_in_ms", options.memtable_flush_period_in_ms)
        .count("min_index_interval", options.min_index_interval)
        .text("read_repair", &options.read_repair)
        .text("speculative_retry", &options.speculative_retry);
    // Cassandra writes these only where they differ from the default.
    if !options.memtable.is_empty() {
        row = row.text("memtable", &options.memtable);
    }
    if !options.allow_auto_snapshot {
        row = row.boolean("allow_auto_snapshot", false);
    }
    if !options.incremental_backups {
        row.boolean("incremental_backups", false);
    }
    Ok(())
}

fn column_rows(rows: &mut Rows<'_>, table: &Table) {
    for column in columns_as_stored(table) {
        let order = match (column.kind, column.descending) {
            (ColumnKind::Clustering, true) => "desc",
            (ColumnKind::Clustering, false) => "asc",
            _ => "none",
        };
        let is_key = matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering);
        rows.row()
            .text("keyspace_name", &table.keyspace)
            .text("table_name", &table.name)
            .text("column_name", &column.name)
            .text("clustering_order", order)
            .blob("column_name_bytes", column.name.as_bytes())
            .text("kind", kind_word(column.kind))
            .int("position", if is_key { i32::try_from(column.position).unwrap_or(-1) } else { -1 })
            .text("type", &column.column_type.to_string());
    }
}

/// The columns as Cassandra stores them: a table WITH COMPACT STORAGE has some that statements do not see
/// (`CreateTableStatement.fixupCompactTable`).
fn columns_as_stored(table: &Table) -> Vec<Column> {
    let mut columns = table.columns.clone();
    let is_static_compact = !table.flags.dense && !table.flags.compound && !table.flags.super_column;
    let unused = |base: &str, first: usize| {
        let numbered = |n: usize| if n == 0 { base.to_owned() } else { format!("{base}{n}") };
        let name = (first..).map(numbered).find(|name| table.column(name).is_none());
        name.unwrap_or_else(|| base.to_owned()).into()
    };
    let hidden = |name, column_type, kind| Column { name, column_type, kind, position: 0, descending: false };
    if is_static_compact {
        let regulars = columns.iter_mut().filter(|column| column.kind == ColumnKind::Regular);
        regulars.for_each(|column| column.kind = ColumnKind::Static);
        let value = if table.flags.counter { CqlType::Counter } else { CqlType::Blob };
        columns.push(hidden(unused("column", 1), CqlType::Text, ColumnKind::Clustering));
        columns.push(hidden(unused("value", 0), value, ColumnKind::Regular));
    } else if table.flags.dense && table.regulars().next().is_none() {
        columns.push(hidden(unused("value", 0), CqlType::Empty, ColumnKind::Regular));
    }
    columns
}

fn dropped_column_rows(rows: &mut Rows<'_>, keyspace: &Keyspace) {
    for table in keyspace.tables.values() {
        for column in table.dropped_columns.values() {
            rows.row()
                .text("keyspace_name", &table.keyspace)
                .text("table_name", &table.name)
                .text("column_name", &column.name)
                .timestamp("dropped_time", column.dropped_time.div_euclid(1000))
                .text("kind", kind_word(column.kind))
                .text("type", &column.column_type.to_string());
        }
    }
}

fn index_rows(rows: &mut Rows<'_>, keyspace: &Keyspace) -> Result<()> {
    for table in keyspace.tables.values() {
        for index in &table.indexes {
            let kind = match index.kind {
                IndexKind::Keys => "KEYS",
                IndexKind::Composites => "COMPOSITES",
                IndexKind::Custom => "CUSTOM",
            };
            rows.row()
                .text("keyspace_name", &table.keyspace)
                .text("table_name", &table.name)
                .text("index_name", &index.name)
                .text("kind", kind)
                .map("options", &index.options)?;
        }
    }
    Ok(())
}

fn type_rows(rows: &mut Rows<'_>, keyspace: &Keyspace) -> Result<()> {
    for definition in keyspace.types.values() {
        rows.row()
            .text("keyspace_name", &keyspace.name)
            .text("type_name", &definition.name)
            .elements("field_names", definition.fields.iter().map(|(name, _)| name))?
            .elements("field_types", definition.fields.iter().map(|(_, field)| field.to_string()))?;
    }
    Ok(())
}
