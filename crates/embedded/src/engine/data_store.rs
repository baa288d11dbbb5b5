//! [`DataStore`]: from a prepared statement to its answer.

use std::sync::Arc;

use ilium_cql::ast::Statement;
use ilium_cql::schema::Schema;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Error, ErrorKind, Outcome,
    Prepared, Result, ResultKind, SchemaListener, TokenSplit,
};

use super::plan::{self, Plan};
use super::{Engine, Inner, consistency, finished};
use crate::catalog::Snapshot;
use crate::fault::Fault;
use crate::select::{Read, SelectPlan};
use crate::storage::Io;
use crate::system::{self, live::Stored};

impl DataStore for Engine {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        plan::prepare(statement, keyspace, &self.inner.snapshot()).map(Arc::new).into()
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let prepared = match self.to_run(prepared, &self.inner.snapshot(), context) {
            Ok(prepared) => prepared,
            Err(error) => return Answer::Ready(Err(error)),
        };
        match prepared.plan.downcast_ref::<Plan>() {
            None => Answer::Ready(Err(Error::internal("a statement of another engine was executed"))),
            Some(Plan::Select(plan)) => self.select(&prepared, plan, binds, context),
            Some(Plan::Modify(_)) => self.modify(prepared, binds, context),
            Some(Plan::Batch(_)) => self.batch(prepared, binds, context),
            Some(Plan::Truncate(_) | Plan::SchemaChange) => self.change_schema(prepared, context),
            Some(Plan::Use(keyspace)) => {
                Answer::Ready(Ok(Outcome::of(ResultKind::SetKeyspace(Arc::clone(keyspace)))))
            }
            Some(Plan::Describe) => Answer::Ready(self.describe(&prepared, context)),
            Some(Plan::Access) => self.change_access(prepared, context),
        }
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        let snapshot = self.inner.snapshot();
        let entries = entries
            .into_iter()
            .map(|entry| {
                let prepared = self.to_run(&entry.prepared, &snapshot, context)?;
                Ok(BatchEntry { prepared, binds: entry.binds })
            })
            .collect::<Result<Vec<_>>>();
        match entries {
            Ok(entries) => self.entries(kind, entries, context),
            Err(error) => Answer::Ready(Err(error)),
        }
    }

    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.inner.snapshot().schema)
    }

    fn listen(&self, listener: SchemaListener) {
        self.inner.listeners.write().push(listener);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            product: "Ilium".to_owned(),
            release_version: system::RELEASE_VERSION.to_owned(),
            cluster_name: system::CLUSTER_NAME.to_owned(),
            storage_attached_indexes: false,
            vectors: true,
        }
    }

    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>> {
        let inner = Arc::clone(&self.inner);
        let (keyspace, table) = (keyspace.to_owned(), table.to_owned());
        // On a thread that may block: it looks into files.
        let work = self.inner.runtime.spawn_blocking(move || inner.token_splits(&keyspace, &table, at_least));
        Answer::Later(Box::pin(async move { finished(work.await) }))
    }
}

impl Inner {
    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Result<Vec<TokenSplit>> {
        let snapshot = self.snapshot();
        let Some(entry) = snapshot.table(keyspace, table) else {
            return Err(Error::invalid(format!("table {keyspace}.{table} does not exist")));
        };
        let bytes = self.size_of(entry)?.bytes;
        let parts = at_least.clamp(1, 1 << 16) as i128;
        let bound = |part: i128| (i128::from(i64::MIN) + ((1i128 << 64) - 1) * part / parts) as i64;
        // Tokens are uniform: ranges as wide hold as much.
        let size = bytes / parts as u64;
        let splits = (0..parts).map(|part| TokenSplit { after: bound(part), through: bound(part + 1), size });
        Ok(splits.collect())
    }
}

impl Engine {
    /// The statement under the schema as it is now, if the context's principal may run it.
    fn to_run(
        &self,
        prepared: &Arc<Prepared>,
        snapshot: &Snapshot,
        context: &Context,
    ) -> Result<Arc<Prepared>> {
        let prepared = if prepared.schema_version == snapshot.schema.version {
            Arc::clone(prepared)
        } else {
            let (statement, keyspace) = (Arc::clone(&prepared.statement), prepared.keyspace.as_deref());
            Arc::new(plan::prepare(statement, keyspace, snapshot)?)
        };
        self.inner.authorize(&prepared, snapshot, context)?;
        Ok(prepared)
    }

    fn select(
        &self,
        prepared: &Arc<Prepared>,
        plan: &SelectPlan,
        binds: Binds,
        context: &Context,
    ) -> Answer<Outcome> {
        if let Err(error) = consistency::check_read(context.consistency) {
            return Answer::Ready(Err(error));
        }
        if plan.is_short() {
            match self.inner.read(plan, &binds, context, Io::Cached) {
                Ok(outcome) => return Answer::Ready(Ok(outcome)),
                Err(Fault::Error(error)) => return Answer::Ready(Err(error)),
                Err(Fault::WouldRead) => {}
            }
        }
        let is_short = plan.is_short();
        let (inner, prepared, context) = (Arc::clone(&self.inner), Arc::clone(prepared), context.clone());
        let read = move || match prepared.plan.downcast_ref::<Plan>() {
            Some(Plan::Select(plan)) => match inner.read(plan, &binds, &context, Io::Allowed) {
                Ok(outcome) => Ok(outcome),
                Err(Fault::Error(error)) => Err(error),
                Err(Fault::WouldRead) => Err(Error::internal("a read that may use the disk did not")),
            },
            _ => Err(Error::internal("a read lost its plan")),
        };
        if is_short {
            let answer = self.inner.disk_reads.submit(&self.inner.runtime, Box::new(read));
            let cut_off = |_| Err(Error::internal("the engine stopped before the read was done"));
            return Answer::Later(Box::pin(async move { answer.await.unwrap_or_else(cut_off) }));
        }
        let read = self.inner.runtime.spawn_blocking(read);
        Answer::Later(Box::pin(async move { finished(read.await) }))
    }

    fn describe(&self, prepared: &Prepared, context: &Context) -> Result<Outcome> {
        let Statement::Describe(describe) = &*prepared.statement else {
            return Err(Error::internal("DESCRIBE lost its statement"));
        };
        let inner = &self.inner;
        let keyspace = context.keyspace.as_deref().or(prepared.keyspace.as_deref());
        let snapshot = inner.snapshot();
        let rows = system::describe(
            describe,
            keyspace,
            &snapshot,
            &inner.catalog,
            &*inner.live,
            context,
            &inner.seal,
        )?;
        Ok(Outcome::of(ResultKind::Rows(rows)))
    }
}

impl Inner {
    fn read(
        &self,
        plan: &SelectPlan,
        binds: &Binds,
        context: &Context,
        io: Io,
    ) -> std::result::Result<Outcome, Fault> {
        if io == Io::Cached && system::reads_storage(plan.entry()) {
            return Err(Fault::WouldRead);
        }
        let view = self.store.view();
        let snapshot;
        let make: &dyn Fn(&crate::catalog::TableEntry) -> Result<Vec<crate::select::MadeRow>> =
            if plan.entry().source == crate::catalog::Source::Virtual {
                snapshot = self.snapshot();
                &|entry| system::rows(entry, &snapshot, &self.catalog, &*self.live, self)
            } else {
                &|_| Ok(Vec::new())
            };
        let read = Read {
            view: &view,
            io,
            binds,
            context,
            now_micros: self.clock.micros(),
            seal: &self.seal,
            make,
            stale: &|stale| self.indexes.found(stale),
        };
        let selection = plan.execute(&read).map_err(|fault| of_table(fault, plan.entry()))?;
        Ok(Outcome { warnings: selection.warnings, ..Outcome::of(ResultKind::Rows(selection.rows)) })
    }
}

/// Storage knows files, not tables: who asked must be told what may be lost.
fn of_table(fault: Fault, entry: &crate::catalog::TableEntry) -> Fault {
    let table = &entry.table;
    let name = format!("{}.{}", table.keyspace, table.name);
    match fault {
        Fault::Error(error) if error.kind == ErrorKind::Corrupt && !error.message.contains(&name) => {
            let message = format!("table {name} cannot be read: {}", error.message);
            Fault::Error(Error::new(ErrorKind::Corrupt, message))
        }
        other => other,
    }
}
