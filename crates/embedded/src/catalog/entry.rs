//! What the engine knows of a table beyond its schema: the numbers that its stored keys and cells carry.
//!
//! Vocabulary: a *number* is the first four bytes of every key of a table or index; a *cell id* is a column's number
//! inside stored records. Names may change, numbers never do, and none is used a second time, but for a column that is
//! added again after a DROP: it may see cells newer than that, as in Cassandra.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::IndexOn;
use ilium_cql::schema::{ColumnKind, Table};

/// A table as statements are planned against it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableEntry {
    pub table: Arc<Table>,
    pub number: u32,
    /// Parallel to [`Table::columns`]; 0 for the columns of the primary key, which are part of the key.
    pub cell_ids: Vec<u16>,
    /// `table.columns[..partition_key_len]` are the partition key.
    pub partition_key_len: usize,
    /// As many columns after the partition key are the clustering columns; statics and regulars follow.
    pub clustering_len: usize,
    pub indexes: Vec<IndexEntry>,
    pub source: Source,
    /// The least cell id that no column, dropped ones included, ever had.
    pub next_cell_id: u16,
    /// Cell ids of dropped columns by name; one that is added again gets its own.
    pub dropped_ids: BTreeMap<Arc<str>, u16>,
    /// Parallel to [`Table::columns`], in microseconds: what was written at that time or before is gone, since the
    /// column was dropped with that time. Empty if no column was.
    hidden_through: Vec<i64>,
}

/// A secondary index with the number of its own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    pub name: Arc<str>,
    pub number: u32,
    /// The indexed column's index in [`Table::columns`].
    pub column: usize,
    /// Never `Simple` for a collection that is not frozen: what the bare name meant is settled.
    pub on: IndexOn,
    /// Whether every row that was there before the index is in it: until then only writes use it.
    pub ready: bool,
}

/// Where a table's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Stored,
    /// Made by `crate::system` when read; cannot be written.
    Virtual,
}

impl IndexEntry {
    /// Whether several elements of a row may have one value, as in a map or a list: entries then say which one it is.
    pub fn names_elements(&self, table: &Table) -> bool {
        let column_type = table.columns.get(self.column).map(|column| &column.column_type);
        self.on == IndexOn::Values
            && column_type.is_some_and(|t| t.is_multi_cell() && !matches!(t, CqlType::Set { .. }))
    }
}

impl TableEntry {
    /// A table that was just made, with the first cell ids and no index.
    pub fn new(table: Arc<Table>, number: u32, source: Source) -> TableEntry {
        let of_kind = |kind| table.columns.iter().filter(|column| column.kind == kind).count();
        let partition_key_len = of_kind(ColumnKind::PartitionKey);
        let clustering_len = of_kind(ColumnKind::Clustering);
        let mut next_cell_id = 1;
        let cell_ids = (0..table.columns.len())
            .map(|i| {
                if i < partition_key_len + clustering_len {
                    return 0;
                }
                next_cell_id += 1;
                next_cell_id - 1
            })
            .collect();
        TableEntry {
            number,
            cell_ids,
            partition_key_len,
            clustering_len,
            indexes: Vec::new(),
            source,
            next_cell_id,
            dropped_ids: BTreeMap::new(),
            hidden_through: hidden_through(&table),
            table,
        }
    }

    /// The same entry with other columns; the cell ids are parallel to them.
    pub fn with_columns(&self, table: Arc<Table>, cell_ids: Vec<u16>, next_cell_id: u16) -> TableEntry {
        TableEntry { cell_ids, next_cell_id, hidden_through: hidden_through(&table), table, ..self.clone() }
    }

    /// Columns of the primary key, in order.
    pub fn key_len(&self) -> usize {
        self.partition_key_len + self.clustering_len
    }

    pub fn is_static(&self, column: usize) -> bool {
        self.table.columns.get(column).is_some_and(|column| column.kind == ColumnKind::Static)
    }

    pub fn index(&self, name: &str) -> Option<&IndexEntry> {
        self.indexes.iter().find(|index| &*index.name == name)
    }

    /// Cells that nobody reads, for those who reclaim them: by cell id, those written at a time (microseconds) or
    /// before. Of a column dropped with a time stamp, newer ones stay.
    pub fn dropped_cells(&self) -> Vec<(u16, i64)> {
        let gone = |id: u16| match self.cell_ids.iter().position(|of| *of == id) {
            Some(column) => self.hidden_through.get(column).copied().unwrap_or(i64::MIN),
            None => {
                let name = self.dropped_ids.iter().find(|(_, of)| **of == id).map(|(name, _)| name);
                let dropped = name.and_then(|name| self.table.dropped_columns.get(name));
                dropped.map_or(i64::MAX, |column| column.dropped_time)
            }
        };
        (1..self.next_cell_id).map(|id| (id, gone(id))).filter(|(_, time)| *time > i64::MIN).collect()
    }

    /// The index in [`Table::columns`] of the column that a stored cell, written at `timestamp`, belongs to; `None`: it
    /// was dropped since.
    #[inline]
    pub fn column_of_cell(&self, cell_id: u16, timestamp: i64) -> Option<usize> {
        let column = self.cell_ids.iter().position(|id| *id == cell_id && cell_id != 0)?;
        let hidden = self.hidden_through.get(column).is_some_and(|time| timestamp <= *time);
        (!hidden).then_some(column)
    }
}

fn hidden_through(table: &Table) -> Vec<i64> {
    if table.dropped_columns.is_empty() {
        return Vec::new();
    }
    let of = |name| table.dropped_columns.get(name).map_or(i64::MIN, |column| column.dropped_time);
    table.columns.iter().map(|column| of(&column.name)).collect()
}
