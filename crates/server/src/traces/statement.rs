//! Spans of statements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ilium_cql::identifier::unquoted;
use ilium_cql::value::text::uuid_to_text;
use ilium_protocol::{Consistency, Opcode};
use ilium_store::{
    Asked, Context, EngineTrace, Error, Prepared, Principal, Seen, Shown, SpanContext, TraceId,
};

use super::{Attributes, Begun, SpanKind, Tracer};
use crate::metrics::{Kind, RoleClass, class};

/// The key of a custom payload under which a client says what trace its request is of.
const TRACEPARENT: &str = "traceparent";

/// Makes the spans of one API's statements.
#[derive(Clone)]
pub struct StatementSpans {
    tracer: Arc<Tracer>,
    api: &'static str,
    kind: SpanKind,
}

/// A statement's span under way.
pub(crate) struct StatementSpan {
    of: StatementSpans,
    begun: Begun,
    engine_trace: EngineTrace,
    consistency: Option<&'static str>,
    /// Of a batch its first.
    prepared: Option<Arc<Prepared>>,
    /// Statements, of a batch.
    batch: Option<usize>,
}

/// Why a statement failed: a class and a sentence, neither with a value in it.
type Failure<'a> = (&'static str, &'a str);

/// What is told of a statement.
struct Told<'a> {
    kind: Kind,
    /// `None`: as its first word says.
    operation: Option<&'static str>,
    /// `None`: it is not known.
    shown: Option<&'a Shown>,
    /// That of unqualified names.
    keyspace: Option<&'a str>,
    batch: Option<usize>,
    principal: &'a Principal,
    client: Option<SocketAddr>,
    node: Option<SocketAddr>,
    consistency: Option<&'static str>,
    tracing_id: Option<[u8; 16]>,
    failure: Option<Failure<'a>>,
}

impl StatementSpans {
    /// `kind` says what a statement is: [`SpanKind::Server`] where it is all of a request, so that a trace may begin with it;
    /// else a part of a request that has a span already.
    pub fn new(tracer: Arc<Tracer>, api: &'static str, kind: SpanKind) -> StatementSpans {
        StatementSpans { tracer, api, kind }
    }

    /// Begins the span of a statement that is handed to the store, if it is to be recorded.
    pub(crate) fn begin(
        &self,
        context: &Context,
        prepared: Option<&Arc<Prepared>>,
        batch: Option<usize>,
    ) -> Option<Box<StatementSpan>> {
        let begun = match self.kind {
            SpanKind::Server => self.tracer.begin(context.trace.span()),
            SpanKind::Internal | SpanKind::Client => self.tracer.below(&context.trace),
        }?;
        let consistency = Consistency::from_code(context.consistency as u16).ok().map(Consistency::name);
        let span = StatementSpan {
            of: self.clone(),
            begun,
            engine_trace: context.engine_trace.clone(),
            consistency,
            prepared: prepared.map(Arc::clone),
            batch,
        };
        Some(Box::new(span))
    }

    /// Records the span of a statement that was forwarded, if it is to be, and gives its trace.
    pub(crate) fn record(&self, seen: &Seen<'_>, kind: Kind) -> Option<TraceId> {
        let caller = seen.frames.payload(TRACEPARENT).and_then(SpanContext::parse);
        let begun = self.tracer.begin(caller)?;
        let opcode = Opcode::from_byte(seen.opcode);
        let Asked { consistency, batch_size } = seen.frames.asked();
        let keyspace = seen.keyspace.map(unquoted);
        let shown = seen.to_show();
        let told = Told {
            kind,
            operation: match opcode {
                Ok(Opcode::Prepare) => Some("PREPARE"),
                Ok(Opcode::Batch) => Some("BATCH"),
                _ => None,
            },
            shown: shown.as_deref(),
            keyspace: keyspace.as_deref(),
            batch: batch_size,
            principal: &seen.caller.principal,
            client: Some(seen.caller.address),
            node: seen.node,
            consistency,
            tracing_id: seen.frames.tracing_id(),
            failure: seen.error.map(of_error),
        };
        self.end(begun, &told, seen.took);
        Some(begun.span.trace)
    }

    fn end(&self, begun: Begun, told: &Told<'_>, took: Duration) {
        let (name, mut attributes) = told.described();
        attributes.text("ilium.api", self.api);
        if let Some(node) = told.node {
            attributes.address(["server.address", "server.port"], node);
            if self.kind == SpanKind::Client {
                attributes.address(["network.peer.address", "network.peer.port"], node);
            }
        }
        if let Some(client) = told.client.filter(|_| self.kind == SpanKind::Server) {
            attributes.address(["client.address", "client.port"], client);
        }
        let error = told.failure.map(|(_, sentence)| sentence.to_owned());
        self.tracer.end(begun, self.kind, name, took, attributes, error);
    }
}

impl StatementSpan {
    pub fn trace(&self) -> TraceId {
        self.begun.span.trace
    }

    pub fn end(
        &self,
        kind: Kind,
        principal: &Principal,
        client: Option<SocketAddr>,
        took: Duration,
        node: Option<SocketAddr>,
        error: Option<&Error>,
    ) {
        self.end_with(kind, principal, client, took, node, error.map(of_error));
    }

    /// Nobody waits for the answer any more.
    pub fn abandoned(&self, kind: Kind, principal: &Principal, client: Option<SocketAddr>, took: Duration) {
        let failure = ("abandoned", "who asked left before the answer was there");
        self.end_with(kind, principal, client, took, None, Some(failure));
    }

    fn end_with(
        &self,
        kind: Kind,
        principal: &Principal,
        client: Option<SocketAddr>,
        took: Duration,
        node: Option<SocketAddr>,
        failure: Option<Failure<'_>>,
    ) {
        let prepared = self.prepared.as_deref();
        let told = Told {
            kind,
            operation: self.batch.map(|_| "BATCH"),
            shown: prepared.map(Prepared::shown),
            keyspace: prepared.and_then(|prepared| prepared.keyspace.as_deref()),
            batch: self.batch,
            principal,
            client,
            node,
            consistency: self.consistency,
            tracing_id: self.engine_trace.ids().last().copied(),
            failure,
        };
        self.of.end(self.begun, &told, took);
    }
}

fn of_error(error: &Error) -> Failure<'_> {
    (class(&error.kind), error.for_logs())
}

impl Told<'_> {
    /// The span's name and what is said of the statement.
    fn described(&self) -> (String, Attributes) {
        let mut attributes = Attributes::default();
        let named = self.shown.and_then(|shown| shown.keyspace.as_deref());
        let keyspace = named.or(self.keyspace.map(Shown::name));
        let table = self.shown.and_then(|shown| shown.table.as_deref());
        let operation = self.operation.or(self.shown.and_then(|shown| shown.operation.as_deref()));

        attributes.text("db.system.name", "cassandra");
        if let Some(keyspace) = keyspace {
            attributes.text("db.namespace", keyspace.to_owned());
        }
        let target = match (keyspace, table) {
            (Some(keyspace), Some(table)) => format!(" {keyspace}.{table}"),
            (None, Some(table)) => format!(" {table}"),
            (_, None) => String::new(),
        };
        if let Some(table) = table {
            attributes.text("db.collection.name", table.to_owned());
        }
        let name = match operation {
            None => "cassandra".to_owned(),
            Some(operation) => {
                attributes.text("db.operation.name", operation.to_owned());
                format!("{operation}{target}")
            }
        };
        if let Some(shown) = self.shown.filter(|shown| !shown.text.is_empty()) {
            attributes.text("db.query.text", shown.text.clone());
        }
        // One statement is no batch, the conventions say.
        if let Some(size) = self.batch.filter(|size| *size > 1) {
            attributes.number("db.operation.batch.size", size);
        }
        if let Some(level) = self.consistency {
            attributes.text("cassandra.consistency.level", level.to_ascii_lowercase());
        }
        if let Some(id) = self.tracing_id {
            attributes.text("cassandra.tracing_id", uuid_to_text(id));
        }
        attributes.text("ilium.statement.kind", self.kind.name());
        attributes.text("ilium.role.class", RoleClass::of(self.principal).name());
        if let Some((class, _)) = self.failure {
            attributes.text("error.type", class);
        }
        (name, attributes)
    }
}
