//! A page of rows, made ready for a template.

use std::sync::Arc;

use ilium_cql::schema::{ColumnKind, Schema};
use ilium_store::{Error, Result, Rows};

use crate::cell::{Cell, type_name};

pub struct Grid {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

pub struct Column {
    pub name: Arc<str>,
    pub type_name: Arc<str>,
    /// What it is to its table, where that is not a regular column.
    pub role: &'static str,
    /// Numbers stand to the right, so that their digits are below each other.
    pub is_number: bool,
}

impl Grid {
    pub fn of(rows: &Rows, schema: &Schema) -> Result<Grid> {
        let columns = rows.metadata.columns.iter().map(|column| {
            let table = schema.table(&column.keyspace, &column.table);
            let known = table.and_then(|table| table.column(&column.name));
            Column {
                name: Arc::clone(&column.name),
                type_name: type_name(&column.column_type),
                role: known.map_or("", |column| match (column.kind, column.descending) {
                    (ColumnKind::PartitionKey, _) => "partition key",
                    (ColumnKind::Clustering, false) => "clustering, ascending",
                    (ColumnKind::Clustering, true) => "clustering, descending",
                    (ColumnKind::Static, _) => "static",
                    (ColumnKind::Regular, _) => "",
                }),
                is_number: column.column_type.is_number(),
            }
        });
        let cells = cells(rows).map(|row| {
            let row = row?;
            let types = rows.metadata.columns.iter().map(|column| &column.column_type);
            Ok(types.zip(row).map(|(column_type, value)| Cell::of(column_type, value)).collect())
        });
        Ok(Grid { columns: columns.collect(), rows: cells.collect::<Result<_>>()? })
    }

    /// The cells of a row with their columns.
    pub fn pairs<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        self.columns.iter().zip(row)
    }
}

/// The values of each row in wire form; `None` is null.
pub fn cells(rows: &Rows) -> impl Iterator<Item = Result<Vec<Option<&[u8]>>>> {
    let mut left = &*rows.data;
    (0..rows.count).map(move |_| {
        let row =
            rows.metadata.columns.iter().map(|_| {
                take(&mut left).ok_or_else(|| Error::internal("an answer ended before its last cell"))
            });
        row.collect()
    })
}

/// The next cell, or nothing if there is no whole one.
fn take<'a>(left: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = left.split_first_chunk::<4>()?;
    let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
        *left = rest;
        return Some(None);
    };
    let (cell, rest) = rest.split_at_checked(length)?;
    *left = rest;
    Some(Some(cell))
}
