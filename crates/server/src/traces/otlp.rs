//! Spans as the protobuf messages of OTLP 1 (opentelemetry-proto, `trace_service.proto` and what it includes).
//!
//! Few kinds of them are written, and one is read: what is needed of protobuf is a page.

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

/// How many spans an `ExportTraceServiceResponse` says were not taken, and why. One that makes no sense says nothing: what it
/// answers was taken, as the status said.
pub(super) fn rejected(mut response: &[u8]) -> (u64, String) {
    let (mut count, mut why) = (0, String::new());
    while let Some((number, field)) = next_field(&mut response) {
        let (1, Field::Bytes(mut partial)) = (number, field) else { continue };
        while let Some((number, field)) = next_field(&mut partial) {
            match (number, field) {
                // Signed, in protobuf.
                (1, Field::Number(number)) => count = u64::try_from(number.cast_signed()).unwrap_or(0),
                (2, Field::Bytes(text)) => why = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    (count, why)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The next field of a message with its number; `None` at its end, or where it breaks off.
fn next_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(message)?;
    let length = match tag & 7 {
        0 => return Some((tag >> 3, Field::Number(varint(message)?))),
        1 => 8,
        2 => usize::try_from(varint(message)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (bytes, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some((tag >> 3, Field::Bytes(bytes)))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
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

    #[test]
    fn what_a_collector_did_not_take_is_read_and_nonsense_says_nothing() {
        let mut response = Message::default();
        response.message(1, |partial| {
            partial.number(1, 300);
            partial.bytes(2, b"too many");
        });
        let whole = response.0;
        assert_eq!(rejected(&whole), (300, "too many".to_owned()));
        // Fields that came later to the protocol, before and within.
        let mut more = Message::default();
        more.nanoseconds(7, std::time::Duration::from_secs(1));
        more.message(1, |partial| {
            partial.bytes(9, b"new");
            partial.number(1, 2);
        });
        assert_eq!(rejected(&more.0), (2, String::new()));
        for length in 0..whole.len() {
            assert_eq!(rejected(&whole[..length]), (0, String::new()), "{length}");
        }
        let mut negative = Message::default();
        negative.message(1, |partial| partial.number(1, (-1_i64).cast_unsigned()));
        assert_eq!(rejected(&negative.0).0, 0);
        assert_eq!(rejected(&[0xff; 40]).0, 0);
    }
}
