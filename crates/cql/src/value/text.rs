//! Values as text: what a literal in a statement means, and how a value is printed as one.
//!
//! Vocabulary: a *constant* is a literal with its lexical class (`ast::LiteralKind`), which limits the types it may
//! take; a *string form* is the text alone, as Cassandra's `AbstractType.fromString` reads it and as JSON strings
//! hold it.

mod calendar;
mod constant;
mod date;
pub mod duration;
mod inet;
mod literal;
pub(crate) mod number;
mod string_form;
mod timestamp;

pub use calendar::{civil_from_days, days_from_civil};
pub(crate) use constant::is_exact_double;
pub use constant::{from_constant, preferred_type, test_assignment};
pub use date::{date_to_text, parse_date, parse_time, time_to_text};
pub use duration::Duration;
pub use inet::{inet_to_text, parse_inet};
pub use literal::{push_cql_literal, to_cql_literal};
pub use number::{
    MAX_NUMBER_LEN, decimal_to_text, double_to_text, float_to_text, parse_decimal, varint_to_text,
};
pub(crate) use string_form::push_uuid;
pub use string_form::{from_string, parse_uuid, uuid_to_text};
pub(crate) use timestamp::push_timestamp;
pub use timestamp::{parse_timestamp, timestamp_to_text, timestamp_to_text_spaced};

use super::ValueError;
use std::fmt::{self, Write};

/// Bytes shown as lower-case hexadecimal digits.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 0xf] {
                f.write_char(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }))?;
            }
        }
        Ok(())
    }
}

/// The bytes that hexadecimal digits (without `0x`) stand for.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, ValueError> {
    let digits = text.as_bytes();
    let (pairs, odd) = digits.as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some((value(*high)? << 4) | value(*low)?)).collect();
    match bytes {
        Some(bytes) if odd.is_empty() => Ok(bytes),
        _ => Err(ValueError::new(format!("cannot parse '{text}' as hex bytes"))),
    }
}
