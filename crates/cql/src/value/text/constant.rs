//! Constants: which types a literal may take by its lexical class, and its value (`Constants.Literal`).

use super::number::{parse_decimal, parse_double, parse_varint};
use super::parse_hex;
use super::string_form::{from_string, parse_uuid};
use crate::ast::{Literal, LiteralKind};
use crate::types::{Assignment, CqlType};
use crate::value::decimal::{compare_decimal, trim_sign};
use crate::value::{ValueError, validate};

/// The wire form of `literal` as a value of type `ty` for the column, field or argument called `receiver`.
pub fn from_constant(ty: &CqlType, literal: &Literal, receiver: &str) -> Result<Vec<u8>, ValueError> {
    if !test_assignment(ty, literal).is_assignable() {
        return Err(ValueError::new(format!(
            "Invalid {} constant ({}) for \"{receiver}\" of type {ty}",
            class_name(literal.kind),
            literal.text
        )));
    }
    if literal.kind != LiteralKind::Hex {
        return from_string(ty, &literal.text);
    }
    let digits = literal.text.strip_prefix("0x").or_else(|| literal.text.strip_prefix("0X"));
    let bytes = parse_hex(digits.unwrap_or(&literal.text))?;
    // Hexadecimal digits may stand for a `tinyint`, as Cassandra has it, but for one only.
    validate(ty, &bytes)?;
    Ok(bytes)
}

fn class_name(kind: LiteralKind) -> &'static str {
    match kind {
        LiteralKind::String => "STRING",
        LiteralKind::Integer => "INTEGER",
        LiteralKind::Float | LiteralKind::NanOrInfinity => "FLOAT",
        LiteralKind::Boolean => "BOOLEAN",
        LiteralKind::Uuid => "UUID",
        LiteralKind::Hex => "HEX",
        LiteralKind::Duration => "DURATION",
    }
}

/// Whether a constant can be assigned to a value of type `ty`, and whether that is the type it would choose itself.
pub fn test_assignment(ty: &CqlType, literal: &Literal) -> Assignment {
    if ty.is_collection() || ty.is_udt() || ty.is_vector() {
        return Assignment::NotAssignable;
    }
    // Tuples and custom types read the text themselves.
    if ty.is_tuple() || matches!(ty, CqlType::Custom(_)) {
        return Assignment::Weak;
    }
    if preferred_type(literal) == *ty {
        return Assignment::Exact;
    }
    let fits = match literal.kind {
        LiteralKind::String => matches!(
            ty,
            CqlType::Ascii
                | CqlType::Text
                | CqlType::Inet
                | CqlType::Date
                | CqlType::Time
                | CqlType::Timestamp
        ),
        LiteralKind::Integer => matches!(
            ty,
            CqlType::Bigint
                | CqlType::Counter
                | CqlType::Date
                | CqlType::Decimal
                | CqlType::Double
                | CqlType::Duration
                | CqlType::Float
                | CqlType::Int
                | CqlType::Smallint
                | CqlType::Time
                | CqlType::Timestamp
                | CqlType::Tinyint
                | CqlType::Varint
        ),
        LiteralKind::Uuid => matches!(ty, CqlType::Uuid | CqlType::Timeuuid),
        LiteralKind::Float | LiteralKind::NanOrInfinity => {
            matches!(ty, CqlType::Decimal | CqlType::Double | CqlType::Float)
        }
        LiteralKind::Boolean => matches!(ty, CqlType::Boolean),
        LiteralKind::Hex => matches!(ty, CqlType::Blob),
        LiteralKind::Duration => matches!(ty, CqlType::Duration),
    };
    if fits { Assignment::Weak } else { Assignment::NotAssignable }
}

/// The type a constant has where nothing else decides, as in a selection.
pub fn preferred_type(literal: &Literal) -> CqlType {
    let text = literal.text.as_str();
    match literal.kind {
        LiteralKind::String if text.is_ascii() => CqlType::Ascii,
        LiteralKind::String => CqlType::Text,
        LiteralKind::Integer => match parse_varint(text).map(|bytes| trim_sign(&bytes).len()) {
            Some(0..=4) => CqlType::Int,
            Some(5..=8) => CqlType::Bigint,
            _ => CqlType::Varint,
        },
        LiteralKind::Uuid => match parse_uuid(text) {
            Some([_, _, _, _, _, _, version, ..]) if version >> 4 == 1 => CqlType::Timeuuid,
            _ => CqlType::Uuid,
        },
        LiteralKind::NanOrInfinity => CqlType::Double,
        LiteralKind::Float if is_exact_double(text) => CqlType::Double,
        LiteralKind::Float => CqlType::Decimal,
        LiteralKind::Boolean => CqlType::Boolean,
        // Cassandra means a blob here but says ByteType, which is tinyint.
        LiteralKind::Hex => CqlType::Tinyint,
        LiteralKind::Duration => CqlType::Duration,
    }
}

/// Whether the shortest text of the nearest double is the same number (`BigDecimal.valueOf(double)`).
pub(crate) fn is_exact_double(text: &str) -> bool {
    let double = parse_double(text).filter(|double| double.is_finite());
    match (parse_decimal(text), double.map(|double| parse_decimal(&super::double_to_text(double)))) {
        (Ok(exact), Some(Ok(nearest))) => compare_decimal(&exact, &nearest).is_eq(),
        _ => false,
    }
}
