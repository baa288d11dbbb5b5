//! Tables, columns and indexes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::UuidBytes;
use crate::types::CqlType;

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub keyspace: Arc<str>,
    pub name: Arc<str>,
    pub id: UuidBytes,
    /// Partition key, then clustering, both by position; then static, then regular, each by the unsigned bytes of
    /// the name. This is the order of `SELECT *` (Cassandra's `TableMetadata.allColumnsInSelectOrder`).
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    pub dropped_columns: BTreeMap<Arc<str>, DroppedColumn>,
    pub options: TableOptions,
    pub flags: TableFlags,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: Arc<str>,
    pub column_type: CqlType,
    pub kind: ColumnKind,
    /// Within the kind; 0 for static and regular columns (`system_schema.columns` reports them as -1).
    pub position: usize,
    /// A clustering column with `DESC` order.
    pub descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnKind {
    PartitionKey,
    Clustering,
    Static,
    Regular,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DroppedColumn {
    pub name: Arc<str>,
    pub column_type: CqlType,
    pub kind: ColumnKind,
    /// Microseconds: cells written before it stay invisible when the column is added again.
    pub dropped_time: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    pub name: Arc<str>,
    pub kind: IndexKind,
    /// `target` first of all: `v`, `values(v)`, `keys(v)`, `entries(v)`, `full(v)`, as `system_schema.indexes` has it.
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexKind {
    Keys,
    Composites,
    Custom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableFlags {
    pub counter: bool,
    /// `WITH COMPACT STORAGE` shapes; all false but `compound` for a table made by CQL today.
    pub dense: bool,
    pub super_column: bool,
    pub compound: bool,
}

/// The options of a table as `system_schema.tables` lists them. Maps keep what was written.
#[derive(Debug, Clone, PartialEq)]
pub struct TableOptions {
    pub additional_write_policy: String,
    pub allow_auto_snapshot: bool,
    pub bloom_filter_fp_chance: f64,
    pub caching: BTreeMap<String, String>,
    pub cdc: bool,
    pub comment: String,
    pub compaction: BTreeMap<String, String>,
    pub compression: BTreeMap<String, String>,
    pub crc_check_chance: f64,
    /// Seconds; 0: rows do not expire of themselves.
    pub default_time_to_live: u32,
    pub extensions: BTreeMap<String, Vec<u8>>,
    /// Seconds a tombstone is kept.
    pub gc_grace_seconds: u32,
    pub incremental_backups: bool,
    pub max_index_interval: u32,
    pub memtable: String,
    pub memtable_flush_period_in_ms: u32,
    pub min_index_interval: u32,
    pub read_repair: String,
    pub speculative_retry: String,
}

impl Default for TableOptions {
    /// Cassandra 5.0's defaults (`TableParams.Builder`, `CompactionParams.DEFAULT`, `CompressionParams.DEFAULT`).
    fn default() -> TableOptions {
        let map =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        TableOptions {
            additional_write_policy: "99p".into(),
            allow_auto_snapshot: true,
            bloom_filter_fp_chance: 0.01,
            caching: map(&[("keys", "ALL"), ("rows_per_partition", "NONE")]),
            cdc: false,
            comment: String::new(),
            compaction: map(&[
                ("class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"),
                ("max_threshold", "32"),
                ("min_threshold", "4"),
            ]),
            compression: map(&[
                ("chunk_length_in_kb", "16"),
                ("class", "org.apache.cassandra.io.compress.LZ4Compressor"),
            ]),
            crc_check_chance: 1.0,
            default_time_to_live: 0,
            extensions: BTreeMap::new(),
            gc_grace_seconds: 864_000,
            incremental_backups: true,
            max_index_interval: 2048,
            memtable: String::new(),
            memtable_flush_period_in_ms: 0,
            min_index_interval: 128,
            read_repair: "BLOCKING".into(),
            speculative_retry: "99p".into(),
        }
    }
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// The column's index in [`Table::columns`].
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }

    fn of_kind(&self, kind: ColumnKind) -> impl DoubleEndedIterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.kind == kind)
    }

    pub fn partition_key(&self) -> impl DoubleEndedIterator<Item = &Column> {
        self.of_kind(ColumnKind::PartitionKey)
    }

    pub fn clustering(&self) -> impl DoubleEndedIterator<Item = &Column> {
        self.of_kind(ColumnKind::Clustering)
    }

    pub fn statics(&self) -> impl DoubleEndedIterator<Item = &Column> {
        self.of_kind(ColumnKind::Static)
    }

    pub fn regulars(&self) -> impl DoubleEndedIterator<Item = &Column> {
        self.of_kind(ColumnKind::Regular)
    }
}
