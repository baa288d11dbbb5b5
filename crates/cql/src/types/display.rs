//! A type's text, as `system_schema` and DESCRIBE have it.

use super::CqlType;
use crate::identifier::quote_if_needed;
use std::fmt::{self, Write};

impl fmt::Display for CqlType {
    /// As Cassandra's `CQL3Type.toString` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CqlType::List { element, frozen } => wrap_frozen(f, *frozen, |f| write!(f, "list<{element}>")),
            CqlType::Set { element, frozen } => wrap_frozen(f, *frozen, |f| write!(f, "set<{element}>")),
            CqlType::Map { key, value, frozen } => {
                wrap_frozen(f, *frozen, |f| write!(f, "map<{key}, {value}>"))
            }
            CqlType::Tuple(fields) => {
                f.write_str("frozen<tuple<")?;
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{field}")?;
                }
                f.write_str(">>")
            }
            CqlType::Udt { definition, frozen } => {
                wrap_frozen(f, *frozen, |f| f.write_str(&quote_if_needed(&definition.name)))
            }
            CqlType::Vector { element, dimension } => write!(f, "vector<{element}, {dimension}>"),
            CqlType::Custom(class) => write!(f, "'{class}'"),
            native => f.write_str(native.native_name()),
        }
    }
}

fn wrap_frozen(
    f: &mut fmt::Formatter<'_>,
    frozen: bool,
    inner: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if !frozen {
        return inner(f);
    }
    f.write_str("frozen<")?;
    inner(f)?;
    f.write_char('>')
}

impl CqlType {
    /// The name of a native type, and the constructor's name of the others.
    fn native_name(&self) -> &'static str {
        match self {
            CqlType::Ascii => "ascii",
            CqlType::Bigint => "bigint",
            CqlType::Blob => "blob",
            CqlType::Boolean => "boolean",
            CqlType::Counter => "counter",
            CqlType::Date => "date",
            CqlType::Decimal => "decimal",
            CqlType::Double => "double",
            CqlType::Duration => "duration",
            CqlType::Float => "float",
            CqlType::Inet => "inet",
            CqlType::Int => "int",
            CqlType::Smallint => "smallint",
            CqlType::Text => "text",
            CqlType::Time => "time",
            CqlType::Timestamp => "timestamp",
            CqlType::Timeuuid => "timeuuid",
            CqlType::Tinyint => "tinyint",
            CqlType::Uuid => "uuid",
            CqlType::Varint => "varint",
            CqlType::Empty => "empty",
            CqlType::List { .. } => "list",
            CqlType::Set { .. } => "set",
            CqlType::Map { .. } => "map",
            CqlType::Tuple(_) => "tuple",
            CqlType::Udt { .. } => "udt",
            CqlType::Vector { .. } => "vector",
            CqlType::Custom(_) => "custom",
        }
    }
}
