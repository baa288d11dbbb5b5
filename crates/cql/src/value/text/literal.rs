//! Values printed as CQL literals: Cassandra's `toCQLLiteral`, as DESCRIBE and error messages show them.

use super::number::{check_length_as_text, push_floating};
use super::timestamp::push_timestamp;
use super::{
    Duration, Hex, date_to_text, decimal_to_text, inet_to_text, time_to_text, uuid_to_text, varint_to_text,
};
use crate::identifier::quote_if_needed;
use crate::types::CqlType;
use crate::value::wire::ListElements;
use crate::value::{ValueError, map_entries, tuple_fields, vector_elements};
use std::fmt::Write;

/// A value as a CQL literal; `None` is `null`, and so is an empty value of a type that gives it no meaning.
pub fn to_cql_literal(ty: &CqlType, value: Option<&[u8]>) -> Result<String, ValueError> {
    let mut out = String::new();
    push_cql_literal(ty, value, &mut out)?;
    Ok(out)
}

/// As `to_cql_literal`, appending to `out`.
pub fn push_cql_literal(ty: &CqlType, value: Option<&[u8]>, out: &mut String) -> Result<(), ValueError> {
    let Some(bytes) = value else {
        out.push_str("null");
        return Ok(());
    };
    match ty {
        CqlType::Text | CqlType::Ascii => {
            let text = std::str::from_utf8(bytes).map_err(|_| ValueError::new("String didn't validate."))?;
            push_quoted(out, &text.replace('\'', "''"));
            return Ok(());
        }
        CqlType::Blob | CqlType::Custom(_) => {
            push(out, format_args!("0x{}", Hex(bytes)));
            return Ok(());
        }
        CqlType::List { element, .. } => {
            return push_parts(out, '[', ']', ListElements::open(bytes, "list")?, |part, out| {
                push_cql_literal(element, Some(part?), out)
            });
        }
        CqlType::Set { element, .. } => {
            return push_parts(out, '{', '}', ListElements::open(bytes, "set")?, |part, out| {
                push_cql_literal(element, Some(part?), out)
            });
        }
        CqlType::Map { key, value, .. } => {
            return push_parts(out, '{', '}', map_entries(bytes)?, |entry, out| {
                let (entry_key, entry_value) = entry?;
                push_cql_literal(key, Some(entry_key), out)?;
                out.push_str(": ");
                push_cql_literal(value, Some(entry_value), out)
            });
        }
        CqlType::Vector { element, .. } => {
            return push_parts(out, '[', ']', vector_elements(ty, bytes)?, |part, out| {
                push_cql_literal(element, Some(part?), out)
            });
        }
        CqlType::Tuple(fields) => {
            return push_parts(out, '(', ')', tuple_fields(bytes).zip(fields.iter()), |(field, ty), out| {
                push_cql_literal(ty, field?, out)
            });
        }
        CqlType::Udt { definition, .. } => {
            let fields = tuple_fields(bytes).zip(&definition.fields);
            return push_parts(out, '{', '}', fields, |(field, (name, ty)), out| {
                out.push_str(&quote_if_needed(name));
                out.push_str(": ");
                push_cql_literal(ty, field?, out)
            });
        }
        _ => {}
    }
    if bytes.is_empty() {
        out.push_str("null");
        return Ok(());
    }
    check_length_as_text(ty, bytes)?;
    push_scalar(ty, bytes, out).ok_or_else(|| {
        ValueError::new(format!("a value of {} bytes is not a valid {ty}: 0x{}", bytes.len(), Hex(bytes)))
    })
}

fn push_scalar(ty: &CqlType, bytes: &[u8], out: &mut String) -> Option<()> {
    match ty {
        CqlType::Boolean => out.push_str(if bytes.first() == Some(&0) { "false" } else { "true" }),
        CqlType::Tinyint => push(out, i8::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Smallint => push(out, i16::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Int => push(out, i32::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Bigint | CqlType::Counter => push(out, i64::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Float => {
            let value = f32::from_be_bytes(bytes.try_into().ok()?);
            push_floating(out, value, f64::from(value));
        }
        CqlType::Double => {
            let value = f64::from_be_bytes(bytes.try_into().ok()?);
            push_floating(out, value, value);
        }
        CqlType::Varint => out.push_str(&varint_to_text(bytes)),
        CqlType::Decimal => out.push_str(&decimal_to_text(bytes)),
        CqlType::Uuid | CqlType::Timeuuid => out.push_str(&uuid_to_text(bytes.try_into().ok()?)),
        CqlType::Duration => push(out, Duration::from_wire(bytes)?),
        CqlType::Inet => push_quoted(out, &inet_to_text(bytes)?),
        CqlType::Date => push_quoted(out, &date_to_text(u32::from_be_bytes(bytes.try_into().ok()?))),
        CqlType::Time => push_quoted(out, &time_to_text(i64::from_be_bytes(bytes.try_into().ok()?))),
        CqlType::Timestamp => {
            out.push('\'');
            push_timestamp(out, i64::from_be_bytes(bytes.try_into().ok()?), 'T');
            out.push('\'');
        }
        _ => return None,
    }
    Some(())
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('\'');
    out.push_str(text);
    out.push('\'');
}

fn push_parts<T>(
    out: &mut String,
    open: char,
    close: char,
    parts: impl Iterator<Item = T>,
    mut push_part: impl FnMut(T, &mut String) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    out.push(open);
    for (i, part) in parts.enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        push_part(part, out)?;
    }
    out.push(close);
    Ok(())
}
