//! Turns CQL text into tokens.
//!
//! Vocabulary: a *token* is a kind and a place in the text; its text is taken from there when it is wanted. White
//! space and comments make no token. The last token is the end, or the first character sequence that is none:
//! lexing stops there, since nothing after it can make the statement legal.
//!
//! Cassandra's lexer (ANTLR 3) commits to a kind of token once no other kind can start this way, and then fails
//! where the text does not go on as that kind does, instead of backing off to a shorter token. `-name`
//! (only `-NaN` starts with `-n`), `1d2` (a duration whose second unit is missing) and `cafecafe-1` (a UUID cut
//! short) are errors for that reason. They are errors here too, so that a statement tried on Ilium does not fail on
//! Cassandra.

mod first_word;
mod keyword;
mod number;
mod quoted;
mod secret;

pub use first_word::first_word;
pub use keyword::{Keyword, KeywordClass};
pub(crate) use quoted::unquote;
pub use secret::{without_passwords, without_values};

/// The lexical class of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// An unquoted identifier that is no keyword.
    Identifier,
    Keyword(Keyword),
    /// `"Name"`, never empty.
    QuotedName,
    /// `""`: the name of the value column of some tables made by Thrift clients.
    EmptyQuotedName,
    /// `'text'` or `$$text$$`.
    String,
    Integer,
    Float,
    /// `true`, `false`.
    Boolean,
    /// `1y2mo`, `P1Y2M`.
    Duration,
    Uuid,
    /// `0x...`
    Hex,
    /// `-NaN`; without the sign it is a keyword.
    NegativeNan,
    /// `-Infinity`; without the sign it is a keyword.
    NegativeInfinity,
    /// `?`
    Question,
    /// `expr(`, in lower case and without a space: the start of a custom index expression.
    ExprOpen,
    NotEqual,
    Percent,
    Open,
    Close,
    Plus,
    PlusEqual,
    Comma,
    Minus,
    MinusEqual,
    Dot,
    /// `..`
    Range,
    Slash,
    Colon,
    Semicolon,
    Less,
    LessOrEqual,
    Equal,
    Greater,
    GreaterOrEqual,
    OpenBracket,
    CloseBracket,
    Star,
    OpenBrace,
    CloseBrace,
    End,
    /// No token; [`Lexed::error`] says why.
    Error,
}

/// A kind and a place: byte offsets, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: u32,
    pub end: u32,
}

/// Why a character sequence is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LexErrorKind {
    /// No token goes on, or starts, with the character there.
    NoViableAlternative,
    /// The token that has started needs one of these next.
    Mismatched { expected: &'static str },
    /// A digit is missing.
    NoDigit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LexError {
    pub kind: LexErrorKind,
    /// The byte offset of the character that does not fit, or of the end.
    pub at: u32,
}

pub(crate) struct Lexed {
    /// Never empty: ends with [`TokenKind::End`] or [`TokenKind::Error`].
    pub tokens: Vec<Token>,
    pub error: Option<LexError>,
}

/// Whether a comment of one line may be ended by the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrailingComment {
    /// As Cassandra: it needs a line break.
    Refused,
    /// As cqlsh, for files.
    Accepted,
}

/// Splits `text`, whose length must fit 32 bits. Linear in the length of `text`.
pub(crate) fn lex(text: &str, trailing_comment: TrailingComment) -> Lexed {
    // A token and the space after it take four bytes or more in all but generated text.
    let mut tokens = Vec::with_capacity(text.len() / 4 + 4);
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0 };
    loop {
        match scanner.token(trailing_comment) {
            Ok(token) => {
                tokens.push(token);
                if token.kind == TokenKind::End {
                    return Lexed { tokens, error: None };
                }
            }
            Err(error) => {
                let end = scanner.bytes.len() as u32;
                tokens.push(Token { kind: TokenKind::Error, start: error.at.min(end), end });
                return Lexed { tokens, error: Some(error) };
            }
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The byte offset of what is to be read next; always between two characters.
    at: usize,
}

type Scan<T> = Result<T, LexError>;

impl<'a> Scanner<'a> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The length of the run of bytes from `from` on that satisfy `test`.
    fn run(&self, from: usize, test: impl Fn(u8) -> bool) -> usize {
        self.bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|&&b| test(b)).count())
    }

    fn mismatched<T>(&self, at: usize, expected: &'static str) -> Scan<T> {
        Err(LexError { kind: LexErrorKind::Mismatched { expected }, at: at as u32 })
    }

    fn no_viable<T>(&self, at: usize) -> Scan<T> {
        Err(LexError { kind: LexErrorKind::NoViableAlternative, at: at as u32 })
    }

    fn take(&mut self, kind: TokenKind, end: usize) -> Scan<Token> {
        let start = self.at as u32;
        self.at = end;
        Ok(Token { kind, start, end: end as u32 })
    }

    fn token(&mut self, trailing_comment: TrailingComment) -> Scan<Token> {
        use TokenKind as T;
        loop {
            let start = self.at;
            let Some(first) = self.byte(start) else { return self.take(T::End, start) };
            let second = self.byte(start + 1);
            return match first {
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.at += 1;
                    continue;
                }
                b'a'..=b'z' | b'A'..=b'Z' => self.word(),
                b'0'..=b'9' => self.number(),
                b'\'' => self.string(),
                b'$' => self.dollar_string(),
                b'"' => self.quoted_name(),
                b'-' => match second {
                    Some(b'-') => {
                        self.line_comment(trailing_comment)?;
                        continue;
                    }
                    Some(b'=') => self.take(T::MinusEqual, start + 2),
                    Some(b'0'..=b'9') => self.number(),
                    Some(b'P') => self.negative_period(),
                    Some(b'n' | b'N') => self.negative_word("nan", T::NegativeNan),
                    Some(b'i' | b'I') => self.negative_word("infinity", T::NegativeInfinity),
                    _ => self.take(T::Minus, start + 1),
                },
                b'/' => match second {
                    Some(b'/') => {
                        self.line_comment(trailing_comment)?;
                        continue;
                    }
                    Some(b'*') => {
                        self.block_comment()?;
                        continue;
                    }
                    _ => self.take(T::Slash, start + 1),
                },
                b'.' if second == Some(b'.') => self.take(T::Range, start + 2),
                b'+' if second == Some(b'=') => self.take(T::PlusEqual, start + 2),
                b'<' if second == Some(b'=') => self.take(T::LessOrEqual, start + 2),
                b'>' if second == Some(b'=') => self.take(T::GreaterOrEqual, start + 2),
                b'!' if second == Some(b'=') => self.take(T::NotEqual, start + 2),
                b'!' => self.mismatched(start + 1, "'='"),
                b'.' => self.take(T::Dot, start + 1),
                b'+' => self.take(T::Plus, start + 1),
                b'<' => self.take(T::Less, start + 1),
                b'>' => self.take(T::Greater, start + 1),
                b'=' => self.take(T::Equal, start + 1),
                b'%' => self.take(T::Percent, start + 1),
                b'(' => self.take(T::Open, start + 1),
                b')' => self.take(T::Close, start + 1),
                b',' => self.take(T::Comma, start + 1),
                b':' => self.take(T::Colon, start + 1),
                b';' => self.take(T::Semicolon, start + 1),
                b'[' => self.take(T::OpenBracket, start + 1),
                b']' => self.take(T::CloseBracket, start + 1),
                b'*' => self.take(T::Star, start + 1),
                b'{' => self.take(T::OpenBrace, start + 1),
                b'}' => self.take(T::CloseBrace, start + 1),
                b'?' => self.take(T::Question, start + 1),
                _ => self.no_viable(start),
            };
        }
    }

    /// A keyword, an identifier, a boolean, a UUID that starts with a letter, or an ISO 8601 duration.
    fn word(&mut self) -> Scan<Token> {
        let start = self.at;
        let end = start + self.run(start, |b| b.is_ascii_alphanumeric() || b == b'_');
        let word = self.text.get(start..end).unwrap_or_default();
        if self.uuid_starts() {
            return self.uuid();
        }
        if word.starts_with('P')
            && let Some(end) = self.iso_duration(start)
        {
            return self.take(TokenKind::Duration, end);
        }
        if self.alternative_duration_starts() {
            return self.mismatched(end + 1, "set null");
        }
        if word == "expr" && self.byte(end) == Some(b'(') {
            return self.take(TokenKind::ExprOpen, end + 1);
        }
        if let Some(keyword) = Keyword::of(word) {
            return self.take(TokenKind::Keyword(keyword), end);
        }
        if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") {
            return self.take(TokenKind::Boolean, end);
        }
        self.take(TokenKind::Identifier, end)
    }

    /// `-NaN` or `-Infinity`; whatever letters follow it belong to the next token.
    fn negative_word(&mut self, word: &str, kind: TokenKind) -> Scan<Token> {
        let letters = self.at + 1;
        for (i, expected) in word.bytes().enumerate() {
            if self.byte(letters + i).is_none_or(|b| b.to_ascii_lowercase() != expected) {
                return self.mismatched(letters + i, "set null");
            }
        }
        self.take(kind, letters + word.len())
    }

    fn line_comment(&mut self, trailing: TrailingComment) -> Scan<()> {
        let end = self.at + self.run(self.at, |b| b != b'\n' && b != b'\r');
        if end == self.bytes.len() && trailing == TrailingComment::Refused {
            return self.mismatched(end, "set null");
        }
        self.at = end;
        Ok(())
    }

    fn block_comment(&mut self) -> Scan<()> {
        let body = self.at + 2;
        match self.text.get(body..).and_then(|rest| rest.find("*/")) {
            Some(length) => {
                self.at = body + length + 2;
                Ok(())
            }
            None => self.mismatched(self.bytes.len(), "'*'"),
        }
    }
}
