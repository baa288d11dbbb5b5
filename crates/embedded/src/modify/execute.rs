//! Runs modifications: which partitions and rows, which deltas, and whether the conditions hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::CqlType;
use ilium_cql::partition_key;
use ilium_cql::sort_key;
use ilium_store::{Binds, ColumnSpec, Error, Result, Rows, RowsMetadata};

use super::cells::{Cells, Stamp};
use super::condition::Conditions;
use super::plan::{Keys, Modification};
use super::write_set::{Partition, WriteSet};
use crate::catalog::entry::TableEntry;
use crate::fault::Fault;
use crate::layout::live_row::{LiveRow, Wanted};
use crate::layout::record::{Expiry, Liveness};
use crate::layout::scan::{Partitions, Scan, ScanRequest, Slice};
use crate::select::restrictions::{RowKey, StatementKind};
use crate::storage::{Io, View};
use crate::term::{Env, Term, Value};

/// The circumstances of one execution.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Microseconds: write time where the statement gives none.
    pub timestamp: i64,
    /// Microseconds: what `now()` means.
    pub now_micros: i64,
    /// Seconds: what expiry and tombstones count from.
    pub now_seconds: i64,
    /// Bytes that a product of IN lists may take.
    pub budget: usize,
}

/// A modification with its values.
pub type Bound<'m> = (&'m Modification, &'m Binds);

/// The largest time to live, 20 years (`Attributes.MAX_TTL`).
const MAX_TTL: i32 = 20 * 365 * 24 * 60 * 60;

/// The longest partition key (`FBUtilities.MAX_UNSIGNED_SHORT`).
const MAX_KEY: usize = 65_535;

/// Turns bound modifications into deltas.
pub struct Writer<'w> {
    pub run: Run,
    /// What is stored; `None` where nothing needs to be known.
    pub view: Option<&'w View>,
}

/// Which rows of each partition.
enum RowTarget {
    Rows(Vec<RowKey>),
    Slices(Vec<Slice>),
    /// The partition as a whole, or its static row.
    Partition,
}

impl<'w> Writer<'w> {
    /// The keys of the partitions a modification touches.
    pub fn partitions(&self, (modification, binds): Bound<'_>) -> Result<Vec<Vec<u8>>> {
        let env = self.env(binds);
        let json = self.json(modification, &env)?;
        self.partition_keys(modification, &env, json.as_deref())
    }

    fn env<'e>(&self, binds: &'e Binds) -> Env<'e> {
        Env { binds, row: None, aggregates: &[], now_micros: self.run.now_micros }
    }

    fn json(&self, modification: &Modification, env: &Env<'_>) -> Result<Option<Vec<Value<'static>>>> {
        modification.json.as_ref().map(|json| json.evaluate(&modification.entry, env)).transpose()
    }

    fn partition_keys(
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

    fn row_target(
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

    fn stamp(&self, modification: &Modification, batch: Option<i64>, env: &Env<'_>) -> Result<Stamp> {
        let timestamp = match &modification.timestamp {
            Some(term) => timestamp(term, env)?.unwrap_or(self.run.timestamp),
            None => batch.unwrap_or(self.run.timestamp),
        };
        let ttl = self.ttl(modification, env)?;
        let at = u32::try_from(self.run.now_seconds).unwrap_or(u32::MAX);
        let expiry = if ttl == 0 { None } else { Some(expiry(&modification.entry, at, ttl)?) };
        Ok(Stamp { timestamp, expiry, at })
    }

    fn ttl(&self, modification: &Modification, env: &Env<'_>) -> Result<u32> {
        let default = modification.entry.table.options.default_time_to_live;
        let Some(term) = &modification.ttl else { return Ok(default) };
        let bytes = match term.evaluate(env)? {
            Value::Unset => return Ok(default),
            Value::Null => return Ok(0),
            Value::Bytes(bytes) => bytes,
        };
        let ttl = <[u8; 4]>::try_from(&*bytes)
            .map(i32::from_be_bytes)
            .map_err(|_| Error::invalid(format!("Invalid TTL value: {} bytes, 4 are needed", bytes.len())))?;
        if ttl > MAX_TTL {
            return Err(Error::invalid(format!("ttl is too large. requested ({ttl}) maximum ({MAX_TTL})")));
        }
        u32::try_from(ttl)
            .map_err(|_| Error::invalid(format!("A TTL must be greater or equal to 0, but was {ttl}")))
    }

    /// The write time a batch gives to its statements.
    pub fn batch_timestamp(&self, plan: &super::BatchPlan, binds: &Binds) -> Result<Option<i64>> {
        match &plan.timestamp {
            None => Ok(None),
            Some(term) => timestamp(term, &self.env(binds)),
        }
    }

    /// Adds what a modification changes. `batch`: the write time its batch gives.
    pub fn add(
        &self,
        (modification, binds): Bound<'_>,
        batch: Option<i64>,
        set: &mut WriteSet,
    ) -> std::result::Result<(), Fault> {
        let env = self.env(binds);
        let json = self.json(modification, &env)?;
        let stamp = self.stamp(modification, batch, &env)?;
        let keys = self.partition_keys(modification, &env, json.as_deref())?;
        let target = self.row_target(modification, &env, json.as_deref())?;
        for key in &keys {
            let partition = Partition::new(&modification.entry, key);
            let change =
                Change { modification, env, json: json.as_deref(), stamp: &stamp, partition: &partition };
            self.change_partition(&change, &target, set)?;
        }
        Ok(())
    }

    fn change_partition(
        &self,
        change: &Change<'_, '_>,
        target: &RowTarget,
        set: &mut WriteSet,
    ) -> std::result::Result<(), Fault> {
        let modification = change.modification;
        let entry = &modification.entry;
        let has_statics = modification.operations.iter().any(|operation| operation.is_static);
        let has_regulars = modification.operations.iter().any(|operation| !operation.is_static);
        if modification.kind == StatementKind::Delete && !has_statics && !has_regulars {
            match target {
                RowTarget::Partition => set.delete(entry, change.partition, None, change.stamp),
                RowTarget::Rows(rows) => {
                    for row in rows {
                        set.delete(entry, change.partition, Some(row), change.stamp);
                    }
                }
                RowTarget::Slices(slices) => {
                    for slice in slices {
                        set.delete_slice(entry, change.partition, slice, change.stamp);
                    }
                }
            }
            return Ok(());
        }
        match target {
            RowTarget::Rows(rows) if has_regulars || modification.kind == StatementKind::Insert => {
                for row in rows {
                    self.change_row(change, Some(row), set)?;
                }
            }
            RowTarget::Rows(_) => {}
            RowTarget::Partition | RowTarget::Slices(_) if has_regulars => {
                return Err(Error::invalid("Range deletions are not supported for specific columns").into());
            }
            RowTarget::Partition | RowTarget::Slices(_) => {}
        }
        if has_statics {
            self.change_row(change, None, set)?;
        }
        Ok(())
    }

    /// Changes one row, or without one the static row.
    fn change_row(
        &self,
        change: &Change<'_, '_>,
        row: Option<&RowKey>,
        set: &mut WriteSet,
    ) -> std::result::Result<(), Fault> {
        let modification = change.modification;
        let entry = &modification.entry;
        let operations =
            || modification.operations.iter().filter(|operation| operation.is_static == row.is_none());
        let current = match self.view {
            Some(view) if operations().any(|operation| operation.action.reads()) => {
                self.read(view, entry, change.partition.key, row)?
            }
            _ => None,
        };
        let counters = modification.is_counter();
        let row_key = if counters { change.partition.row_key(entry, row) } else { Vec::new() };
        let mut counted =
            if counters { set.counted.remove(&row_key).unwrap_or_default() } else { HashMap::new() };
        let mut cells = Cells {
            stamp: change.stamp,
            env: change.env,
            current: current.as_ref(),
            counted: counters.then_some(&mut counted),
            out: Vec::with_capacity(modification.operations.len()),
        };
        for operation in operations() {
            let json = change.json.and_then(|values| values.get(operation.column).cloned());
            cells.apply(operation, json)?;
        }
        let cells = cells.out;
        let inserts = modification.kind == StatementKind::Insert && row.is_some();
        let liveness =
            inserts.then_some(Liveness { timestamp: change.stamp.timestamp, expiry: change.stamp.expiry });
        set.put_row(entry, change.partition, row, liveness, cells, change.stamp)?;
        if counters {
            set.counted.insert(row_key, counted);
        }
        Ok(())
    }

    /// A row as stored, with the partition's static columns; `None` if neither is there.
    fn read(
        &self,
        view: &View,
        entry: &TableEntry,
        partition: &[u8],
        row: Option<&RowKey>,
    ) -> std::result::Result<Option<LiveRow>, Fault> {
        let slices = match row {
            Some(row) if entry.clustering_len > 0 => vec![Slice::row(row.sort_key.clone())],
            _ => vec![Slice::all()],
        };
        let request = ScanRequest {
            partitions: Partitions::One(partition),
            slices: &slices,
            exact_rows: row.is_some() && entry.clustering_len > 0,
            reversed: false,
            wanted: Wanted(&[]),
            now: self.run.now_seconds,
        };
        let mut found = LiveRow::new();
        let mut scan = Scan::new(view, entry, request, Io::Allowed, &mut found)?;
        Ok(scan.next(&mut found)?.then_some(found))
    }

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

/// One modification at work on one partition.
struct Change<'c, 'e> {
    modification: &'e Modification,
    env: Env<'e>,
    json: Option<&'c [Value<'e>]>,
    stamp: &'c Stamp,
    partition: &'c Partition<'c>,
}

impl Modification {
    /// Whether it changes and tests static columns alone.
    fn only_statics(&self) -> bool {
        let table = &self.entry.table;
        let conditions = self.conditions.as_ref();
        let statics =
            self.operations.iter().any(|o| o.is_static) || conditions.is_some_and(|c| c.on_static(table));
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
    let found: Vec<&LiveRow> =
        current.iter().flatten().filter(|row| row.has_row() || row.has_static()).collect();
    if found.is_empty() {
        return applied(entry, false);
    }
    let mut data = Vec::new();
    for row in &found {
        data.extend_from_slice(&[0, 0, 0, 1, 0]);
        for column in &columns {
            match row.value(*column) {
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

fn timestamp(term: &Term, env: &Env<'_>) -> Result<Option<i64>> {
    match term.evaluate(env)? {
        Value::Unset => Ok(None),
        Value::Null => Err(Error::invalid("Invalid null value of timestamp")),
        Value::Bytes(bytes) => {
            <[u8; 8]>::try_from(&*bytes).map(|bytes| Some(i64::from_be_bytes(bytes))).map_err(|_| {
                Error::invalid(format!("Invalid timestamp value: {} bytes, 8 are needed", bytes.len()))
            })
        }
    }
}

fn expiry(entry: &TableEntry, now: u32, ttl: u32) -> Result<Expiry> {
    // `Cell.MAX_DELETION_TIME`: the last seconds of 32 bits stand for "never" and "invalid".
    const LAST: u32 = u32::MAX - 2;
    match now.checked_add(ttl).filter(|at| *at <= LAST) {
        Some(at) => Ok(Expiry { ttl, at }),
        None => Err(Error::invalid(format!(
            "Request on table {}.{} with ttl of {ttl} seconds exceeds maximum supported expiration date of \
             2106-02-07T06:28:13+00:00. In order to avoid this use a lower TTL",
            entry.table.keyspace, entry.table.name
        ))),
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
