//! JSON to values.

use super::from_text::{shortened, write_text};
use super::java::{Whole, class_name, to_text};
use super::{JsonError, Step, Style};
use crate::types::{CqlType, UserType};
use crate::value::text::number::parse_varint;
use crate::value::text::{from_string, is_exact_double, parse_decimal, parse_hex};
use crate::value::wire::push_written;
use crate::value::{CollectionBuilder, compare, push_bytes, push_vector_element};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The wire form of a JSON value as a value of type `ty`; `None` for `null`.
pub fn from_json(ty: &CqlType, json: &Value) -> Result<Option<Vec<u8>>, JsonError> {
    if json.is_null() {
        return Ok(None);
    }
    let mut out = Vec::new();
    write_json(ty, json, Style::Cassandra, &mut out)?;
    Ok(Some(out))
}

/// Appends the wire form of a JSON value that is not null. What was appended before an error is of no use.
pub fn write_json(ty: &CqlType, json: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    if let (Value::String(text), Style::Rest { .. }) = (json, style) {
        return write_text(ty, text, style, out);
    }
    match ty {
        CqlType::List { element, .. } => {
            let json = unwrap_string(json)?;
            let items = array(&json, "Expected a list, but got a")?;
            let mut list = CollectionBuilder::new(out);
            for (i, item) in items.iter().enumerate() {
                not_null(item, "Invalid null element in list")
                    .and_then(|item| list.push_with(|out| write_json(element, item, style, out)))
                    .map_err(|e| e.under(&Step::Index(i)))?;
            }
            Ok(list.finish()?)
        }
        CqlType::Set { element, .. } => write_set(element, json, style, out),
        CqlType::Map { key, value, .. } => write_map(key, value, json, style, out),
        CqlType::Tuple(fields) => write_tuple(fields, json, style, out),
        CqlType::Udt { definition, .. } => write_udt(definition, json, style, out),
        CqlType::Vector { element, dimension } => write_vector(element, *dimension, json, style, out),
        _ if style == Style::Cassandra => {
            out.extend_from_slice(&scalar(ty, json)?);
            Ok(())
        }
        _ => write_plain(ty, json, out),
    }
}

/// A scalar of the REST API that is no string.
fn write_plain(ty: &CqlType, json: &Value, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match (ty, json) {
        (_, Value::Number(number)) => write_number(ty, number.as_str(), out),
        (CqlType::Boolean, Value::Bool(value)) => {
            out.push(u8::from(*value));
            Ok(())
        }
        (CqlType::Text | CqlType::Ascii, Value::Bool(value)) => {
            out.extend_from_slice(if *value { b"true" } else { b"false" });
            Ok(())
        }
        _ => Err(misplaced(ty, json)),
    }
}

fn misplaced(ty: &CqlType, json: &Value) -> JsonError {
    let shown = to_text(json);
    JsonError::new(format!("Cannot coerce {} {} to the type {ty}", class_name(json), shortened(&shown)))
}

/// Appends the wire form of a number of JSON, given by its text, as the REST API reads it.
pub fn write_number(ty: &CqlType, text: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let refused = || match serde_json::from_str(text) {
        Ok(json) => misplaced(ty, &json),
        Err(_) => JsonError::new(format!("{text} is no number")),
    };
    match ty {
        CqlType::Text | CqlType::Ascii => out.extend_from_slice(text.as_bytes()),
        CqlType::Int => {
            let value: i32 = text.parse().map_err(|_| refused())?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        CqlType::Bigint | CqlType::Counter | CqlType::Timestamp => {
            let value: i64 = text.parse().map_err(|_| refused())?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        // A number that no double holds is out of range, not infinite.
        CqlType::Double => {
            let value = text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(refused)?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        CqlType::Float => {
            let value = text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(refused)?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        CqlType::Tinyint | CqlType::Smallint | CqlType::Varint | CqlType::Decimal => {
            out.extend_from_slice(&from_string(ty, text)?);
        }
        _ => return Err(refused()),
    }
    Ok(())
}

fn scalar(ty: &CqlType, json: &Value) -> Result<Vec<u8>, JsonError> {
    let expected = |what: &str| {
        JsonError::new(format!("Expected {what}, but got a {}: {}", class_name(json), to_text(json)))
    };
    // What a JSON string or number stands for where its text decides.
    let by_text = |what: &str| match json {
        Value::String(text) => Ok(from_string(ty, text)?),
        Value::Number(_) => Ok(from_string(ty, &to_text(json))?),
        _ => Err(expected(what)),
    };
    let by_string = |what: &str| match json {
        Value::String(text) => Ok(from_string(ty, text)?),
        _ => Err(expected(what)),
    };
    match ty {
        CqlType::Tinyint => by_text("a byte value"),
        CqlType::Smallint => by_text("a short value"),
        CqlType::Int => match json {
            Value::Number(number) => match Whole::of(number) {
                Some(Whole::Int(int)) => Ok(int.to_be_bytes().to_vec()),
                _ => Err(expected("an int value")),
            },
            _ => by_string("an int value"),
        },
        CqlType::Bigint => match json {
            Value::Number(number) => match Whole::of(number) {
                Some(Whole::Int(int)) => Ok(i64::from(int).to_be_bytes().to_vec()),
                Some(Whole::Long(long)) => Ok(long.to_be_bytes().to_vec()),
                _ => Err(expected("a bigint value")),
            },
            _ => by_string("a bigint value"),
        },
        CqlType::Float => match json {
            Value::Number(number) => {
                // Jackson reads a fraction as a double, which Cassandra then narrows.
                let narrowed = || number.as_str().parse::<f64>().map(|double| double as f32);
                let value = match Whole::of(number) {
                    Some(_) => number.as_str().parse::<f32>(),
                    None => narrowed(),
                };
                Ok(value.map_err(|_| expected("a float value"))?.to_be_bytes().to_vec())
            }
            _ => by_string("a float value"),
        },
        CqlType::Double => match json {
            Value::Number(number) => {
                let value = number.as_str().parse::<f64>().map_err(|_| expected("a double value"))?;
                Ok(value.to_be_bytes().to_vec())
            }
            _ => by_string("a double value"),
        },
        CqlType::Varint => parse_varint(&to_text(json)).ok_or_else(|| {
            JsonError::new(format!(
                "Value '{}' is not a valid representation of a varint value",
                to_text(json)
            ))
        }),
        CqlType::Decimal => decimal(json),
        CqlType::Boolean => match json {
            Value::Bool(value) => Ok(vec![u8::from(*value)]),
            _ => by_string("a boolean value"),
        },
        CqlType::Timestamp => match json {
            // Only a number beyond 32 bits is a Long to Jackson, and only that will do.
            Value::Number(number) => match Whole::of(number) {
                Some(Whole::Long(millis)) => Ok(millis.to_be_bytes().to_vec()),
                _ => Err(expected("a long or a datestring representation of a timestamp value")),
            },
            _ => by_string("a long or a datestring representation of a timestamp value"),
        },
        CqlType::Blob | CqlType::Custom(_) => blob(json),
        CqlType::Ascii => by_string("an ascii string"),
        CqlType::Text => by_string("a UTF-8 string"),
        CqlType::Inet => by_string("a string representation of an inet value"),
        CqlType::Uuid => by_string("a string representation of a uuid"),
        CqlType::Timeuuid => by_string("a string representation of a timeuuid"),
        CqlType::Date => by_string("a string representation of a date value"),
        CqlType::Time => by_string("a string representation of a time value"),
        CqlType::Duration => by_string("a string representation of a duration"),
        CqlType::Empty => match json {
            Value::String(_) => by_string("an empty string"),
            _ => Err(JsonError::new(format!("Expected an empty string, but got: {}", to_text(json)))),
        },
        _ => Err(JsonError::new(format!("a {ty} cannot be written as JSON"))),
    }
}

/// A number whose digits a double holds is written as the double is, so that its scale is Cassandra's; any other keeps
/// the digits that Cassandra would lose.
fn decimal(json: &Value) -> Result<Vec<u8>, JsonError> {
    let shown = to_text(json);
    let text = match json {
        Value::Number(number) if Whole::of(number).is_none() && !is_exact_double(number.as_str()) => {
            number.as_str()
        }
        _ => shown.as_str(),
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    parse_decimal(text).map_err(|_| {
        JsonError::new(format!("Value '{shown}' is not a valid representation of a decimal value"))
    })
}

fn blob(json: &Value) -> Result<Vec<u8>, JsonError> {
    let reason = match json {
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => match parse_hex(digits) {
                Ok(bytes) => return Ok(bytes),
                Err(e) => e.to_string(),
            },
            None => format!("String representation of blob is missing 0x prefix: {text}"),
        },
        other => format!("it is a {}", class_name(other)),
    };
    Err(JsonError::new(format!("Value '{}' is not a valid blob representation: {reason}", to_text(json))))
}

/// A composed value may be given as a string that holds its JSON, which is how it is a map's key.
fn unwrap_string(json: &Value) -> Result<Cow<'_, Value>, JsonError> {
    let Value::String(text) = json else { return Ok(Cow::Borrowed(json)) };
    serde_json::from_str(text)
        .map(Cow::Owned)
        .map_err(|e| JsonError::new(format!("Error decoding JSON string: {e}")))
}

fn array<'j>(json: &'j Value, expected: &str) -> Result<&'j [Value], JsonError> {
    match json {
        Value::Array(items) => Ok(items),
        _ => Err(JsonError::new(format!("{expected} {}: {}", class_name(json), to_text(json)))),
    }
}

fn object(json: &Value) -> Result<&Map<String, Value>, JsonError> {
    match json {
        Value::Object(entries) => Ok(entries),
        _ => {
            Err(JsonError::new(format!("Expected a map, but got a {}: {}", class_name(json), to_text(json))))
        }
    }
}

fn not_null<'j>(json: &'j Value, message: &str) -> Result<&'j Value, JsonError> {
    if json.is_null() { Err(JsonError::new(message)) } else { Ok(json) }
}

fn write_set(element: &CqlType, json: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let json = unwrap_string(json)?;
    let items = array(&json, "Expected a list (representing a set), but got a")?;
    let mut elements = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let mut bytes = Vec::new();
        not_null(item, "Invalid null element in set")
            .and_then(|item| write_json(element, item, style, &mut bytes))
            .map_err(|e| e.under(&Step::Index(i)))?;
        elements.push(bytes);
    }
    push_set(element, elements, out)
}

/// Appends a set of these elements, which need neither be in order nor different.
pub(super) fn push_set(
    element: &CqlType,
    mut elements: Vec<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    elements.sort_by(|a, b| compare(element, a, b));
    elements.dedup_by(|a, b| compare(element, a, b).is_eq());
    let mut set = CollectionBuilder::new(out);
    for bytes in elements {
        set.push(&bytes)?;
    }
    Ok(set.finish()?)
}

fn write_map(
    key: &CqlType,
    value: &CqlType,
    json: &Value,
    style: Style,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let json = unwrap_string(json)?;
    let mut entries = Vec::new();
    if style == (Style::Rest { compact_maps: false }) {
        let items = array(&json, "Expected a list of objects with \"key\" and \"value\", but got a")?;
        for (i, item) in items.iter().enumerate() {
            let entry = write_pair(key, value, item, style).map_err(|e| e.under(&Step::Index(i)))?;
            entries.push(entry);
        }
        return push_map(key, entries, out);
    }
    for (json_key, json_value) in object(&json)? {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        not_null(json_value, "Invalid null value in map")
            .and_then(|_| match style {
                Style::Cassandra => write_json(key, &Value::String(json_key.clone()), style, &mut key_bytes),
                Style::Rest { .. } => write_text(key, json_key, style, &mut key_bytes),
            })
            .and_then(|()| write_json(value, json_value, style, &mut value_bytes))
            .map_err(|e| e.under(&Step::Key(json_key)))?;
        entries.push((key_bytes, value_bytes));
    }
    push_map(key, entries, out)
}

/// `{"key": ..., "value": ...}`
fn write_pair(
    key: &CqlType,
    value: &CqlType,
    json: &Value,
    style: Style,
) -> Result<(Vec<u8>, Vec<u8>), JsonError> {
    let pair = object(json)?;
    let part = |name: &'static str| {
        pair.get(name).ok_or_else(|| JsonError::new(format!("Map entry missing {name}")))
    };
    if pair.len() != 2 {
        return Err(JsonError::new("Map entry must have exactly 2 elements, \"key\" and \"value\""));
    }
    let (json_key, json_value) = (part("key")?, part("value")?);
    let write = |ty, json, name: &'static str| {
        let mut bytes = Vec::new();
        not_null(json, "Invalid null in map")
            .and_then(|json| write_json(ty, json, style, &mut bytes))
            .map_err(|e| e.under(&Step::Key(name)))?;
        Ok::<_, JsonError>(bytes)
    };
    Ok((write(key, json_key, "key")?, write(value, json_value, "value")?))
}

/// Appends a map of these entries, which need not be in order; of equal keys the first stays.
pub(super) fn push_map(
    key: &CqlType,
    mut entries: Vec<(Vec<u8>, Vec<u8>)>,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    entries.sort_by(|(a, _), (b, _)| compare(key, a, b));
    // Different strings can be one key ("1" and "01"): the first of them in the text stays.
    entries.dedup_by(|(a, _), (b, _)| compare(key, a, b).is_eq());
    let mut map = CollectionBuilder::new(out);
    for (key, value) in entries {
        map.push_entry(&key, &value)?;
    }
    Ok(map.finish()?)
}

fn write_tuple(fields: &[CqlType], json: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let json = unwrap_string(json)?;
    let items = array(&json, "Expected a list representation of a tuple, but got a")?;
    let problem = match items.len().cmp(&fields.len()) {
        std::cmp::Ordering::Greater => Some("contains extra"),
        std::cmp::Ordering::Less => Some("is missing"),
        std::cmp::Ordering::Equal => None,
    };
    if let Some(problem) = problem {
        return Err(JsonError::new(format!(
            "Tuple {problem} items (expected {}): {}",
            fields.len(),
            to_text(&json)
        )));
    }
    for (i, (ty, item)) in fields.iter().zip(items).enumerate() {
        write_field(ty, item, style, out).map_err(|e| e.under(&Step::Index(i)))?;
    }
    Ok(())
}

fn write_field(ty: &CqlType, json: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    if json.is_null() {
        Ok(push_bytes(out, None)?)
    } else {
        push_written(out, |out| write_json(ty, json, style, out))
    }
}

fn write_udt(definition: &UserType, json: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let json = unwrap_string(json)?;
    let mut given: Vec<Option<&Value>> = vec![None; definition.fields.len()];
    for (key, value) in object(&json)? {
        let name = match style {
            Style::Cassandra => field_name(key),
            Style::Rest { .. } => Cow::Borrowed(key.as_str()),
        };
        let place = definition.field_index(&name).and_then(|at| given.get_mut(at)).ok_or_else(|| {
            JsonError::new(format!(
                "Unknown field '{name}' in value of user defined type {}",
                definition.name
            ))
        })?;
        if place.replace(value).is_some() {
            return Err(JsonError::new(format!(
                "Duplicate field '{name}' in value of user defined type {}",
                definition.name
            )));
        }
    }
    for ((name, ty), value) in definition.fields.iter().zip(given) {
        write_field(ty, value.unwrap_or(&Value::Null), style, out).map_err(|e| e.under(&Step::Key(name)))?;
    }
    Ok(())
}

/// The column or field a JSON key names: in lower case unless it has CQL quotes within.
pub fn field_name(key: &str) -> Cow<'_, str> {
    match key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => Cow::Borrowed(quoted),
        None => Cow::Owned(key.to_lowercase()),
    }
}

fn write_vector(
    element: &CqlType,
    dimension: u32,
    json: &Value,
    style: Style,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let json = unwrap_string(json)?;
    let items = array(&json, "Expected a list, but got a")?;
    if u32::try_from(items.len()) != Ok(dimension) {
        return Err(JsonError::new(format!(
            "List had incorrect size: expected {dimension} but given {}; {}",
            items.len(),
            to_text(&json)
        )));
    }
    for (i, item) in items.iter().enumerate() {
        let mut bytes = Vec::new();
        not_null(item, "Invalid null element in list")
            .and_then(|item| write_json(element, item, style, &mut bytes))
            .and_then(|()| Ok(push_vector_element(out, element, &bytes)?))
            .map_err(|e| e.under(&Step::Index(i)))?;
    }
    Ok(())
}
