//! The one place where CQL values become JSON and back: as Cassandra's `toJson`, `SELECT JSON`, `fromJson` and
//! `INSERT JSON` have it, or as the REST API has it ([`Style`]).
//!
//! Numbers keep all their digits on the way in, where Cassandra reads a JSON fraction as a double first: a `decimal`
//! of thirty digits stays one.

mod from_json;
mod from_text;
mod java;
mod strict;
mod to_json;

pub use from_json::{field_name, from_json, write_json, write_number};
pub use from_text::write_text;
pub use strict::parse_strict;
pub use to_json::{push_key, push_string, to_json, to_json_as};

use std::fmt::{self, Write};

/// How values are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// As Cassandra spells them.
    Cassandra,
    /// As Stargate's REST API v2 spells them: a blob is base64, a counter a string, a timestamp `2021-04-23T18:42:22Z`,
    /// names are as they are, and there are no blanks. On the way in, text stands for a value of any type.
    Rest {
        /// A map is an object; otherwise `[{"key": ..., "value": ...}]`.
        compact_maps: bool,
    },
}

/// A JSON value that is no value of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", Place(path))]
pub struct JsonError {
    /// Where in the JSON value: `a[2].b`; empty for the value itself.
    pub path: String,
    /// What is wrong, in Cassandra's words.
    pub message: String,
}

/// A path as the end of a message.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (at {})", self.0) }
    }
}

impl JsonError {
    fn new(message: impl Into<String>) -> JsonError {
        JsonError { path: String::new(), message: message.into() }
    }

    /// Puts a step in front of the path, which is built from the inside out.
    fn under(mut self, step: &Step<'_>) -> JsonError {
        let mut path = String::new();
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Index(i) => write!(path, "[{i}]"),
            Step::Key(key) => write!(path, "{key}"),
        };
        if !self.path.is_empty() && !self.path.starts_with('[') {
            path.push('.');
        }
        path.push_str(&self.path);
        self.path = path;
        self
    }
}

enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

impl From<crate::value::ValueError> for JsonError {
    fn from(error: crate::value::ValueError) -> JsonError {
        JsonError::new(error.message())
    }
}
