//! The types.

use std::fmt;

/// A type as the protocol describes it; `frozen` is not part of that.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Ascii,
    Bigint,
    Blob,
    Boolean,
    Counter,
    Date,
    Decimal,
    Double,
    Duration,
    Float,
    Inet,
    Int,
    Smallint,
    Text,
    Time,
    Timestamp,
    Timeuuid,
    Tinyint,
    Uuid,
    Varint,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Tuple(Vec<Type>),
    Udt {
        keyspace: String,
        name: String,
        fields: Vec<(String, Type)>,
    },
    Vector(Box<Type>, usize),
    /// A class name that is none of the above.
    Custom(String),
}

/// Where the classes of Cassandra's types are.
const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

impl Type {
    /// The type that a class name stands for: how vectors come over the protocol.
    pub(crate) fn custom(class: &str) -> Type {
        match parse(&mut class.chars().filter(|c| !c.is_whitespace()).collect::<String>().as_str()) {
            Some(kind @ Type::Vector(..)) => kind,
            _ => Type::Custom(class.to_owned()),
        }
    }

    /// The type whose class an older protocol version gives instead of it.
    pub(super) fn behind(class: &str) -> Option<Type> {
        parse(&mut class.chars().filter(|c| !c.is_whitespace()).collect::<String>().as_str())
    }

    /// The length of every value of the type, where they all have the same: vectors store such elements bare.
    pub(crate) fn fixed(&self) -> Option<usize> {
        Some(match self {
            Type::Boolean => 1,
            Type::Float | Type::Int => 4,
            Type::Bigint | Type::Double | Type::Timestamp | Type::Counter => 8,
            Type::Timeuuid | Type::Uuid => 16,
            Type::Vector(element, count) => element.fixed()? * count,
            _ => return None,
        })
    }
}

/// Reads a class name with its parameters, as `VectorType(FloatType,3)`.
fn parse(text: &mut &str) -> Option<Type> {
    let end = text.find(['(', ',', ')']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    *text = rest;
    let name = name.strip_prefix(PACKAGE).unwrap_or(name);
    let mut inner = |count: usize| -> Option<Vec<Type>> {
        let mut kinds = Vec::new();
        expect(text, '(')?;
        loop {
            kinds.push(parse(text)?);
            if kinds.len() == count && expect(text, ')').is_some() {
                return Some(kinds);
            }
            if count == 0 && expect(text, ')').is_some() {
                return Some(kinds);
            }
            expect(text, ',')?;
        }
    };
    let one = |kinds: Option<Vec<Type>>| kinds?.into_iter().next().map(Box::new);
    Some(match name {
        "AsciiType" => Type::Ascii,
        "LongType" => Type::Bigint,
        "BytesType" => Type::Blob,
        "BooleanType" => Type::Boolean,
        "CounterColumnType" => Type::Counter,
        "SimpleDateType" => Type::Date,
        "DecimalType" => Type::Decimal,
        "DoubleType" => Type::Double,
        "DurationType" => Type::Duration,
        "FloatType" => Type::Float,
        "InetAddressType" => Type::Inet,
        "Int32Type" => Type::Int,
        "ShortType" => Type::Smallint,
        "UTF8Type" => Type::Text,
        "TimeType" => Type::Time,
        "TimestampType" => Type::Timestamp,
        "TimeUUIDType" => Type::Timeuuid,
        "ByteType" => Type::Tinyint,
        "UUIDType" => Type::Uuid,
        "IntegerType" => Type::Varint,
        "FrozenType" => *one(inner(1))?,
        "ListType" => Type::List(one(inner(1))?),
        "SetType" => Type::Set(one(inner(1))?),
        "TupleType" => Type::Tuple(inner(0)?),
        "MapType" => {
            let mut both = inner(2)?.into_iter();
            Type::Map(Box::new(both.next()?), Box::new(both.next()?))
        }
        "VectorType" => {
            expect(text, '(')?;
            let element = parse(text)?;
            expect(text, ',')?;
            let (count, rest) = text.split_once(')')?;
            *text = rest;
            Type::Vector(Box::new(element), count.parse().ok()?)
        }
        _ => return None,
    })
}

fn expect(text: &mut &str, what: char) -> Option<()> {
    *text = text.strip_prefix(what)?;
    Some(())
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simple = match self {
            Type::Ascii => "ascii",
            Type::Bigint => "bigint",
            Type::Blob => "blob",
            Type::Boolean => "boolean",
            Type::Counter => "counter",
            Type::Date => "date",
            Type::Decimal => "decimal",
            Type::Double => "double",
            Type::Duration => "duration",
            Type::Float => "float",
            Type::Inet => "inet",
            Type::Int => "int",
            Type::Smallint => "smallint",
            Type::Text => "text",
            Type::Time => "time",
            Type::Timestamp => "timestamp",
            Type::Timeuuid => "timeuuid",
            Type::Tinyint => "tinyint",
            Type::Uuid => "uuid",
            Type::Varint => "varint",
            Type::List(element) => return write!(f, "list<{element}>"),
            Type::Set(element) => return write!(f, "set<{element}>"),
            Type::Map(key, value) => return write!(f, "map<{key}, {value}>"),
            Type::Tuple(fields) => {
                f.write_str("tuple<")?;
                for (n, field) in fields.iter().enumerate() {
                    write!(f, "{}{field}", if n == 0 { "" } else { ", " })?;
                }
                return f.write_str(">");
            }
            Type::Udt { keyspace, name, fields } => {
                write!(f, "{keyspace}.{name}{{")?;
                for (n, (field, kind)) in fields.iter().enumerate() {
                    write!(f, "{}{field} {kind}", if n == 0 { "" } else { ", " })?;
                }
                return f.write_str("}");
            }
            Type::Vector(element, count) => return write!(f, "vector<{element}, {count}>"),
            Type::Custom(class) => return write!(f, "'{class}'"),
        };
        f.write_str(simple)
    }
}
