//! What is shown of a statement where it is told of, as in a span: its name, and its text without values.

use ilium_cql::ast::{QualifiedName, Statement};
use ilium_cql::lexer::{Keyword, first_word, without_passwords, without_values};

/// Bytes of a text that are looked at: what is shown is made where answers are handed out, and other answers wait there.
const LOOKED_AT: usize = 4 * Shown::LONGEST_TEXT;

/// What is shown of a statement. It is the same whenever the statement is run, so those that are prepared keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its first word, in capitals. `None`: it is no CQL, and may be anything, a password for one.
    pub operation: Option<String>,
    /// The one table that it reads or writes, if that is known, with the keyspace if it names one.
    pub keyspace: Option<String>,
    pub table: Option<String>,
    /// With `?` for every constant; empty where it is no CQL.
    pub text: String,
}

impl Shown {
    /// Bytes of a statement's text: it is looked at by people, and kept for days.
    pub const LONGEST_TEXT: usize = 2048;

    /// Bytes of a name. Cassandra's own limit for those of keyspaces and tables is 48 (`SchemaConstants.NAME_LENGTH`), but a
    /// text may say anything.
    pub const LONGEST_NAME: usize = 256;

    /// Of a text as a client wrote it, whatever that is.
    pub fn of_text(text: &str) -> Shown {
        let read = if text.len() <= LOOKED_AT { ilium_cql::parse(text).ok() } else { None };
        Shown::made(text, read.as_ref())
    }

    /// Of a statement, as it is printed.
    pub fn of_statement(statement: &Statement) -> Shown {
        Shown::made(&statement.to_string(), Some(statement))
    }

    fn made(text: &str, read: Option<&Statement>) -> Shown {
        let text = head(text, LOOKED_AT);
        let table = read.and_then(table_of);
        let keyspace = table.and_then(|table| table.keyspace.as_ref());
        let word = Some(first_word(text)).filter(|word| Keyword::of(word).is_some());
        // What was meant for a password may be no value, but a name in quotes.
        let bare = |text| without_values(&without_passwords(text));
        Shown {
            operation: word.map(str::to_ascii_uppercase),
            keyspace: keyspace.map(|name| Shown::name(name.as_str()).to_owned()),
            table: table.map(|table| Shown::name(table.name.as_str()).to_owned()),
            text: word.map_or_else(String::new, |_| head(&bare(text), Shown::LONGEST_TEXT).to_owned()),
        }
    }

    /// As much of a name as is shown.
    pub fn name(name: &str) -> &str {
        head(name, Shown::LONGEST_NAME)
    }
}

/// The one table that a statement reads or writes.
fn table_of(statement: &Statement) -> Option<&QualifiedName> {
    match statement {
        Statement::Select(select) => Some(&select.from),
        Statement::Insert(insert) => Some(&insert.table),
        Statement::Update(update) => Some(&update.table),
        Statement::Delete(delete) => Some(&delete.table),
        _ => None,
    }
}

/// So many bytes of a text, or a little less.
fn head(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_shown_by_its_table_and_its_text_without_values() {
        let shown = |operation: &str, keyspace: Option<&str>, table: Option<&str>, text: &str| Shown {
            operation: Some(operation.to_owned()),
            keyspace: keyspace.map(str::to_owned),
            table: table.map(str::to_owned),
            text: text.to_owned(),
        };
        let insert = "INSERT INTO \"K\".t (p) VALUES ('hush')";
        let expected = shown("INSERT", Some("K"), Some("t"), "INSERT INTO \"K\".t (p) VALUES (?)");
        assert_eq!(Shown::of_text(insert), expected);
        assert_eq!(Shown::of_statement(&ilium_cql::parse(insert).unwrap()), expected);
        // What is CQL's by its first word alone.
        assert_eq!(Shown::of_text("select FROM 'hush'"), shown("SELECT", None, None, "select FROM ?"));
        assert_eq!(Shown::of_text("hush"), Shown::default());
        // Passwords that are no values, by a slip.
        for password in ["\"hush\"", "hush"] {
            for slip in ["ALTER ROLE bob WITH PASSWORD =", "CREATE USER bob WITH PASSWORD"] {
                let text = Shown::of_text(&format!("{slip} {password}")).text;
                assert!(text.starts_with(slip) && !text.contains("hush"), "{text}");
            }
        }
    }

    #[test]
    fn little_is_kept_of_a_statement_however_long_it_is() {
        let long = "a".repeat(1 << 20);
        // The second is short enough to be read whole.
        for name in [long.as_str(), &long[..LOOKED_AT / 2]] {
            for text in [format!("SELECT * FROM k.{name}"), format!("SELECT * FROM {name}.t WHERE p = 1")] {
                let Shown { operation, keyspace, table, text } = Shown::of_text(&text);
                assert_eq!(operation.as_deref(), Some("SELECT"));
                assert!(text.len() <= Shown::LONGEST_TEXT, "{}", text.len());
                for name in [keyspace, table].into_iter().flatten() {
                    assert!(name.len() <= Shown::LONGEST_NAME, "{}", name.len());
                }
            }
        }
    }
}
