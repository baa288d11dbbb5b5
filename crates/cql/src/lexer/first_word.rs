//! The word a statement begins with, for whoever need not know more of it.

/// The word a statement begins with, after blanks and comments: neither hides it.
pub fn first_word(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let comment_ends = match text.as_bytes() {
            [b'-', b'-', ..] | [b'/', b'/', ..] => text.find(['\n', '\r']),
            [b'/', b'*', ..] => text.find("*/").map(|at| at + 1),
            _ => {
                let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
                return text.get(..end).unwrap_or_default();
            }
        };
        text = comment_ends.and_then(|at| text.get(at + 1..)).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_blanks_nor_comments_hide_the_first_word() {
        for (text, word) in [
            ("SELECT * FROM k.t", "SELECT"),
            (" \n grant ALL", "grant"),
            ("-- why\n/* and\n how */ // so\rDrop TABLE k.t", "Drop"),
            ("CREATED", "CREATED"),
            ("", ""),
            ("--", ""),
            ("/* CREATE", ""),
            ("\u{e9}", ""),
            ("'text'", ""),
        ] {
            assert_eq!(first_word(text), word, "{text}");
        }
    }
}
