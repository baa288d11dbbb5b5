//! Spans as the protobuf messages of OTLP 1 (opentelemetry-proto, `trace_service.proto` and what it includes).
//!
//! Messages are only written, and few kinds of them: what is needed of protobuf is a page.

use super::span::{Span, Value};

/// The library that makes spans, as collectors show it.
const SCOPE: &str = "ilium";

/// `STATUS_CODE_ERROR`.
const FAILED: u64 = 2;

/// `TRACE_FLAGS_SAMPLED`.
const SAMPLED: u32 = 1;

/// An `ExportTraceServiceRequest`.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| {
            for (name, value) in resource {
                message
                    .message(1, |attribute| attribute.attribute(name, |out| out.bytes(1, value.as_bytes())));
            }
        });
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| scope.bytes(1, SCOPE.as_bytes()));
            for span in spans {
                of_scope.message(2, |message| message.span(span));
            }
        });
    });
    request.0
}

/// A message that is being written. Fields are told by their numbers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn span(&mut self, span: &Span) {
        self.bytes(1, &span.context.trace.0);
        self.bytes(2, &span.context.span.0);
        if let Some(parent) = span.parent {
            self.bytes(4, &parent.0);
        }
        self.bytes(5, span.name.as_bytes());
        self.number(6, span.kind as u64);
        self.nanoseconds(7, span.begins);
        self.nanoseconds(8, span.ends);
        for (name, value) in &span.attributes.0 {
            self.message(9, |attribute| {
                attribute.attribute(name, |out| match value {
                    Value::Text(text) => out.bytes(1, text.as_bytes()),
                    Value::Number(number) => out.number(3, number.cast_unsigned()),
                });
            });
        }
        if let Some(error) = &span.error {
            self.message(15, |status| {
                status.bytes(2, error.as_bytes());
                status.number(3, FAILED);
            });
        }
        self.tag(16, 5);
        self.0.extend_from_slice(&SAMPLED.to_le_bytes());
    }

    /// A `KeyValue`.
    fn attribute(&mut self, name: &str, value: impl FnOnce(&mut Message)) {
        self.bytes(1, name.as_bytes());
        self.message(2, value);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.tag(field, 0);
        self.varint(number);
    }

    fn nanoseconds(&mut self, field: u64, time: std::time::Duration) {
        self.tag(field, 1);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&nanoseconds.to_le_bytes());
    }

    /// `wire` is how the field is written.
    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_sevens_of_bits() {
        let mut message = Message::default();
        message.number(1, 300);
        message.bytes(16, b"ab");
        assert_eq!(message.0, [0x08, 0xac, 0x02, 0x82, 0x01, 0x02, b'a', b'b']);
    }
}
