//! Traces of one process: off, or sent to a collector until the end.

use std::sync::Arc;

use ilium_http::RequestTracer;
use ilium_server::{HttpSpans, SpanKind, StatementSpans, TraceFigures, TraceOptions, Tracer};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::since_epoch;
use crate::exit::Failure;

pub struct Traces(Option<On>);

struct On {
    tracer: Arc<Tracer>,
    figures: TraceFigures,
    exporting: JoinHandle<()>,
    end: watch::Sender<bool>,
}

impl Traces {
    /// Begins to send spans, where they are wanted.
    pub fn open(options: Option<TraceOptions>) -> Result<Traces, Failure> {
        let Some(options) = options else { return Ok(Traces(None)) };
        let endpoint = options.endpoint.clone();
        let (tracer, exporter) = Tracer::open(options, since_epoch)
            .map_err(|error| Failure::config(format!("otlp-endpoint {endpoint}: {error}")))?;
        let (end, ended) = watch::channel(false);
        let figures = tracer.figures();
        let exporting = tokio::spawn(exporter.run(ended));
        Ok(Traces(Some(On { tracer: Arc::new(tracer), figures, exporting, end })))
    }

    /// For the statements of an API.
    pub fn statements(&self, api: &'static str, kind: SpanKind) -> Option<StatementSpans> {
        self.0.as_ref().map(|on| StatementSpans::new(Arc::clone(&on.tracer), api, kind))
    }

    /// For HTTP requests.
    pub fn http(&self, speaks_tls: bool) -> Option<Arc<dyn RequestTracer>> {
        let on = self.0.as_ref()?;
        Some(Arc::new(HttpSpans::new(Arc::clone(&on.tracer), speaks_tls)))
    }

    pub fn figures(&self) -> Option<TraceFigures> {
        self.0.as_ref().map(|on| on.figures.clone())
    }

    /// Sends the last spans, when all requests are answered.
    pub async fn end(self) {
        let Some(on) = self.0 else { return };
        on.end.send_replace(true);
        if let Err(error) = on.exporting.await {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}
