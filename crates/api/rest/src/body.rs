//! A row's body: a JSON object of columns.
//!
//! Most rows are flat, and their values are read from the body as they stand there. What is not so plain (escapes, braces
//! that do not match, a key twice) is left to the strict parser, which also says what is wrong with it.

use std::borrow::Cow;

use axum::body::Body;
use bytes::Bytes;
use ilium_http::{Refusal, parse_json, read_body};
use serde_json::Value;
use smallvec::SmallVec;

use crate::api::Api;

/// A value as it stands in the body.
pub enum Given<'b> {
    Text(&'b str),
    Number(&'b str),
    Json(Value),
}

/// Columns with their values, in the order of the body.
pub type Columns<'b> = SmallVec<[(Cow<'b, str>, Given<'b>); 16]>;

/// Objects with more keys than this go the long way: duplicate keys are found by comparing each with each.
const MAX_FLAT: usize = 32;

pub async fn read(api: &Api, body: Body) -> Result<Bytes, Refusal> {
    read_body(body, &api.body).await
}

pub fn columns(bytes: &[u8]) -> Result<Columns<'_>, Refusal> {
    if let Some(columns) = std::str::from_utf8(bytes).ok().and_then(|text| Reader { rest: text }.object()) {
        return Ok(columns);
    }
    let bad = |problem: &str| Refusal::bad_request(format!("Invalid JSON payload: {problem}"));
    match parse_json(bytes).map_err(|fault| bad(&fault.to_string()))? {
        Value::Object(map) => {
            Ok(map.into_iter().map(|(name, value)| (Cow::Owned(name), Given::Json(value))).collect())
        }
        _ => Err(bad("it must be a JSON object")),
    }
}

/// Takes what it names off the front, or gives up.
struct Reader<'b> {
    rest: &'b str,
}

impl<'b> Reader<'b> {
    fn object(&mut self) -> Option<Columns<'b>> {
        let mut columns = Columns::new();
        self.symbol(b'{')?;
        if self.symbol(b'}').is_none() {
            loop {
                self.skip_blank();
                let name = self.string()?;
                if columns.len() == MAX_FLAT || columns.iter().any(|(known, _)| known == name) {
                    return None;
                }
                self.symbol(b':')?;
                columns.push((Cow::Borrowed(name), self.value()?));
                if self.symbol(b',').is_none() {
                    break;
                }
            }
            self.symbol(b'}')?;
        }
        self.skip_blank();
        self.rest.is_empty().then_some(columns)
    }

    fn value(&mut self) -> Option<Given<'b>> {
        self.skip_blank();
        match self.rest.as_bytes().first()? {
            b'"' => self.string().map(Given::Text),
            b'-' | b'0'..=b'9' => self.number().map(Given::Number),
            b'{' | b'[' => {
                let value = self.take(nested_length(self.rest)?)?;
                parse_json(value.as_bytes()).ok().map(Given::Json)
            }
            _ => [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
                .into_iter()
                .find(|(word, _)| self.rest.starts_with(word))
                .and_then(|(word, value)| self.take(word.len()).map(|_| Given::Json(value))),
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'b str> {
        let inner = self.rest.strip_prefix('"')?;
        let end = inner.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let (text, after) = inner.split_at_checked(end)?;
        self.rest = after.strip_prefix('"')?;
        Some(text)
    }

    /// A number as RFC 8259, section 6, has it.
    fn number(&mut self) -> Option<&'b str> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let at = |index: usize| bytes.get(index).copied();
        let mut end = usize::from(at(0) == Some(b'-'));
        let whole = digits(end);
        if whole == 0 || whole > 1 && at(end) == Some(b'0') {
            return None;
        }
        end += whole;
        if at(end) == Some(b'.') {
            let fraction = digits(end + 1);
            end += 1 + (fraction > 0).then_some(fraction)?;
        }
        if matches!(at(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(at(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            end += 1 + sign + (exponent > 0).then_some(exponent)?;
        }
        self.take(end)
    }

    fn symbol(&mut self, symbol: u8) -> Option<()> {
        self.skip_blank();
        let is_next = self.rest.as_bytes().first() == Some(&symbol);
        is_next.then(|| self.take(1)).flatten().map(drop)
    }

    fn take(&mut self, length: usize) -> Option<&'b str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn skip_blank(&mut self) {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let blank = self.rest.bytes().take_while(is_blank).count();
        if blank > 0 {
            self.take(blank);
        }
    }
}

/// The length of the array or object that a text begins with. Its inside is not looked at closely.
fn nested_length(text: &str) -> Option<usize> {
    let (mut open, mut quoted, mut escaped) = (0u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => open += 1,
            b'}' | b']' => {
                open -= 1;
                if open == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The object the short way, as the long way reads it.
    fn flat(text: &str) -> Option<Value> {
        let columns = Reader { rest: text }.object()?;
        let value = |given| match given {
            Given::Text(text) => Value::String(text.to_owned()),
            Given::Number(text) => serde_json::from_str(text).unwrap(),
            Given::Json(value) => value,
        };
        Some(Value::Object(
            columns.into_iter().map(|(name, given)| (name.into_owned(), value(given))).collect(),
        ))
    }

    #[test]
    fn both_ways_read_the_same() {
        for text in [
            "{}",
            " { \"a\" : 1 , \"b\":\"x\" }\n",
            "{\"a\":-0.5e+10,\"b\":0,\"c\":123456789012345678901234567890.10}",
            "{\"a\":null,\"b\":true,\"c\":false,\"€\":\"€ 😀\"}",
            "{\"a\":[1,{\"b\":\"}\\\"]\"}],\"c\":{\"d\":[]}}",
        ] {
            assert_eq!(flat(text), Some(parse_json(text.as_bytes()).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        for text in [
            "{\"a\":\"\\n\"}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":[1,\"b\":2]}",
            "{\"a\":{\"b\":1,\"b\":2}}",
            "{\"a\":1} x",
            "{\"a\":1,}",
            "{\"a\"}",
            "[]",
            "",
            "{\"a\":\"\u{1}\"}",
        ] {
            assert_eq!(flat(text), None, "{text}");
        }
        for number in ["01", "1.", ".5", "-", "+1", "1e", "0x1", "NaN", "1 2", "tru", "nullx"] {
            assert_eq!(flat(&format!("{{\"a\":{number}}}")), None, "{number}");
        }
    }
}
