//! Rows of the cluster's own tables, read by the names of their columns. A column that a release does not have reads as
//! null, and so does what is not of the type that is asked for: a node that is just joining has rows that are not whole, and the
//! ring is known without it. The schema is read otherwise (`schema::rows`): half of one must not be taken for all of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use ilium_cql::value::list_elements;
use ilium_protocol::{ColumnSpec, Envelope, QueryResult, Response};

use crate::error::{nonsense, of_response, unexpected};

/// A page of rows.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub columns: Vec<ColumnSpec>,
    rows: Vec<Vec<Option<Bytes>>>,
    places: HashMap<String, usize>,
}

impl Table {
    pub fn decode(envelope: &Envelope) -> Result<Table, ilium_store::Error> {
        let (_, response) = Response::decode(envelope).map_err(nonsense)?;
        let rows = match response {
            Response::Result(QueryResult::Rows(rows)) => rows,
            Response::Error(error) => return Err(of_response(&error)),
            other => return Err(unexpected(&other, "rows")),
        };
        let columns = rows.metadata.columns.as_specs().unwrap_or_default().to_vec();
        let mut cells = rows.cells();
        let mut decoded = Vec::new();
        for _ in 0..rows.row_count {
            let mut row = Vec::with_capacity(columns.len());
            for _ in &columns {
                let cell = cells.next().transpose().map_err(nonsense)?.flatten();
                row.push(cell.map(|cell| envelope.body.slice_ref(cell)));
            }
            decoded.push(row);
        }
        let places = columns.iter().enumerate().map(|(at, column)| (column.name.to_string(), at)).collect();
        Ok(Table { columns, rows: decoded, places })
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }
}

/// One row. What is null, or not of the type that is asked for, is `None`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'t> {
    table: &'t Table,
    cells: &'t [Option<Bytes>],
}

impl<'t> Row<'t> {
    pub fn bytes(&self, column: &str) -> Option<&'t Bytes> {
        self.cells.get(*self.table.places.get(column)?)?.as_ref()
    }

    pub fn text(&self, column: &str) -> Option<&'t str> {
        std::str::from_utf8(self.bytes(column)?).ok()
    }

    pub fn uuid(&self, column: &str) -> Option<[u8; 16]> {
        self.bytes(column)?.as_ref().try_into().ok()
    }

    pub fn int(&self, column: &str) -> Option<i32> {
        Some(i32::from_be_bytes(self.bytes(column)?.as_ref().try_into().ok()?))
    }

    pub fn address(&self, column: &str) -> Option<IpAddr> {
        let bytes = self.bytes(column)?;
        if let Ok(four) = <[u8; 4]>::try_from(bytes.as_ref()) {
            return Some(IpAddr::V4(Ipv4Addr::from(four)));
        }
        <[u8; 16]>::try_from(bytes.as_ref()).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
    }

    /// The elements of a set or list of texts.
    pub fn texts(&self, column: &str) -> Vec<&'t str> {
        let Some(elements) = self.bytes(column).and_then(|bytes| list_elements(bytes).ok()) else {
            return Vec::new();
        };
        elements.flatten().filter_map(|element| std::str::from_utf8(element).ok()).collect()
    }

    /// The entries of a map of texts.
    pub fn text_map(&self, column: &str) -> Vec<(&'t str, &'t str)> {
        let Some(entries) = self.bytes(column).and_then(|bytes| ilium_cql::value::map_entries(bytes).ok())
        else {
            return Vec::new();
        };
        let text = |bytes: &'t [u8]| std::str::from_utf8(bytes).ok();
        entries.flatten().filter_map(|(key, value)| Some((text(key)?, text(value)?))).collect()
    }
}
