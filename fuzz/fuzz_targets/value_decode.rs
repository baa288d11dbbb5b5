//! Any bytes as a value of any type: refused, or it compares, prints, becomes JSON and a sort key, and the sort key
//! gives an equal value back. Any bytes as a stored key, and any text as the REST API reads it: refused, or a value.
#![no_main]

use ilium_cql::types::UserType;
use ilium_cql::value::{compare, normalize, text::to_cql_literal, validate};
use ilium_cql::{CqlType, Token, json, partition_key, sort_key};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// Reads a type from the front of the input, at most `depth` types deep.
fn take_type(input: &mut &[u8], depth: u32) -> CqlType {
    const NATIVE: [CqlType; 22] = [
        CqlType::Ascii,
        CqlType::Bigint,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Counter,
        CqlType::Date,
        CqlType::Decimal,
        CqlType::Double,
        CqlType::Duration,
        CqlType::Float,
        CqlType::Inet,
        CqlType::Int,
        CqlType::Smallint,
        CqlType::Text,
        CqlType::Time,
        CqlType::Timestamp,
        CqlType::Timeuuid,
        CqlType::Tinyint,
        CqlType::Uuid,
        CqlType::Varint,
        CqlType::Empty,
        CqlType::Text,
    ];
    let byte = take(input);
    let part = |input: &mut &[u8]| take_type(input, depth - 1);
    match byte % 32 {
        22 | 23 if depth > 0 => CqlType::List { element: Arc::new(part(input)), frozen: true },
        24 | 25 if depth > 0 => CqlType::Set { element: Arc::new(part(input)), frozen: true },
        26 | 27 if depth > 0 => {
            let key = Arc::new(part(input));
            CqlType::Map { key, value: Arc::new(part(input)), frozen: true }
        }
        28 if depth > 0 => {
            let dimension = u32::from(take(input) % 8) + 1;
            CqlType::Vector { element: Arc::new(part(input)), dimension }
        }
        29 | 30 if depth > 0 => {
            let count = take(input) % 4 + 1;
            CqlType::Tuple((0..count).map(|_| part(input)).collect())
        }
        31 if depth > 0 => {
            let count = take(input) % 4 + 1;
            let fields = (0..count).map(|i| (Arc::from(format!("f{i}")), part(input))).collect();
            let definition = UserType { keyspace: Arc::from("ks"), name: Arc::from("t"), fields };
            CqlType::Udt { definition: Arc::new(definition), frozen: true }
        }
        native => NATIVE[usize::from(native) % NATIVE.len()].clone(),
    }
}

fn take(input: &mut &[u8]) -> u8 {
    let Some((first, rest)) = input.split_first() else { return 0 };
    *input = rest;
    *first
}

fuzz_target!(|input: &[u8]| {
    let mut input = input;
    let ty = take_type(&mut input, 4);
    let reversed = take(&mut input) & 1 == 1;

    if let Ok(text) = std::str::from_utf8(input) {
        let mut value = Vec::new();
        if json::write_text(&ty, text, json::Style::Rest { compact_maps: reversed }, &mut value).is_ok() {
            assert_eq!(validate(&ty, &value), Ok(()));
        }
    }
    if let Ok(value) = sort_key::decode(&ty, reversed, &mut &*input) {
        let _ = compare(&ty, &value, input);
    }
    let _ = compare(&ty, input, &[]);
    let _ = normalize(&ty, input);
    let mut text = String::new();
    if validate(&ty, input).is_err() {
        let _ = sort_key::encode(&ty, input, reversed, &mut Vec::new());
        let _ = to_cql_literal(&ty, Some(input));
        let _ = json::to_json(&ty, input, &mut text);
        return;
    }

    let mut key = Vec::new();
    sort_key::encode(&ty, input, reversed, &mut key).unwrap();
    let mut rest = key.as_slice();
    let back = sort_key::decode(&ty, reversed, &mut rest).unwrap();
    assert!(rest.is_empty());
    assert!(compare(&ty, input, &back).is_eq());
    assert_eq!(sort_key::loses_bytes(&ty, input), back != input);

    let normal = normalize(&ty, input).unwrap();
    assert_eq!(validate(&ty, &normal), Ok(()));
    to_cql_literal(&ty, Some(input)).unwrap();
    json::to_json(&ty, input, &mut text).unwrap();
    // A number such as 1E+2147483650 is JSON that serde_json keeps as text.
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    if let Ok(Some(value)) = json::from_json(&ty, &parsed) {
        assert_eq!(validate(&ty, &value), Ok(()));
    }

    let mut composite = Vec::new();
    if partition_key::encode(&[input, input], &mut composite).is_ok() {
        assert_eq!(partition_key::split(&composite, 2).unwrap().as_slice(), [input, input]);
        let _ = Token::of(&composite);
    }
    let _ = partition_key::split(input, 3);
});
