//! The Cassandra Query Language: text, types, values and schema, with no I/O and no runtime.

pub mod ast;
pub mod schema;
pub mod types;

pub use types::{CqlType, UserType};
