//! What is wrong with a text, in Cassandra's words where it has words for it.

use std::fmt;

use super::Parser;
use crate::ast::Span;
use crate::lexer::{Keyword, LexError, LexErrorKind, Token, TokenKind, unquote};

/// Which of Cassandra's errors a statement that cannot be parsed gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyntaxErrorKind {
    /// `SyntaxException`, code 0x2000.
    Syntax,
    /// `InvalidRequestException`, code 0x2200: the grammar has a form for it, but it is never legal.
    Invalid,
}

/// A text that is no CQL statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    pub kind: SyntaxErrorKind,
    /// As Cassandra words it: `line 1:9 mismatched input 'FOO' expecting K_FROM (SELECT * [FOO]...)`. At the end of
    /// the text it says `line 0:-1`, which [`SyntaxError::line`] and `column` do not.
    pub message: String,
    /// From 1.
    pub line: u32,
    /// UTF-16 code units from the start of the line, from 0, as Cassandra counts.
    pub column: u32,
    /// What does not fit; empty at the end of the text.
    pub span: Span,
}

/// The result of parsing a part of a statement. The error is boxed to keep the results of the many small parse
/// functions small.
pub(super) type Parse<T> = Result<T, Box<SyntaxError>>;

/// How many tokens before the one in error a message shows, white space counting as one (Cassandra's
/// `ErrorCollector.FIRST_TOKEN_OFFSET`).
const SNIPPET_TOKENS: usize = 10;

impl Parser<'_> {
    /// The current token fits none of several things the grammar has here.
    pub(super) fn no_viable<T>(&self, expected: &str) -> Parse<T> {
        self.unexpected(|input| format!("no viable alternative at input {input}"), expected)
    }

    /// The current token is not the only one the grammar has here; `token` is that one's name in Cassandra's grammar.
    pub(super) fn mismatched<T>(&self, token: impl fmt::Display) -> Parse<T> {
        self.unexpected(|input| format!("mismatched input {input} expecting {token}"), "")
    }

    fn unexpected<T>(&self, say: impl FnOnce(&str) -> String, expected: &str) -> Parse<T> {
        if let Some(error) = self.reached_lex_error() {
            return Err(Box::new(lex_error(self.text, error)));
        }
        let token = self.peek();
        let (line, column) = position(self.text, token.start);
        let mut message = match token.kind {
            TokenKind::End => format!("line 0:-1 {}", say("'<EOF>'")),
            kind if self.may_hold_secret() && may_be_secret(kind) => {
                format!("line {line}:{column} {}", say("'***'"))
            }
            _ => format!("line {line}:{column} {}", say(&display(&unquote_token(self.text, token)))),
        };
        if token.kind != TokenKind::End && !self.may_hold_secret() {
            self.append_snippet(&mut message, token);
        }
        if !expected.is_empty() {
            message.push_str("; expected ");
            message.push_str(expected);
        }
        let span = Span { start: token.start, end: token.end };
        Err(Box::new(SyntaxError { kind: SyntaxErrorKind::Syntax, message, line, column, span }))
    }

    /// What Cassandra says where Java refuses a value.
    pub(super) fn failed_with(&self, exception: &str, reason: &str) -> String {
        let statement = if self.may_hold_secret() { "..." } else { self.text };
        format!("Failed parsing statement: [{statement}] reason: {exception} {reason}")
    }

    /// Whether the statement may have a password in it, which no message may show.
    fn may_hold_secret(&self) -> bool {
        let kind = |i: usize| self.tokens.get(self.statement_starts + i).map(|token| token.kind);
        matches!(kind(0), Some(TokenKind::Keyword(Keyword::Create | Keyword::Alter)))
            && matches!(kind(1), Some(TokenKind::Keyword(Keyword::Role | Keyword::User)))
    }

    /// An error that Cassandra's parser words itself, without a place.
    pub(super) fn refuse<T>(&self, message: impl Into<String>, span: Span) -> Parse<T> {
        self.refuse_as(SyntaxErrorKind::Syntax, message, span)
    }

    pub(super) fn refuse_as<T>(
        &self,
        kind: SyntaxErrorKind,
        message: impl Into<String>,
        span: Span,
    ) -> Parse<T> {
        let (line, column) = position(self.text, span.start);
        Err(Box::new(SyntaxError { kind, message: message.into(), line, column, span }))
    }

    fn append_snippet(&self, message: &mut String, token: Token) {
        let mut from = token.start;
        let mut before = self.tokens.get(..self.position).unwrap_or_default().iter().rev();
        let mut left = SNIPPET_TOKENS;
        while left > 0 && from > 0 {
            let Some(previous) = before.next() else {
                from = 0;
                break;
            };
            if previous.end < from {
                from = previous.end;
                left -= 1;
            }
            if left > 0 {
                from = previous.start;
                left -= 1;
            }
        }
        let part = |start: u32, end: u32| self.text.get(start as usize..end as usize).unwrap_or_default();
        message.push_str(if from == 0 { " (" } else { " (..." });
        message.extend(part(from, token.start).chars().filter(|&c| c != '\n'));
        message.push('[');
        message.extend(part(token.start, token.end).chars().filter(|&c| c != '\n'));
        message.push(']');
        message.push_str(if token.end as usize == self.text.len() { ")" } else { "...)" });
    }
}

/// Whether a token's text may be a password, quotes forgotten perhaps.
fn may_be_secret(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::String | T::QuotedName | T::Identifier | T::Integer | T::Float | T::Uuid | T::Hex | T::Duration
    )
}

/// The text of a token as Cassandra shows it: without its quotes.
fn unquote_token(text: &str, token: Token) -> String {
    let raw = text.get(token.start as usize..token.end as usize).unwrap_or_default();
    match token.kind {
        TokenKind::String | TokenKind::QuotedName => unquote(raw).into_owned(),
        _ => raw.to_owned(),
    }
}

/// In quotes, line breaks and tabs escaped.
fn display(text: &str) -> String {
    format!("'{}'", text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"))
}

pub(super) fn lex_error(text: &str, error: LexError) -> SyntaxError {
    let (line, column) = position(text, error.at);
    let next = text.get(error.at as usize..).and_then(|rest| rest.chars().next());
    let shown = match next {
        Some(c) => display(c.encode_utf8(&mut [0; 4])),
        None => "'<EOF>'".to_owned(),
    };
    let message = match error.kind {
        LexErrorKind::NoViableAlternative => {
            format!("line {line}:{column} no viable alternative at character {shown}")
        }
        LexErrorKind::Mismatched { expected } => {
            format!("line {line}:{column} mismatched character {shown} expecting {expected}")
        }
        LexErrorKind::NoDigit => {
            format!("line {line}:{column} required (...)+ loop did not match anything at character {shown}")
        }
    };
    let end = error.at + next.map_or(0, char::len_utf8) as u32;
    SyntaxError { kind: SyntaxErrorKind::Syntax, message, line, column, span: Span { start: error.at, end } }
}

/// The line, from 1, and the column, from 0, of a byte offset.
fn position(text: &str, offset: u32) -> (u32, u32) {
    let before = text.get(..offset as usize).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() as u32 + 1;
    let column = before.get(line_start..).map_or(0, |line| line.encode_utf16().count()) as u32;
    (line, column)
}
