//! Identifiers and strings.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use crate::ast::{Name, QualifiedName, RoleName};
use crate::lexer::Keyword;
use crate::parser::RESERVED_TYPE_NAMES;

/// `name` as CQL writes it: quoted only where it would not read back as itself.
///
/// As Cassandra's `ColumnIdentifier.maybeQuote`, but for `true` and `false`, which that leaves as they are though
/// they read back as booleans.
pub fn quote_identifier(name: &str) -> Cow<'_, str> {
    quote_unless(name, |name| Keyword::of(name).is_none_or(Keyword::is_identifier) && !is_boolean(name))
}

/// `text` as a string literal.
pub fn quote_string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn is_boolean(name: &str) -> bool {
    name == "true" || name == "false"
}

/// Whether `name` has the form of an unquoted identifier and no upper-case letter, which would be folded.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn quote_unless(name: &str, reads_back: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if is_plain(name) && reads_back(name) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_identifier(&self.text))
    }
}

impl Display for QualifiedName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_qualified(f, self, &quote_identifier(self.name.as_str()))
    }
}

fn write_qualified(f: &mut Formatter<'_>, name: &QualifiedName, last: &str) -> fmt::Result {
    match &name.keyspace {
        Some(keyspace) => write!(f, "{keyspace}.{last}"),
        None => f.write_str(last),
    }
}

/// A name in a place where the grammar has keywords of its own beside it; any that is one is quoted.
pub(super) struct Unmistakable<'a>(pub &'a Name);

impl Display for Unmistakable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_unless(self.0.as_str(), |name| Keyword::of(name).is_none() && !is_boolean(name)))
    }
}

/// A column or an alias in a selection: `json` and `distinct` would change its meaning at the start, `as` and `per`
/// after a parenthesis.
pub(super) struct SelectedName<'a>(pub &'a Name);

impl Display for SelectedName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match Keyword::of(self.0.as_str()) {
            Some(Keyword::Json | Keyword::Distinct | Keyword::As | Keyword::Per) => {
                Unmistakable(self.0).fmt(f)
            }
            _ => self.0.fmt(f),
        }
    }
}

/// The name of a function or an aggregate, without its keyspace.
pub(super) struct FunctionName<'a>(pub &'a Name);

impl Display for FunctionName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // `expr(` starts a custom index expression.
        let reads_back = |name: &str| {
            Keyword::of(name).is_none_or(Keyword::is_function_name) && !is_boolean(name) && name != "expr"
        };
        f.write_str(&quote_unless(self.0.as_str(), reads_back))
    }
}

/// The name of a function or an aggregate.
pub(super) struct QualifiedFunctionName<'a>(pub &'a QualifiedName);

impl Display for QualifiedFunctionName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_qualified(f, self.0, &FunctionName(&self.0.name).to_string())
    }
}

/// The name of a user-defined type.
pub(super) struct UserTypeName<'a>(pub &'a QualifiedName);

impl Display for UserTypeName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let reads_back = |name: &str| {
            Keyword::of(name).is_none_or(Keyword::is_type_name)
                && !is_boolean(name)
                && !RESERVED_TYPE_NAMES.contains(&name)
        };
        write_qualified(f, self.0, &quote_unless(self.0.name.as_str(), reads_back))
    }
}

/// A role is written as a string unless it is a plain word: users cannot be written as quoted names.
impl Display for RoleName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.text.as_str();
        if is_plain(text) && Keyword::of(text).is_none() && !is_boolean(text) {
            f.write_str(text)
        } else {
            f.write_str(&quote_string(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_only_where_it_would_not_read_back() {
        for plain in ["a", "a_1", "ttl", "key", "int", "json"] {
            assert_eq!(quote_identifier(plain), plain);
        }
        for quoted in ["Name", "1a", "select", "token", "", "a b", "true", "é", "_a"] {
            assert_eq!(quote_identifier(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(quote_identifier("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn quotes_in_a_string_are_doubled() {
        assert_eq!(quote_string("it's"), "'it''s'");
    }
}
