//! Conditional statements: what is stored, whether the conditions hold, and what the client is told if not
//! (Cassandra's `CQL3CasRequest`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::CqlType;
use ilium_cql::schema::ColumnKind;
use ilium_store::{Binds, ColumnSpec, Error, Result, Rows, RowsMetadata};

use super::condition::Conditions;
use super::execute::{Bound, Writer};
use super::plan::{Keys, Modification};
use super::target::RowTarget;
use crate::catalog::entry::TableEntry;
use crate::fault::Fault;
use crate::layout::live_row::LiveRow;
use crate::select::restrictions::{RowKey, StatementKind};
use crate::term::{Env, Value};

impl Writer<'_> {
    /// Judges the conditions of statements on one partition. `None`: they hold; else what the client is told instead.
    pub fn refusal(&self, items: &[Bound<'_>], is_batch: bool) -> std::result::Result<Option<Rows>, Fault> {
        let Some((first, _)) = items.first() else { return Ok(None) };
        let entry = &first.entry;
        let Some(view) = self.view else {
            return Err(Error::internal("a condition is judged without a view of what is stored").into());
        };
        let mut tests: BTreeMap<Option<RowKey>, Vec<Bound<'_>>> = BTreeMap::new();
        let mut partition: Option<Vec<u8>> = None;
        for (modification, binds) in items {
            let env = self.env(binds);
            let json = self.json(modification, &env)?;
            let keys = self.partition_keys(modification, &env, json.as_deref())?;
            let row = self.conditional_row(modification, &env, json.as_deref(), &keys, is_batch)?;
            let key = keys.into_iter().next().unwrap_or_default();
            if partition.as_ref().is_some_and(|other| *other != key) {
                return Err(Error::invalid("Batch with conditions cannot span multiple partitions").into());
            }
            partition = Some(key);
            if modification.is_conditional() {
                tests.entry(row).or_default().push((modification, binds));
            }
        }
        check_mixture(tests.values())?;
        let partition = partition.unwrap_or_default();
        let mut current = Vec::with_capacity(tests.len());
        let mut applies = true;
        for (row, tests) in &tests {
            let stored = self.read(view, entry, &partition, row.as_ref())?;
            for (modification, binds) in tests {
                applies &= self.holds(modification, binds, row.is_some(), stored.as_ref())?;
            }
            current.push(stored);
        }
        if applies {
            return Ok(None);
        }
        Ok(Some(refused(entry, items, is_batch, &current)))
    }

    /// The one row a conditional statement is about; `None`: the static row.
    fn conditional_row(
        &self,
        modification: &Modification,
        env: &Env<'_>,
        json: Option<&[Value<'_>]>,
        keys: &[Vec<u8>],
        is_batch: bool,
    ) -> Result<Option<RowKey>> {
        let what = match modification.kind {
            StatementKind::Delete => "deletions",
            _ => "updates",
        };
        if let Keys::Where(restrictions) = &modification.keys {
            if restrictions.partition_has_in() || keys.len() > 1 {
                return Err(Error::invalid(if is_batch {
                    "Batch with conditions cannot span multiple partitions (you cannot use IN on the partition key)"
                        .to_owned()
                } else {
                    format!("IN on the partition key is not supported with conditional {what}")
                }));
            }
            if restrictions.clustering_has_in() {
                return Err(Error::invalid(format!(
                    "IN on the clustering key columns is not supported with conditional {what}"
                )));
            }
        }
        let entry = &modification.entry;
        match self.row_target(modification, env, json)? {
            RowTarget::Rows(mut rows) if !modification.only_statics() => Ok(rows.pop()),
            _ if entry.clustering_len == 0 => Ok(Some(RowKey { sort_key: Vec::new(), values: Vec::new() })),
            _ => Ok(None),
        }
    }

    fn holds(
        &self,
        modification: &Modification,
        binds: &Binds,
        on_row: bool,
        stored: Option<&LiveRow>,
    ) -> Result<bool> {
        let exists = stored.is_some_and(|row| if on_row { row.has_row() } else { row.has_static() });
        match &modification.conditions {
            None => Ok(true),
            Some(Conditions::Exists) => Ok(exists),
            Some(Conditions::NotExists) => Ok(!exists),
            Some(Conditions::Columns(tests)) => {
                let env = self.env(binds);
                for test in tests {
                    if !test.holds(stored, &env)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

impl Modification {
    fn touches_static(&self) -> bool {
        let table = &self.entry.table;
        self.operations.iter().any(|operation| operation.is_static)
            || self.conditions.as_ref().is_some_and(|conditions| conditions.on_static(table))
    }

    /// Whether it changes and tests static columns alone.
    fn only_statics(&self) -> bool {
        let table = &self.entry.table;
        let conditions = self.conditions.as_ref();
        let statics = self.touches_static();
        let regulars =
            self.operations.iter().any(|o| !o.is_static) || conditions.is_some_and(|c| c.on_regular(table));
        let names_row = matches!(&self.keys, Keys::Named { clustering, .. } if !clustering.is_empty());
        statics && !regulars && !names_row
    }
}

fn check_mixture<'t>(rows: impl Iterator<Item = &'t Vec<Bound<'t>>>) -> Result<()> {
    for tests in rows {
        let kinds = tests.iter().filter_map(|(modification, _)| modification.conditions.as_ref());
        let (mut exists, mut not_exists, mut columns) = (false, false, false);
        for kind in kinds {
            match kind {
                Conditions::Exists => exists = true,
                Conditions::NotExists => not_exists = true,
                Conditions::Columns(_) => columns = true,
            }
        }
        let message = match (exists, not_exists, columns) {
            (true, true, _) => "Cannot mix IF EXISTS and IF NOT EXISTS conditions for the same row",
            (true, _, true) => "Cannot mix IF conditions and IF EXISTS for the same row",
            (_, true, true) => "Cannot mix IF conditions and IF NOT EXISTS for the same row",
            _ => continue,
        };
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// `[applied]` false and what was found instead (`ModificationStatement.buildCasFailureResultSet`).
fn refused(entry: &TableEntry, items: &[Bound<'_>], is_batch: bool, current: &[Option<LiveRow>]) -> Rows {
    let all = items.iter().any(|(modification, _)| {
        matches!(modification.conditions, Some(Conditions::Exists | Conditions::NotExists))
    });
    let mut columns: Vec<usize> = Vec::new();
    if all {
        columns.extend(0..entry.table.columns.len());
    } else {
        if is_batch {
            columns.extend(0..entry.key_len());
        }
        for (modification, _) in items {
            for column in modification.conditions.iter().flat_map(Conditions::columns) {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
    }
    // Static columns are looked at only where they are changed or tested (`CQL3CasRequest.columnsToRead`).
    let reads_static = items.iter().any(|(modification, _)| modification.touches_static());
    // Regular ones are not where static columns alone are written.
    let reads_regular = items.iter().any(|(modification, _)| !modification.only_statics());
    let is_read = |column: &usize| match entry.table.columns.get(*column).map(|column| column.kind) {
        Some(ColumnKind::Static) => reads_static,
        Some(ColumnKind::Regular) => reads_regular || !all,
        _ => true,
    };
    let found: Vec<&LiveRow> =
        current.iter().flatten().filter(|row| row.has_row() || (reads_static && row.has_static())).collect();
    if found.is_empty() {
        return applied(entry, false);
    }
    let mut data = Vec::new();
    for row in &found {
        data.extend_from_slice(&[0, 0, 0, 1, 0]);
        for column in &columns {
            match row.value(*column).filter(|_| is_read(column)) {
                Some(value) => {
                    data.extend_from_slice(&(value.len() as i32).to_be_bytes());
                    data.extend_from_slice(value);
                }
                None => data.extend_from_slice(&(-1i32).to_be_bytes()),
            }
        }
    }
    let metadata = applied_metadata(entry, &columns);
    Rows { metadata: Arc::new(metadata), count: found.len() as u32, data: Bytes::from(data), next: None }
}

/// The one row that says whether a conditional statement applied.
pub fn applied(entry: &TableEntry, applied: bool) -> Rows {
    let metadata = applied_metadata(entry, &[]);
    let data = Bytes::copy_from_slice(&[0, 0, 0, 1, u8::from(applied)]);
    Rows { metadata: Arc::new(metadata), count: 1, data, next: None }
}

fn applied_metadata(entry: &TableEntry, columns: &[usize]) -> RowsMetadata {
    let table = &entry.table;
    let spec = |name: Arc<str>, column_type: CqlType| ColumnSpec {
        keyspace: Arc::clone(&table.keyspace),
        table: Arc::clone(&table.name),
        name,
        column_type,
    };
    let mut specs = vec![spec(Arc::from("[applied]"), CqlType::Boolean)];
    for column in columns.iter().filter_map(|column| table.columns.get(*column)) {
        specs.push(spec(Arc::clone(&column.name), column.column_type.clone()));
    }
    // Clients are never told to leave these columns out, so the id is not asked for.
    RowsMetadata { columns: specs, id: [0; 16] }
}
