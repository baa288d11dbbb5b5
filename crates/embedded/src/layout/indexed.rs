//! The values of a row that an index keeps.

use ilium_cql::ast::IndexOn;
use ilium_cql::schema::ColumnKind;
use ilium_cql::{CqlType, partition_key, sort_key};

use super::index_key::{self, Found};
use super::live_row::{Element, LiveRow};
use super::record::{BadRecord, Expiry};
use crate::catalog::entry::{IndexEntry, TableEntry};

/// A value that an index keeps, and where it was found.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    pub value: &'a [u8],
    pub found: Found<'a>,
    /// See [`index_key::Target::element`].
    pub element: &'a [u8],
    /// Microseconds; 0 for key columns, whose row lives on by later writes than the one that made it.
    pub timestamp: i64,
    pub expiry: Option<Expiry>,
}

type Give<'g> = &'g mut dyn FnMut(Kept<'_>);

/// Calls `give` with every value of a row that an index keeps. Of a partition's rows, the first has the static columns
/// and the partition key.
pub fn each_value(
    entry: &TableEntry,
    index: &IndexEntry,
    row: &LiveRow,
    give: Give<'_>,
) -> Result<(), BadRecord> {
    let Some(column) = entry.table.columns.get(index.column) else { return Ok(()) };
    let of_row = Found::Row(row.clustering_key());
    let of_key = |value, found| Kept { value, found, element: &[], timestamp: 0, expiry: None };
    match column.kind {
        ColumnKind::PartitionKey if row.starts_partition() => {
            let components =
                partition_key::split(row.partition_key(), entry.partition_key_len).map_err(|_| BadRecord)?;
            if let Some(value) = components.get(index.column) {
                give(of_key(value, Found::Partition));
            }
        }
        ColumnKind::Clustering if row.has_row() => {
            if let Some(value) = row.value(index.column) {
                give(of_key(value, of_row));
            }
        }
        ColumnKind::Static if row.starts_partition() => {
            each_cell(entry, index, row, &column.column_type, Found::Partition, give)?;
        }
        ColumnKind::Regular if row.has_row() => {
            each_cell(entry, index, row, &column.column_type, of_row, give)?;
        }
        _ => {}
    }
    Ok(())
}

fn each_cell(
    entry: &TableEntry,
    index: &IndexEntry,
    row: &LiveRow,
    column_type: &CqlType,
    found: Found<'_>,
    give: Give<'_>,
) -> Result<(), BadRecord> {
    let expiry = |expiry: Option<(u32, u32)>| expiry.map(|(ttl, at)| Expiry { ttl, at });
    if let Some(timestamp) = row.write_time(index.column) {
        if let Some(value) = row.value(index.column) {
            give(Kept { value, found, element: &[], timestamp, expiry: expiry(row.expiry(index.column)) });
        }
        return Ok(());
    }
    let names_elements = index.names_elements(&entry.table);
    for element in row.elements(index.column) {
        let (key, value) = (row.element_path(element), row.element_value(element));
        let mut both = Vec::new();
        let indexed = match (index.on, column_type) {
            (IndexOn::Keys, _) | (_, CqlType::Set { .. }) => key,
            (IndexOn::Entries, _) => {
                index_key::push_map_entry(key, value, &mut both);
                &both
            }
            _ => value,
        };
        let path = if names_elements { stored_path(row, element, column_type)? } else { Vec::new() };
        let (timestamp, expiry) = (element.timestamp, expiry(element.expiry));
        give(Kept { value: indexed, found, element: index_key::element_name(&path), timestamp, expiry });
    }
    Ok(())
}

/// The path under which an element's cell is stored.
fn stored_path(row: &LiveRow, element: &Element, column_type: &CqlType) -> Result<Vec<u8>, BadRecord> {
    let shown = row.element_path(element);
    match column_type {
        CqlType::Map { key, .. } => {
            let mut path = Vec::with_capacity(shown.len() + 4);
            sort_key::encode(key, shown, false, &mut path).map_err(|_| BadRecord)?;
            Ok(path)
        }
        _ => Ok(shown.to_vec()),
    }
}
