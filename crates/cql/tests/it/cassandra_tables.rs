//! Tables of what a real Cassandra answers, line by line.
//!
//! Each file in `fixtures/cassandra` has a question and its answer a line, tabs between the fields; the first field
//! names the question. The answers were printed by Cassandra 5.0.9's own classes (see the README beside the tables).

use ilium_cql::ast::{Literal, LiteralKind};
use ilium_cql::json::{from_json, to_json};
use ilium_cql::types::{Assignment, UserType};
use ilium_cql::value::text::{
    double_to_text, float_to_text, from_constant, from_string, preferred_type, test_assignment,
    to_cql_literal,
};
use ilium_cql::value::{compare, normalize, validate};
use ilium_cql::{CqlType, Token, partition_key, sort_key};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

fn resolve(name: &str) -> Option<Arc<UserType>> {
    let fields: &[(&str, &str)] = match name {
        "address" => &[("street", "text"), ("Zip", "int"), ("tags", "frozen<set<text>>")],
        "pair" => &[("a", "int"), ("b", "frozen<address>")],
        _ => return None,
    };
    let fields = fields.iter().map(|(name, ty)| (Arc::from(*name), self::ty(ty))).collect();
    Some(Arc::new(UserType { keyspace: Arc::from("ks"), name: Arc::from(name), fields }))
}

fn ty(text: &str) -> CqlType {
    CqlType::parse(text, &resolve).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    ilium_cql::value::text::parse_hex(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = "0x".to_owned();
    bytes.iter().for_each(|byte| write!(out, "{byte:02x}").unwrap());
    out
}

fn unquote(text: &str) -> String {
    serde_json::from_str(text).unwrap()
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn failure(message: impl std::fmt::Display) -> String {
    format!("err {}", quote(&message.to_string()))
}

/// The answer to one question, in the form the tables have.
fn answer(question: &[&str]) -> String {
    match *question {
        ["V", ty, bytes] => match validate(&self::ty(ty), &unhex(bytes)) {
            Ok(()) => "ok".to_owned(),
            Err(e) => failure(e),
        },
        ["J", ty, bytes] => {
            let (ty, bytes) = (self::ty(ty), unhex(bytes));
            let mut out = String::new();
            match validate(&ty, &bytes)
                .map_err(|e| e.to_string())
                .and_then(|()| to_json(&ty, &bytes, &mut out).map_err(|e| e.message))
            {
                Ok(()) => quote(&out),
                Err(e) => failure(e),
            }
        }
        ["L", ty, bytes] => match to_cql_literal(&self::ty(ty), Some(&unhex(bytes))) {
            Ok(text) => quote(&text),
            Err(e) => failure(e),
        },
        // What a server answers for a column that was bound to the value.
        ["SJ", ty, bytes] => {
            let ty = self::ty(ty);
            let mut out = String::new();
            to_json(&ty, &normalize(&ty, &unhex(bytes)).unwrap(), &mut out).unwrap();
            quote(&out)
        }
        // Clustering values in the order a server reads them; `-` is an empty one.
        ["SO", ty, direction, values] => {
            let ty = self::ty(ty);
            let mut values: Vec<&str> = values.split(' ').collect();
            let key = |value: &&str| {
                let mut key = Vec::new();
                let bytes = unhex(value.trim_matches('-'));
                sort_key::encode(&ty, &normalize(&ty, &bytes).unwrap(), direction == "DESC", &mut key)
                    .unwrap();
                key
            };
            values.sort_by_key(key);
            values.join(" ")
        }
        // The token of a partition key, by its columns.
        ["ST", components] => {
            let components: Vec<_> =
                components.split(' ').map(|value| unhex(value.trim_matches('-'))).collect();
            let mut key = Vec::new();
            partition_key::encode(&components, &mut key).unwrap();
            assert!(partition_key::split(&key, components.len()).unwrap().iter().eq(&components));
            Token::of(&key).to_string()
        }
        ["C", ty, a, b] => (compare(&self::ty(ty), &unhex(a), &unhex(b)) as i8).to_string(),
        ["S", ty, text] => match from_string(&self::ty(ty), &unquote(text)) {
            Ok(bytes) => hex(&bytes),
            Err(e) => failure(e),
        },
        ["F", ty, json] => match from_json(&self::ty(ty), &serde_json::from_str(&unquote(json)).unwrap()) {
            Ok(Some(bytes)) => hex(&bytes),
            Ok(None) => "null".to_owned(),
            Err(e) => failure(e.message),
        },
        ["K", kind, ty, text] => {
            let ty = self::ty(ty);
            let kind = match kind {
                "STRING" => LiteralKind::String,
                "INTEGER" => LiteralKind::Integer,
                "FLOAT" if text.contains('N') || text.contains('I') => LiteralKind::NanOrInfinity,
                "FLOAT" => LiteralKind::Float,
                "BOOLEAN" => LiteralKind::Boolean,
                "UUID" => LiteralKind::Uuid,
                "HEX" => LiteralKind::Hex,
                _ => LiteralKind::Duration,
            };
            let literal = Literal { kind, text: unquote(text) };
            let value = match from_constant(&ty, &literal, "v") {
                Ok(bytes) => hex(&bytes),
                Err(e) => failure(e),
            };
            format!("{}\t{}\t{value}", preferred_type(&literal), name(test_assignment(&ty, &literal)))
        }
        ["A", from, to] => name(ty(from).test_assignment(&ty(to))).to_owned(),
        ["P", ty] => self::ty(ty).to_string(),
        ["T", key] => Token::of(&unhex(key)).to_string(),
        ["D", bits] => double_to_text(f64::from_bits(u64::from_str_radix(bits, 16).unwrap())),
        ["G", bits] => float_to_text(f32::from_bits(u32::from_str_radix(bits, 16).unwrap())),
        _ => panic!("unknown question {question:?}"),
    }
}

fn name(assignment: Assignment) -> &'static str {
    match assignment {
        Assignment::Exact => "EXACT_MATCH",
        Assignment::Weak => "WEAKLY_ASSIGNABLE",
        Assignment::NotAssignable => "NOT_ASSIGNABLE",
    }
}

/// The answer with strings unquoted (Java escapes other characters than Rust does) and without the Java exception's
/// name in front of a message.
fn plain(answer: &str) -> String {
    let Some(start) = answer.find('"') else { return answer.to_owned() };
    let (before, quoted) = answer.split_at(start);
    let mut text = unquote(quoted);
    // What Cassandra goes on to say there is its JSON library's or Java's.
    for free in
        ["Error decoding JSON string", "is not a valid blob representation", "Invalid ASCII character"]
    {
        if let Some(at) = text.find(free) {
            text.truncate(at + free.len());
        }
    }
    match text.split_once(": ") {
        Some((class, rest)) if class.ends_with("Exception") => format!("{before}{rest}"),
        _ => format!("{before}{text}"),
    }
}

#[test]
fn every_answer_in_the_tables_is_cassandras() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/cassandra");
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "tsv") {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let asked = match fields[0] {
                "T" | "P" | "D" | "G" | "ST" => 2,
                "C" | "K" => 4,
                "SO" => 4,
                _ => 3,
            };
            let expected = if fields[0] == "SO" { fields[3].to_owned() } else { fields[asked..].join("\t") };
            let got = answer(&fields[..asked]);
            count += 1;
            if plain(&expected) != plain(&got) {
                let key = format!("{} {}", path.file_name().unwrap().display(), fields[0]);
                wrong.entry(key).or_default().push(format!("{line}\n        got {got}"));
            }
        }
    }
    for (table, lines) in &wrong {
        eprintln!("{table}: {} wrong", lines.len());
        for line in lines.iter().take(20) {
            eprintln!("    {line}");
        }
    }
    assert!(count > 1000, "the tables are missing");
    assert!(wrong.is_empty());
}
