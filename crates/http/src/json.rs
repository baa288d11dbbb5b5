//! JSON as requests bring it: stricter than the grammar where what is meant would be a guess.

use std::fmt;

use ilium_cql::json::parse_strict;
use serde_json::Value;

/// Why a text is no usable JSON, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault(String);

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads one JSON value. Numbers keep all their digits. Refused: a text that is not UTF-8, what follows the value, an
/// object with one key twice (RFC 8259, section 4, leaves it to the reader which counts), more than 127 levels of
/// nesting (the parser's own bound, far past what a CQL type may nest).
pub fn parse_json(bytes: &[u8]) -> Result<Value, JsonFault> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| JsonFault(format!("it is not UTF-8 from byte {} on", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(JsonFault("it is empty".to_owned()));
    }
    parse_strict(text).map_err(|error| JsonFault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_guess_is_refused_with_its_place() {
        for (text, expected) in [
            (&b"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}"[..], "duplicate key `c` at line 1 column 21"),
            (b"", "it is empty"),
            (b"[1,2", "EOF while parsing a list at line 1 column 4"),
            (b"{} x", "trailing characters at line 1 column 4"),
            (b"\"a\xff\"", "it is not UTF-8 from byte 2 on"),
        ] {
            let fault = parse_json(text).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(parse_json(deep.as_bytes()).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn numbers_keep_their_digits_and_keys_their_order() {
        let text = r#"{"z":123456789012345678901234567890.1234567890,"a":1e+400,"n":-0.0}"#;
        let value = parse_json(text.as_bytes()).unwrap();
        assert_eq!(value.to_string(), text);
        assert_eq!(value["z"].to_string(), "123456789012345678901234567890.1234567890");
    }
}
