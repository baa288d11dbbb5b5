//! Statements as they may be shown: without their passwords.

use super::{Keyword, Token, TokenKind, TrailingComment, lex};

/// What stands in a password's place, as in Cassandra's logs (`PasswordObfuscator`).
const HIDDEN: &str = "'*******'";

/// The text with every string that follows PASSWORD replaced; a `=` may be between. Past a place where the text is no
/// CQL nothing is shown.
pub fn without_passwords(text: &str) -> String {
    let lexed = lex(text, TrailingComment::Accepted);
    let mut shown = String::with_capacity(text.len());
    let (mut shown_through, mut understood_through) = (0, 0);
    let mut is_awaited = false;
    for Token { kind, start, end } in lexed.tokens {
        match kind {
            TokenKind::Keyword(Keyword::Password) => is_awaited = true,
            TokenKind::Equal => {}
            TokenKind::String if is_awaited => {
                shown.push_str(text.get(shown_through..start as usize).unwrap_or_default());
                shown.push_str(HIDDEN);
                shown_through = end as usize;
                is_awaited = false;
            }
            TokenKind::Error => {
                shown.push_str(text.get(shown_through..understood_through).unwrap_or_default());
                return shown;
            }
            _ => is_awaited = false,
        }
        understood_through = end as usize;
    }
    shown.push_str(text.get(shown_through..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(without_passwords(text), shown);
        }
        let half = "CREATE ROLE a WITH PASSWORD = 'x";
        assert!(!without_passwords(half).contains('x'));
    }
}
