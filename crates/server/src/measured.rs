//! A store whose statements are admitted, counted, timed, audited, traced and logged if slow, for one API. The one place where
//! that is done.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use ilium_cql::ast::Statement;
use ilium_cql::lexer::without_passwords;
use ilium_cql::schema::Schema;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Effect, Error, ErrorKind,
    Outcome, Prepared, Principal, Result, SchemaListener, Shown, TokenSplit, TraceId, audit,
};

use crate::metrics::{Kind, RoleClass};
use crate::slow::Timed;
use crate::traces::StatementSpan;
use crate::{Oversight, Permit};

pub struct Measured {
    store: Arc<dyn DataStore>,
    over: Arc<Oversight>,
}

impl Measured {
    pub fn new(store: Arc<dyn DataStore>, over: Oversight) -> Measured {
        Measured { store, over: Arc::new(over) }
    }

    /// Runs a statement that binds so many bytes, if the limits let it.
    fn run(
        &self,
        statement: Handed<'_>,
        bytes: usize,
        context: &Context,
        run: impl FnOnce() -> Answer<Outcome>,
    ) -> Answer<Outcome> {
        let (over, started) = (&self.over, Instant::now());
        let Handed { kind, prepared, batch } = statement;
        let permit =
            over.limits.as_ref().map(|limits| limits.admit(&context.principal, context.client, bytes));
        let permit = match permit.transpose() {
            Ok(permit) => permit,
            Err(error) => {
                over.requests.fails(RoleClass::of(&context.principal), &error.kind);
                return Answer::Ready(Err(error));
            }
        };
        over.requests.begins();
        let span = over.spans.as_ref().and_then(|spans| spans.begin(context, prepared, batch));
        match run() {
            Answer::Ready(result) => {
                let keyspace = context.keyspace.as_deref();
                let Context { principal, client, .. } = context;
                let ended = Ended { over, statement, principal, client: *client, keyspace, span };
                ended.tell(started.elapsed(), &result);
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
                    batch,
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
    /// Of a batch its first, where that is to be shown.
    prepared: Option<&'a Arc<Prepared>>,
    /// Statements, of a batch.
    batch: Option<usize>,
}

/// A statement that has its answer.
struct Ended<'a> {
    over: &'a Oversight,
    statement: Handed<'a>,
    principal: &'a Principal,
    client: Option<SocketAddr>,
    keyspace: Option<&'a str>,
    span: Option<Box<StatementSpan>>,
}

impl Ended<'_> {
    /// Says so to all who want to know.
    fn tell(&self, took: Duration, result: &Result<Outcome>) {
        let Ended { over, statement: Handed { kind, prepared, .. }, principal, client, .. } = *self;
        let (node, error) = match result {
            Ok(outcome) => (outcome.node, None),
            Err(error) => (error.node.as_deref().copied(), Some(error)),
        };
        over.requests.ends(kind, RoleClass::of(principal), took, error.map(|error| &error.kind));
        over.node_answered(node, took, error.is_some());
        if let Some(span) = &self.span {
            span.end(kind, principal, client, took, node, error);
        }
        let trace = self.span.as_ref().map(|span| span.trace());
        self.audit(error, trace);
        if over.is_slow(took) {
            let (api, shown) = (over.api, prepared.map(|prepared| prepared.shown()));
            Timed { api, shown, took, principal: Some(principal), client, node, error, trace }.tell();
        }
    }

    fn audit(&self, error: Option<&Error>, trace: Option<TraceId>) {
        let Handed { prepared, batch, .. } = self.statement;
        // A batch holds values.
        let shown = prepared.filter(|prepared| batch.is_none() && is_audited(prepared));
        let is_refused = error.is_some_and(|error| error.kind == ErrorKind::Unauthorized);
        if (shown.is_none() && !is_refused) || !audit::is_on() {
            return;
        }
        let text = shown.map(|prepared| without_passwords(&prepared.statement.to_string()));
        let (text, api) = (text.as_deref(), self.over.api);
        audit::statement(api, self.client, self.principal, text, self.keyspace, error, trace);
    }
}

/// Whether each statement of its kind is in the audit log.
fn is_audited(prepared: &Prepared) -> bool {
    matches!(prepared.effect, Effect::SchemaChange | Effect::Access)
        || matches!(*prepared.statement, Statement::Truncate { .. })
}

/// Counts a statement that could not be prepared, and logs one whose preparation took long. Where it succeeds it is counted
/// once it is executed. `shown` is there where slow statements are logged.
fn prepare_ends(over: &Oversight, shown: Option<Arc<Statement>>, started: Instant, error: Option<&Error>) {
    if error.is_none() && shown.is_none() {
        return;
    }
    let took = started.elapsed();
    let node = error.and_then(|error| error.node.as_deref().copied());
    if let Some(error) = error {
        over.requests.fails(RoleClass::Unknown, &error.kind);
        over.node_answered(node, took, true);
    }
    if let Some(statement) = shown.filter(|_| over.is_slow(took)) {
        let shown = Shown::of_statement(&statement);
        let (api, shown) = (over.api, Some(&shown));
        // Who asks is not known here.
        Timed { api, shown, took, principal: None, client: None, node, error, trace: None }.tell();
    }
}

/// A statement whose answer is to come.
struct Request {
    over: Arc<Oversight>,
    kind: Kind,
    started: Instant,
    principal: Principal,
    client: Option<SocketAddr>,
    /// Of a batch its first, where that is to be shown.
    prepared: Option<Arc<Prepared>>,
    batch: Option<usize>,
    keyspace: Option<Arc<str>>,
    span: Option<Box<StatementSpan>>,
    _permit: Option<Permit>,
}

impl Request {
    fn ends(self, result: &Result<Outcome>) {
        let ended = Ended {
            over: &self.over,
            statement: Handed { kind: self.kind, prepared: self.prepared.as_ref(), batch: self.batch },
            principal: &self.principal,
            client: self.client,
            keyspace: self.keyspace.as_deref(),
            span: self.span,
        };
        ended.tell(self.started.elapsed(), result);
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
            request.ends(&result);
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
        let (started, over) = (Instant::now(), &self.over);
        let shown = over.slow.map(|_| Arc::clone(&statement));
        match self.store.prepare(statement, keyspace) {
            Answer::Ready(prepared) => {
                prepare_ends(over, shown, started, prepared.as_ref().err());
                prepared.into()
            }
            Answer::Later(prepared) => {
                let over = Arc::clone(over);
                Answer::Later(Box::pin(async move {
                    let prepared = prepared.await;
                    prepare_ends(&over, shown, started, prepared.as_ref().err());
                    prepared
                }))
            }
        }
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let statement = Handed {
            kind: Kind::of(&prepared.statement, prepared.effect),
            prepared: Some(prepared),
            batch: None,
        };
        self.run(statement, binds.bytes(), context, || self.store.execute(prepared, binds, context))
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        // The entries go to the store.
        let is_shown = self.over.spans.is_some() || self.over.slow.is_some();
        let first = entries.first().filter(|_| is_shown).map(|first| Arc::clone(&first.prepared));
        let statement = Handed { kind: Kind::Batch, prepared: first.as_ref(), batch: Some(entries.len()) };
        let bytes = entries.iter().map(|entry| entry.binds.bytes()).sum();
        self.run(statement, bytes, context, || self.store.execute_batch(kind, entries, context))
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
