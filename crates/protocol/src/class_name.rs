//! Java class names of types (`org.apache.cassandra.db.marshal.Int32Type`): how the protocol names a type that it
//! has no number for, such as a vector in every version and a duration before version 5.
//!
//! Cassandra computes them in `AbstractType.toString` and reads them in `TypeParser`.

use std::{fmt::Write, sync::Arc};

use ilium_cql::{CqlType, UserType};

use crate::column_type::MAX_DEPTH;

const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

/// The class name of a type, as Cassandra's `toString` writes it.
pub fn class_name(ty: &CqlType) -> String {
    let mut out = String::new();
    write_class(ty, false, &mut out);
    out
}

/// Within a frozen type the markers of inner frozen types are left out.
fn write_class(ty: &CqlType, inside_frozen: bool, out: &mut String) {
    let simple = match ty {
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
        CqlType::List { element, frozen } => {
            return write_freezable("ListType", &[element], *frozen, inside_frozen, out);
        }
        CqlType::Set { element, frozen } => {
            return write_freezable("SetType", &[element], *frozen, inside_frozen, out);
        }
        CqlType::Map { key, value, frozen } => {
            return write_freezable("MapType", &[key, value], *frozen, inside_frozen, out);
        }
        CqlType::Tuple(elements) => {
            out.push_str(PACKAGE);
            out.push_str("TupleType(");
            write_list(elements.iter(), true, out);
            out.push(')');
            return;
        }
        CqlType::Vector { element, dimension } => {
            out.push_str(PACKAGE);
            out.push_str("VectorType(");
            write_class(element, inside_frozen, out);
            // The blanks are Cassandra's.
            let _ = write!(out, " , {dimension})");
            return;
        }
        CqlType::Udt { definition, frozen } => return write_udt(definition, *frozen, inside_frozen, out),
        CqlType::Custom(class) => {
            out.push_str(class);
            return;
        }
    };
    out.push_str(PACKAGE);
    out.push_str(simple);
}

fn write_list<'t>(types: impl Iterator<Item = &'t CqlType>, inside_frozen: bool, out: &mut String) {
    for (index, ty) in types.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_class(ty, inside_frozen, out);
    }
}

fn write_freezable(
    name: &str,
    parameters: &[&Arc<CqlType>],
    frozen: bool,
    inside_frozen: bool,
    out: &mut String,
) {
    let marked = open_frozen(frozen, inside_frozen, out);
    out.push_str(PACKAGE);
    out.push_str(name);
    out.push('(');
    write_list(parameters.iter().map(|ty| ty.as_ref()), inside_frozen || frozen, out);
    out.push(')');
    if marked {
        out.push(')');
    }
}

fn open_frozen(frozen: bool, inside_frozen: bool, out: &mut String) -> bool {
    let marked = frozen && !inside_frozen;
    if marked {
        out.push_str(PACKAGE);
        out.push_str("FrozenType(");
    }
    marked
}

fn write_udt(definition: &UserType, frozen: bool, inside_frozen: bool, out: &mut String) {
    let marked = open_frozen(frozen, inside_frozen, out);
    let _ = write!(out, "{PACKAGE}UserType({},", definition.keyspace);
    write_hex(&definition.name, out);
    for (name, ty) in &definition.fields {
        out.push(',');
        write_hex(name, out);
        out.push(':');
        write_class(ty, inside_frozen || frozen, out);
    }
    out.push(')');
    if marked {
        out.push(')');
    }
}

fn write_hex(text: &str, out: &mut String) {
    for byte in text.bytes() {
        let _ = write!(out, "{byte:02x}");
    }
}

/// The type a class name stands for; `Custom` with the text as it is where any part is not understood.
pub fn parse_class_name(text: &str) -> CqlType {
    let mut parser = Parser { rest: text };
    match parser.class(false, 0) {
        Some(ty) if parser.rest.trim().is_empty() => ty,
        _ => CqlType::Custom(text.into()),
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn eat(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(wanted)?;
        Some(())
    }

    fn at(&self, wanted: char) -> bool {
        self.rest.trim_start().starts_with(wanted)
    }

    fn identifier(&mut self) -> &'t str {
        let rest = self.rest.trim_start();
        let inside = |c: char| c.is_ascii_alphanumeric() || "_+-.&".contains(c);
        let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let (identifier, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        self.rest = rest;
        identifier
    }

    fn class(&mut self, inside_frozen: bool, depth: usize) -> Option<CqlType> {
        if depth > MAX_DEPTH {
            return None;
        }
        let name = self.identifier();
        let name = name.strip_prefix(PACKAGE).unwrap_or(name);
        let one = |parser: &mut Parser<'t>, frozen: bool| -> Option<Arc<CqlType>> {
            parser.eat('(')?;
            let ty = parser.class(frozen, depth + 1)?;
            parser.eat(')')?;
            Some(Arc::new(ty))
        };
        Some(match name {
            "AsciiType" => CqlType::Ascii,
            "LongType" => CqlType::Bigint,
            "BytesType" => CqlType::Blob,
            "BooleanType" => CqlType::Boolean,
            "CounterColumnType" => CqlType::Counter,
            "SimpleDateType" => CqlType::Date,
            "DecimalType" => CqlType::Decimal,
            "DoubleType" => CqlType::Double,
            "DurationType" => CqlType::Duration,
            "FloatType" => CqlType::Float,
            "InetAddressType" => CqlType::Inet,
            "Int32Type" => CqlType::Int,
            "ShortType" => CqlType::Smallint,
            "UTF8Type" => CqlType::Text,
            "TimeType" => CqlType::Time,
            // DateType is the time stamp of Cassandra 1.
            "TimestampType" | "DateType" => CqlType::Timestamp,
            "TimeUUIDType" => CqlType::Timeuuid,
            "ByteType" => CqlType::Tinyint,
            "UUIDType" => CqlType::Uuid,
            "IntegerType" => CqlType::Varint,
            "EmptyType" => CqlType::Empty,
            "ListType" => CqlType::List { element: one(self, inside_frozen)?, frozen: inside_frozen },
            "SetType" => CqlType::Set { element: one(self, inside_frozen)?, frozen: inside_frozen },
            "MapType" => {
                self.eat('(')?;
                let key = Arc::new(self.class(inside_frozen, depth + 1)?);
                self.eat(',')?;
                let value = Arc::new(self.class(inside_frozen, depth + 1)?);
                self.eat(')')?;
                CqlType::Map { key, value, frozen: inside_frozen }
            }
            "TupleType" => {
                self.eat('(')?;
                let mut elements = Vec::new();
                while !self.at(')') {
                    if !elements.is_empty() {
                        self.eat(',')?;
                    }
                    elements.push(self.class(true, depth + 1)?);
                }
                self.eat(')')?;
                CqlType::Tuple(elements.into())
            }
            "VectorType" => {
                self.eat('(')?;
                let element = Arc::new(self.class(true, depth + 1)?);
                self.eat(',')?;
                let dimension = self.identifier().parse().ok()?;
                self.eat(')')?;
                CqlType::Vector { element, dimension }
            }
            "FrozenType" => {
                self.eat('(')?;
                let ty = self.class(true, depth + 1)?;
                self.eat(')')?;
                ty
            }
            "ReversedType" => {
                self.eat('(')?;
                let ty = self.class(inside_frozen, depth + 1)?;
                self.eat(')')?;
                ty
            }
            "UserType" => self.user_type(inside_frozen, depth)?,
            _ => return None,
        })
    }

    fn user_type(&mut self, inside_frozen: bool, depth: usize) -> Option<CqlType> {
        self.eat('(')?;
        let keyspace = self.identifier().into();
        self.eat(',')?;
        let name = from_hex(self.identifier())?;
        let mut fields = Vec::new();
        while !self.at(')') {
            self.eat(',')?;
            let field = from_hex(self.identifier())?;
            self.eat(':')?;
            fields.push((field, self.class(inside_frozen, depth + 1)?));
        }
        self.eat(')')?;
        let definition = Arc::new(UserType { keyspace, name, fields });
        Some(CqlType::Udt { definition, frozen: inside_frozen })
    }
}

fn from_hex(text: &str) -> Option<Arc<str>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Vec<u8> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>()?;
    Some(String::from_utf8(bytes).ok()?.into())
}
