//! Identifiers as CQL prints them.
//!
//! Vocabulary: an identifier is *plain* when it reads back as itself without quotes: lower-case letters, digits and
//! underscores after a leading letter, and not a word that the language keeps for itself.

use std::borrow::Cow;

use crate::lexer::{Keyword, unquote};

/// Whether `name` reads back as itself without quotes.
///
/// As Cassandra's `ColumnIdentifier.maybeQuote`, but for `true` and `false`, which that takes for plain though they read
/// back as booleans.
pub fn is_plain(name: &str) -> bool {
    has_plain_form(name) && Keyword::of(name).is_none_or(Keyword::is_identifier) && !is_boolean(name)
}

/// Whether `name` has the form of an unquoted identifier and no upper-case letter, which would be folded.
pub(crate) fn has_plain_form(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub(crate) fn is_boolean(name: &str) -> bool {
    name == "true" || name == "false"
}

/// `name` as CQL writes it: quoted where it would not read back as itself.
pub fn quote_if_needed(name: &str) -> Cow<'_, str> {
    if is_plain(name) { Cow::Borrowed(name) } else { Cow::Owned(quote(name)) }
}

/// The name that an identifier stands for, given as CQL writes it: what [`quote_if_needed`] was given.
pub fn unquoted(identifier: &str) -> Cow<'_, str> {
    if identifier.starts_with('"') { unquote(identifier) } else { Cow::Borrowed(identifier) }
}

/// `name` within quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cassandra 5.0's `reserved_keywords.txt`.
    const RESERVED: &str = "add allow alter and apply asc authorize batch begin by columnfamily create delete desc describe \
        drop entries execute from full grant if in index infinity insert into is keyspace limit \
        materialized modify nan norecursive not null of on or order primary rename revoke schema select \
        set table to token truncate unlogged update use using view where with";

    #[test]
    fn the_words_that_cassandra_reserves_are_quoted_and_other_keywords_are_not() {
        for word in RESERVED.split(' ') {
            assert!(!is_plain(word), "{word}");
        }
        for word in ["ttl", "key", "count", "int", "json", "distinct", "role", "type", "values", "timestamp"]
        {
            assert!(is_plain(word), "{word}");
        }
    }

    #[test]
    fn a_name_is_quoted_only_where_it_would_not_read_back() {
        assert_eq!(quote_if_needed("a_1"), "a_1");
        assert_eq!(quote_if_needed("Name"), "\"Name\"");
        assert_eq!(quote_if_needed("1a"), "\"1a\"");
        assert_eq!(quote_if_needed("select"), "\"select\"");
        assert_eq!(quote_if_needed("true"), "\"true\"");
        assert_eq!(quote_if_needed("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_if_needed(""), "\"\"");
        for name in ["a_1", "Name", "1a", "select", "a\"b", "\"", "é", ""] {
            assert_eq!(unquoted(&quote_if_needed(name)), name);
        }
    }
}
