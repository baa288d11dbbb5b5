//! The statements that would create what exists, in Cassandra's very words and layout (`SchemaElement.toCqlString`).

use std::collections::BTreeMap;
use std::fmt::Write;

use ilium_cql::UserType;
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Column, ColumnKind, DroppedColumn, Index, Keyspace, Table, TableOptions};
use ilium_cql::value::text::{Hex, double_to_text, uuid_to_text};

use super::is_virtual_keyspace;
use crate::catalog::hash_map_order::hash_map_order;

pub fn of_keyspace(keyspace: &Keyspace) -> String {
    let name = quote_if_needed(&keyspace.name);
    if keyspace.is_virtual {
        return format!(
            "/*\nWarning: Keyspace {name} is a virtual keyspace and cannot be recreated with CQL.\nStructure, for \
             reference:\nVIRTUAL KEYSPACE {name};\n*/"
        );
    }
    const LOCATOR: &str = "org.apache.cassandra.locator.";
    let class = keyspace.replication.get("class").map_or("", String::as_str);
    let mut text = format!(
        "CREATE KEYSPACE {name} WITH replication = {{'class': {}",
        quoted(class.strip_prefix(LOCATOR).unwrap_or(class))
    );
    let mut options: Vec<_> = keyspace.replication.iter().filter(|(name, _)| *name != "class").collect();
    hash_map_order(&mut options, keyspace.replication.len(), |(name, _)| name);
    for (name, value) in options {
        let _ = write!(text, ", {}: {}", quoted(name), quoted(value));
    }
    // The two blanks are Cassandra's.
    let _ = write!(text, "}}  AND durable_writes = {};", keyspace.durable_writes);
    text
}

pub fn of_type(definition: &UserType) -> String {
    let fields: Vec<String> = definition
        .fields
        .iter()
        .map(|(name, field)| format!("    {} {field}", quote_if_needed(name)))
        .collect();
    format!(
        "CREATE TYPE {}.{} (\n{}\n);",
        quote_if_needed(&definition.keyspace),
        quote_if_needed(&definition.name),
        fields.join(",\n")
    )
}

pub fn of_index(table: &Table, index: &Index) -> String {
    let target = index.options.get("target").map_or("", String::as_str);
    format!("CREATE INDEX {} ON {} ({target});", quote_if_needed(&index.name), table_name(table))
}

/// `internals`: with the table's id and the history of its dropped columns.
pub fn of_table(table: &Table, internals: bool) -> String {
    let mut text = String::with_capacity(2048);
    if is_compact(table) {
        let _ = write!(
            text,
            "/*\nWarning: Table {} omitted because it has constructs not compatible with CQL (was created via legacy \
             API).\nApproximate structure, for reference:\n(this should not be used to reproduce this schema)\n\n",
            table_name(table)
        );
    }
    push_table(&mut text, table, internals);
    if is_compact(table) {
        text.push_str("\n*/");
    }
    text
}

fn is_compact(table: &Table) -> bool {
    table.flags.dense || table.flags.super_column || !table.flags.compound
}

/// A compact table without clustering columns of its own; Cassandra gives it a hidden one.
fn is_static_compact(table: &Table) -> bool {
    !table.flags.dense && !table.flags.super_column && !table.flags.compound
}

fn table_name(table: &Table) -> String {
    format!("{}.{}", quote_if_needed(&table.keyspace), quote_if_needed(&table.name))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn push_table(text: &mut String, table: &Table, internals: bool) {
    let is_virtual = is_virtual_keyspace(&table.keyspace);
    if is_virtual {
        let _ = write!(
            text,
            "/*\nWarning: Table {} is a virtual table and cannot be recreated with CQL.\nStructure, for reference:\n\
             VIRTUAL TABLE {} (\n",
            table_name(table),
            table_name(table)
        );
    } else {
        let _ = writeln!(text, "CREATE TABLE {} (", table_name(table));
    }
    let one_key_column = table.partition_key().count() == 1
        && table.clustering().next().is_none()
        && !is_static_compact(table);
    push_columns(text, table, internals, one_key_column);
    if !one_key_column {
        push_primary_key(text, table);
    }
    text.push_str(") WITH ");
    let mut options = Vec::new();
    if is_compact(table) {
        options.push("COMPACT STORAGE".to_owned());
    }
    if internals {
        options.push(format!("ID = {}", uuid_to_text(table.id)));
    }
    options.extend(clustering_order(table));
    if is_virtual {
        options.push(format!("comment = {}", quoted(&table.options.comment)));
    } else {
        push_options(&mut options, &table.options);
    }
    text.push_str(&options.join("\n    AND "));
    text.push(';');
    if is_virtual {
        text.push_str("\n*/");
    }
    if internals {
        push_drops(text, table);
    }
}

/// Static and regular columns come with the simple ones first (`ColumnMetadata.comparisonOrder`).
fn in_create_order(table: &Table) -> Vec<&Column> {
    let mut columns: Vec<&Column> = table.columns.iter().collect();
    columns.sort_by_key(|column| {
        let is_key = matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering);
        (column.kind, !is_key && column.column_type.is_multi_cell())
    });
    columns
}

fn definition(name: &str, column_type: &ilium_cql::CqlType, kind: ColumnKind) -> String {
    let suffix = if kind == ColumnKind::Static { " static" } else { "" };
    format!("{} {column_type}{suffix}", quote_if_needed(name))
}

fn push_columns(text: &mut String, table: &Table, internals: bool, one_key_column: bool) {
    let columns = in_create_order(table);
    let has_dropped = internals && !table.dropped_columns.is_empty();
    for (i, column) in columns.iter().enumerate() {
        // One that came back is dropped and added again below, as it happened.
        if internals && table.dropped_columns.contains_key(&column.name) {
            continue;
        }
        let _ = write!(text, "    {}", definition(&column.name, &column.column_type, column.kind));
        if one_key_column && column.kind == ColumnKind::PartitionKey {
            text.push_str(" PRIMARY KEY");
        }
        let more = !one_key_column || has_dropped || i + 1 < columns.len();
        text.push_str(if more { ",\n" } else { "\n" });
    }
    let dropped: Vec<&DroppedColumn> =
        if internals { table.dropped_columns.values().collect() } else { Vec::new() };
    for (i, column) in dropped.iter().enumerate() {
        let more = !one_key_column || i + 1 < dropped.len();
        let _ = write!(text, "    {}", definition(&column.name, &column.column_type, column.kind));
        text.push_str(if more { ",\n" } else { "\n" });
    }
}

fn push_primary_key(text: &mut String, table: &Table) {
    let names: Vec<_> = table.partition_key().map(|column| quote_if_needed(&column.name)).collect();
    let partition = names.join(", ");
    let partition = if names.len() > 1 { format!("({partition})") } else { partition };
    let _ = write!(text, "    PRIMARY KEY ({partition}");
    for column in table.clustering() {
        let _ = write!(text, ", {}", quote_if_needed(&column.name));
    }
    text.push_str(")\n");
}

fn clustering_order(table: &Table) -> Option<String> {
    let mut columns: Vec<String> = table
        .clustering()
        .map(|column| {
            let order = if column.descending { "DESC" } else { "ASC" };
            format!("{} {order}", quote_if_needed(&column.name))
        })
        .collect();
    if is_static_compact(table) {
        columns.push("column1 ASC".to_owned());
    }
    (!columns.is_empty()).then(|| format!("CLUSTERING ORDER BY ({})", columns.join(", ")))
}

/// `TableParams.appendCqlTo`, whose order this is.
fn push_options(out: &mut Vec<String>, options: &TableOptions) {
    let memtable = if options.memtable.is_empty() { "default" } else { &options.memtable };
    let extensions: Vec<String> = options
        .extensions
        .iter()
        .map(|(name, value)| format!("{}: 0x{}", quoted(name), Hex(value)))
        .collect();
    out.extend([
        format!("additional_write_policy = {}", quoted(&options.additional_write_policy)),
        format!("allow_auto_snapshot = {}", options.allow_auto_snapshot),
        format!("bloom_filter_fp_chance = {}", double_to_text(options.bloom_filter_fp_chance)),
        format!("caching = {}", map(&options.caching)),
        format!("cdc = {}", options.cdc),
        format!("comment = {}", quoted(&options.comment)),
        format!("compaction = {}", map(&options.compaction)),
        format!("compression = {}", map(&options.compression)),
        format!("memtable = {}", quoted(memtable)),
        format!("crc_check_chance = {}", double_to_text(options.crc_check_chance)),
        format!("default_time_to_live = {}", options.default_time_to_live),
        format!("extensions = {{{}}}", extensions.join(", ")),
        format!("gc_grace_seconds = {}", options.gc_grace_seconds),
        format!("incremental_backups = {}", options.incremental_backups),
        format!("max_index_interval = {}", options.max_index_interval),
        format!("memtable_flush_period_in_ms = {}", options.memtable_flush_period_in_ms),
        format!("min_index_interval = {}", options.min_index_interval),
        format!("read_repair = {}", quoted(&options.read_repair)),
        format!("speculative_retry = {}", quoted(&options.speculative_retry)),
    ]);
}

fn map(entries: &BTreeMap<String, String>) -> String {
    let entries: Vec<String> =
        entries.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

fn push_drops(text: &mut String, table: &Table) {
    let name = table_name(table);
    for dropped in table.dropped_columns.values() {
        let _ = write!(
            text,
            "\nALTER TABLE {name} DROP {} USING TIMESTAMP {};",
            quote_if_needed(&dropped.name),
            dropped.dropped_time
        );
        if let Some(column) = table.column(&dropped.name) {
            let definition = definition(&column.name, &column.column_type, column.kind);
            let _ = write!(text, "\nALTER TABLE {name} ADD {definition};");
        }
    }
}
