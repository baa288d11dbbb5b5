//! CQL text to syntax tree, by recursive descent.
//!
//! Vocabulary, after Cassandra 5.0's grammar: a *term* is an expression of constants, markers and functions, as in
//! VALUES and on the right of `=`; a *selector* also has columns, fields and elements, as after SELECT. They are
//! parsed apart, since the same characters mean different things: `(1)` is a tuple of one in a term and the number
//! in a selector.
//!
//! Each token is looked at a bounded number of times, whatever the text, and recursion is bounded by [`MAX_NESTING`].
//! Where Cassandra's grammar is ambiguous (`SELECT json - json`, `(a) AS b`) the choice made is the one its generated
//! parser makes.

mod alter_table;
mod batch;
mod cursor;
mod describe;
mod error;
mod index;
mod modification;
mod names;
mod object_name;
mod permission;
mod properties;
mod relation;
mod role;
mod routine;
mod schema_change;
mod select;
mod selector;
mod table;
mod term;
mod types;
mod user_type;
mod view;

pub use error::{SyntaxError, SyntaxErrorKind};
pub(crate) use types::RESERVED_TYPE_NAMES;

use crate::ast::{Span, Statement, TypeName};
use crate::lexer::{Keyword, LexError, Lexed, Token, TokenKind, TrailingComment, lex};
use error::Parse;

/// How deep expressions and types may nest.
///
/// A level takes up to 12 KB of stack in a debug build and 2.5 KB in a release build (measured), and a thread has
/// 2 MB as a rule. The deepest statements people write have about ten levels.
pub const MAX_NESTING: u32 = 64;

/// How many operators, fields and elements an expression may chain, nesting included: how deep its tree may be.
///
/// Whatever walks the tree recurses as deep, in the engine too; serde_json's limit for the same reason is 128.
/// Generated sums have some dozens of operators.
pub const MAX_HEIGHT: u32 = 128;

/// More markers than a message of the native protocol can carry values for.
const MAX_MARKERS: u32 = u16::MAX as u32;

/// Parses one statement, which any number of semicolons may end.
pub fn parse(text: &str) -> Result<Statement, SyntaxError> {
    let mut parser = Parser::new(text, TrailingComment::Refused).map_err(|e| *e)?;
    parser.whole_statement().map_err(|e| *e)
}

/// Parses statements that semicolons end, each with its place in `text`; the last may go without. Comments may stand
/// anywhere.
pub fn parse_script(text: &str) -> Result<Vec<(Statement, Span)>, SyntaxError> {
    let mut parser = Parser::new(text, TrailingComment::Accepted).map_err(|e| *e)?;
    parser.script().map_err(|e| *e)
}

/// Parses a type as statements write it: `frozen<map<text, int>>`.
pub fn parse_type(text: &str) -> Result<TypeName, SyntaxError> {
    let mut parser = Parser::new(text, TrailingComment::Refused).map_err(|e| *e)?;
    parser.whole_type().map_err(|e| *e)
}

struct Parser<'a> {
    text: &'a str,
    /// Ends with [`TokenKind::End`] or [`TokenKind::Error`].
    tokens: Vec<Token>,
    lex_error: Option<LexError>,
    /// The index of the current token.
    position: usize,
    /// The index of the first token of the current statement.
    statement_starts: usize,
    /// The number of markers read in this statement.
    markers: u32,
    /// The number of nested constructs the current token is in.
    nesting: u32,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, trailing_comment: TrailingComment) -> Parse<Parser<'a>> {
        let new = |tokens, lex_error| Parser {
            text,
            tokens,
            lex_error,
            position: 0,
            statement_starts: 0,
            markers: 0,
            nesting: 0,
        };
        if u32::try_from(text.len()).is_err() {
            let message = "a statement may have 4 GiB at most; split it";
            return new(Vec::new(), None).refuse(message, Span::default());
        }
        let Lexed { tokens, error } = lex(text, trailing_comment);
        Ok(new(tokens, error))
    }

    fn whole_statement(&mut self) -> Parse<Statement> {
        let statement = self.statement()?;
        while self.accept(TokenKind::Semicolon) {}
        if !self.at(TokenKind::End) {
            return self.mismatched("EOF");
        }
        Ok(statement)
    }

    fn whole_type(&mut self) -> Parse<TypeName> {
        let name = self.type_name()?;
        if !self.at(TokenKind::End) {
            return self.mismatched("EOF");
        }
        Ok(name)
    }

    fn script(&mut self) -> Parse<Vec<(Statement, Span)>> {
        let mut statements = Vec::new();
        loop {
            while self.accept(TokenKind::Semicolon) {}
            if self.at(TokenKind::End) {
                return Ok(statements);
            }
            let start = self.start();
            self.markers = 0;
            self.statement_starts = self.position;
            let statement = self.statement()?;
            statements.push((statement, self.span_from(start)));
            if !self.at(TokenKind::Semicolon) && !self.at(TokenKind::End) {
                return self.mismatched("';'");
            }
        }
    }

    fn statement(&mut self) -> Parse<Statement> {
        let statement = match self.keyword() {
            Some(Keyword::Select) => Statement::Select(self.select()?),
            Some(Keyword::Insert) => Statement::Insert(self.insert()?),
            Some(Keyword::Update) => Statement::Update(self.update()?),
            Some(Keyword::Delete) => Statement::Delete(self.delete()?),
            Some(Keyword::Begin) => Statement::Batch(self.batch()?),
            Some(Keyword::Use) => {
                self.advance();
                Statement::Use { keyspace: self.keyspace_name()? }
            }
            Some(Keyword::Truncate) => {
                self.advance();
                self.accept_keyword(Keyword::Table);
                Statement::Truncate { table: self.table_name()? }
            }
            Some(Keyword::Create) => self.create()?,
            Some(Keyword::Alter) => self.alter()?,
            Some(Keyword::Drop) => self.drop()?,
            Some(Keyword::Grant) => self.grant()?,
            Some(Keyword::Revoke) => self.revoke()?,
            Some(Keyword::List) => self.list()?,
            Some(Keyword::Add) => self.add_identity()?,
            Some(Keyword::Describe | Keyword::Desc) => self.describe()?,
            _ => return self.no_viable("a statement"),
        };
        if self.markers > MAX_MARKERS {
            let message = format!(
                "Too many markers(?). {} markers exceed the allowed maximum of {MAX_MARKERS}",
                self.markers
            );
            return self.refuse_as(SyntaxErrorKind::Invalid, message, Span::default());
        }
        Ok(statement)
    }
}
