//! A table and its numbers as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::ast::IndexOn;
use ilium_cql::schema::{
    Column, ColumnKind, DroppedColumn, Index, IndexKind, Table, TableFlags, TableOptions,
};
use ilium_cql::value::text::uuid_to_text;
use ilium_store::Result;
use serde_json::{Value, json};

use super::entry::{IndexEntry, Source, TableEntry};
use super::indexes::parse_target;
use super::stored::{Record, text_map_value};
use super::type_names::TypeScope;

const KINDS: [(ColumnKind, &str); 4] = [
    (ColumnKind::PartitionKey, "partition_key"),
    (ColumnKind::Clustering, "clustering"),
    (ColumnKind::Static, "static"),
    (ColumnKind::Regular, "regular"),
];

/// As `system_schema.columns` names the kinds.
pub fn kind_word(kind: ColumnKind) -> &'static str {
    KINDS.iter().find(|(of, _)| *of == kind).map_or("regular", |(_, word)| word)
}

fn kind_of(word: &str) -> Option<ColumnKind> {
    KINDS.iter().find(|(_, of)| *of == word).map(|(kind, _)| *kind)
}

/// As `system_schema.tables` names the flags.
pub fn flag_words(flags: TableFlags) -> Vec<&'static str> {
    let words = [
        (flags.compound, "compound"),
        (flags.counter, "counter"),
        (flags.dense, "dense"),
        (flags.super_column, "super"),
    ];
    words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect()
}

pub fn table_value(entry: &TableEntry) -> Value {
    let table = &entry.table;
    let columns: Vec<Value> = table
        .columns
        .iter()
        .zip(&entry.cell_ids)
        .map(|(column, cell)| {
            json!({
                "name": &*column.name,
                "type": column.column_type.to_string(),
                "kind": kind_word(column.kind),
                "descending": column.descending,
                "cell": cell,
            })
        })
        .collect();
    let indexes: Vec<Value> = table
        .indexes
        .iter()
        .filter_map(|index| {
            let numbers = entry.index(&index.name)?;
            Some(json!({
                "name": &*index.name,
                "options": text_map_value(&index.options),
                "number": numbers.number,
                "ready": numbers.ready,
            }))
        })
        .collect();
    let dropped: Vec<Value> = table
        .dropped_columns
        .values()
        .map(|column| {
            json!({
                "name": &*column.name,
                "type": column.column_type.to_string(),
                "kind": kind_word(column.kind),
                "dropped_time": column.dropped_time,
                "cell": entry.dropped_ids.get(&column.name),
            })
        })
        .collect();
    json!({
        "keyspace": &*table.keyspace,
        "name": &*table.name,
        "id": uuid_to_text(table.id),
        "columns": columns,
        "next_cell": entry.next_cell_id,
        "indexes": indexes,
        "dropped_columns": dropped,
        "flags": flag_words(table.flags),
        "options": options_value(&table.options),
    })
}

pub(super) fn read_table(number: u32, record: &Record, scope: TypeScope<'_>) -> Result<TableEntry> {
    let json = &record.json;
    let mut columns: Vec<Column> = Vec::new();
    let mut cell_ids = Vec::new();
    for stored in record.list(json, "columns")? {
        let kind = kind_of(record.text_in(stored, "kind")?).ok_or_else(|| record.damaged())?;
        let cell = stored.get("cell").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok());
        cell_ids.push(cell.ok_or_else(|| record.damaged())?);
        let is_key = matches!(kind, ColumnKind::PartitionKey | ColumnKind::Clustering);
        let before = columns.iter().filter(|column| column.kind == kind).count();
        columns.push(Column {
            name: Arc::from(record.text_in(stored, "name")?),
            column_type: record.column_type(record.text_in(stored, "type")?, scope)?,
            kind,
            position: if is_key { before } else { 0 },
            descending: stored.get("descending").and_then(Value::as_bool).unwrap_or(false),
        });
    }
    if !columns.is_sorted_by_key(|column| column.kind) {
        return Err(record.damaged());
    }
    let next_cell_id = json.get("next_cell").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok());
    let mut dropped_columns = BTreeMap::new();
    let mut dropped_ids = BTreeMap::new();
    for stored in record.list(json, "dropped_columns")? {
        let name: Arc<str> = Arc::from(record.text_in(stored, "name")?);
        let column = DroppedColumn {
            name: Arc::clone(&name),
            column_type: record.column_type(record.text_in(stored, "type")?, scope)?,
            kind: kind_of(record.text_in(stored, "kind")?).ok_or_else(|| record.damaged())?,
            dropped_time: stored
                .get("dropped_time")
                .and_then(Value::as_i64)
                .ok_or_else(|| record.damaged())?,
        };
        let cell = stored.get("cell").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok());
        if let Some(cell) = cell {
            dropped_ids.insert(Arc::clone(&name), cell);
        }
        dropped_columns.insert(name, column);
    }
    let (mut indexes, mut index_entries) = (Vec::new(), Vec::new());
    for stored in record.list(json, "indexes")? {
        let (index, entry) = read_index(record, stored, &columns)?;
        indexes.push(index);
        index_entries.push(entry);
    }
    let flags = record.list(json, "flags")?;
    let flag = |word: &str| flags.iter().any(|flag| flag.as_str() == Some(word));
    let table = Table {
        keyspace: Arc::from(scope.keyspace),
        name: Arc::from(record.text("name")?),
        id: record.uuid("id")?,
        columns,
        indexes,
        dropped_columns,
        options: read_options(record)?,
        flags: TableFlags {
            counter: flag("counter"),
            dense: flag("dense"),
            super_column: flag("super"),
            compound: flag("compound"),
        },
    };
    let next_cell_id = next_cell_id.ok_or_else(|| record.damaged())?;
    let mut entry = TableEntry::new(Arc::new(table), number, Source::Stored);
    (entry.cell_ids, entry.next_cell_id) = (cell_ids, next_cell_id);
    entry.indexes = index_entries;
    entry.dropped_ids = dropped_ids;
    Ok(entry)
}

fn read_index(record: &Record, stored: &Value, columns: &[Column]) -> Result<(Index, IndexEntry)> {
    let name: Arc<str> = Arc::from(record.text_in(stored, "name")?);
    let options = record.text_map(stored.get("options").ok_or_else(|| record.damaged())?)?;
    let (column, on): (String, IndexOn) =
        parse_target(options.get("target").ok_or_else(|| record.damaged())?);
    let place = columns.iter().position(|other| *other.name == *column);
    let number = stored.get("number").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let entry = IndexEntry {
        name: Arc::clone(&name),
        number: number.ok_or_else(|| record.damaged())?,
        column: place.ok_or_else(|| record.damaged())?,
        on,
        ready: stored.get("ready").and_then(Value::as_bool).unwrap_or(false),
    };
    Ok((Index { name, kind: IndexKind::Composites, options }, entry))
}

fn options_value(options: &TableOptions) -> Value {
    json!({
        "additional_write_policy": options.additional_write_policy,
        "allow_auto_snapshot": options.allow_auto_snapshot,
        "bloom_filter_fp_chance": options.bloom_filter_fp_chance,
        "caching": text_map_value(&options.caching),
        "cdc": options.cdc,
        "comment": options.comment,
        "compaction": text_map_value(&options.compaction),
        "compression": text_map_value(&options.compression),
        "crc_check_chance": options.crc_check_chance,
        "default_time_to_live": options.default_time_to_live,
        "gc_grace_seconds": options.gc_grace_seconds,
        "incremental_backups": options.incremental_backups,
        "max_index_interval": options.max_index_interval,
        "memtable": options.memtable,
        "memtable_flush_period_in_ms": options.memtable_flush_period_in_ms,
        "min_index_interval": options.min_index_interval,
        "read_repair": options.read_repair,
        "speculative_retry": options.speculative_retry,
    })
}

/// Options that are not stored keep their defaults: a folder may be older than an option.
fn read_options(record: &Record) -> Result<TableOptions> {
    let mut options = TableOptions::default();
    let Some(stored) = record.json.get("options") else { return Ok(options) };
    let damaged = || record.damaged();
    let text = |name: &str, field: &mut String| -> Result<()> {
        if let Some(value) = stored.get(name) {
            value.as_str().ok_or_else(damaged)?.clone_into(field);
        }
        Ok(())
    };
    let flag = |name: &str, field: &mut bool| -> Result<()> {
        if let Some(value) = stored.get(name) {
            *field = value.as_bool().ok_or_else(damaged)?;
        }
        Ok(())
    };
    let double = |name: &str, field: &mut f64| -> Result<()> {
        if let Some(value) = stored.get(name) {
            *field = value.as_f64().ok_or_else(damaged)?;
        }
        Ok(())
    };
    let whole = |name: &str, field: &mut u32| -> Result<()> {
        if let Some(value) = stored.get(name) {
            *field = value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(damaged)?;
        }
        Ok(())
    };
    let map = |name: &str, field: &mut BTreeMap<String, String>| -> Result<()> {
        if let Some(value) = stored.get(name) {
            *field = record.text_map(value)?;
        }
        Ok(())
    };
    text("additional_write_policy", &mut options.additional_write_policy)?;
    flag("allow_auto_snapshot", &mut options.allow_auto_snapshot)?;
    double("bloom_filter_fp_chance", &mut options.bloom_filter_fp_chance)?;
    map("caching", &mut options.caching)?;
    flag("cdc", &mut options.cdc)?;
    text("comment", &mut options.comment)?;
    map("compaction", &mut options.compaction)?;
    map("compression", &mut options.compression)?;
    double("crc_check_chance", &mut options.crc_check_chance)?;
    whole("default_time_to_live", &mut options.default_time_to_live)?;
    whole("gc_grace_seconds", &mut options.gc_grace_seconds)?;
    flag("incremental_backups", &mut options.incremental_backups)?;
    whole("max_index_interval", &mut options.max_index_interval)?;
    text("memtable", &mut options.memtable)?;
    whole("memtable_flush_period_in_ms", &mut options.memtable_flush_period_in_ms)?;
    whole("min_index_interval", &mut options.min_index_interval)?;
    text("read_repair", &mut options.read_repair)?;
    text("speculative_retry", &mut options.speculative_retry)?;
    Ok(options)
}
