//! Values as a page shows them.

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::value::text::{
    Hex, date_to_text, inet_to_text, time_to_text, timestamp_to_text_spaced, to_cql_literal,
};

/// Characters of a value that are shown at once; past them it is cut, and shown whole when asked. Three lines of a column
/// of text.
pub const SHOWN_CHARACTERS: usize = 200;

#[derive(Debug, PartialEq, Eq)]
pub enum Cell {
    Null,
    /// A value of no bytes, which is not null: an empty text, or what some types have beside their values.
    Empty,
    Whole(String),
    Cut {
        start: String,
        whole: String,
        characters: String,
    },
}

impl Cell {
    /// `value` in wire form; `None` is null.
    pub fn of(column_type: &CqlType, value: Option<&[u8]>) -> Cell {
        let text = match value {
            None => return Cell::Null,
            Some([]) => return Cell::Empty,
            Some(bytes) => text_of(column_type, bytes),
        };
        match text.char_indices().nth(SHOWN_CHARACTERS).and_then(|(end, _)| text.get(..end)) {
            None => Cell::Whole(text),
            Some(start) => Cell::Cut {
                start: start.to_owned(),
                characters: crate::figure::count(text.chars().count() as u64),
                whole: text,
            },
        }
    }
}

/// A text as it is; a number, a date and the like without quotes; anything else as CQL writes it.
fn text_of(column_type: &CqlType, bytes: &[u8]) -> String {
    let text = match column_type {
        CqlType::Text | CqlType::Ascii => std::str::from_utf8(bytes).ok().map(str::to_owned),
        CqlType::Timestamp => {
            bytes.try_into().ok().map(|bytes| timestamp_to_text_spaced(i64::from_be_bytes(bytes)))
        }
        CqlType::Date => bytes.try_into().ok().map(|bytes| date_to_text(u32::from_be_bytes(bytes))),
        CqlType::Time => bytes.try_into().ok().map(|bytes| time_to_text(i64::from_be_bytes(bytes))),
        CqlType::Inet => inet_to_text(bytes),
        other => to_cql_literal(other, Some(bytes)).ok(),
    };
    // What is no value of its type, or a number too long to write, is shown as the bytes it has.
    text.unwrap_or_else(|| format!("0x{}", Hex(bytes)))
}

/// The type as a column's head shows it.
pub fn type_name(column_type: &CqlType) -> Arc<str> {
    Arc::from(column_type.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Cell {
        Cell::Whole(text.to_owned())
    }

    #[test]
    fn values_are_shown_in_their_text_form() {
        assert_eq!(Cell::of(&CqlType::Text, Some(b"it's")), whole("it's"));
        assert_eq!(Cell::of(&CqlType::Int, Some(&7i32.to_be_bytes())), whole("7"));
        assert_eq!(
            Cell::of(&CqlType::Timestamp, Some(&0i64.to_be_bytes())),
            whole("1970-01-01 00:00:00.000Z")
        );
        assert_eq!(Cell::of(&CqlType::Inet, Some(&[127, 0, 0, 1])), whole("127.0.0.1"));
        assert_eq!(Cell::of(&CqlType::Blob, Some(&[0, 255])), whole("0x00ff"));
        let list = CqlType::List { element: Arc::new(CqlType::Text), frozen: false };
        assert_eq!(Cell::of(&list, Some(b"\0\0\0\x01\0\0\0\x02it")), whole("['it']"));
    }

    #[test]
    fn null_and_a_value_of_no_bytes_are_told_apart() {
        assert_eq!(Cell::of(&CqlType::Text, None), Cell::Null);
        assert_eq!(Cell::of(&CqlType::Text, Some(b"")), Cell::Empty);
    }

    #[test]
    fn bytes_that_are_no_value_of_the_type_are_shown_as_bytes() {
        assert_eq!(Cell::of(&CqlType::Text, Some(&[0xff])), whole("0xff"));
        assert_eq!(Cell::of(&CqlType::Int, Some(&[1])), whole("0x01"));
    }

    #[test]
    fn a_number_too_long_to_write_as_text_is_shown_as_bytes() {
        let Cell::Cut { start, .. } = Cell::of(&CqlType::Varint, Some(&[0x7f; 1 << 20])) else {
            panic!("it is shown whole");
        };
        assert!(start.starts_with("0x7f7f"), "{start}");
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_kept_whole_beside() {
        let exact = "é".repeat(SHOWN_CHARACTERS);
        assert_eq!(Cell::of(&CqlType::Text, Some(exact.as_bytes())), whole(&exact));
        let long = format!("{exact}<b>");
        let expected = Cell::Cut { start: exact, whole: long.clone(), characters: "203".to_owned() };
        assert_eq!(Cell::of(&CqlType::Text, Some(long.as_bytes())), expected);
    }
}
