//! A store whose statements are counted and timed, for one API. The one place where that is done.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use ilium_cql::ast::Statement;
use ilium_cql::schema::Schema;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Outcome, Prepared, Result,
    SchemaListener, TokenSplit,
};

use crate::metrics::{Kind, Requests};

pub struct Measured {
    store: Arc<dyn DataStore>,
    requests: Arc<Requests>,
}

impl Measured {
    pub fn new(store: Arc<dyn DataStore>, requests: Arc<Requests>) -> Measured {
        Measured { store, requests }
    }

    fn watch(&self, kind: Kind, started: Instant, answer: Answer<Outcome>) -> Answer<Outcome> {
        match answer {
            Answer::Ready(result) => {
                self.requests.ends(kind, started.elapsed(), result.as_ref().err().map(|error| &error.kind));
                Answer::Ready(result)
            }
            Answer::Later(future) => {
                let requests = Some(Arc::clone(&self.requests));
                Answer::Later(Box::pin(Watched { future, requests, kind, started }))
            }
        }
    }
}

/// An answer to come; dropped before that, it counts as abandoned.
struct Watched {
    future: Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>,
    /// `None` once it was counted.
    requests: Option<Arc<Requests>>,
    kind: Kind,
    started: Instant,
}

impl Future for Watched {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Outcome>> {
        let Poll::Ready(result) = self.future.as_mut().poll(cx) else { return Poll::Pending };
        if let Some(requests) = self.requests.take() {
            requests.ends(self.kind, self.started.elapsed(), result.as_ref().err().map(|error| &error.kind));
        }
        Poll::Ready(result)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(requests) = self.requests.take() {
            requests.abandoned();
        }
    }
}

impl DataStore for Measured {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        match self.store.prepare(statement, keyspace) {
            Answer::Ready(prepared) => prepared.inspect_err(|error| self.requests.fails(&error.kind)).into(),
            Answer::Later(prepared) => {
                let requests = Arc::clone(&self.requests);
                let counted = async move { prepared.await.inspect_err(|error| requests.fails(&error.kind)) };
                Answer::Later(Box::pin(counted))
            }
        }
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let started = Instant::now();
        self.requests.begins();
        let kind = Kind::of(&prepared.statement, prepared.effect);
        self.watch(kind, started, self.store.execute(prepared, binds, context))
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        let started = Instant::now();
        self.requests.begins();
        self.watch(Kind::Batch, started, self.store.execute_batch(kind, entries, context))
    }

    fn schema(&self) -> Arc<Schema> {
        self.store.schema()
    }

    fn listen(&self, listener: SchemaListener) {
        self.store.listen(listener);
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>> {
        self.store.token_splits(keyspace, table, at_least)
    }
}
