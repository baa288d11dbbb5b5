//! Which partitions and rows a modification names at one execution.

use ilium_cql::partition_key;
use ilium_cql::sort_key;
use ilium_store::{Error, Result};

use super::execute::Writer;
use super::plan::{Keys, Modification};
use crate::catalog::entry::TableEntry;
use crate::layout::scan::Slice;
use crate::select::restrictions::RowKey;
use crate::term::{Env, Term, Value};

/// The longest partition key (`FBUtilities.MAX_UNSIGNED_SHORT`).
const MAX_KEY: usize = 65_535;

/// Which rows of each partition.
pub(super) enum RowTarget {
    Rows(Vec<RowKey>),
    Slices(Vec<Slice>),
    /// The partition as a whole, or its static row.
    Partition,
}

impl Writer<'_> {
    pub(super) fn partition_keys(
        &self,
        modification: &Modification,
        env: &Env<'_>,
        json: Option<&[Value<'_>]>,
    ) -> Result<Vec<Vec<u8>>> {
        let entry = &modification.entry;
        let keys = match &modification.keys {
            Keys::Where(restrictions) => restrictions.partition_keys(env, self.run.budget)?,
            Keys::Named { partition, .. } => vec![self.named_partition(entry, partition, env)?],
            Keys::Json => {
                let values =
                    json.and_then(|values| values.get(..entry.partition_key_len)).unwrap_or_default();
                vec![encode_partition(entry, values)?]
            }
        };
        for key in &keys {
            if key.len() > MAX_KEY {
                return Err(Error::invalid(format!(
                    "Key length of {} is longer than maximum of {MAX_KEY}",
                    key.len()
                )));
            }
        }
        Ok(keys)
    }

    fn named_partition(&self, entry: &TableEntry, terms: &[Term], env: &Env<'_>) -> Result<Vec<u8>> {
        if let [term] = terms {
            let value = term.evaluate(env)?;
            let bytes = key_value(entry, 0, &value)?;
            if bytes.is_empty() {
                return Err(Error::invalid("Key may not be empty"));
            }
            return Ok(bytes.to_vec());
        }
        let values = terms.iter().map(|term| term.evaluate(env)).collect::<Result<Vec<_>>>()?;
        encode_partition(entry, &values)
    }

    pub(super) fn row_target(
        &self,
        modification: &Modification,
        env: &Env<'_>,
        json: Option<&[Value<'_>]>,
    ) -> Result<RowTarget> {
        let entry = &modification.entry;
        match &modification.keys {
            Keys::Where(restrictions) => {
                if entry.clustering_len > 0 && !restrictions.restricts_clustering() {
                    Ok(RowTarget::Partition)
                } else if restrictions.names_rows() {
                    Ok(RowTarget::Rows(restrictions.row_keys(env, self.run.budget)?))
                } else {
                    Ok(RowTarget::Slices(restrictions.slices(env, self.run.budget)?))
                }
            }
            Keys::Named { clustering, .. } if clustering.is_empty() && entry.clustering_len > 0 => {
                Ok(RowTarget::Partition)
            }
            Keys::Named { clustering, .. } => {
                let values = clustering.iter().map(|term| term.evaluate(env)).collect::<Result<Vec<_>>>()?;
                Ok(RowTarget::Rows(vec![encode_row(entry, &values)?]))
            }
            Keys::Json => {
                let values =
                    json.and_then(|v| v.get(entry.partition_key_len..entry.key_len())).unwrap_or_default();
                Ok(RowTarget::Rows(vec![encode_row(entry, values)?]))
            }
        }
    }
}

fn key_value<'v>(entry: &TableEntry, column: usize, value: &'v Value<'_>) -> Result<&'v [u8]> {
    let name = || entry.table.columns.get(column).map_or("", |column| &column.name);
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Null => Err(Error::invalid(format!("Invalid null value in condition for column {}", name()))),
        Value::Unset => Err(Error::invalid(format!("Invalid unset value for column {}", name()))),
    }
}

fn encode_partition(entry: &TableEntry, values: &[Value<'_>]) -> Result<Vec<u8>> {
    let components = (0..entry.partition_key_len)
        .zip(values)
        .map(|(column, value)| key_value(entry, column, value))
        .collect::<Result<Vec<_>>>()?;
    let mut key = Vec::new();
    partition_key::encode(&components, &mut key).map_err(|error| Error::invalid(error.to_string()))?;
    if key.is_empty() {
        return Err(Error::invalid("Key may not be empty"));
    }
    Ok(key)
}

fn encode_row(entry: &TableEntry, values: &[Value<'_>]) -> Result<RowKey> {
    let mut row = RowKey { sort_key: Vec::new(), values: Vec::with_capacity(values.len()) };
    for (column, value) in (entry.partition_key_len..).zip(values) {
        let bytes = key_value(entry, column, value)?;
        let Some(definition) = entry.table.columns.get(column) else { break };
        sort_key::encode(&definition.column_type, bytes, definition.descending, &mut row.sort_key)
            .map_err(|error| Error::invalid(error.to_string()))?;
        row.values.push(bytes.to_vec());
    }
    Ok(row)
}
