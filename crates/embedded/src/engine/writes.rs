//! Runs modifications: inline where nothing stored must be known, else under the lock of their partitions.

use std::sync::Arc;

use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Context, Error, ErrorKind, Outcome, Prepared, Result, ResultKind,
    WriteType,
};

use super::plan::Plan;
use super::{Engine, Inner, consistency, finished, in_words};
use crate::catalog::Source;
use crate::fault::Fault;
use crate::layout::key;
use crate::modify::{BatchPlan, Modification, Run, WriteSet, Writer, applied, check_batch};

/// A modification with its values.
type Bound<'m> = (&'m Modification, &'m Binds);

impl Engine {
    pub(super) fn modify(&self, prepared: Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let Some(Plan::Modify(modification)) = prepared.plan.downcast_ref::<Plan>() else { return lost() };
        if let Err(error) = check_runnable(&[modification], context) {
            return Answer::Ready(Err(error));
        }
        if !modification.reads() {
            return self.inner.write_blind(&[(modification, &binds)], None, context);
        }
        let (inner, context) = (Arc::clone(&self.inner), context.clone());
        let work = {
            let prepared = Arc::clone(&prepared);
            self.inner.runtime.spawn_blocking(move || match prepared.plan.downcast_ref::<Plan>() {
                Some(Plan::Modify(modification)) => {
                    inner.write_locked(&[(modification, &binds)], None, false, &context)
                }
                _ => Err(Error::internal("a write lost its plan")),
            })
        };
        Answer::Later(Box::pin(async move { finished(work.await) }))
    }

    pub(super) fn batch(&self, prepared: Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let Some(Plan::Batch(plan)) = prepared.plan.downcast_ref::<Plan>() else { return lost() };
        let modifications: Vec<&Modification> = plan.modifications.iter().collect();
        if let Err(error) = check_runnable(&modifications, context) {
            return Answer::Ready(Err(error));
        }
        if modifications.is_empty() {
            return Answer::Ready(Ok(Outcome::of(ResultKind::Void)));
        }
        let timestamp = match self.inner.batch_timestamp(plan, &binds, context) {
            Ok(timestamp) => timestamp,
            Err(error) => return Answer::Ready(Err(error)),
        };
        if !modifications.iter().any(|modification| modification.reads()) {
            let bound: Vec<Bound<'_>> =
                modifications.iter().map(|modification| (*modification, &binds)).collect();
            return self.inner.write_blind(&bound, timestamp, context);
        }
        let (inner, context) = (Arc::clone(&self.inner), context.clone());
        let work = {
            let prepared = Arc::clone(&prepared);
            self.inner.runtime.spawn_blocking(move || match prepared.plan.downcast_ref::<Plan>() {
                Some(Plan::Batch(plan)) => {
                    let bound: Vec<Bound<'_>> = plan.modifications.iter().map(|m| (m, &binds)).collect();
                    inner.write_locked(&bound, timestamp, true, &context)
                }
                _ => Err(Error::internal("a batch lost its plan")),
            })
        };
        Answer::Later(Box::pin(async move { finished(work.await) }))
    }

    /// A batch of statements that were prepared one by one.
    pub(super) fn entries(
        &self,
        kind: BatchKind,
        entries: Vec<BatchEntry>,
        context: &Context,
    ) -> Answer<Outcome> {
        let checked = modifications(&entries).and_then(|modifications| {
            check_batch(kind, false, &modifications)?;
            check_runnable(&modifications, context)?;
            Ok(modifications.iter().any(|modification| modification.reads()))
        });
        let reads = match checked {
            Ok(reads) => reads,
            Err(error) => return Answer::Ready(Err(error)),
        };
        if entries.is_empty() {
            return Answer::Ready(Ok(Outcome::of(ResultKind::Void)));
        }
        if !reads {
            return match bound(&entries) {
                Ok(bound) => self.inner.write_blind(&bound, None, context),
                Err(error) => Answer::Ready(Err(error)),
            };
        }
        let (inner, context) = (Arc::clone(&self.inner), context.clone());
        let work = self
            .inner
            .runtime
            .spawn_blocking(move || inner.write_locked(&bound(&entries)?, None, true, &context));
        Answer::Later(Box::pin(async move { finished(work.await) }))
    }
}

impl Inner {
    fn run(&self, context: &Context) -> Run {
        let now_micros = self.clock.micros();
        Run {
            timestamp: context.timestamp.unwrap_or_else(|| self.write_time()),
            now_micros,
            now_seconds: context.now_in_seconds.map_or_else(|| now_micros.div_euclid(1_000_000), i64::from),
            budget: context.memory_budget,
            conditional: false,
        }
    }

    fn note_indexes(&self, items: &[Bound<'_>]) {
        if items.iter().any(|(modification, _)| !modification.entry.indexes.is_empty()) {
            self.indexes.wrote();
        }
    }

    fn batch_timestamp(&self, plan: &BatchPlan, binds: &Binds, context: &Context) -> Result<Option<i64>> {
        Writer { run: self.run(context), view: None }.batch_timestamp(plan, binds)
    }

    fn write_blind(&self, items: &[Bound<'_>], timestamp: Option<i64>, context: &Context) -> Answer<Outcome> {
        let writer = Writer { run: self.run(context), view: None };
        let mut set = WriteSet::default();
        for item in items {
            match writer.add(*item, timestamp, &mut set) {
                Ok(()) => {}
                Err(Fault::Error(error)) => return Answer::Ready(Err(error)),
                Err(Fault::WouldRead) => {
                    return Answer::Ready(Err(Error::internal("a write that reads nothing wanted to read")));
                }
            }
        }
        if set.batch.is_empty() {
            return Answer::Ready(Ok(Outcome::of(ResultKind::Void)));
        }
        self.note_indexes(items);
        let commit = self.store.commit(set.batch);
        Answer::Later(Box::pin(async move {
            commit.await.map_err(in_words)?;
            Ok(Outcome::of(ResultKind::Void))
        }))
    }

    /// Blocks: waits for the partitions' locks and for the commit, so that whoever comes next sees this write.
    fn write_locked(
        &self,
        items: &[Bound<'_>],
        timestamp: Option<i64>,
        is_batch: bool,
        context: &Context,
    ) -> Result<Outcome> {
        let probe = Writer { run: self.run(context), view: None };
        let mut prefixes = Vec::new();
        for item in items {
            for partition_key in probe.partitions(*item)? {
                let mut prefix = Vec::new();
                key::push_partition(item.0.entry.number, &partition_key, &mut prefix);
                prefixes.push(prefix);
            }
        }
        let _held = self.locks.lock(prefixes.iter().map(Vec::as_slice));
        if context.deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline) {
            return Err(Error::new(
                ErrorKind::WriteTimeout {
                    consistency: context.consistency as u16,
                    received: 0,
                    required: 1,
                    write_type: WriteType::Cas,
                },
                "Operation timed out: other writes of the same partition took all the time this request had",
            ));
        }
        let view = self.store.view();
        let conditional = items.iter().any(|(modification, _)| modification.is_conditional());
        let mut run = self.run(context);
        if conditional {
            // The ballot's time, not the client's (`StorageProxy.cas`): later than any conditional write before it.
            run.timestamp = self.write_time();
            run.conditional = true;
        }
        let writer = Writer { run, view: Some(&view) };
        let entry = items.first().map(|(modification, _)| Arc::clone(&modification.entry));
        if conditional && let Some(rows) = writer.refusal(items, is_batch).map_err(unblocked)? {
            return Ok(Outcome::of(ResultKind::Rows(rows)));
        }
        let mut set = WriteSet::default();
        for item in items {
            writer.add(*item, timestamp, &mut set).map_err(unblocked)?;
        }
        if !set.batch.is_empty() {
            self.note_indexes(items);
            self.store.commit(set.batch).wait().map_err(in_words)?;
        }
        Ok(Outcome::of(match entry {
            Some(entry) if conditional => ResultKind::Rows(applied(&entry, true)),
            _ => ResultKind::Void,
        }))
    }
}

fn unblocked(fault: Fault) -> Error {
    match fault {
        Fault::Error(error) => error,
        Fault::WouldRead => Error::internal("a read that may use the disk did not"),
    }
}

fn lost() -> Answer<Outcome> {
    Answer::Ready(Err(Error::internal("a write lost its plan")))
}

fn modifications(entries: &[BatchEntry]) -> Result<Vec<&Modification>> {
    Ok(bound(entries)?.into_iter().map(|(modification, _)| modification).collect())
}

fn bound(entries: &[BatchEntry]) -> Result<Vec<Bound<'_>>> {
    entries
        .iter()
        .map(|entry| match entry.prepared.plan.downcast_ref::<Plan>() {
            Some(Plan::Modify(modification)) => Ok((&**modification, &entry.binds)),
            _ => Err(Error::invalid(
                "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.",
            )),
        })
        .collect()
}

/// Refuses what cannot be done whoever asks: writes to tables that are made when they are read, and at a consistency
/// that is none of writes.
fn check_runnable(modifications: &[&Modification], context: &Context) -> Result<()> {
    if let Some(entry) = modifications.iter().map(|m| &m.entry).find(|e| e.source == Source::Virtual) {
        let (keyspace, table) = (&entry.table.keyspace, &entry.table.name);
        return Err(Error::invalid(format!("Modification is not supported by table {keyspace}.{table}")));
    }
    let level = context.consistency;
    if modifications.iter().any(|modification| modification.is_conditional()) {
        return consistency::check_conditional(level);
    }
    if let Some(counter) = modifications.iter().find(|modification| modification.is_counter()) {
        return consistency::check_counter(level, &counter.entry);
    }
    consistency::check_write(level)
}
