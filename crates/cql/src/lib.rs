//! The Cassandra Query Language: text, types, values and schema, with no I/O and no runtime.

pub mod ast;
pub mod identifier;
pub mod murmur3;
pub mod partition_key;
pub mod schema;
pub mod sort_key;
pub mod types;
pub mod value;

pub use murmur3::Token;
pub use types::{CqlType, UserType};
pub use value::ValueError;
