//! Strings and quoted names.

use std::borrow::Cow;

use super::{Scan, Scanner, Token, TokenKind};

impl Scanner<'_> {
    pub(super) fn string(&mut self) -> Scan<Token> {
        match self.closing_quote(b'\'') {
            Some(end) => self.take(TokenKind::String, end),
            None => self.mismatched(self.bytes.len(), "'''"),
        }
    }

    pub(super) fn quoted_name(&mut self) -> Scan<Token> {
        match self.closing_quote(b'"') {
            Some(end) if end == self.at + 2 => self.take(TokenKind::EmptyQuotedName, end),
            Some(end) => self.take(TokenKind::QuotedName, end),
            None => self.mismatched(self.bytes.len(), "'\"'"),
        }
    }

    /// The offset after the quote that closes what starts here; a doubled quote is content.
    fn closing_quote(&self, quote: u8) -> Option<usize> {
        let mut at = self.at + 1;
        loop {
            at += self.run(at, |b| b != quote);
            self.byte(at)?;
            if self.byte(at + 1) != Some(quote) {
                return Some(at + 1);
            }
            at += 2;
        }
    }

    /// `$$` ... `$$`, with nothing to escape.
    pub(super) fn dollar_string(&mut self) -> Scan<Token> {
        if self.byte(self.at + 1) != Some(b'$') {
            return self.mismatched(self.at + 1, "'$'");
        }
        let body = self.at + 2;
        match self.text.get(body..).and_then(|rest| rest.find("$$")) {
            Some(length) => self.take(TokenKind::String, body + length + 2),
            None => self.mismatched(self.dollar_string_breaks(body), "'$'"),
        }
    }

    /// Cassandra wants the closing `$$` from the last character on.
    fn dollar_string_breaks(&self, body: usize) -> usize {
        let last = self.text.char_indices().next_back();
        match last {
            Some((at, c)) if at >= body && c != '$' => at,
            _ => self.bytes.len(),
        }
    }
}

/// The content of a string or a quoted name, given as it stands in the text.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    if let Some(body) = text.strip_prefix("$$") {
        return Cow::Borrowed(body.strip_suffix("$$").unwrap_or(body));
    }
    let mut inner = text.chars();
    let quote = inner.next();
    inner.next_back();
    let body = inner.as_str();
    match quote {
        Some('\'') if body.contains('\'') => Cow::Owned(body.replace("''", "'")),
        Some('"') if body.contains('"') => Cow::Owned(body.replace("\"\"", "\"")),
        _ => Cow::Borrowed(body),
    }
}
