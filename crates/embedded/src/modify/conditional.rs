//! Conditional statements: what is stored, whether the conditions hold, and what the client is told if not
//! (Cassandra's `CQL3CasRequest`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::CqlType;
use ilium_cql::schema::ColumnKind;
use ilium_store::{Binds, ColumnSpec, Error, Result, Rows, RowsMetadata};

use super::condition::{ColumnTest, Conditions};
use super::execute::{Bound, Writer};
use super::plan::{Keys, Modification};
use super::target::RowTarget;
use crate::catalog::entry::TableEntry;
use crate::fault::Fault;
use crate::layout::live_row::{LiveRow, Wanted};
use crate::layout::scan::{Partitions, Scan, ScanRequest, Slice};
use crate::select::restrictions::{RowKey, StatementKind};
use crate::storage::{Io, View};
use crate::term::{Env, Value};

impl Writer<'_> {
    /// Judges the conditions of statements on one partition. `None`: they hold; else what the client is told instead.
    pub fn refusal(&self, items: &[Bound<'_>], is_batch: bool) -> std::result::Result<Option<Rows>, Fault> {
        let Some((first, _)) = items.first() else { return Ok(None) };
        let entry = &first.entry;
        let Some(view) = self.view else {
            return Err(Error::internal("a condition is judged without a view of what is stored").into());
        };
        let mut tests = Tests::default();
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
            tests.add(modification, binds, row)?;
        }
        let partition = partition.unwrap_or_default();
        let read = Read::of(items);
        let current = match tests.rows.is_empty() {
            true => vec![self.first_row(view, entry, &partition, read.regulars)?],
            false => {
                let rows = tests.rows.keys();
                rows.map(|row| self.read(view, entry, &partition, Some(row)))
                    .collect::<std::result::Result<_, Fault>>()?
            }
        };
        if self.all_hold(&tests, &current)? {
            return Ok(None);
        }
        Ok(Some(refused(entry, items, is_batch, &read, &current)))
    }

    fn all_hold(&self, tests: &Tests<'_>, current: &[LiveRow]) -> Result<bool> {
        if let (Some(test), Some(any)) = (&tests.statics, current.first())
            && !self.holds(test, any, LiveRow::has_static)?
        {
            return Ok(false);
        }
        for (test, row) in tests.rows.values().flatten().zip(current) {
            if !self.holds(test, row, LiveRow::has_row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds(&self, test: &RowTest<'_>, row: &LiveRow, exists: fn(&LiveRow) -> bool) -> Result<bool> {
        match test {
            RowTest::Exists => Ok(exists(row)),
            RowTest::NotExists => Ok(!exists(row)),
            RowTest::Columns(tests) => {
                for (test, binds) in tests {
                    if !test.holds(row, &self.env(binds))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// The partition's static row with the first row that a read of these columns finds: without regular ones it
    /// finds only rows that an INSERT made.
    fn first_row(
        &self,
        view: &View,
        entry: &TableEntry,
        partition: &[u8],
        regulars: bool,
    ) -> std::result::Result<LiveRow, Fault> {
        let slices = [Slice::all()];
        let request = ScanRequest {
            partitions: Partitions::One(partition),
            slices: &slices,
            exact_rows: false,
            reversed: false,
            wanted: Wanted(&[]),
            now: self.run.now_seconds,
        };
        let mut row = LiveRow::new();
        let mut scan = Scan::new(view, entry, request, Io::Allowed, &mut row)?;
        while scan.next(&mut row)? && row.has_row() && !regulars && !row.is_inserted() {}
        Ok(row)
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
}

impl Modification {
    fn updates_static(&self) -> bool {
        self.operations.iter().any(|operation| operation.is_static)
    }

    /// Whether it names rows (`ModificationStatement.updatesRegularRows`).
    fn names_row(&self) -> bool {
        self.entry.clustering_len == 0
            || match &self.keys {
                Keys::Named { clustering, .. } => !clustering.is_empty(),
                Keys::Where(restrictions) => restrictions.restricts_clustering(),
                Keys::Json => true,
            }
    }

    /// Whether it changes and tests static columns alone.
    fn only_statics(&self) -> bool {
        let table = &self.entry.table;
        let tests = self.conditions.as_ref();
        let of_rows = self.kind == StatementKind::Delete && self.operations.is_empty();
        let regulars = of_rows
            || self.operations.iter().any(|operation| !operation.is_static)
            || tests.is_some_and(|tests| tests.on_regular(table));
        let statics = self.updates_static() || tests.is_some_and(|tests| tests.on_static(table));
        statics && !regulars && !self.names_row()
    }
}

/// The conditions of all statements, by what they are on.
#[derive(Default)]
struct Tests<'m> {
    statics: Option<RowTest<'m>>,
    rows: BTreeMap<RowKey, Option<RowTest<'m>>>,
}

enum RowTest<'m> {
    Exists,
    NotExists,
    Columns(Vec<(&'m ColumnTest, &'m Binds)>),
}

impl<'m> Tests<'m> {
    /// `row`: the row that the statement is about; `None`: the static row.
    fn add(&mut self, modification: &'m Modification, binds: &'m Binds, row: Option<RowKey>) -> Result<()> {
        let test = match &modification.conditions {
            None => return Ok(()),
            Some(Conditions::Exists) => RowTest::Exists,
            Some(Conditions::NotExists) => RowTest::NotExists,
            Some(Conditions::Columns(tests)) => {
                let is_static = |test: &&ColumnTest| modification.entry.is_static(test.column);
                let (statics, regulars): (Vec<_>, Vec<_>) = tests.iter().partition(is_static);
                let bound = |tests: Vec<&'m ColumnTest>| {
                    RowTest::Columns(tests.into_iter().map(|test| (test, binds)).collect())
                };
                if let (false, Some(row)) = (regulars.is_empty(), row) {
                    join(self.rows.entry(row).or_default(), bound(regulars))?;
                }
                return if statics.is_empty() { Ok(()) } else { join(&mut self.statics, bound(statics)) };
            }
        };
        match row {
            Some(row) => join(self.rows.entry(row).or_default(), test),
            None => join(&mut self.statics, test),
        }
    }
}

fn join<'m>(slot: &mut Option<RowTest<'m>>, test: RowTest<'m>) -> Result<()> {
    let message = match (slot.as_mut(), test) {
        (None, test) => {
            *slot = Some(test);
            return Ok(());
        }
        (Some(RowTest::Columns(tests)), RowTest::Columns(more)) => {
            tests.extend(more);
            return Ok(());
        }
        (Some(RowTest::Exists), RowTest::Exists) | (Some(RowTest::NotExists), RowTest::NotExists) => {
            return Ok(());
        }
        (Some(RowTest::Columns(_)), RowTest::Exists) => {
            "Cannot mix IF conditions and IF EXISTS for the same row"
        }
        (Some(_), RowTest::Columns(_)) | (Some(RowTest::Columns(_)), RowTest::NotExists) => {
            "Cannot mix IF conditions and IF NOT EXISTS for the same row"
        }
        (Some(_), _) => "Cannot mix IF EXISTS and IF NOT EXISTS conditions for the same row",
    };
    Err(Error::invalid(message))
}

/// Which columns beside the keys Cassandra reads to judge conditions (`CQL3CasRequest.columnsToRead`): it can only
/// show these, and a row or a static row without any of them is none.
struct Read {
    /// All static columns.
    statics: bool,
    /// All regular columns.
    regulars: bool,
    /// Columns that a condition tests or an operation needs.
    named: Vec<usize>,
}

impl Read {
    fn of(items: &[Bound<'_>]) -> Read {
        let conditional =
            || items.iter().map(|(modification, _)| *modification).filter(|m| m.is_conditional());
        let mut named: Vec<usize> = Vec::new();
        for modification in conditional() {
            named.extend(modification.conditions.iter().flat_map(Conditions::columns));
            let reading = modification.operations.iter().filter(|operation| operation.action.reads());
            named.extend(reading.map(|operation| operation.column));
        }
        Read {
            statics: conditional().any(Modification::updates_static),
            regulars: items.iter().any(|(modification, _)| modification.names_row()),
            named,
        }
    }

    fn has(&self, entry: &TableEntry, column: usize) -> bool {
        let all = match entry.table.columns.get(column).map(|column| column.kind) {
            Some(ColumnKind::Static) => self.statics,
            Some(ColumnKind::Regular) => self.regulars,
            _ => true,
        };
        all || self.named.contains(&column)
    }
}

/// `[applied]` false and what was found instead (`ModificationStatement.buildCasFailureResultSet`).
fn refused(
    entry: &TableEntry,
    items: &[Bound<'_>],
    is_batch: bool,
    read: &Read,
    current: &[LiveRow],
) -> Rows {
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
            // Of each statement those on regular columns come first (`ColumnConditions.getColumns`).
            let tested: Vec<usize> = modification.conditions.iter().flat_map(Conditions::columns).collect();
            let (statics, regulars): (Vec<usize>, Vec<usize>) =
                tested.into_iter().partition(|column| entry.is_static(*column));
            for column in regulars.into_iter().chain(statics) {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
    }
    let visible = |row: &LiveRow| row.has_row() && (read.regulars || row.is_inserted());
    let mut found: Vec<&LiveRow> = current.iter().filter(|row| visible(row)).collect();
    if found.is_empty() {
        let statics = |row: &LiveRow| {
            let mut all = 0..entry.table.columns.len();
            all.any(|c| entry.is_static(c) && read.has(entry, c) && row.value(c).is_some())
        };
        found.extend(current.first().filter(|row| statics(row)));
    }
    if found.is_empty() {
        return applied(entry, false);
    }
    let mut data = Vec::new();
    for row in &found {
        data.extend_from_slice(&[0, 0, 0, 1, 0]);
        for column in &columns {
            match row.value(*column).filter(|_| read.has(entry, *column)) {
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
