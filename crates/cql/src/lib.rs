//! The Cassandra Query Language: text, types, values and schema, with no I/O and no runtime.

pub mod ast;
pub mod identifier;
pub mod json;
pub mod lexer;
pub mod murmur3;
pub mod parser;
pub mod partition_key;
pub mod printer;
pub mod schema;
pub mod sort_key;
pub mod types;
pub mod value;

pub use murmur3::Token;
pub use parser::{SyntaxError, SyntaxErrorKind, parse, parse_script};
pub use types::{CqlType, UserType};
pub use value::ValueError;
