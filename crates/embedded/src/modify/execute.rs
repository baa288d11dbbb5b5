//! Runs modifications: which write time and time to live, which deltas.

use std::collections::HashMap;

use ilium_store::{Binds, Error, Result};

use super::cells::{Cells, Stamp};
use super::plan::Modification;
use super::target::RowTarget;
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
    /// It is of conditional statements: all is written at `timestamp`, whatever they say, but deletions of partitions
    /// and ranges a microsecond earlier, so that what the same batch inserts stays (`PartitionUpdate`'s
    /// `updateAllTimestamp`).
    pub conditional: bool,
}

/// A modification with its values.
pub type Bound<'m> = (&'m Modification, &'m Binds);

/// The largest time to live, 20 years (`Attributes.MAX_TTL`).
const MAX_TTL: i32 = 20 * 365 * 24 * 60 * 60;
/// Turns bound modifications into deltas.
pub struct Writer<'w> {
    pub run: Run,
    /// What is stored; `None` where nothing needs to be known.
    pub view: Option<&'w View>,
}

impl<'w> Writer<'w> {
    /// The keys of the partitions a modification touches.
    pub fn partitions(&self, (modification, binds): Bound<'_>) -> Result<Vec<Vec<u8>>> {
        let env = self.env(binds);
        let json = self.json(modification, &env)?;
        self.partition_keys(modification, &env, json.as_deref())
    }

    pub(super) fn env<'e>(&self, binds: &'e Binds) -> Env<'e> {
        Env { binds, row: None, aggregates: &[], now_micros: self.run.now_micros }
    }

    pub(super) fn json(
        &self,
        modification: &Modification,
        env: &Env<'_>,
    ) -> Result<Option<Vec<Value<'static>>>> {
        modification.json.as_ref().map(|json| json.evaluate(&modification.entry, env)).transpose()
    }

    fn stamp(&self, modification: &Modification, batch: Option<i64>, env: &Env<'_>) -> Result<Stamp> {
        let timestamp = match &modification.timestamp {
            _ if self.run.conditional => self.run.timestamp,
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
            let earlier = i64::from(self.run.conditional);
            let wide = Stamp { timestamp: change.stamp.timestamp - earlier, ..*change.stamp };
            match target {
                RowTarget::Partition => set.delete(entry, change.partition, None, &wide),
                RowTarget::Rows(rows) => {
                    let stamp = if entry.clustering_len == 0 { &wide } else { change.stamp };
                    for row in rows {
                        set.delete(entry, change.partition, Some(row), stamp);
                    }
                }
                RowTarget::Slices(slices) => {
                    for slice in slices {
                        set.delete_slice(entry, change.partition, slice, &wide);
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
        // A static column is changed once for each row named (`ModificationStatement.addUpdates`), which shows in
        // counters and lists.
        let times = match target {
            RowTarget::Rows(rows) => rows.len(),
            _ => 1,
        };
        for _ in (0..times).filter(|_| has_statics) {
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
                Some(self.read(view, entry, change.partition.key, row)?)
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

    /// A row as stored, with the partition's static columns; either may be missing.
    pub(super) fn read(
        &self,
        view: &View,
        entry: &TableEntry,
        partition: &[u8],
        row: Option<&RowKey>,
    ) -> std::result::Result<LiveRow, Fault> {
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
        scan.next(&mut found)?;
        Ok(found)
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
fn timestamp(term: &Term, env: &Env<'_>) -> Result<Option<i64>> {
    let bytes = match term.evaluate(env)? {
        Value::Unset => return Ok(None),
        Value::Null => return Err(Error::invalid("Invalid null value of timestamp")),
        Value::Bytes(bytes) => bytes,
    };
    match <[u8; 8]>::try_from(&*bytes).map(i64::from_be_bytes) {
        // What a cell that was never written has (`LivenessInfo.NO_TIMESTAMP`).
        Ok(i64::MIN) => Err(Error::invalid(format!(
            "Out of bound timestamp, must be in [{}, {}]",
            i64::MIN + 1,
            i64::MAX
        ))),
        Ok(timestamp) => Ok(Some(timestamp)),
        Err(_) => {
            Err(Error::invalid(format!("Invalid timestamp value: {} bytes, 8 are needed", bytes.len())))
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
