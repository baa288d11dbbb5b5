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
    }
    schema
}

pub fn of(ty: &CqlType) -> Value {
    match ty {
        CqlType::Boolean => json!({"type": "boolean"}),
        CqlType::Tinyint => json!({"type": "integer", "minimum": i8::MIN, "maximum": i8::MAX}),
        CqlType::Smallint => json!({"type": "integer", "minimum": i16::MIN, "maximum": i16::MAX}),
        CqlType::Int => json!({"type": "integer", "format": "int32"}),
        CqlType::Bigint => json!({"type": "integer", "format": "int64"}),
        CqlType::Varint => json!({"type": "integer"}),
        CqlType::Decimal => json!({"type": "number"}),
        // Not a number, and the infinite ones, are strings.
        CqlType::Float | CqlType::Double => {
            json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}, {"type": "null"}]})
        }
        CqlType::Uuid | CqlType::Timeuuid => json!({"type": "string", "format": "uuid"}),
        CqlType::Timestamp => json!({"type": "string", "format": "date-time"}),
        CqlType::Date => json!({"type": "string", "format": "date"}),
        CqlType::Blob | CqlType::Custom(_) => json!({"type": "string", "contentEncoding": "base64"}),
        CqlType::List { element, .. } => json!({"type": "array", "items": of(element)}),
        CqlType::Set { element, .. } => json!({"type": "array", "items": of(element), "uniqueItems": true}),
        CqlType::Vector { element, dimension } => {
            json!({"type": "array", "items": of(element), "minItems": dimension, "maxItems": dimension})
        }
        CqlType::Map { value, .. } => json!({"type": "object", "additionalProperties": of(value)}),
        CqlType::Tuple(fields) => {
            let items: Vec<Value> = fields.iter().map(nullable).collect();
            json!({"type": "array", "prefixItems": items, "minItems": items.len(), "maxItems": items.len()})
        }
        CqlType::Udt { definition, .. } => {
            let fields: Map<String, Value> =
                definition.fields.iter().map(|(name, ty)| (name.to_string(), nullable(ty))).collect();
            json!({"type": "object", "properties": fields, "additionalProperties": false})
        }
        CqlType::Text
        | CqlType::Ascii
        | CqlType::Counter
        | CqlType::Duration
        | CqlType::Inet
        | CqlType::Time
        | CqlType::Empty => json!({"type": "string"}),
    }
}
