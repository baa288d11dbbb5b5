//! Values as `INSERT JSON` takes them.

use super::value::Kind;
use crate::value::Literal;

/// The JSON of a CQL literal of the type.
pub(super) fn json(kind: &Kind, literal: &str) -> String {
    let parsed = Literal::list(literal).ok().and_then(|mut all| all.pop());
    parsed.map_or_else(|| "null".to_owned(), |(_, literal)| of(kind, &literal))
}

fn of(kind: &Kind, literal: &Literal) -> String {
    match (kind, literal) {
        (Kind::Frozen(inner), _) => of(inner, literal),
        (_, Literal::Null | Literal::Unset) => "null".to_owned(),
        (Kind::List(element) | Kind::Set(element) | Kind::Vector(element, _), Literal::List(all))
        | (Kind::Set(element), Literal::Set(all)) => {
            format!("[{}]", all.iter().map(|one| of(element, one)).collect::<Vec<_>>().join(", "))
        }
        (Kind::Tuple(fields), Literal::Tuple(all)) => {
            let all: Vec<String> = fields.iter().zip(all).map(|(kind, one)| of(kind, one)).collect();
            format!("[{}]", all.join(", "))
        }
        (Kind::Map(key, value), Literal::Map(all)) => {
            let all: Vec<String> =
                all.iter().map(|(k, v)| format!("{}: {}", quoted(&of(key, k)), of(value, v))).collect();
            format!("{{{}}}", all.join(", "))
        }
        (Kind::Udt(_, fields), Literal::Map(all)) => {
            let value = |(name, kind): &(String, Kind)| {
                let given = all.iter().find(|(key, _)| *key == Literal::Word(name.clone()));
                format!("\"{name}\": {}", given.map_or("null".to_owned(), |(_, value)| of(kind, value)))
            };
            format!("{{{}}}", fields.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        (_, Literal::Set(all)) if all.is_empty() => "{}".to_owned(),
        (_, Literal::Text(text)) => format!("\"{text}\""),
        // As a number it would lose its last zeros.
        (Kind::Simple("decimal"), Literal::Word(word)) => format!("\"{word}\""),
        (_, Literal::Word(word)) => match word.parse::<f64>() {
            Ok(number) if number.is_finite() && kind.is_number() => word.clone(),
            _ if word == "true" || word == "false" => word.clone(),
            _ => format!("\"{word}\""),
        },
        (_, other) => other.to_string(),
    }
}

/// A map's key is always a string.
fn quoted(json: &str) -> String {
    if json.starts_with('"') { json.to_owned() } else { format!("\"{}\"", json.replace('"', "\\\"")) }
}
