//! One request at a time from message to store: what each opcode does.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use ilium_cql::ast::Statement;
use ilium_protocol::{
    BatchRequest, BatchStatement, BatchType, BatchedStatement, BindMetadata, ColumnList, ColumnSpec,
    ErrorResponse, ExecuteRequest, FrameReader, FrameWriter, PrepareRequest, ProtocolError, ProtocolVersion,
    QueryRequest, QueryResult, Request, RequestExtras, Response, ResponseExtras, RowsMetadata, Startup,
    Supported,
};
use ilium_store::{
    Answer, BatchEntry, BatchKind, Channel, Effect, Error, ErrorKind, Outcome, Prepared, Result, ResultKind,
    SpanContext, Trace,
};

use crate::clients::Client;
use crate::forwarded::{Admitted, Outbox};
use crate::plans::{Halt, Planned, Plans};
use crate::prepared::{PreparedStatement, PreparedStatements, wire_columns};
use crate::reply::{self, KnownColumns, ReplyTo};
use crate::session::{self, Session};
use crate::{Service, errors};

/// An answer that is not there yet.
pub struct Pending {
    to: Option<ReplyTo>,
    awaited: Awaited,
}

enum Awaited {
    Outcome(Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>),
    Login(Pin<Box<dyn Future<Output = Result<Admitted>> + Send>>),
    Plan(Pin<Box<dyn Future<Output = Planned> + Send>>),
}

/// What was waited for.
pub enum Finished {
    Outcome(Result<Outcome>),
    Login(Result<Admitted>),
    Plan(Planned),
}

impl Pending {
    pub(crate) fn login(
        stream: i16,
        admitted: Pin<Box<dyn Future<Output = Result<Admitted>> + Send>>,
    ) -> Pending {
        Pending { to: Some(ReplyTo::new(stream)), awaited: Awaited::Login(admitted) }
    }
}

impl Future for Pending {
    type Output = (ReplyTo, Finished);

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let polled = match &mut self.awaited {
            Awaited::Outcome(outcome) => outcome.as_mut().poll(cx).map(Finished::Outcome),
            Awaited::Login(admitted) => admitted.as_mut().poll(cx).map(Finished::Login),
            Awaited::Plan(plan) => plan.as_mut().poll(cx).map(Finished::Plan),
        };
        let Poll::Ready(finished) = polled else { return Poll::Pending };
        match self.to.take() {
            Some(to) => Poll::Ready((to, finished)),
            None => Poll::Pending,
        }
    }
}

/// A connection's two directions and its memory.
pub struct Peer {
    pub client: Arc<Client>,
    pub session: Session,
    pub reader: FrameReader,
    pub writer: FrameWriter,
    /// What the cluster answers, where statements are forwarded.
    pub outbox: Option<Arc<Outbox>>,
    /// The way there, once the client has logged in.
    pub channel: Option<Box<dyn Channel>>,
}

impl Service {
    /// Answers one message into the peer's output, or gives the answer to wait for.
    pub(crate) fn handle(
        &self,
        peer: &mut Peer,
        envelope: &ilium_protocol::Envelope,
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        peer.client.count_request();
        if self.forward(peer, envelope)? {
            return Ok(None);
        }
        self.handle_with(peer, envelope, Plans::default())
    }

    /// The same for a message that perhaps waited for some plans.
    fn handle_with(
        &self,
        peer: &mut Peer,
        envelope: &ilium_protocol::Envelope,
        plans: Plans,
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        let stream = envelope.header.stream;
        let plain = ResponseExtras::default();
        if !peer.session.started {
            // OPTIONS, and what is refused, is answered in the client's version too: some look at it (gocql does).
            peer.writer.set_version(envelope.header.version);
        }
        let (trace, request) = match Request::decode(envelope) {
            Ok((extras, request)) => (trace_of(&extras), request),
            Err(failure) => {
                let error = Response::Error(ErrorResponse::from_protocol_error(&failure));
                peer.writer.response(stream, &plain, &error)?;
                return Ok(None);
            }
        };
        let mut to = ReplyTo::new(stream);
        let mut shown = Cow::Borrowed("");
        let answer = match request {
            Request::Options => {
                self.tell_supported(peer, stream)?;
                return Ok(None);
            }
            Request::Startup(_) if peer.session.started => Err(unexpected(
                "Unexpected message STARTUP, the connection is already initialized".to_owned(),
            )),
            Request::Startup(startup) => {
                return self.start(peer, envelope.header.version, stream, &startup);
            }
            _ if !peer.session.started => Err(unexpected(format!(
                "Unexpected message {}, expecting STARTUP or OPTIONS",
                request.opcode()
            ))),
            Request::AuthResponse(token) if !peer.session.is_ready => {
                return self.log_in(peer, stream, token);
            }
            Request::AuthResponse(_) => Err(unexpected(
                match self.login.is_required() {
                    true => "Unexpected message AUTH_RESPONSE: this connection has logged in",
                    false => "Unexpected message AUTH_RESPONSE: this server asked for no authentication",
                }
                .to_owned(),
            )),
            _ if !peer.session.is_ready => {
                Err(unexpected(format!("Unexpected message {}, expecting SASL_RESPONSE", request.opcode())))
            }
            Request::Register(types) => {
                for event in types {
                    if !peer.session.events.contains(&event) {
                        peer.session.events.push(event);
                    }
                }
                peer.writer.response(stream, &plain, &Response::Ready)?;
                return Ok(None);
            }
            Request::Prepare(request) => match self.prepare(&peer.session, &request, &plans) {
                Ok(statement) => {
                    let warning = peer.session.warning_about_use(&statement, request.keyspace);
                    write_prepared(&mut peer.writer, stream, &statement, warning.as_deref())?;
                    return Ok(None);
                }
                Err(halt) => Err(halt),
            },
            Request::Query(request) => {
                shown = Cow::Borrowed(request.query);
                self.query(&peer.session, &request, trace, &plans, &mut to, &mut shown)
            }
            Request::Execute(request) => self.execute(&peer.session, &request, trace, &plans, &mut to),
            Request::Batch(request) => self.batch(&peer.session, &request, trace, &plans),
        };
        match answer {
            Ok(answer) => self.settle(peer, to, answer, &shown),
            Err(Halt::Failed(error)) => self.settle(peer, to, Answer::Ready(Err(error)), &shown),
            Err(Halt::Waits(planning)) => match self.admit() {
                Ok(()) => {
                    let awaited = Awaited::Plan(Box::pin(planning.wait(envelope.clone(), plans)));
                    Ok(Some(self.wait_for(Pending { to: Some(ReplyTo::new(stream)), awaited })))
                }
                Err(error) => self.settle(peer, to, Answer::Ready(Err(error)), &shown),
            },
        }
    }

    /// Refuses a statement before anything of it is done, so that it is safe to send again.
    pub(crate) fn admit(&self) -> Result<()> {
        if self.waiting.load(Ordering::Relaxed) < self.options.max_waiting {
            return Ok(());
        }
        Err(Error::overloaded(format!(
            "{} requests wait already, the limit of this server; send fewer at once",
            self.options.max_waiting
        )))
    }

    /// Answers what is ready, or gives what to wait for. `text` is what the client wrote, passwords left out, where it
    /// is not prepared.
    fn settle(
        &self,
        peer: &mut Peer,
        to: ReplyTo,
        answer: Answer<Outcome>,
        text: &str,
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        let outcome = match answer {
            Answer::Ready(outcome) => outcome,
            Answer::Later(outcome) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                if to.is_listed {
                    let prepared = to.statement.as_ref().map(|statement| Arc::clone(&statement.text));
                    peer.client.begin(to.stream, prepared.unwrap_or_else(|| Arc::from(text)));
                }
                return Ok(Some(Pending { to: Some(to), awaited: Awaited::Outcome(outcome) }));
            }
        };
        self.complete(peer, &to, outcome)?;
        Ok(None)
    }

    /// Ends a request that [`handle`](Self::handle) left pending, or gives what it waits for next.
    pub(crate) fn resume(
        &self,
        peer: &mut Peer,
        (to, finished): (ReplyTo, Finished),
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        self.abandon(1);
        if to.is_listed {
            peer.client.end(to.stream);
        }
        match finished {
            Finished::Outcome(outcome) => self.complete(peer, &to, outcome)?,
            Finished::Login(admitted) => self.logged_in(peer, to.stream, admitted)?,
            Finished::Plan(Ok((envelope, plans))) => return self.handle_with(peer, &envelope, plans),
            Finished::Plan(Err(error)) => self.complete(peer, &to, Err(error))?,
        }
        Ok(None)
    }

    /// Counts a request that waits for something else than a statement.
    pub(crate) fn wait_for(&self, pending: Pending) -> Pending {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        pending
    }

    /// Forgets requests nobody waits for any more.
    pub(crate) fn abandon(&self, requests: usize) {
        self.waiting.fetch_sub(requests, Ordering::Relaxed);
    }

    fn complete(
        &self,
        peer: &mut Peer,
        to: &ReplyTo,
        outcome: Result<Outcome>,
    ) -> std::result::Result<(), ProtocolError> {
        if let Ok(Outcome { result: ResultKind::SetKeyspace(keyspace), .. }) = &outcome {
            peer.session.keyspace = Some(Arc::clone(keyspace));
            peer.client.change(|session| session.keyspace = Some(Arc::clone(keyspace)));
        }
        reply::write(&mut peer.writer, to, &outcome)
    }

    /// Answers OPTIONS: what this side speaks, and in front of a cluster no more than that does.
    fn tell_supported(&self, peer: &mut Peer, stream: i16) -> std::result::Result<(), ProtocolError> {
        let versions: Vec<String> = self.versions().iter().map(ToString::to_string).collect();
        let language = self.forward.as_ref().map(|forward| forward.cql_version());
        let supported = Supported {
            options: vec![
                ("PROTOCOL_VERSIONS", versions.iter().map(String::as_str).collect()),
                ("COMPRESSION", vec!["snappy", "lz4"]),
                // Else the language of Cassandra 5.0 (`QueryProcessor.CQL_VERSION`).
                ("CQL_VERSION", vec![language.as_deref().unwrap_or("3.4.7")]),
            ],
        };
        peer.writer.response(stream, &ResponseExtras::default(), &Response::Supported(supported))
    }

    /// The versions of the protocol that clients may speak, oldest first.
    fn versions(&self) -> Vec<ProtocolVersion> {
        let Some(forward) = &self.forward else { return ProtocolVersion::ALL.to_vec() };
        let spoken = forward.versions();
        ProtocolVersion::ALL.into_iter().filter(|version| spoken.contains(&version.number())).collect()
    }

    fn start(
        &self,
        peer: &mut Peer,
        version: ProtocolVersion,
        stream: i16,
        startup: &Startup<'_>,
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        let plain = ResponseExtras::default();
        let versions = self.versions();
        if !versions.contains(&version) {
            // In a version that the client can go on with.
            peer.writer.set_version(versions.last().copied().unwrap_or(version));
            peer.writer.refuse_version(version.number(), stream)?;
            return Ok(None);
        }
        let compression = match startup.check_cql_version().and_then(|()| startup.compression(version)) {
            Ok(compression) => compression,
            Err(failure) => {
                let error = Response::Error(ErrorResponse::from_protocol_error(&failure));
                peer.writer.response(stream, &plain, &error)?;
                return Ok(None);
            }
        };
        peer.client.change(|session| {
            session.protocol_version = version.number();
            let text = |text: &str| text.to_owned();
            session.options = startup.options.iter().map(|(name, value)| (text(name), text(value))).collect();
        });
        self.ask_for_login(peer, stream, version, compression)
    }

    fn parse(&self, text: &str) -> Result<Arc<Statement>> {
        if text.len() > self.options.max_statement {
            return Err(Error::invalid(format!(
                "the statement has {} bytes, the limit is {}; bind large values instead of writing them out",
                text.len(),
                self.options.max_statement
            )));
        }
        match ilium_cql::parser::parse(text) {
            Ok(statement) => Ok(Arc::new(statement)),
            Err(error) => Err(match error.kind {
                ilium_cql::parser::SyntaxErrorKind::Syntax => Error::syntax(error.to_string()),
                ilium_cql::parser::SyntaxErrorKind::Invalid => Error::invalid(error.to_string()),
            }),
        }
    }

    fn query(
        &self,
        session: &Session,
        request: &QueryRequest<'_>,
        trace: Trace,
        plans: &Plans,
        to: &mut ReplyTo,
        shown: &mut Cow<'_, str>,
    ) -> std::result::Result<Answer<Outcome>, Halt> {
        self.admit()?;
        let context = session.context(&request.parameters, trace, &self.options)?;
        let prepared = plans
            .at(0, || Ok(self.store()?.prepare(self.parse(request.query)?, context.keyspace.as_deref())))?;
        if may_hold_password(&prepared.statement) {
            *shown = Cow::Owned(ilium_cql::lexer::without_passwords(request.query));
        }
        to.is_listed = takes_its_time(prepared.effect);
        let binds = session::binds(&request.parameters.values, &prepared.binds, |_| {
            Error::invalid("Invalid amount of bind variables")
        })?;
        Ok(self.store()?.execute(&prepared, binds, &context))
    }

    fn prepare(
        &self,
        session: &Session,
        request: &PrepareRequest<'_>,
        plans: &Plans,
    ) -> std::result::Result<Arc<PreparedStatement>, Halt> {
        let keyspace = session.keyspace_for(request.keyspace);
        let prepared =
            plans.at(0, || Ok(self.store()?.prepare(self.parse(request.query)?, keyspace.as_deref())))?;
        let id = PreparedStatements::id(keyspace.as_deref(), request.query);
        let text: Arc<str> = match may_hold_password(&prepared.statement) {
            true => ilium_cql::lexer::without_passwords(request.query).into(),
            false => Arc::from(request.query),
        };
        let statement = Arc::new(PreparedStatement::new(id, text, prepared));
        self.prepared.keep(Arc::clone(&statement));
        Ok(statement)
    }

    /// The statement with this id, planned anew if the schema changed since; `position` is its own in the request.
    fn lookup(
        &self,
        id: &[u8],
        plans: &Plans,
        position: usize,
    ) -> std::result::Result<Arc<PreparedStatement>, Halt> {
        let Some(statement) = self.prepared.get(id) else {
            let hex = hex(id);
            let id = <[u8; 16]>::try_from(id).unwrap_or_default();
            return Err(Halt::Failed(Error::new(
                ErrorKind::Unprepared { id },
                format!(
                    "Prepared query with ID {hex} not found (either the query was not prepared on this host (maybe \
                     the host has been restarted?) or you have prepared too many queries and it has been evicted \
                     from the internal cache)"
                ),
            )));
        };
        let old = &statement.prepared;
        if old.schema_version == self.store()?.schema().version {
            return Ok(statement);
        }
        let plan = || Ok(self.store()?.prepare(Arc::clone(&old.statement), old.keyspace.as_deref()));
        let prepared = plans.at(position, plan)?;
        let renewed = Arc::new(statement.renewed(prepared));
        self.prepared.keep(Arc::clone(&renewed));
        Ok(renewed)
    }

    fn execute(
        &self,
        session: &Session,
        request: &ExecuteRequest<'_>,
        trace: Trace,
        plans: &Plans,
        to: &mut ReplyTo,
    ) -> std::result::Result<Answer<Outcome>, Halt> {
        self.admit()?;
        let statement = self.lookup(request.id, plans, 0)?;
        let context = session.context(&request.parameters, trace, &self.options)?;
        let markers = &statement.prepared.binds;
        let binds =
            session::binds(&request.parameters.values, markers, |values| mismatch(markers.len(), values))?;
        to.columns = match (&statement.prepared.rows, request.result_metadata_id) {
            (Some(rows), Some(known)) if known != rows.id => KnownColumns::Changed,
            (Some(_), Some(_)) if request.parameters.skip_metadata => KnownColumns::Known,
            // Before version 5 nothing tells which columns the client knows: after a change it is told them.
            (Some(_), None) if request.parameters.skip_metadata && !statement.columns_changed => {
                KnownColumns::Known
            }
            _ => KnownColumns::Unknown,
        };
        to.is_listed = takes_its_time(statement.prepared.effect);
        let answer = self.store()?.execute(&statement.prepared, binds, &context);
        to.statement = Some(statement);
        Ok(answer)
    }

    fn batch(
        &self,
        session: &Session,
        request: &BatchRequest<'_>,
        trace: Trace,
        plans: &Plans,
    ) -> std::result::Result<Answer<Outcome>, Halt> {
        self.admit()?;
        let limit = self.options.max_batch_statements;
        if request.statements.len() > limit {
            let count = request.statements.len();
            let problem = format!("the batch has {count} statements, the limit is {limit}; split it");
            return Err(Halt::Failed(Error::invalid(problem)));
        }
        let bytes: usize = request.statements.iter().map(|entry| entry.values.wire().len()).sum();
        if bytes > self.options.max_batch_bytes {
            return Err(Halt::Failed(Error::invalid(format!(
                "the batch has {bytes} bytes of values, the limit is {}; split it",
                self.options.max_batch_bytes
            ))));
        }
        let context = session.context(&request.parameters, trace, &self.options)?;
        let keyspace = context.keyspace.clone();
        let entries = request
            .statements
            .iter()
            .enumerate()
            .map(|(position, entry)| self.batch_entry(keyspace.as_deref(), entry, plans, position))
            .collect::<std::result::Result<Vec<_>, Halt>>()?;
        let kind = match request.kind {
            BatchType::Logged => BatchKind::Logged,
            BatchType::Unlogged => BatchKind::Unlogged,
            BatchType::Counter => BatchKind::Counter,
        };
        Ok(self.store()?.execute_batch(kind, entries, &context))
    }

    fn batch_entry(
        &self,
        keyspace: Option<&str>,
        entry: &BatchStatement<'_>,
        plans: &Plans,
        position: usize,
    ) -> std::result::Result<BatchEntry, Halt> {
        let prepared: Arc<Prepared> = match entry.statement {
            BatchedStatement::Query(text) => {
                plans.at(position, || Ok(self.store()?.prepare(self.parse(text)?, keyspace)))?
            }
            BatchedStatement::Prepared(id) => Arc::clone(&self.lookup(id, plans, position)?.prepared),
        };
        let binds =
            session::binds(&entry.values, &prepared.binds, |values| mismatch(prepared.binds.len(), values))?;
        Ok(BatchEntry { prepared, binds })
    }
}

/// What a client says of the trace its request is in.
fn trace_of(extras: &RequestExtras<'_>) -> Trace {
    let given = extras.payload.iter().rev().find(|(key, _)| *key == "traceparent");
    let caller = given.and_then(|(_, value)| SpanContext::parse((*value)?));
    caller.map(Trace::within).unwrap_or_default()
}

/// Whether a statement that is not done at once may be a while.
fn takes_its_time(effect: Effect) -> bool {
    !matches!(effect, Effect::Write | Effect::IdempotentWrite)
}

/// Whether its text is not to be shown as it is.
pub(crate) fn may_hold_password(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateRole(_)
            | Statement::AlterRole(_)
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
    )
}

/// An id as messages show it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unexpected(message: String) -> Halt {
    Halt::Failed(Error::new(ErrorKind::Protocol, message))
}

fn mismatch(markers: usize, values: usize) -> Error {
    Error::invalid(format!("there were {markers} markers(?) in CQL but {values} bound variables"))
}

fn write_prepared(
    writer: &mut FrameWriter,
    stream: i16,
    statement: &PreparedStatement,
    warning: Option<&str>,
) -> std::result::Result<(), ProtocolError> {
    let prepared = &statement.prepared;
    let binds: Vec<ColumnSpec> = prepared
        .binds
        .iter()
        .map(|marker| ColumnSpec {
            keyspace: Arc::clone(&marker.keyspace),
            table: Arc::clone(&marker.table),
            name: Arc::clone(&marker.name),
            ty: marker.column_type.clone(),
        })
        .collect();
    let columns = prepared.rows.as_ref().map(|rows| wire_columns(rows));
    let none = [0; 16];
    let answer = ilium_protocol::Prepared {
        id: &statement.id,
        result_metadata_id: Some(prepared.rows.as_ref().map_or(&none[..], |rows| &rows.id[..])),
        bind: BindMetadata {
            columns: ColumnList::specs(&binds),
            partition_key: prepared.partition_key_binds.as_slice().into(),
        },
        result: match &columns {
            Some(columns) => RowsMetadata::new(ColumnList::specs(columns)),
            None => RowsMetadata::none(),
        },
    };
    let extras = ResponseExtras {
        warnings: prepared.warnings.iter().map(String::as_str).chain(warning).collect(),
        ..ResponseExtras::default()
    };
    match writer.response(stream, &extras, &Response::Result(QueryResult::Prepared(answer))) {
        Ok(()) => Ok(()),
        Err(failure) => {
            let error = Error::internal(format!("the prepared statement cannot be described: {failure}"));
            writer.response(stream, &ResponseExtras::default(), &Response::Error(errors::response(&error)))
        }
    }
}
