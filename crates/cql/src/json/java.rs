//! JSON values as Cassandra's messages show them: the Java class Jackson makes of each, and its `toString`.

use crate::value::text::double_to_text;
use serde_json::{Number, Value};
use std::fmt::Write;

/// The Java class Jackson reads a JSON value as.
pub(super) fn class_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) => match Whole::of(number) {
            Some(Whole::Int(_)) => "Integer",
            Some(Whole::Long(_)) => "Long",
            Some(Whole::Big) => "BigInteger",
            None => "Double",
        },
        Value::String(_) => "String",
        Value::Array(_) => "ArrayList",
        Value::Object(_) => "LinkedHashMap",
    }
}

/// A JSON number without fraction and exponent, by the smallest Java class that holds it.
pub(super) enum Whole {
    Int(i32),
    Long(i64),
    Big,
}

impl Whole {
    pub(super) fn of(number: &Number) -> Option<Whole> {
        let text = number.as_str();
        if text.contains(['.', 'e', 'E']) {
            return None;
        }
        Some(match text.parse::<i64>() {
            Ok(long) => match i32::try_from(long) {
                Ok(int) => Whole::Int(int),
                Err(_) => Whole::Long(long),
            },
            Err(_) => Whole::Big,
        })
    }
}

/// A value as Java prints it: `[1, 2]` for a list, `{a=1}` for a map.
pub(super) fn to_text(value: &Value) -> String {
    let mut out = String::new();
    push_text(value, &mut out);
    out
}

fn push_text(value: &Value, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Number(number) => match (Whole::of(number), number.as_f64()) {
            (None, Some(double)) => write!(out, "{}", double_to_text(double)),
            (None, None) => {
                write!(out, "{}Infinity", if number.as_str().starts_with('-') { "-" } else { "" })
            }
            (Some(_), _) => write!(out, "{number}"),
        },
        Value::String(text) => write!(out, "{text}"),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                push_text(item, out);
            }
            write!(out, "]")
        }
        Value::Object(entries) => {
            out.push('{');
            for (i, (key, item)) in entries.iter().enumerate() {
                let _ = write!(out, "{}{key}=", if i == 0 { "" } else { ", " });
                push_text(item, out);
            }
            write!(out, "}}")
        }
    };
}
