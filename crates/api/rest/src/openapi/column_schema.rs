//! The JSON that a value of a CQL type is, as a schema.

use ilium_cql::CqlType;
use serde_json::{Map, Value, json};

/// A column's values, null among them.
pub fn nullable(ty: &CqlType) -> Value {
    let mut schema = of(ty);
    if let Some(kind) = schema.get("type").and_then(Value::as_str).map(str::to_owned)
        && let Value::Object(map) = &mut schema
    {
        map.insert("type".to_owned(), json!([kind, "null"]));
    } else if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.push(json!({"type": "null"}));
    }
    schema
}

/// What Java's `LocalTime` writes, and reads.
const TIME: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?$";
/// RFC 9562: version 1 of the variant that it describes.
const TIMEUUID: &str =
    "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-1[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$";

pub fn of(ty: &CqlType) -> Value {
    match ty {
        CqlType::Boolean => json!({"type": "boolean"}),
        CqlType::Tinyint => json!({"type": "integer", "minimum": i8::MIN, "maximum": i8::MAX}),
        CqlType::Smallint => json!({"type": "integer", "minimum": i16::MIN, "maximum": i16::MAX}),
        CqlType::Int => {
            json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX})
        }
        CqlType::Bigint => {
            json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX})
        }
        CqlType::Varint => json!({"type": "integer"}),
        CqlType::Decimal => json!({"type": "number"}),
        // Not a number, and the infinite ones, are strings.
        CqlType::Float | CqlType::Double => {
            json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
        }
        CqlType::Uuid => json!({"type": "string", "format": "uuid"}),
        CqlType::Timeuuid => json!({"type": "string", "format": "uuid", "pattern": TIMEUUID}),
        CqlType::Time => json!({"type": "string", "pattern": TIME}),
        CqlType::Inet => {
            json!({"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]})
        }
        CqlType::Counter => json!({"type": "string", "pattern": "^[+-]?[0-9]{1,19}$"}),
        CqlType::Ascii => json!({"type": "string", "pattern": "^[\\x00-\\x7F]*$"}),
        CqlType::Timestamp => json!({"type": "string", "format": "date-time"}),
        CqlType::Date => json!({"type": "string", "format": "date"}),
        CqlType::Blob | CqlType::Custom(_) => json!({"type": "string", "contentEncoding": "base64"}),
        CqlType::List { element, .. } => json!({"type": "array", "items": of(element)}),
        CqlType::Set { element, .. } => json!({"type": "array", "items": of(element), "uniqueItems": true}),
        CqlType::Vector { element, dimension } => {
            json!({"type": "array", "items": of(element), "minItems": dimension, "maxItems": dimension})
        }
        // Which one `compactMapData` says.
        CqlType::Map { key, value, .. } => {
            let entry = json!({
                "type": "object", "properties": {"key": of(key), "value": of(value)}, "required": ["key", "value"],
                "additionalProperties": false
            });
            json!({"anyOf": [
                {"type": "object", "additionalProperties": of(value)}, {"type": "array", "items": entry}
            ]})
        }
        CqlType::Tuple(fields) => {
            let items: Vec<Value> = fields.iter().map(nullable).collect();
            json!({"type": "array", "prefixItems": items, "minItems": items.len(), "maxItems": items.len()})
        }
        CqlType::Udt { definition, .. } => {
            let fields: Map<String, Value> =
                definition.fields.iter().map(|(name, ty)| (name.to_string(), nullable(ty))).collect();
            json!({"type": "object", "properties": fields, "additionalProperties": false})
        }
        CqlType::Text | CqlType::Duration | CqlType::Empty => json!({"type": "string"}),
    }
}
