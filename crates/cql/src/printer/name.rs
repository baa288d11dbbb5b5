//! Identifiers and strings.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use crate::ast::{Name, QualifiedName, RoleName};
use crate::identifier::{has_plain_form, is_boolean, quote, quote_if_needed};
use crate::lexer::Keyword;
use crate::parser::RESERVED_TYPE_NAMES;

/// `text` as a string literal.
pub fn quote_string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quote_unless(name: &str, reads_back: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let reads_back = has_plain_form(name) && !is_boolean(name) && reads_back(name);
    if reads_back { Cow::Borrowed(name) } else { Cow::Owned(quote(name)) }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_if_needed(&self.text))
    }
}

impl Display for QualifiedName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_qualified(f, self, &quote_if_needed(self.name.as_str()))
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
        f.write_str(&quote_unless(self.0.as_str(), |name| Keyword::of(name).is_none()))
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
        if has_plain_form(text) && Keyword::of(text).is_none() && !is_boolean(text) {
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
            assert_eq!(quote_if_needed(plain), plain);
        }
        for quoted in ["Name", "1a", "select", "token", "", "a b", "true", "é", "_a"] {
            assert_eq!(quote_if_needed(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(quote_if_needed("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn quotes_in_a_string_are_doubled() {
        assert_eq!(quote_string("it's"), "'it''s'");
    }
}
