//! Types as text, as Stargate writes them: a user-defined type is `udt<name>`, and a tuple has no `frozen` around it.

use std::fmt::Write;

use ilium_cql::CqlType;
use ilium_cql::ast::TypeName;
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::parser::parse_type;

pub fn push_type(ty: &CqlType, out: &mut String) {
    let frozen = match ty {
        CqlType::List { frozen, .. }
        | CqlType::Set { frozen, .. }
        | CqlType::Map { frozen, .. }
        | CqlType::Udt { frozen, .. } => *frozen,
        _ => false,
    };
    out.push_str(if frozen { "frozen<" } else { "" });
    let mut parameters = |name: &str, types: &mut dyn Iterator<Item = &CqlType>| {
        out.extend([name, "<"]);
        for (at, ty) in types.enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            push_type(ty, out);
        }
        out.push('>');
    };
    match ty {
        CqlType::List { element, .. } => parameters("list", &mut [&**element].into_iter()),
        CqlType::Set { element, .. } => parameters("set", &mut [&**element].into_iter()),
        CqlType::Map { key, value, .. } => parameters("map", &mut [&**key, &**value].into_iter()),
        CqlType::Tuple(fields) => parameters("tuple", &mut fields.iter()),
        CqlType::Udt { definition, .. } => out.extend(["udt<", &definition.name, ">"]),
        other => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{other}");
        }
    }
    out.push_str(if frozen { ">" } else { "" });
}

/// Reads a type as CQL or as [`push_type`] writes it.
pub fn read_type(text: &str) -> Result<TypeName, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("udt<") {
        let (name, end) =
            after.split_once('>').ok_or_else(|| format!("type '{text}': a '>' is missing after 'udt<'"))?;
        plain.push_str(before);
        plain.push_str(&quote_if_needed(name.trim().trim_matches('"')));
        rest = end;
    }
    plain.push_str(rest);
    parse_type(&as_they_are(&plain)).map_err(|error| format!("type '{text}': {error}"))
}

/// With quotes around the names of user-defined types that need them, for a name means the type of exactly that name, as
/// it does in Stargate; CQL would read it in lower case.
fn as_they_are(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '"' | '\'' => {
                rest.get(1..).and_then(|inside| inside.find(first)).map_or(rest.len(), |end| end + 2)
            }
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let is_name = is_word(first) && !first.is_ascii_digit() && !is_known(token);
        out.push_str(&if is_name { quote_if_needed(token) } else { token.into() });
        rest = after;
    }
    out
}

/// Whether a word of a type is CQL's own.
fn is_known(word: &str) -> bool {
    const COMPOSED: [&str; 6] = ["frozen", "list", "set", "map", "tuple", "vector"];
    CqlType::native(word).is_some() || COMPOSED.iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_cql::UserType;
    use std::sync::Arc;

    #[test]
    fn what_is_written_is_read_again() {
        let resolve: ilium_cql::types::Resolve<'_> =
            &|name| Some(Arc::new(UserType { keyspace: "ks".into(), name: name.into(), fields: Vec::new() }));
        for (cql, written) in [
            ("frozen<map<date, text>>", "frozen<map<date, text>>"),
            ("frozen<tuple<int, text>>", "tuple<int, text>"),
            ("list<frozen<address>>", "list<frozen<udt<address>>>"),
            ("frozen<\"Mixed\">", "frozen<udt<Mixed>>"),
            ("vector<float, 3>", "vector<float, 3>"),
        ] {
            let mut out = String::new();
            push_type(&CqlType::parse(cql, resolve).unwrap(), &mut out);
            assert_eq!(out, written);
            assert!(read_type(&out).is_ok(), "{out}");
        }
        assert_eq!(read_type("frozen<udt<Mixed>>"), read_type("frozen<\"Mixed\">"));
        assert_eq!(read_type("map<TEXT, frozen<Mixed>>"), read_type("map<text, frozen<\"Mixed\">>"));
        assert!(read_type("map<int").unwrap_err().starts_with("type 'map<int': "));
    }
}
