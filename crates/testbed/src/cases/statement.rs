//! Finding the end of a statement in a text, without understanding it.

/// The length of the first statement of a text, its `;` included, or nothing where it has no end.
///
/// A `;` within quotes, comments or `$$` does not count, nor do those within a batch.
pub fn end(text: &str) -> Option<usize> {
    let mut word = String::new();
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        let of_a_word = c.is_alphanumeric() || c == '_';
        if !of_a_word && !word.is_empty() {
            words.push(std::mem::take(&mut word).to_ascii_lowercase());
        }
        let skipped = match c {
            '\'' | '"' => Some(1 + quoted(rest.get(1..)?, c)?),
            '$' if rest.starts_with("$$") => Some(2 + rest.get(2..)?.find("$$")? + 2),
            '-' if rest.starts_with("--") => Some(rest.find('\n')?),
            '/' if rest.starts_with("//") => Some(rest.find('\n')?),
            '/' if rest.starts_with("/*") => Some(rest.find("*/")? + 2),
            _ => None,
        };
        match skipped {
            Some(length) => at += length,
            None => {
                if of_a_word {
                    word.push(c);
                }
                at += c.len_utf8();
                if c == ';' && !within_batch(&words) {
                    return Some(at);
                }
            }
        }
    }
}

fn within_batch(words: &[String]) -> bool {
    let begins = words.first().is_some_and(|w| w == "begin");
    let ends = matches!(words, [.., apply, batch] if apply == "apply" && batch == "batch");
    begins && !ends
}

/// The length up to and with the closing quote; a doubled quote is none.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.find(quote)? + 1;
        match text.get(at..)?.strip_prefix(quote) {
            Some(_) => at += 1,
            None => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::end;

    #[test]
    fn a_semicolon_in_quotes_or_a_batch_ends_nothing() {
        for text in [
            "SELECT ';' FROM t;",
            "SELECT \"a;\"\"b\" FROM t;",
            "SELECT 'it''s;' FROM t;",
            "CREATE FUNCTION f() AS $$ return 1; $$;",
            "SELECT 1 /* ; */;",
            "SELECT 1 -- ;\n;",
            "BEGIN UNLOGGED BATCH INSERT INTO t (k) VALUES (1); DELETE FROM t; APPLY BATCH;",
        ] {
            assert_eq!(end(&format!("{text} next;")), Some(text.len()), "{text}");
        }
        assert_eq!(end("SELECT 1"), None);
    }
}
