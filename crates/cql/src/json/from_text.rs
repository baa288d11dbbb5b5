//! Text to values, as the REST API reads it: a JSON string, or a part of a path, for a value of any type.
//!
//! Vocabulary: a *literal* is a composed value as CQL writes it, whose words need no quotes: `{a, b}`, `(28, 'x')`. A
//! composed value may be given as a literal or as its JSON.

use super::from_json::{push_map, push_set};
use super::{JsonError, Step, Style, parse_strict, write_json};
use crate::types::{CqlType, UserType};
use crate::value::text::{from_string, parse_uuid};
use crate::value::wire::push_written;
use crate::value::{CollectionBuilder, push_bytes, push_vector_element};
use data_encoding::BASE64;
use std::borrow::Cow;

/// Appends the wire form of the value that `text` stands for. What was appended before an error is of no use.
///
/// Quotes of CQL around the whole are taken off, but for text, which is what it is.
pub fn write_text(ty: &CqlType, text: &str, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match ty {
        CqlType::Text => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        CqlType::Ascii => plain(ty, text, out),
        _ => {
            let text = unquoted(text);
            match ty {
                CqlType::Blob | CqlType::Custom(_) => match BASE64.decode(text.as_bytes()) {
                    Ok(bytes) => {
                        out.extend_from_slice(&bytes);
                        Ok(())
                    }
                    Err(e) => Err(invalid(&text, &format!("it is not base64: {e}"))),
                },
                _ if ty.is_freezable() => composed(ty, &text, style, out),
                CqlType::Int => number::<i32, 4>(ty, &text, i32::to_be_bytes, out),
                CqlType::Bigint | CqlType::Counter => number::<i64, 8>(ty, &text, i64::to_be_bytes, out),
                CqlType::Uuid => match parse_uuid(&text) {
                    Some(uuid) => {
                        out.extend_from_slice(&uuid);
                        Ok(())
                    }
                    None => plain(ty, &text, out),
                },
                // Java's `LocalTime` leaves out seconds that are 0.
                CqlType::Time if text.matches(':').count() == 1 => plain(ty, &format!("{text}:00"), out),
                CqlType::Empty => plain(ty, &text, out),
                _ if text.is_empty() => Err(invalid(&text, &format!("it is empty, and the type is {ty}"))),
                _ => plain(ty, &text, out),
            }
        }
    }
}

fn number<N: std::str::FromStr, const BYTES: usize>(
    ty: &CqlType,
    text: &str,
    to_wire: fn(N) -> [u8; BYTES],
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    match text.parse() {
        Ok(value) => {
            out.extend_from_slice(&to_wire(value));
            Ok(())
        }
        Err(_) => Err(invalid(text, &format!("it is no {ty}"))),
    }
}

fn plain(ty: &CqlType, text: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    out.extend_from_slice(&from_string(ty, text).map_err(|e| invalid(text, e.message()))?);
    Ok(())
}

fn invalid(text: &str, reason: &str) -> JsonError {
    JsonError::new(format!("Invalid String value ('{}'): {}", shortened(text), shortened(reason)))
}

/// The beginning of a text, for a message: a value may have megabytes.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}

/// Takes the quotes of a CQL string off, where it has some.
fn unquoted(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) if inner.contains("''") => Cow::Owned(inner.replace("''", "'")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(text),
    }
}

fn composed(ty: &CqlType, text: &str, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    if text.starts_with(['[', '{']) {
        match parse_strict(text) {
            Ok(json) => return write_json(ty, &json, style, out),
            // JSON by its grammar, with a key twice: which one counts would be a guess.
            Err(error) if error.is_data() => return Err(invalid(text, &error.to_string())),
            // A literal, then.
            Err(_) => {}
        }
    }
    match ty {
        CqlType::List { element, .. } => {
            let mut list = CollectionBuilder::new(out);
            for (i, item) in items(text, '[', ']')?.into_iter().enumerate() {
                list.push_with(|out| word(element, item, style, out))
                    .map_err(|e| e.under(&Step::Index(i)))?;
            }
            Ok(list.finish()?)
        }
        CqlType::Set { element, .. } => {
            let mut elements = Vec::new();
            for (i, item) in items(text, '{', '}')?.into_iter().enumerate() {
                let mut bytes = Vec::new();
                word(element, item, style, &mut bytes).map_err(|e| e.under(&Step::Index(i)))?;
                elements.push(bytes);
            }
            push_set(element, elements, out)
        }
        CqlType::Map { key, value, .. } => {
            let mut entries = Vec::new();
            for (key_text, value_text) in map_pairs(text, style)? {
                let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
                word(key, key_text, style, &mut key_bytes)
                    .and_then(|()| word(value, value_text, style, &mut value_bytes))
                    .map_err(|e| e.under(&Step::Key(key_text)))?;
                entries.push((key_bytes, value_bytes));
            }
            push_map(key, entries, out)
        }
        CqlType::Tuple(types) => {
            let fields = items(text, '(', ')')?;
            if fields.len() != types.len() {
                let counts =
                    format!("a tuple of {} values is expected, it has {}", types.len(), fields.len());
                return Err(invalid(text, &counts));
            }
            for (i, (ty, field)) in types.iter().zip(fields).enumerate() {
                nullable_word(ty, Some(field), style, out).map_err(|e| e.under(&Step::Index(i)))?;
            }
            Ok(())
        }
        CqlType::Udt { definition, .. } => user_type(definition, text, style, out),
        CqlType::Vector { element, dimension } => {
            let elements = items(text, '[', ']')?;
            if u32::try_from(elements.len()) != Ok(*dimension) {
                let counts = format!("a vector of {dimension} is expected, it has {}", elements.len());
                return Err(invalid(text, &counts));
            }
            for (i, item) in elements.into_iter().enumerate() {
                let mut bytes = Vec::new();
                word(element, item, style, &mut bytes)
                    .and_then(|()| Ok(push_vector_element(out, element, &bytes)?))
                    .map_err(|e| e.under(&Step::Index(i)))?;
            }
            Ok(())
        }
        _ => plain(ty, text, out),
    }
}

fn user_type(definition: &UserType, text: &str, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let mut given: Vec<Option<&str>> = vec![None; definition.fields.len()];
    for item in items(text, '{', '}')? {
        let (name, value) = pair(item)?;
        let name = unquoted(name);
        let place = definition.field_index(&name).and_then(|at| given.get_mut(at)).ok_or_else(|| {
            JsonError::new(format!(
                "Unknown field '{name}' in value of user defined type {}",
                definition.name
            ))
        })?;
        *place = Some(value);
    }
    for ((name, ty), value) in definition.fields.iter().zip(given) {
        nullable_word(ty, value, style, out).map_err(|e| e.under(&Step::Key(name)))?;
    }
    Ok(())
}

/// A value within a literal, where text may have quotes that are not its own.
fn word(ty: &CqlType, text: &str, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match ty {
        CqlType::Text | CqlType::Ascii => write_text(ty, &unquoted(text), style, out),
        _ => write_text(ty, text, style, out),
    }
}

fn nullable_word(ty: &CqlType, text: Option<&str>, style: Style, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match text {
        None | Some("null") => Ok(push_bytes(out, None)?),
        Some(text) => push_written(out, |out| word(ty, text, style, out)),
    }
}

fn map_pairs(text: &str, style: Style) -> Result<Vec<(&str, &str)>, JsonError> {
    if style != (Style::Rest { compact_maps: false }) {
        return items(text, '{', '}')?.into_iter().map(pair).collect();
    }
    let entry = |item| {
        let halves: Vec<(&str, &str)> =
            items(item, '{', '}')?.into_iter().map(pair).collect::<Result<_, _>>()?;
        match halves.as_slice() {
            [(k, key), (v, value)] if bare(k) == "key" && bare(v) == "value" => Ok((*key, *value)),
            _ => Err(invalid(item, "an entry of a map is {\"key\": ..., \"value\": ...}")),
        }
    };
    items(text, '[', ']')?.into_iter().map(entry).collect()
}

fn bare(name: &str) -> &str {
    name.trim_matches(['"', '\''])
}

/// What stands between the braces, cut at commas that are in no braces and no string.
fn items(text: &str, open: char, close: char) -> Result<Vec<&str>, JsonError> {
    let inner = text
        .trim()
        .strip_prefix(open)
        .and_then(|rest| rest.strip_suffix(close))
        .ok_or_else(|| invalid(text, &format!("it must begin with '{open}' and end with '{close}'")))?;
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    let mut rest = inner;
    while let Some(at) = cut(rest, ',').ok_or_else(|| invalid(text, "its braces or quotes do not match"))? {
        let (item, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        items.push(item.trim());
        rest = after.get(1..).unwrap_or_default();
    }
    items.push(rest.trim());
    if items.iter().any(|item| item.is_empty()) {
        return Err(invalid(text, "a value is missing at a comma"));
    }
    Ok(items)
}

/// `key: value`
fn pair(text: &str) -> Result<(&str, &str), JsonError> {
    let at = cut(text, ':').flatten().ok_or_else(|| invalid(text, "a ':' is missing"))?;
    let (key, value) = text.split_at_checked(at).unwrap_or((text, ""));
    let (key, value) = (key.trim(), value.get(1..).unwrap_or_default().trim());
    if key.is_empty() || value.is_empty() {
        return Err(invalid(text, "a value is missing at a ':'"));
    }
    Ok((key, value))
}

/// Where the first `symbol` is that is in no braces and no string; outside `None`: the braces or quotes do not match.
fn cut(text: &str, symbol: char) -> Option<Option<usize>> {
    let mut open = 0u32;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            // Two quotes within a string leave it and enter it again.
            '\'' => quoted = !quoted,
            _ if quoted => {}
            _ if c == symbol && open == 0 => return Some(Some(at)),
            '{' | '[' | '(' => open += 1,
            '}' | ']' | ')' => open = open.checked_sub(1)?,
            _ => {}
        }
    }
    (open == 0 && !quoted).then_some(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_json_as;
    use crate::types::Resolve;
    use std::sync::Arc;

    const COMPACT: Style = Style::Rest { compact_maps: true };

    fn ty(text: &str) -> CqlType {
        let resolve: Resolve<'_> = &|name| {
            (name == "address").then(|| {
                let fields = vec![(Arc::from("street"), CqlType::Text), (Arc::from("number"), CqlType::Int)];
                Arc::new(UserType { keyspace: Arc::from("ks"), name: Arc::from("address"), fields })
            })
        };
        CqlType::parse(text, resolve).unwrap()
    }

    /// The JSON of the value that a text stands for.
    fn read(type_text: &str, text: &str, style: Style) -> Result<String, String> {
        let ty = ty(type_text);
        let mut bytes = Vec::new();
        write_text(&ty, text, style, &mut bytes).map_err(|e| e.to_string())?;
        let mut json = String::new();
        to_json_as(&ty, &bytes, style, &mut json).map_err(|e| e.to_string())?;
        Ok(json)
    }

    #[test]
    fn a_text_stands_for_a_value_of_any_type() {
        for (ty, text, json) in [
            ("text", "'quoted'", "\"'quoted'\""),
            ("int", "'28'", "28"),
            ("bigint", "-9223372036854775808", "-9223372036854775808"),
            ("boolean", "TRUE", "true"),
            ("blob", "aGkh", "\"aGkh\""),
            ("blob", "", "\"\""),
            ("time", "10:15", "\"10:15:00\""),
            ("time", "10:15:30.120", "\"10:15:30.12\""),
            ("timestamp", "2021-04-22T18:42:22.139+1000", "\"2021-04-22T08:42:22.139Z\""),
            ("timestamp", "2023-07-13T14:02:06.018850Z", "\"2023-07-13T14:02:06.018Z\""),
            ("timestamp", "2023-07-13T14:02:06Z", "\"2023-07-13T14:02:06Z\""),
            ("double", "NaN", "\"NaN\""),
            ("uuid", "113fbac2-0cad-40f8-940c-6a95f8d1a4cf", "\"113fbac2-0cad-40f8-940c-6a95f8d1a4cf\""),
            ("list<text>", "[a, 'b,c', 'it''s']", "[\"a\",\"b,c\",\"it's\"]"),
            ("list<int>", "[1,2]", "[1,2]"),
            ("set<int>", "{3, 1, 3}", "[1,3]"),
            ("map<text, int>", "{'a': 1, b: 2}", "{\"a\":1,\"b\":2}"),
            ("map<text, int>", "{\"a\":1}", "{\"a\":1}"),
            ("tuple<int, boolean, text>", "(28,false,'foobar')", "[28,false,\"foobar\"]"),
            ("tuple<int, text>", "(null, 'null')", "[null,\"null\"]"),
            ("address", "{street: 'Main St', number: 5}", "{\"street\":\"Main St\",\"number\":5}"),
            ("address", "{number: 5}", "{\"street\":null,\"number\":5}"),
            ("vector<float, 2>", "[1, 2.5]", "[1.0,2.5]"),
            ("list<tuple<int, text>>", "[(1,'a,b'),(2,c)]", "[[1,\"a,b\"],[2,\"c\"]]"),
        ] {
            assert_eq!(read(ty, text, COMPACT).as_deref(), Ok(json), "{text} as {ty}");
        }
    }

    #[test]
    fn a_map_that_is_not_compact_is_a_list_of_entries() {
        let style = Style::Rest { compact_maps: false };
        let text = "[{'key': 'a', 'value': 1}, {'key': 'b', 'value': 2}]";
        let json = "[{\"key\":\"a\",\"value\":1},{\"key\":\"b\",\"value\":2}]";
        assert_eq!(read("map<text, int>", text, style).as_deref(), Ok(json));
        assert_eq!(read("map<text, int>", json, style).as_deref(), Ok(json));
    }

    #[test]
    fn what_is_no_value_is_refused_with_the_place() {
        for (ty, text, message) in [
            ("int", "x", "Invalid String value ('x'): it is no int"),
            ("int", "", "Invalid String value (''): it is no int"),
            ("date", "", "Invalid String value (''): it is empty, and the type is date"),
            ("list<int>", "[1, x]", "Invalid String value ('x'): it is no int (at [1])"),
            ("list<int>", "[1, 2", "Invalid String value ('[1, 2'): it must begin with '[' and end with ']'"),
            ("list<int>", "[1,,2]", "Invalid String value ('[1,,2]'): a value is missing at a comma"),
            ("list<text>", "[(a]", "Invalid String value ('[(a]'): its braces or quotes do not match"),
            ("map<text, int>", "{a: x}", "Invalid String value ('x'): it is no int (at a)"),
            (
                "map<text, int>",
                r#"{"a":1,"a":2}"#,
                "Invalid String value ('{\"a\":1,\"a\":2}'): duplicate key `a` at line 1 column 10",
            ),
            ("address", "{zip: 1}", "Unknown field 'zip' in value of user defined type address"),
            (
                "tuple<int, int>",
                "(1)",
                "Invalid String value ('(1)'): a tuple of 2 values is expected, it has 1",
            ),
        ] {
            assert_eq!(read(ty, text, COMPACT), Err(message.to_owned()), "{text} as {ty}");
        }
        assert!(read("uuid", "not-really-uuid", COMPACT).unwrap_err().contains("'not-really-uuid'"));
        assert!(read("blob", "0x1", COMPACT).is_err());
        assert!(read("date", &"9".repeat(1 << 20), COMPACT).unwrap_err().len() < 1000);
    }
}
