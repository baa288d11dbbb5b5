//! Statements as they may be shown: without their passwords, or without any value.

use super::{Keyword, Token, TokenKind, TrailingComment, lex};

/// What stands in a password's place, as in Cassandra's logs (`PasswordObfuscator`).
const HIDDEN: &str = "'*******'";

/// The text with every string that follows PASSWORD replaced; a `=` may be between. In a statement about a role all that
/// stands there is, up to the next property: what was meant for a password may not be a string. Past a place where the text
/// is no CQL nothing is shown.
pub fn without_passwords(text: &str) -> String {
    let lexed = lex(text, TrailingComment::Accepted);
    let subject = lexed.tokens.get(1).map(|token| token.kind);
    let is_of_role = matches!(subject, Some(TokenKind::Keyword(Keyword::Role | Keyword::User)));
    let mut shown = String::with_capacity(text.len());
    let (mut shown_through, mut understood_through) = (0, 0);
    let (mut is_awaited, mut hides) = (false, false);
    for Token { kind, start, end } in lexed.tokens {
        let ends_it = matches!(
            kind,
            TokenKind::End
                | TokenKind::Semicolon
                | TokenKind::Keyword(
                    Keyword::And | Keyword::With | Keyword::Superuser | Keyword::NoSuperuser
                )
        );
        match kind {
            TokenKind::Keyword(Keyword::Password) => (is_awaited, hides) = (true, false),
            TokenKind::Equal if is_awaited && !hides => {}
            TokenKind::Error => {
                shown.push_str(text.get(shown_through..understood_through).unwrap_or_default());
                return shown;
            }
            _ if is_awaited && !ends_it && (is_of_role || kind == TokenKind::String) => {
                if !hides {
                    shown.push_str(text.get(shown_through..start as usize).unwrap_or_default());
                    shown.push_str(HIDDEN);
                }
                shown_through = end as usize;
                (is_awaited, hides) = (is_of_role, true);
            }
            _ => (is_awaited, hides) = (false, false),
        }
        understood_through = end as usize;
    }
    shown.push_str(text.get(shown_through..).unwrap_or_default());
    shown
}

/// The text with a `?` for every constant: what a log may keep of a statement whose values are nobody's business. Past a
/// place where the text is no CQL nothing is shown.
pub fn without_values(text: &str) -> String {
    let lexed = lex(text, TrailingComment::Accepted);
    let mut shown = String::with_capacity(text.len());
    let mut through = 0;
    for Token { kind, start, end } in lexed.tokens {
        let is_value = matches!(
            kind,
            TokenKind::String
                | TokenKind::Integer
                | TokenKind::Float
                | TokenKind::Boolean
                | TokenKind::Duration
                | TokenKind::Uuid
                | TokenKind::Hex
        );
        if matches!(kind, TokenKind::Error | TokenKind::End) {
            break;
        }
        // What is between tokens are spaces and comments, and comments may hold anything.
        if !shown.is_empty() && start as usize > through {
            shown.push(' ');
        }
        shown.push_str(if is_value {
            "?"
        } else {
            text.get(start as usize..end as usize).unwrap_or_default()
        });
        through = end as usize;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_with_comments_and_what_is_no_cql() {
        for (text, shown) in [
            (
                "SELECT a, b FROM t WHERE k = 'Ada' AND n = -12 LIMIT 5",
                "SELECT a, b FROM t WHERE k = ? AND n = ? LIMIT ?",
            ),
            ("INSERT INTO t (k) /* Ada */ VALUES (0xcafe) -- Ada", "INSERT INTO t (k) VALUES (?)"),
            ("UPDATE t SET v = :v WHERE k = ?", "UPDATE t SET v = :v WHERE k = ?"),
            ("SELECT * FROM t WHERE k = 'Ada", "SELECT * FROM t WHERE k ="),
        ] {
            assert_eq!(without_values(text), shown);
        }
    }

    #[test]
    fn passwords_are_hidden_and_nothing_else_is() {
        for (text, shown) in [
            (
                "CREATE ROLE a WITH PASSWORD = 'it''s' AND LOGIN = true",
                "CREATE ROLE a WITH PASSWORD = '*******' AND LOGIN = true",
            ),
            ("ALTER ROLE a WITH HASHED PASSWORD='x'", "ALTER ROLE a WITH HASHED PASSWORD='*******'"),
            ("create user a with password /* = */ $$x$$;", "create user a with password /* = */ '*******';"),
            ("ALTER ROLE password WITH LOGIN = true", "ALTER ROLE password WITH LOGIN = true"),
            (
                "CREATE ROLE a WITH PASSWORD: 'x' AND LOGIN = true",
                "CREATE ROLE a WITH PASSWORD'*******' AND LOGIN = true",
            ),
            (
                "CREATE USER a WITH PASSWORD it-s x SUPERUSER",
                "CREATE USER a WITH PASSWORD '*******' SUPERUSER",
            ),
            ("ALTER ROLE a WITH PASSWORD = \"x\" AN LOGIN", "ALTER ROLE a WITH PASSWORD = '*******'"),
            ("CREATE TABLE t (password mine, k int)", "CREATE TABLE t (password mine, k int)"),
            (
                "CREATE ROLE a WITH GENERATED PASSWORD AND LOGIN = true",
                "CREATE ROLE a WITH GENERATED PASSWORD AND LOGIN = true",
            ),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
        let half = "CREATE ROLE a WITH PASSWORD = 'x";
        assert!(!without_passwords(half).contains('x'));
    }
}
