//! Text to bytes without a lexical class: Cassandra's `AbstractType.fromString`.

use super::number::{MAX_NUMBER_LEN, parse_double, parse_float, parse_varint, too_long};
use super::{Duration, parse_date, parse_decimal, parse_hex, parse_inet, parse_time, parse_timestamp};
use crate::types::CqlType;
use crate::value::{ValueError, push_bytes, validate};
use std::net::IpAddr;

/// The wire form of the value that `text` stands for. An empty text is an empty value where the type has one.
pub fn from_string(ty: &CqlType, text: &str) -> Result<Vec<u8>, ValueError> {
    let bytes = read(ty, text)?;
    // Cassandra makes an empty value of an empty text even where the type has none, and takes any hexadecimal digits
    // for a collection.
    match ty {
        CqlType::Tinyint | CqlType::Smallint | CqlType::Duration => validate(ty, &bytes)?,
        other if other.is_freezable() => validate(ty, &bytes)?,
        _ => {}
    }
    Ok(bytes)
}

fn read(ty: &CqlType, text: &str) -> Result<Vec<u8>, ValueError> {
    let unable = |what: &str| ValueError::new(format!("Unable to make {what} from '{text}'"));
    match ty {
        CqlType::Text => Ok(text.as_bytes().to_vec()),
        CqlType::Ascii => {
            if text.is_ascii() {
                Ok(text.as_bytes().to_vec())
            } else {
                Err(ValueError::new(format!("Invalid ASCII character in string literal: {text}")))
            }
        }
        CqlType::Boolean => match text {
            "" => Ok(vec![0]),
            _ if text.eq_ignore_ascii_case("false") => Ok(vec![0]),
            _ if text.eq_ignore_ascii_case("true") => Ok(vec![1]),
            _ => Err(unable("boolean")),
        },
        CqlType::Date => Ok(parse_date(text)?.to_be_bytes().to_vec()),
        CqlType::Time => Ok(parse_time(text)?.to_be_bytes().to_vec()),
        CqlType::Empty if !text.is_empty() => Err(ValueError::new(format!("'{text}' is not empty"))),
        CqlType::Tuple(_) | CqlType::Udt { .. } => tuple_from_string(ty, text),
        CqlType::Blob
        | CqlType::Custom(_)
        | CqlType::List { .. }
        | CqlType::Set { .. }
        | CqlType::Map { .. }
        | CqlType::Vector { .. } => parse_hex(text),
        _ if text.is_empty() => Ok(Vec::new()),
        CqlType::Tinyint => text.parse::<i8>().map(|n| n.to_be_bytes().to_vec()).map_err(|_| unable("byte")),
        CqlType::Smallint => {
            text.parse::<i16>().map(|n| n.to_be_bytes().to_vec()).map_err(|_| unable("short"))
        }
        CqlType::Int => text.parse::<i32>().map(|n| n.to_be_bytes().to_vec()).map_err(|_| unable("int")),
        CqlType::Bigint | CqlType::Counter => {
            text.parse::<i64>().map(|n| n.to_be_bytes().to_vec()).map_err(|_| unable("long"))
        }
        CqlType::Varint if text.len() > MAX_NUMBER_LEN => Err(too_long(text)),
        CqlType::Varint => {
            parse_varint(text).ok_or_else(|| ValueError::new(format!("unable to make int from '{text}'")))
        }
        CqlType::Decimal => parse_decimal(text),
        CqlType::Float => {
            parse_float(text).map(|n| java_float_bytes(n).to_vec()).ok_or_else(|| unable("float"))
        }
        CqlType::Double => {
            parse_double(text).map(|n| java_double_bytes(n).to_vec()).ok_or_else(|| unable("double"))
        }
        CqlType::Timestamp => Ok(parse_timestamp(text)?.to_be_bytes().to_vec()),
        CqlType::Duration => Ok(Duration::parse(text)?.to_wire()),
        CqlType::Inet => Ok(match parse_inet(text)? {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }),
        CqlType::Uuid => parse_uuid(text).map(|uuid| uuid.to_vec()).ok_or_else(|| unable("UUID")),
        CqlType::Timeuuid => {
            let uuid = parse_uuid(text)
                .ok_or_else(|| ValueError::new(format!("Unknown timeuuid representation: {text}")))?;
            let [_, _, _, _, _, _, version, ..] = uuid;
            if version >> 4 == 1 {
                Ok(uuid.to_vec())
            } else {
                Err(ValueError::new("TimeUUID supports only version 1 UUIDs"))
            }
        }
        CqlType::Empty => Ok(Vec::new()),
    }
}

/// Java writes one NaN whatever the sign in front of it.
pub(crate) fn java_float_bytes(value: f32) -> [u8; 4] {
    let bits = if value.is_nan() { crate::value::compare::JAVA_FLOAT_NAN } else { value.to_bits() };
    bits.to_be_bytes()
}

pub(crate) fn java_double_bytes(value: f64) -> [u8; 8] {
    let bits = if value.is_nan() { crate::value::compare::JAVA_DOUBLE_NAN } else { value.to_bits() };
    bits.to_be_bytes()
}

/// A UUID in its canonical form of 36 characters.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    let dashes = [8, 13, 18, 23];
    if bytes.len() != 36 || !dashes.iter().all(|at| bytes.get(*at) == Some(&b'-')) {
        return None;
    }
    let mut uuid = [0; 16];
    let digits = bytes.iter().enumerate().filter(|(i, _)| !dashes.contains(i)).map(|(_, digit)| digit);
    for (i, digit) in digits.enumerate() {
        let place = uuid.get_mut(i / 2)?;
        *place = *place << 4 | char::from(*digit).to_digit(16)? as u8;
    }
    Some(uuid)
}

/// The canonical form of a UUID.
pub fn uuid_to_text(uuid: [u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    push_uuid(&mut out, uuid);
    out
}

/// Appends the canonical form of a UUID.
pub(crate) fn push_uuid(out: &mut String, uuid: [u8; 16]) {
    out.reserve(36);
    for (i, byte) in uuid.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.extend([byte >> 4, byte & 0xf].into_iter().filter_map(|n| char::from_digit(u32::from(n), 16)));
    }
}

/// Fields separated by colons, `@` for null; either is escaped by a backslash within a field.
fn tuple_from_string(ty: &CqlType, text: &str) -> Result<Vec<u8>, ValueError> {
    let parts = split_unescaped(text);
    let arity = ty.parts().count();
    if parts.len() > arity {
        return Err(ValueError::new(format!(
            "Invalid tuple literal: too many elements. Type {ty} expects {arity} but got {}",
            parts.len()
        )));
    }
    let mut out = Vec::new();
    for (part, field) in parts.into_iter().zip(ty.parts()) {
        if part == "@" {
            push_bytes(&mut out, None)?;
        } else {
            let plain = part.replace("\\:", ":").replace("\\@", "@");
            push_bytes(&mut out, Some(&from_string(field, &plain)?))?;
        }
    }
    Ok(out)
}

/// Splits at colons that no backslash precedes.
fn split_unescaped(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    if text.is_empty() {
        return parts;
    }
    let mut start = 0;
    let mut previous = None;
    for (i, c) in text.char_indices() {
        if c == ':' && previous != Some('\\') {
            parts.extend(text.get(start..i));
            start = i + 1;
        }
        previous = Some(c);
    }
    parts.extend(text.get(start..));
    parts
}
