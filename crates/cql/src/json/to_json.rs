//! Values to JSON text.

use super::{JsonError, Style};
use crate::types::CqlType;
use crate::value::text::number::{check_length_as_text, push_floating};
use crate::value::text::{
    Duration, Hex, date_to_text, decimal_to_text, double_to_text, inet_to_text, push_timestamp, push_uuid,
    time_to_text, timestamp_to_text_spaced, varint_to_text,
};
use crate::value::wire::ListElements;
use crate::value::{map_entries, tuple_fields, vector_elements};
use data_encoding::BASE64;
use std::fmt::Write;

/// Appends a valid value of type `ty` as JSON, spelled as Cassandra spells it, blanks included. (A null is `null`,
/// which the caller writes.)
pub fn to_json(ty: &CqlType, bytes: &[u8], out: &mut String) -> Result<(), JsonError> {
    to_json_as(ty, bytes, Style::Cassandra, out)
}

/// Appends a valid value of type `ty` as JSON.
pub fn to_json_as(ty: &CqlType, bytes: &[u8], style: Style, out: &mut String) -> Result<(), JsonError> {
    let (comma, colon) = separators(style);
    match ty {
        CqlType::Text | CqlType::Ascii => {
            let text = std::str::from_utf8(bytes).map_err(|_| JsonError::new("String didn't validate."))?;
            push_string(text, out);
            Ok(())
        }
        CqlType::Blob | CqlType::Custom(_) if style != Style::Cassandra => {
            out.push('"');
            BASE64.encode_append(bytes, out);
            out.push('"');
            Ok(())
        }
        CqlType::Blob | CqlType::Custom(_) => {
            push(out, format_args!("\"0x{}\"", Hex(bytes)));
            Ok(())
        }
        CqlType::List { element, .. } => {
            push_array(ListElements::open(bytes, "list")?, comma, out, |part, out| {
                to_json_as(element, part?, style, out)
            })
        }
        CqlType::Set { element, .. } => {
            push_array(ListElements::open(bytes, "set")?, comma, out, |part, out| {
                to_json_as(element, part?, style, out)
            })
        }
        CqlType::Vector { element, .. } => {
            push_array(vector_elements(ty, bytes)?, comma, out, |part, out| {
                to_json_as(element, part?, style, out)
            })
        }
        CqlType::Tuple(types) => {
            // Fields that a short value leaves out are null.
            let fields = tuple_fields(bytes).chain(std::iter::repeat(Ok(None)));
            push_array(types.iter().zip(fields), comma, out, |(ty, field), out| {
                push_nullable(ty, field?, style, out)
            })
        }
        CqlType::Udt { definition, .. } => {
            let fields = tuple_fields(bytes).chain(std::iter::repeat(Ok(None)));
            out.push('{');
            for (i, ((name, ty), field)) in definition.fields.iter().zip(fields).enumerate() {
                out.push_str(if i == 0 { "" } else { comma });
                match style {
                    Style::Cassandra => push_key(name, out),
                    Style::Rest { .. } => push_string(name, out),
                }
                out.push_str(colon);
                push_nullable(ty, field?, style, out)?;
            }
            out.push('}');
            Ok(())
        }
        CqlType::Map { key, value, .. } if style == (Style::Rest { compact_maps: false }) => {
            push_array(map_entries(bytes)?, comma, out, |entry, out| {
                let (entry_key, entry_value) = entry?;
                out.push_str("{\"key\":");
                to_json_as(key, entry_key, style, out)?;
                out.push_str(",\"value\":");
                to_json_as(value, entry_value, style, out)?;
                out.push('}');
                Ok(())
            })
        }
        CqlType::Map { key, value, .. } => {
            out.push('{');
            for (i, entry) in map_entries(bytes)?.enumerate() {
                let (entry_key, entry_value) = entry?;
                out.push_str(if i == 0 { "" } else { comma });
                push_map_key(key, entry_key, style, out)?;
                out.push_str(colon);
                to_json_as(value, entry_value, style, out)?;
            }
            out.push('}');
            Ok(())
        }
        _ if bytes.is_empty() => {
            out.push_str("\"\"");
            Ok(())
        }
        _ => {
            // Cassandra has no such bound, and by CQL a pool of its own does the work.
            if style != Style::Cassandra {
                check_length_as_text(ty, bytes)?;
            }
            push_scalar(ty, bytes, style, out).ok_or_else(|| {
                JsonError::new(format!(
                    "a value of {} bytes is not a valid {ty}: 0x{}",
                    bytes.len(),
                    Hex(bytes)
                ))
            })
        }
    }
}

/// What stands between two elements, and between a key and its value.
fn separators(style: Style) -> (&'static str, &'static str) {
    match style {
        Style::Cassandra => (", ", ": "),
        Style::Rest { .. } => (",", ":"),
    }
}

fn push_scalar(ty: &CqlType, bytes: &[u8], style: Style, out: &mut String) -> Option<()> {
    if style != Style::Cassandra {
        match ty {
            CqlType::Counter => {
                push(out, format_args!("\"{}\"", i64::from_be_bytes(bytes.try_into().ok()?)));
                return Some(());
            }
            CqlType::Float | CqlType::Double => {
                let wide = match ty {
                    CqlType::Float => f64::from(f32::from_be_bytes(bytes.try_into().ok()?)),
                    _ => f64::from_be_bytes(bytes.try_into().ok()?),
                };
                if !wide.is_finite() {
                    push(out, format_args!("\"{}\"", double_to_text(wide)));
                    return Some(());
                }
            }
            CqlType::Timestamp => {
                push_instant(i64::from_be_bytes(bytes.try_into().ok()?), out);
                return Some(());
            }
            CqlType::Time => {
                let text = time_to_text(i64::from_be_bytes(bytes.try_into().ok()?));
                push_plain_string(out, without_zeros(&text));
                return Some(());
            }
            _ => {}
        }
    }
    match ty {
        CqlType::Boolean => out.push_str(if bytes.first() == Some(&0) { "false" } else { "true" }),
        CqlType::Tinyint => push(out, i8::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Smallint => push(out, i16::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Int => push(out, i32::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Bigint | CqlType::Counter => push(out, i64::from_be_bytes(bytes.try_into().ok()?)),
        // JSON has no word for what is not a finite number.
        CqlType::Float => match f32::from_be_bytes(bytes.try_into().ok()?) {
            value if value.is_finite() => push_floating(out, value, f64::from(value)),
            _ => out.push_str("null"),
        },
        CqlType::Double => match f64::from_be_bytes(bytes.try_into().ok()?) {
            value if value.is_finite() => push_floating(out, value, value),
            _ => out.push_str("null"),
        },
        CqlType::Varint => out.push_str(&varint_to_text(bytes)),
        CqlType::Decimal => out.push_str(&decimal_to_text(bytes)),
        CqlType::Uuid | CqlType::Timeuuid => {
            out.push('"');
            push_uuid(out, bytes.try_into().ok()?);
            out.push('"');
        }
        CqlType::Duration => push_plain_string(out, &Duration::from_wire(bytes)?.to_string()),
        CqlType::Inet => push_plain_string(out, &inet_to_text(bytes)?),
        CqlType::Date => push_plain_string(out, &date_to_text(u32::from_be_bytes(bytes.try_into().ok()?))),
        CqlType::Time => push_plain_string(out, &time_to_text(i64::from_be_bytes(bytes.try_into().ok()?))),
        CqlType::Timestamp => {
            push_plain_string(out, &timestamp_to_text_spaced(i64::from_be_bytes(bytes.try_into().ok()?)));
        }
        _ => return None,
    }
    Some(())
}

/// An instant as `java.time.Instant` prints it: milliseconds where there are some.
fn push_instant(millis: i64, out: &mut String) {
    out.push('"');
    let start = out.len();
    push_timestamp(out, millis, 'T');
    // A timestamp ends in `.000Z` where it is a whole second.
    if millis % 1000 == 0 && out.len() >= start + 5 {
        out.truncate(out.len() - 5);
        out.push('Z');
    }
    out.push('"');
}

/// A time of day without the zeros that end its fraction, as `DateTimeFormatter.ISO_LOCAL_TIME` prints it.
fn without_zeros(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => text.trim_end_matches('0'),
        None => text,
    }
}

fn push_nullable(
    ty: &CqlType,
    value: Option<&[u8]>,
    style: Style,
    out: &mut String,
) -> Result<(), JsonError> {
    match value {
        Some(bytes) => to_json_as(ty, bytes, style, out),
        None => {
            out.push_str("null");
            Ok(())
        }
    }
}

/// JSON's keys are strings: a key that is none becomes the string of its own JSON text.
fn push_map_key(ty: &CqlType, bytes: &[u8], style: Style, out: &mut String) -> Result<(), JsonError> {
    if matches!(ty, CqlType::Text | CqlType::Ascii) {
        return to_json_as(ty, bytes, style, out);
    }
    let mut key = String::new();
    to_json_as(ty, bytes, style, &mut key)?;
    if key.starts_with('"') {
        out.push_str(&key);
    } else {
        push_string(&key, out);
    }
    Ok(())
}

fn push_array<T>(
    parts: impl Iterator<Item = T>,
    comma: &str,
    out: &mut String,
    mut push_part: impl FnMut(T, &mut String) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    out.push('[');
    for (i, part) in parts.enumerate() {
        out.push_str(if i == 0 { "" } else { comma });
        push_part(part, out)?;
    }
    out.push(']');
    Ok(())
}

/// Appends the name of a column or field as a JSON key: one that is not all lower-case keeps its CQL quotes within.
pub fn push_key(name: &str, out: &mut String) {
    if name == name.to_lowercase() {
        push_string(name, out);
    } else {
        push_string(&format!("\"{name}\""), out);
    }
}

/// Appends a JSON string, escaped as Jackson does: the short escapes, upper-case `\u00XX` for other control
/// characters, everything else as it is.
pub fn push_string(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    // What is escaped is ASCII, so a text is cut at character boundaries only.
    while let Some(at) = first_escaped(rest.as_bytes()) {
        let (plain, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut chars = after.chars();
        match chars.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some(c) if c < ' ' => push(out, format_args!("\\u{:04X}", u32::from(c))),
            Some(c) => out.extend(['\\', c]),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Where the first byte is that JSON does not take as it is.
fn first_escaped(text: &[u8]) -> Option<usize> {
    let is_escaped = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    // Sixteen at a time, all of them looked at, which the compiler does at once; most strings hold none.
    let plain = |chunk: &&[u8]| !chunk.iter().fold(false, |found, byte| found | is_escaped(byte));
    let passed = text.chunks_exact(16).take_while(plain).count() * 16;
    text.iter().skip(passed).position(is_escaped).map(|at| passed + at)
}

/// A string that holds nothing to escape.
fn push_plain_string(out: &mut String, text: &str) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_escapes_is_found_wherever_it_stands() {
        for length in [0, 1, 15, 16, 17, 40] {
            for at in 0..=length {
                for (odd, escaped) in
                    [('"', "\\\""), ('\\', "\\\\"), ('\n', "\\n"), ('\u{1f}', "\\u001F"), ('é', "é")]
                {
                    let (before, after) = ("a".repeat(at), "b".repeat(length - at));
                    let mut out = String::new();
                    push_string(&format!("{before}{odd}{after}"), &mut out);
                    assert_eq!(out, format!("\"{before}{escaped}{after}\""));
                }
            }
        }
    }
}
