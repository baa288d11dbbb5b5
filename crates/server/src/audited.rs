//! Which statements are in the audit log, of those that clients of a cluster wrote: some of these our parser may not know.

use ilium_cql::lexer::first_word;

/// The words that begin statements which change schema or roles, or list who may do what.
const AUDITED: [&str; 8] = ["ADD", "ALTER", "CREATE", "DROP", "GRANT", "LIST", "REVOKE", "TRUNCATE"];

pub fn is_audited(text: &str) -> bool {
    let word = first_word(text);
    AUDITED.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_are_audited_are_known_by_their_first_word() {
        for text in [
            "CREATE ROLE r",
            "  grant ALL ON KEYSPACE k TO r",
            "-- why\n/* and\n how */ // so\rDrop TABLE k.t",
            "TRUNCATE k.t",
            "add identity 'x' to role r",
        ] {
            assert!(is_audited(text), "{text}");
        }
        for text in [
            "SELECT * FROM k.t",
            "CREATED",
            "INSERT INTO k.create (a) VALUES (1)",
            "",
            "--",
            "/* CREATE",
            "é",
        ] {
            assert!(!is_audited(text), "{text}");
        }
    }
}
