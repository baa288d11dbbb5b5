//! A span that has ended.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use ilium_store::{SpanContext, SpanId};

/// What part a span is of a call (its numbers are those of OTLP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work of this process for a request.
    Internal = 1,
    /// Somebody asked this process.
    Server = 2,
    /// This process asked somebody.
    Client = 3,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

#[derive(Debug)]
pub(super) struct Span {
    pub context: SpanContext,
    pub parent: Option<SpanId>,
    pub name: String,
    pub kind: SpanKind,
    /// Since the epoch.
    pub begins: Duration,
    pub ends: Duration,
    pub attributes: Attributes,
    /// A sentence, if it failed.
    pub error: Option<String>,
}

/// Named as the semantic conventions of OpenTelemetry have them where these know the thing.
#[derive(Debug, Default)]
pub(crate) struct Attributes(pub(super) Vec<(&'static str, Value)>);

impl Attributes {
    pub fn text(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.0.push((name, Value::Text(value.into())));
    }

    pub fn number(&mut self, name: &'static str, value: usize) {
        self.0.push((name, Value::Number(i64::try_from(value).unwrap_or(i64::MAX))));
    }

    /// An address and its port.
    pub fn address(&mut self, [address, port]: [&'static str; 2], value: SocketAddr) {
        self.text(address, value.ip().to_string());
        self.number(port, usize::from(value.port()));
    }
}
