//! A store whose statements are admitted, counted, timed, audited and traced, for one API. The one place where that is done.

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
    Outcome, Prepared, Principal, Result, SchemaListener, TokenSplit, TraceId, audit,
};

use crate::metrics::Kind;
use crate::traces::StatementSpan;
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
    trace: Option<TraceId>,
}

impl Subject<'_> {
    fn audit(&self, api: &str, error: Option<&Error>) {
        let shown = self.prepared.filter(|prepared| is_audited(prepared));
        let is_refused = error.is_some_and(|error| error.kind == ErrorKind::Unauthorized);
        if (shown.is_none() && !is_refused) || !audit::is_on() {
            return;
        }
        let text = shown.map(|prepared| without_passwords(&prepared.statement.to_string()));
        let text = text.as_deref();
        audit::statement(api, self.client, self.principal, text, self.keyspace, error, self.trace);
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

    /// Runs a statement, if the limits let it.
    fn run(
        &self,
        statement: Handed<'_>,
        context: &Context,
        run: impl FnOnce(&Context) -> Answer<Outcome>,
    ) -> Answer<Outcome> {
        let (over, started) = (&self.over, Instant::now());
        let Handed { kind, prepared, bytes, .. } = statement;
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
        let span = over.spans.as_ref().and_then(|spans| {
            let first = prepared.or(statement.first_of_batch);
            spans.begin(context, first, statement.batch)
        });
        let (span, traced) = span.unzip();
        match run(traced.as_ref().unwrap_or(context)) {
            Answer::Ready(result) => {
                let (error, took) = (result.as_ref().err(), started.elapsed());
                over.requests.ends(kind, took, error.map(|error| &error.kind));
                let Context { principal, client, keyspace, .. } = context;
                if let Some(span) = &span {
                    span.end(kind, principal, *client, took, error);
                }
                let trace = span.map(|span| span.trace());
                let keyspace = keyspace.as_deref();
                Subject { principal, client: *client, prepared, keyspace, trace }.audit(over.api, error);
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
                    span,
                    _permit: permit,
                };
                Answer::Later(Box::pin(Watched { future, request: Some(request) }))
            }
        }
    }
}

/// A statement on its way to the store.
#[derive(Clone, Copy)]
struct Handed<'a> {
    kind: Kind,
    /// `None`: a batch.
    prepared: Option<&'a Arc<Prepared>>,
    first_of_batch: Option<&'a Arc<Prepared>>,
    /// Statements, of a batch.
    batch: Option<usize>,
    /// Of the values it binds.
    bytes: usize,
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
    span: Option<Box<StatementSpan>>,
    _permit: Option<Permit>,
}

impl Request {
    fn ends(&self, error: Option<&Error>) {
        let (took, kind) = (self.started.elapsed(), self.kind);
        self.over.requests.ends(kind, took, error.map(|error| &error.kind));
        let Request { principal, client, prepared, keyspace, span, .. } = self;
        if let Some(span) = span {
            span.end(kind, principal, *client, took, error);
        }
        let trace = span.as_ref().map(|span| span.trace());
        let (prepared, keyspace) = (prepared.as_ref(), keyspace.as_deref());
        Subject { principal, client: *client, prepared, keyspace, trace }.audit(self.over.api, error);
    }

    fn abandoned(&self) {
        self.over.requests.abandoned();
        if let Some(span) = &self.span {
            span.abandoned(self.kind, &self.principal, self.client, self.started.elapsed());
        }
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
            request.abandoned();
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
        let statement = Handed {
            kind: Kind::of(&prepared.statement, prepared.effect),
            prepared: Some(prepared),
            first_of_batch: None,
            batch: None,
            bytes: binds.bytes(),
        };
        self.run(statement, context, |context| self.store.execute(prepared, binds, context))
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        // The entries go to the store.
        let first = entries.first().filter(|_| self.over.spans.is_some());
        let first = first.map(|first| Arc::clone(&first.prepared));
        let statement = Handed {
            kind: Kind::Batch,
            prepared: None,
            first_of_batch: first.as_ref(),
            batch: Some(entries.len()),
            bytes: entries.iter().map(|entry| entry.binds.bytes()).sum(),
        };
        self.run(statement, context, |context| self.store.execute_batch(kind, entries, context))
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
