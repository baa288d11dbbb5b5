//! Statements that change the schema, and TRUNCATE: one after the other, each durable before it is seen.
//!
//! They wait for their turn, and names and permissions may change meanwhile: whether one may run is asked again then.

use std::sync::Arc;

use ilium_store::{Answer, Context, Error, Outcome, Prepared, Result, ResultKind};

use super::plan::Plan;
use super::{Engine, Inner, finished, in_words};
use crate::catalog::{Applied, Source, TableEntry};
use crate::storage::Batch;

impl Engine {
    pub(super) fn change_schema(&self, prepared: Arc<Prepared>, context: &Context) -> Answer<Outcome> {
        let (inner, context) = (Arc::clone(&self.inner), context.clone());
        let work = self.inner.runtime.spawn_blocking(move || match prepared.plan.downcast_ref::<Plan>() {
            Some(Plan::Truncate(entry)) => inner.truncate(&prepared, entry, &context),
            _ => inner.apply(&prepared, &context),
        });
        Answer::Later(Box::pin(async move { finished(work.await) }))
    }
}

impl Inner {
    fn apply(&self, prepared: &Prepared, context: &Context) -> Result<Outcome> {
        let keyspace = prepared.keyspace.as_deref().or(context.keyspace.as_deref());
        let pending = self.catalog.change(
            &prepared.statement,
            keyspace,
            self.write_time(),
            context.principal.role_name(),
            |current| self.authorize(prepared, current, context),
        )?;
        if !pending.batch().is_empty() {
            self.store.commit(pending.batch().clone()).wait().map_err(in_words)?;
        }
        let Applied { change, warnings, dropped, unfilled_indexes } = pending.publish();
        self.set_retention();
        self.drop_data(dropped)?;
        self.fill_indexes(unfilled_indexes)?;
        let Some(change) = change else { return Ok(Outcome { warnings, ..Outcome::of(ResultKind::Void) }) };
        for listener in self.listeners.read().iter() {
            listener(&change);
        }
        Ok(Outcome { warnings, ..Outcome::of(ResultKind::SchemaChange(change)) })
    }

    /// Removes what is stored under numbers that are gone. They are never used again, so a stop before this only
    /// leaves it to the next start.
    fn drop_data(&self, numbers: Vec<u32>) -> Result<()> {
        if numbers.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for number in numbers {
            batch.drop_prefix(&number.to_be_bytes());
        }
        let _turn = self.indexes.turn().lock();
        self.store.commit(batch).wait().map_err(in_words)
    }

    fn truncate(&self, prepared: &Prepared, entry: &TableEntry, context: &Context) -> Result<Outcome> {
        if entry.source == Source::Virtual {
            let (keyspace, table) = (&entry.table.keyspace, &entry.table.name);
            return Err(Error::invalid(format!("Truncation is not supported by table {keyspace}.{table}")));
        }
        let current = self.snapshot();
        self.authorize(prepared, &current, context)?;
        let Some(entry) = current.table(&entry.table.keyspace, &entry.table.name) else {
            return Err(Error::invalid(format!("table {} does not exist", entry.table.name)));
        };
        let mut batch = Batch::new();
        batch.drop_prefix(&entry.number.to_be_bytes());
        for index in &entry.indexes {
            batch.drop_prefix(&index.number.to_be_bytes());
        }
        let _turn = self.indexes.turn().lock();
        self.store.commit(batch).wait().map_err(in_words)?;
        Ok(Outcome::of(ResultKind::Void))
    }
}
