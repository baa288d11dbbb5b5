//! Spans of requests, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! Vocabulary: a span is *begun* when it has its ids, and *ended* when all is known of it; only then is it made. The
//! *queue* is of ended spans that wait to be sent. [`StatementSpans`] makes those of statements, [`HttpSpans`] those of HTTP
//! requests.
//!
//! A request waits for nothing here: where the queue is full a span is dropped, and counted.

mod exporter;
mod http;
mod ids;
mod otlp;
mod sampler;
mod span;
mod statement;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use ilium_store::{SpanContext, SpanId, Trace, TraceId};

use crate::metrics::{Figure, FigureValue};
use crate::remote::{Remote, RemoteError};
use exporter::Queue;
use ids::Ids;
use span::{Attributes, Span};

pub use exporter::{Exporter, TraceFigures};
pub use http::HttpSpans;
pub use sampler::Sampler;
pub use span::SpanKind;
pub(crate) use statement::StatementSpan;
pub use statement::StatementSpans;

/// Where spans go, and which are recorded.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// The whole address, as `http://collector:4318/v1/traces`.
    pub endpoint: String,
    /// The authorities of its certificate; `None`: those the system trusts.
    pub authorities: Option<PathBuf>,
    /// Sent with each request, such as a key; secret.
    pub headers: HeaderMap,
    /// How long the collector may take for one request.
    pub timeout: Duration,
    pub sampler: Sampler,
    /// What this process is: `service.name` and others.
    pub resource: Vec<(String, String)>,
}

/// Makes and sends spans.
pub struct Tracer {
    sampler: Sampler,
    ids: Ids,
    queue: Arc<Queue>,
    /// The time of day.
    now: fn() -> Duration,
}

/// A span that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub span: SpanContext,
    parent: Option<SpanId>,
}

impl Tracer {
    /// A tracer, and what sends its spans, to be run beside it. `now` is the time since the epoch.
    pub fn open(options: TraceOptions, now: fn() -> Duration) -> Result<(Tracer, Exporter), RemoteError> {
        let remote = Remote::of(&options.endpoint, options.authorities.as_deref())?;
        let queue = Arc::<Queue>::default();
        let tracer = Tracer { sampler: options.sampler, ids: Ids::new(), queue: Arc::clone(&queue), now };
        Ok((tracer, Exporter::new(queue, remote, options)))
    }

    /// Begins a span of what somebody asked of this process, if it is to be recorded: below the caller's span, if that is
    /// known, else the first of a trace.
    pub(crate) fn begin(&self, caller: Option<SpanContext>) -> Option<Begun> {
        let trace = match caller {
            Some(caller) => caller.trace,
            None if self.sampler.never_begins() => return None,
            None => TraceId(self.ids.trace()),
        };
        if !self.sampler.samples(trace, caller.map(|caller| caller.is_sampled)) {
            return None;
        }
        let span = SpanContext { trace, span: SpanId(self.ids.span()), is_sampled: true };
        Some(Begun { span, parent: caller.map(|caller| caller.span) })
    }

    /// Begins a span below one of this process, if that is recorded.
    pub(crate) fn below(&self, trace: &Trace) -> Option<Begun> {
        let above = trace.span().filter(|span| span.is_sampled)?;
        let span = SpanContext { span: SpanId(self.ids.span()), ..above };
        Some(Begun { span, parent: Some(above.span) })
    }

    /// Ends a span that took so long, now. `error` is a sentence of what failed.
    pub(crate) fn end(
        &self,
        begun: Begun,
        kind: SpanKind,
        name: String,
        took: Duration,
        attributes: Attributes,
        error: Option<String>,
    ) {
        let ends = (self.now)();
        self.queue.push(Span {
            context: begun.span,
            parent: begun.parent,
            name,
            kind,
            begins: ends.saturating_sub(took),
            ends,
            attributes,
            error,
        });
    }

    /// What has become of its spans.
    pub fn figures(&self) -> TraceFigures {
        TraceFigures(Arc::clone(&self.queue))
    }
}

/// For `/metrics`; `None`: nothing is traced.
pub fn trace_figures(of: Option<&TraceFigures>) -> [Figure; 2] {
    let counter = |name, help, count: Option<u64>| {
        let value = FigureValue::Counter(count.unwrap_or_default());
        Figure { name, help, unit: None, value }
    };
    [
        counter("trace_spans_sent", "Spans that the collector took", of.map(TraceFigures::sent)),
        counter("trace_spans_dropped", "Spans that were not sent", of.map(TraceFigures::dropped)),
    ]
}
