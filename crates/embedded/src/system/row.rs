//! Rows in the making: values by column name, in wire form.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ilium_cql::ValueError;
use ilium_cql::schema::{Table, UuidBytes};
use ilium_cql::value::CollectionBuilder;
use ilium_store::{Error, Result};

/// A wire value, or null, for each column of the table in its order.
pub type Row = Vec<Option<Vec<u8>>>;

/// The rows of one table so far.
pub(super) struct Rows<'a> {
    pub table: &'a Table,
    rows: Vec<Row>,
}

impl<'a> Rows<'a> {
    pub fn of(table: &'a Table) -> Rows<'a> {
        Rows { table, rows: Vec::new() }
    }

    /// Starts a row of nulls.
    pub fn row(&mut self) -> RowInMaking<'_> {
        self.rows.push(vec![None; self.table.columns.len()]);
        RowInMaking { table: self.table, row: self.rows.last_mut() }
    }

    pub fn finish(self) -> Vec<Row> {
        self.rows
    }
}

/// The last row of some [`Rows`].
pub(super) struct RowInMaking<'a> {
    table: &'a Table,
    row: Option<&'a mut Row>,
}

impl RowInMaking<'_> {
    fn set(mut self, column: &str, value: Vec<u8>) -> Self {
        let place = self.table.column_index(column);
        debug_assert!(place.is_some(), "{}.{} has no column {column}", self.table.keyspace, self.table.name);
        debug_assert!(
            place
                .and_then(|place| self.table.columns.get(place))
                .is_none_or(|column| { ilium_cql::value::validate(&column.column_type, &value).is_ok() }),
            "{}.{}.{column} cannot hold this value",
            self.table.keyspace,
            self.table.name
        );
        let slot = place.zip(self.row.as_mut()).and_then(|(place, row)| row.get_mut(place));
        if let Some(slot) = slot {
            *slot = Some(value);
        }
        self
    }

    pub fn text(self, column: &str, value: &str) -> Self {
        self.set(column, value.as_bytes().to_vec())
    }

    pub fn text_or_null(self, column: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(column, value),
            None => self,
        }
    }

    pub fn int(self, column: &str, value: i32) -> Self {
        self.set(column, value.to_be_bytes().to_vec())
    }

    /// An unsigned number of a kind that an `int` column always holds.
    pub fn count(self, column: &str, value: u32) -> Self {
        self.int(column, i32::try_from(value).unwrap_or(i32::MAX))
    }

    pub fn bigint(self, column: &str, value: i64) -> Self {
        self.set(column, value.to_be_bytes().to_vec())
    }

    /// An unsigned number of a kind that a `bigint` column always holds.
    pub fn large(self, column: &str, value: u64) -> Self {
        self.bigint(column, i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Milliseconds since the epoch.
    pub fn timestamp(self, column: &str, millis: i64) -> Self {
        self.bigint(column, millis)
    }

    pub fn double(self, column: &str, value: f64) -> Self {
        self.set(column, value.to_be_bytes().to_vec())
    }

    pub fn boolean(self, column: &str, value: bool) -> Self {
        self.set(column, vec![u8::from(value)])
    }

    pub fn uuid(self, column: &str, value: UuidBytes) -> Self {
        self.set(column, value.to_vec())
    }

    pub fn blob(self, column: &str, value: &[u8]) -> Self {
        self.set(column, value.to_vec())
    }

    pub fn inet(self, column: &str, value: IpAddr) -> Self {
        let bytes = match value {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        self.set(column, bytes)
    }

    pub fn map<V: AsRef<[u8]>>(self, column: &str, entries: &BTreeMap<String, V>) -> Result<Self> {
        let mut value = Vec::new();
        let mut map = CollectionBuilder::new(&mut value);
        let pushed = entries.iter().try_for_each(|(k, v)| map.push_entry(k.as_bytes(), v.as_ref()));
        pushed.and_then(|()| map.finish()).map_err(too_large)?;
        Ok(self.set(column, value))
    }

    /// A list, or a set whose elements come in order.
    pub fn elements<T: AsRef<str>>(
        self,
        column: &str,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<Self> {
        let mut value = Vec::new();
        let mut list = CollectionBuilder::new(&mut value);
        let pushed = elements.into_iter().try_for_each(|element| list.push(element.as_ref().as_bytes()));
        pushed.and_then(|()| list.finish()).map_err(too_large)?;
        Ok(self.set(column, value))
    }
}

fn too_large(error: ValueError) -> Error {
    Error::internal(format!("a row of a system table cannot be made: {error}"))
}
