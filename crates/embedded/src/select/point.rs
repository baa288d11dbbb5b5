//! The read that matters most: one partition or one row, named by its whole key.
//!
//! What `Restrictions` would work out with lists and sorting is here a few terms, evaluated straight into a key.

use std::borrow::Cow;

use ilium_cql::schema::Table;
use ilium_cql::{partition_key, sort_key};
use ilium_store::{Error, Result};
use smallvec::SmallVec;

use super::restrictions::key_error;
use crate::catalog::entry::TableEntry;
use crate::term::{Env, Term, Value};

/// The key's columns, each given by one value.
#[derive(Debug, Clone)]
pub(super) struct PointRead {
    pub partition: Vec<Term>,
    /// Empty: every row of the partition. Otherwise one for each clustering column.
    pub clustering: Vec<Term>,
}

impl PointRead {
    /// Appends the serialised partition key.
    pub fn partition_key(&self, entry: &TableEntry, env: &Env<'_>, out: &mut Vec<u8>) -> Result<()> {
        let mut parts: SmallVec<[Cow<'_, [u8]>; 4]> = SmallVec::new();
        for (column, term) in self.partition.iter().enumerate() {
            parts.push(present(term, &entry.table, column, env)?);
        }
        partition_key::encode(&parts, out).map_err(key_error)
    }

    /// Appends the row's clustering sort key.
    pub fn clustering_key(&self, entry: &TableEntry, env: &Env<'_>, out: &mut Vec<u8>) -> Result<()> {
        for (term, index) in self.clustering.iter().zip(entry.partition_key_len..) {
            let value = present(term, &entry.table, index, env)?;
            let Some(column) = entry.table.columns.get(index) else { continue };
            sort_key::encode(&column.column_type, &value, column.descending, out)
                .map_err(|e| Error::invalid(e.message()))?;
        }
        Ok(())
    }
}

fn present<'e>(term: &'e Term, table: &Table, column: usize, env: &Env<'e>) -> Result<Cow<'e, [u8]>> {
    let name = || table.columns.get(column).map(|column| &*column.name).unwrap_or_default();
    match term.evaluate(env)? {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Null => Err(Error::invalid(format!("Invalid null value in condition for column {}", name()))),
        Value::Unset => Err(Error::invalid(format!("Invalid unset value for column {}", name()))),
    }
}
