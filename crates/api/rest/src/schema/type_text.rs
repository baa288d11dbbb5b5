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
    parse_type(&plain).map_err(|error| format!("type '{text}': {error}"))
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
        assert!(read_type("map<int").unwrap_err().starts_with("type 'map<int': "));
    }
}
