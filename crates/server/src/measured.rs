//! A store whose statements are admitted, counted, timed and audited, for one API. The one place where that is done.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use ilium_cql::ast::Statement;
use ilium_cql::lexer::without_passwords;
use ilium_cql::schema::Schema;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Effect, Error, ErrorKind,
    Outcome, Prepared, Principal, Result, SchemaListener, TokenSplit, audit,
};

use crate::metrics::Kind;
use crate::{Oversight, Permit};

pub struct Measured {
    store: Arc<dyn DataStore>,
    over: Arc<Oversight>,
}

/// What the audit log may have to say of a statement.
struct Subject<'a> {
    principal: &'a Principal,
    client: Option<SocketAddr>,
    /// `None`: a batch, which holds values.
    prepared: Option<&'a Arc<Prepared>>,
    keyspace: Option<&'a str>,
}

impl Subject<'_> {
    fn audit(&self, api: &str, error: Option<&Error>) {
        let shown = self.prepared.filter(|prepared| is_audited(prepared));
        let is_refused = error.is_some_and(|error| error.kind == ErrorKind::Unauthorized);
        if (shown.is_none() && !is_refused) || !audit::is_on() {
            return;
        }
        let text = shown.map(|prepared| without_passwords(&prepared.statement.to_string()));
        audit::statement(api, self.client, self.principal, text.as_deref(), self.keyspace, error);
    }
}

/// Whether each statement of its kind is in the audit log.
fn is_audited(prepared: &Prepared) -> bool {
    matches!(prepared.effect, Effect::SchemaChange | Effect::Access)
        || matches!(*prepared.statement, Statement::Truncate { .. })
}

impl Measured {
    pub fn new(store: Arc<dyn DataStore>, over: Oversight) -> Measured {
        Measured { store, over: Arc::new(over) }
    }

    /// Runs a statement that binds so many bytes, if the limits let it.
    fn run(
        &self,
        kind: Kind,
        prepared: Option<&Arc<Prepared>>,
        bytes: usize,
        context: &Context,
        run: impl FnOnce() -> Answer<Outcome>,
    ) -> Answer<Outcome> {
        let (over, started) = (&self.over, Instant::now());
        let permit =
            over.limits.as_ref().map(|limits| limits.admit(&context.principal, context.client, bytes));
        let permit = match permit.transpose() {
            Ok(permit) => permit,
            Err(error) => {
                over.requests.fails(&error.kind);
                return Answer::Ready(Err(error));
            }
        };
        over.requests.begins();
        match run() {
            Answer::Ready(result) => {
                let error = result.as_ref().err();
                over.requests.ends(kind, started.elapsed(), error.map(|error| &error.kind));
                let Context { principal, client, keyspace, .. } = context;
                let subject = Subject { principal, client: *client, prepared, keyspace: keyspace.as_deref() };
                subject.audit(over.api, error);
                Answer::Ready(result)
            }
            Answer::Later(future) => {
                let request = Request {
                    over: Arc::clone(over),
                    kind,
                    started,
                    principal: context.principal.clone(),
                    client: context.client,
                    prepared: prepared.map(Arc::clone),
                    keyspace: context.keyspace.clone(),
                    _permit: permit,
                };
                Answer::Later(Box::pin(Watched { future, request: Some(request) }))
            }
        }
    }
}

/// A statement whose answer is to come.
struct Request {
    over: Arc<Oversight>,
    kind: Kind,
    started: Instant,
    principal: Principal,
    client: Option<SocketAddr>,
    prepared: Option<Arc<Prepared>>,
    keyspace: Option<Arc<str>>,
    _permit: Option<Permit>,
}

impl Request {
    fn ends(&self, error: Option<&Error>) {
        self.over.requests.ends(self.kind, self.started.elapsed(), error.map(|error| &error.kind));
        let Request { principal, client, prepared, keyspace, .. } = self;
        let (prepared, keyspace) = (prepared.as_ref(), keyspace.as_deref());
        Subject { principal, client: *client, prepared, keyspace }.audit(self.over.api, error);
    }
}

/// An answer to come; dropped before that, it counts as abandoned.
struct Watched {
    future: Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>,
    /// `None` once it was counted.
    request: Option<Request>,
}

impl Future for Watched {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Outcome>> {
        let Poll::Ready(result) = self.future.as_mut().poll(cx) else { return Poll::Pending };
        if let Some(request) = self.request.take() {
            request.ends(result.as_ref().err());
        }
        Poll::Ready(result)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            request.over.requests.abandoned();
        }
    }
}

impl DataStore for Measured {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        match self.store.prepare(statement, keyspace) {
            Answer::Ready(prepared) => {
                prepared.inspect_err(|error| self.over.requests.fails(&error.kind)).into()
            }
            Answer::Later(prepared) => {
                let requests = Arc::clone(&self.over.requests);
                let counted = async move { prepared.await.inspect_err(|error| requests.fails(&error.kind)) };
                Answer::Later(Box::pin(counted))
            }
        }
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let (kind, bytes) = (Kind::of(&prepared.statement, prepared.effect), binds.bytes());
        self.run(kind, Some(prepared), bytes, context, || self.store.execute(prepared, binds, context))
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        let bytes = entries.iter().map(|entry| entry.binds.bytes()).sum();
        self.run(Kind::Batch, None, bytes, context, || self.store.execute_batch(kind, entries, context))
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
