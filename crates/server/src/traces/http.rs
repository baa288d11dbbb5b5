//! Spans of HTTP requests.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use ilium_http::{Peer, RequestSpan, RequestTracer, Seen};
use ilium_store::{SpanContext, Trace};

use super::{Attributes, Begun, SpanKind, Tracer};

/// Makes the spans of HTTP requests.
pub struct HttpSpans {
    tracer: Arc<Tracer>,
    scheme: &'static str,
}

impl HttpSpans {
    pub fn new(tracer: Arc<Tracer>, speaks_tls: bool) -> HttpSpans {
        HttpSpans { tracer, scheme: if speaks_tls { "https" } else { "http" } }
    }
}

struct Span {
    tracer: Arc<Tracer>,
    begun: Begun,
    started: Instant,
    method: Method,
    /// `None`: the span has ended.
    attributes: Option<Attributes>,
}

/// Methods that the conventions of OpenTelemetry know; others are `_OTHER`.
const METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

impl RequestTracer for HttpSpans {
    fn begin(&self, peer: &Peer, request: &Request<Body>) -> Option<Box<dyn RequestSpan>> {
        let begun = self.tracer.begin(caller(request.headers()))?;
        let mut attributes = Attributes::default();
        attributes.text("http.request.method", method(request.method()).to_owned());
        attributes.text("url.scheme", self.scheme);
        attributes.text("network.protocol.version", version(request));
        if let Some(client) = peer.address {
            attributes.address(["client.address", "client.port"], client);
        }
        Some(Box::new(Span {
            tracer: Arc::clone(&self.tracer),
            begun,
            started: Instant::now(),
            method: request.method().clone(),
            attributes: Some(attributes),
        }))
    }
}

/// What the caller says of the trace it is in.
fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    let mut given = headers.get_all("traceparent").iter();
    let first = given.next()?;
    // Two say nothing (Trace Context, section 3.2).
    given.next().is_none().then(|| SpanContext::parse(first.as_bytes())).flatten()
}

fn method(method: &Method) -> &str {
    if METHODS.contains(method) { method.as_str() } else { "_OTHER" }
}

fn version(request: &Request<Body>) -> &'static str {
    match request.version() {
        axum::http::Version::HTTP_10 => "1.0",
        axum::http::Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

impl Span {
    /// `route` is the path's template: the path itself holds values of keys.
    fn finish(
        &mut self,
        route: Option<&str>,
        took: std::time::Duration,
        mut attributes: Attributes,
        error: Option<String>,
    ) {
        let mut name = method(&self.method).to_owned();
        if name == "_OTHER" {
            "HTTP".clone_into(&mut name);
        }
        if let Some(route) = route {
            name = format!("{name} {route}");
            attributes.text("http.route", route.to_owned());
        }
        self.tracer.end(self.begun, SpanKind::Server, name, took, attributes, error);
    }
}

impl RequestSpan for Span {
    fn trace(&self) -> Trace {
        Trace::within(self.begun.span)
    }

    fn end(mut self: Box<Self>, seen: &Seen, route: Option<&str>) {
        let Some(mut attributes) = self.attributes.take() else { return };
        let status = seen.status.as_u16();
        attributes.number("http.response.status_code", usize::from(status));
        // What a client did wrong is no failure of a server's, the conventions say.
        let is_failure = seen.status.is_server_error();
        if is_failure {
            attributes.text("error.type", status.to_string());
        }
        self.finish(route, seen.took, attributes, is_failure.then(String::new));
    }
}

/// The client left before its answer began.
impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut attributes) = self.attributes.take() {
            attributes.text("error.type", "abandoned");
            let why = "the client left before its answer began".to_owned();
            self.finish(None, self.started.elapsed(), attributes, Some(why));
        }
    }
}
