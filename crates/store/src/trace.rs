//! Where a request stands in a distributed trace, as the W3C's Trace Context names it
//! (<https://www.w3.org/TR/trace-context/>).
//!
//! Vocabulary: a *trace* is all that one request set off, over all services; a *span* is one service's part of it, and
//! has a *parent* where another called. A span is *sampled* where it is recorded.

use std::fmt;

use data_encoding::HEXLOWER;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl fmt::Display for TraceId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// A span, as others know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanContext {
    pub trace: TraceId,
    pub span: SpanId,
    pub is_sampled: bool,
}

impl SpanContext {
    /// Reads a `traceparent`; `None`: it is none, and the request begins a trace of its own (section 4.3).
    pub fn parse(traceparent: &[u8]) -> Option<SpanContext> {
        let mut fields = traceparent.split(|byte| *byte == b'-');
        let [version] = hex(fields.next()?)?;
        let (trace, span) = (hex(fields.next()?)?, hex(fields.next()?)?);
        let [flags] = hex(fields.next()?)?;
        // A later version may have more fields than this one's four; 255 is none.
        let is_known = version != 0xff && (version > 0 || fields.next().is_none());
        let is_valid = is_known && trace != [0; 16] && span != [0; 8];
        let context = SpanContext { trace: TraceId(trace), span: SpanId(span), is_sampled: flags & 1 == 1 };
        is_valid.then_some(context)
    }
}

/// Digits are lower case alone (section 3.2.2).
fn hex<const BYTES: usize>(digits: &[u8]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    if digits.len() != 2 * BYTES {
        return None;
    }
    HEXLOWER.decode_mut(digits, &mut bytes).ok()?;
    Some(bytes)
}

/// The span that a request belongs to, if it belongs to any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace(Option<SpanContext>);

impl Trace {
    pub fn within(span: SpanContext) -> Trace {
        Trace(Some(span))
    }

    pub fn span(&self) -> Option<SpanContext> {
        self.0
    }

    /// The trace's id, where the span is recorded: what lines of the log say.
    pub fn recorded(&self) -> Option<TraceId> {
        self.span().filter(|span| span.is_sampled).map(|span| span.trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(text: &str) -> Option<SpanContext> {
        SpanContext::parse(text.as_bytes())
    }

    #[test]
    fn a_traceparent_names_trace_span_and_whether_it_is_sampled() {
        let given = parse(GIVEN).unwrap();
        assert_eq!(given.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(given.span, SpanId([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]));
        assert!(given.is_sampled);
        assert!(!parse(&GIVEN.replace("-01", "-02")).unwrap().is_sampled);
        assert_eq!(parse(&GIVEN.replacen("00", "cc", 1).replace("-01", "-01-more")), Some(given));
    }

    #[test]
    fn what_is_no_traceparent_is_passed_over() {
        for wrong in [
            String::new(),
            GIVEN.to_uppercase(),
            GIVEN.replacen("00", "ff", 1),
            format!("{GIVEN}-more"),
            format!("{GIVEN}0"),
            GIVEN.replace("4bf9", "4bf"),
            GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GIVEN.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GIVEN.replace("4bf9", "4bfg"),
            GIVEN.replace("-01", ""),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }
}
