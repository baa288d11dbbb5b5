//! A type's names: the CQL one that `system_schema` and DESCRIBE print, and the Java one that the native protocol
//! sends for what has no type code of its own.

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

const MARSHAL: &str = "org.apache.cassandra.db.marshal.";

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

    /// The Java class of the type with its parameters, as `AbstractType.toString` gives it: what the native protocol
    /// carries as a custom type (vectors always, `duration` below v5, `date`, `time`, `smallint` and `tinyint` in v3).
    pub fn marshal_name(&self) -> String {
        let mut out = String::new();
        self.write_marshal_name(&mut out, false);
        out
    }

    fn write_marshal_name(&self, out: &mut String, ignore_freezing: bool) {
        let class = match self {
            CqlType::Ascii => "AsciiType",
            CqlType::Bigint => "LongType",
            CqlType::Blob => "BytesType",
            CqlType::Boolean => "BooleanType",
            CqlType::Counter => "CounterColumnType",
            CqlType::Date => "SimpleDateType",
            CqlType::Decimal => "DecimalType",
            CqlType::Double => "DoubleType",
            CqlType::Duration => "DurationType",
            CqlType::Float => "FloatType",
            CqlType::Inet => "InetAddressType",
            CqlType::Int => "Int32Type",
            CqlType::Smallint => "ShortType",
            CqlType::Text => "UTF8Type",
            CqlType::Time => "TimeType",
            CqlType::Timestamp => "TimestampType",
            CqlType::Timeuuid => "TimeUUIDType",
            CqlType::Tinyint => "ByteType",
            CqlType::Uuid => "UUIDType",
            CqlType::Varint => "IntegerType",
            CqlType::Empty => "EmptyType",
            CqlType::List { .. } => "ListType",
            CqlType::Set { .. } => "SetType",
            CqlType::Map { .. } => "MapType",
            CqlType::Tuple(_) => "TupleType",
            CqlType::Udt { .. } => "UserType",
            CqlType::Vector { .. } => "VectorType",
            CqlType::Custom(class) => return out.push_str(class),
        };
        let frozen = matches!(
            self,
            CqlType::List { frozen: true, .. }
                | CqlType::Set { frozen: true, .. }
                | CqlType::Map { frozen: true, .. }
                | CqlType::Udt { frozen: true, .. }
        );
        let wrap = frozen && !ignore_freezing;
        if wrap {
            out.push_str(MARSHAL);
            out.push_str("FrozenType(");
        }
        out.push_str(MARSHAL);
        out.push_str(class);
        // Below a frozen type everything is frozen, and Cassandra leaves that unsaid.
        let inner = ignore_freezing || frozen;
        match self {
            CqlType::List { element, .. } | CqlType::Set { element, .. } => {
                out.push('(');
                element.write_marshal_name(out, inner);
                out.push(')');
            }
            CqlType::Map { key, value, .. } => {
                out.push('(');
                key.write_marshal_name(out, inner);
                out.push(',');
                value.write_marshal_name(out, inner);
                out.push(')');
            }
            CqlType::Tuple(fields) => {
                for (i, field) in fields.iter().enumerate() {
                    out.push(if i == 0 { '(' } else { ',' });
                    field.write_marshal_name(out, true);
                }
                out.push(')');
            }
            CqlType::Udt { definition, .. } => {
                out.push('(');
                out.push_str(&definition.keyspace);
                out.push(',');
                push_hex(out, definition.name.as_bytes());
                for (name, field) in &definition.fields {
                    out.push(',');
                    push_hex(out, name.as_bytes());
                    out.push(':');
                    field.write_marshal_name(out, inner);
                }
                out.push(')');
            }
            CqlType::Vector { element, dimension } => {
                out.push('(');
                element.write_marshal_name(out, ignore_freezing);
                out.push_str(" , ");
                out.push_str(&dimension.to_string());
                out.push(')');
            }
            _ => {}
        }
        if wrap {
            out.push(')');
        }
    }
}

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            if let Some(digit) = DIGITS.get(usize::from(nibble)) {
                out.push(*digit);
            }
        }
    }
}
