//! CQL text to syntax tree, by recursive descent.
//!
//! Vocabulary, after Cassandra 5.0's grammar: a *term* is an expression of constants, markers and functions, as in
//! VALUES and on the right of `=`; a *selector* also has columns, fields and elements, as after SELECT. They are
//! parsed apart, since the same characters mean different things: `(1)` is a tuple of one in a term and the number
//! in a selector.
//!
//! Each token is looked at a bounded number of times, whatever the text, and recursion is bounded by [`MAX_DEPTH`].
//! Where Cassandra's grammar is ambiguous (`SELECT json - json`, `(a) AS b`) the choice made is the one its generated
//! parser makes.

mod batch;
mod error;
mod modification;
mod names;
mod properties;
mod relation;
mod select;
mod selector;
mod table;
mod term;
mod types;

pub use error::{SyntaxError, SyntaxErrorKind};

use crate::ast::{Expr, ExprKind, Name, Span, Statement};
use crate::lexer::{Keyword, LexError, Lexed, Token, TokenKind, TrailingComment, lex};
use error::Parse;

/// How deep expressions and types may nest, and how many operators one may chain.
///
/// Whatever walks a tree recurses as deep as it is, in the engine too; serde_json's limit for the same reason is 128.
/// The deepest statements people write have about ten levels, generated sums some dozens of operators.
pub const MAX_DEPTH: u32 = 128;

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

struct Parser<'a> {
    text: &'a str,
    /// Ends with [`TokenKind::End`] or [`TokenKind::Error`].
    tokens: Vec<Token>,
    lex_error: Option<LexError>,
    /// The index of the current token.
    position: usize,
    /// The number of markers read in this statement.
    markers: u32,
    /// The number of nested constructs the current token is in.
    depth: u32,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, trailing_comment: TrailingComment) -> Parse<Parser<'a>> {
        let new = |tokens, lex_error| Parser { text, tokens, lex_error, position: 0, markers: 0, depth: 0 };
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

    fn script(&mut self) -> Parse<Vec<(Statement, Span)>> {
        let mut statements = Vec::new();
        loop {
            while self.accept(TokenKind::Semicolon) {}
            if self.at(TokenKind::End) {
                return Ok(statements);
            }
            let start = self.start();
            self.markers = 0;
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
            Some(Keyword::Drop) => self.drop()?,
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

    fn create(&mut self) -> Parse<Statement> {
        self.advance();
        match self.keyword() {
            Some(Keyword::Keyspace) => self.create_keyspace(),
            Some(Keyword::Table) => self.create_table(),
            _ => self.no_viable("what to create"),
        }
    }

    fn drop(&mut self) -> Parse<Statement> {
        self.advance();
        match self.keyword() {
            Some(Keyword::Keyspace) => {
                self.advance();
                let if_exists = self.if_exists()?;
                Ok(Statement::DropKeyspace { name: self.keyspace_name()?, if_exists })
            }
            Some(Keyword::Table) => {
                self.advance();
                let if_exists = self.if_exists()?;
                Ok(Statement::DropTable { name: self.table_name()?, if_exists })
            }
            _ => self.no_viable("what to drop"),
        }
    }

    // The cursor.

    fn token_at(&self, ahead: usize) -> Token {
        let last = || self.tokens.last().copied();
        let token = self.tokens.get(self.position + ahead).copied().or_else(last);
        token.unwrap_or(Token { kind: TokenKind::End, start: 0, end: 0 })
    }

    fn peek(&self) -> Token {
        self.token_at(0)
    }

    fn kind(&self) -> TokenKind {
        self.peek().kind
    }

    fn kind_at(&self, ahead: usize) -> TokenKind {
        self.token_at(ahead).kind
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    fn keyword(&self) -> Option<Keyword> {
        match self.kind() {
            TokenKind::Keyword(keyword) => Some(keyword),
            _ => None,
        }
    }

    fn at_keyword(&self, keyword: Keyword) -> bool {
        self.at(TokenKind::Keyword(keyword))
    }

    fn keyword_follows(&self, ahead: usize, keyword: Keyword) -> bool {
        self.kind_at(ahead) == TokenKind::Keyword(keyword)
    }

    /// Takes the current token. The one at the end stays where it is.
    fn advance(&mut self) -> Token {
        let token = self.peek();
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
        token
    }

    fn accept(&mut self, kind: TokenKind) -> bool {
        let accepted = self.at(kind);
        if accepted {
            self.advance();
        }
        accepted
    }

    fn accept_keyword(&mut self, keyword: Keyword) -> bool {
        self.accept(TokenKind::Keyword(keyword))
    }

    fn expect(&mut self, kind: TokenKind) -> Parse<Token> {
        if self.at(kind) { Ok(self.advance()) } else { self.mismatched(grammar_name(kind)) }
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> Parse<Token> {
        self.expect(TokenKind::Keyword(keyword))
    }

    fn source(&self, token: Token) -> &'a str {
        self.text.get(token.start as usize..token.end as usize).unwrap_or_default()
    }

    /// The start of the current token.
    fn start(&self) -> u32 {
        self.peek().start
    }

    /// From `start` to the end of the token taken last.
    fn span_from(&self, start: u32) -> Span {
        let previous = self.position.checked_sub(1).and_then(|p| self.tokens.get(p));
        Span { start, end: previous.map_or(start, |token| token.end) }
    }

    fn reached_lex_error(&self) -> Option<LexError> {
        if self.at(TokenKind::Error) { self.lex_error } else { None }
    }

    // What several families share.

    /// Runs `parse` one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.check_depth(self.depth + 1)?;
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn check_depth(&self, depth: u32) -> Parse<()> {
        if depth > MAX_DEPTH {
            let token = self.peek();
            let message = format!(
                "the statement nests or chains more than {MAX_DEPTH} expressions or types here; split it up"
            );
            return self.refuse(message, Span { start: token.start, end: token.end });
        }
        Ok(())
    }

    /// One `parse` or more, with commas between.
    fn comma_separated<T>(&mut self, mut parse: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = vec![parse(self)?];
        while self.accept(TokenKind::Comma) {
            items.push(parse(self)?);
        }
        Ok(items)
    }

    /// Comma-separated, in parentheses.
    fn parenthesised<T>(&mut self, parse: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect(TokenKind::Open)?;
        let items = self.comma_separated(parse)?;
        self.expect(TokenKind::Close)?;
        Ok(items)
    }

    fn if_exists(&mut self) -> Parse<bool> {
        let present = self.accept_keyword(Keyword::If);
        if present {
            self.expect_keyword(Keyword::Exists)?;
        }
        Ok(present)
    }

    fn if_not_exists(&mut self) -> Parse<bool> {
        let present = self.accept_keyword(Keyword::If);
        if present {
            self.expect_keyword(Keyword::Not)?;
            self.expect_keyword(Keyword::Exists)?;
        }
        Ok(present)
    }

    fn at_marker(&self) -> bool {
        matches!(self.kind(), TokenKind::Question | TokenKind::Colon)
    }

    /// `?` or `:name`, numbered in the order of the text, which is the order Cassandra numbers them in. A name that
    /// occurs twice is two markers.
    fn marker(&mut self) -> Parse<Expr> {
        let start = self.start();
        let name: Option<Name> = match self.kind() {
            TokenKind::Question => {
                self.advance();
                None
            }
            TokenKind::Colon => {
                self.advance();
                Some(self.identifier()?)
            }
            _ => return self.no_viable("a bind marker"),
        };
        // Past the last index the statement is refused as a whole, with the number of markers it has.
        let index = u16::try_from(self.markers).unwrap_or(u16::MAX);
        self.markers += 1;
        Ok(Expr { kind: ExprKind::Bind { name, index }, span: self.span_from(start) })
    }
}

/// What Cassandra's grammar calls a token, for "expecting ...".
fn grammar_name(kind: TokenKind) -> String {
    let name = match kind {
        TokenKind::Keyword(Keyword::Table) => "K_COLUMNFAMILY",
        TokenKind::Keyword(Keyword::Nan) => "K_POSITIVE_NAN",
        TokenKind::Keyword(Keyword::Infinity) => "K_POSITIVE_INFINITY",
        TokenKind::Keyword(keyword) => return format!("K_{}", keyword.name().to_ascii_uppercase()),
        TokenKind::Identifier => "IDENT",
        TokenKind::QuotedName => "QUOTED_NAME",
        TokenKind::EmptyQuotedName => "EMPTY_QUOTED_NAME",
        TokenKind::String => "STRING_LITERAL",
        TokenKind::Integer => "INTEGER",
        TokenKind::Float => "FLOAT",
        TokenKind::Boolean => "BOOLEAN",
        TokenKind::Duration => "DURATION",
        TokenKind::Uuid => "UUID",
        TokenKind::Hex => "HEXNUMBER",
        TokenKind::NegativeNan => "K_NEGATIVE_NAN",
        TokenKind::NegativeInfinity => "K_NEGATIVE_INFINITY",
        TokenKind::Question => "QMARK",
        TokenKind::ExprOpen => "'expr('",
        TokenKind::NotEqual => "'!='",
        TokenKind::Percent => "'%'",
        TokenKind::Open => "'('",
        TokenKind::Close => "')'",
        TokenKind::Plus => "'+'",
        TokenKind::PlusEqual => "'+='",
        TokenKind::Comma => "','",
        TokenKind::Minus => "'-'",
        TokenKind::MinusEqual => "'-='",
        TokenKind::Dot => "'.'",
        TokenKind::Range => "RANGE",
        TokenKind::Slash => "'/'",
        TokenKind::Colon => "':'",
        TokenKind::Semicolon => "';'",
        TokenKind::Less => "'<'",
        TokenKind::LessOrEqual => "'<='",
        TokenKind::Equal => "'='",
        TokenKind::Greater => "'>'",
        TokenKind::GreaterOrEqual => "'>='",
        TokenKind::OpenBracket => "'['",
        TokenKind::CloseBracket => "']'",
        TokenKind::Star => "'\\*'",
        TokenKind::OpenBrace => "'{'",
        TokenKind::CloseBrace => "'}'",
        TokenKind::End => "EOF",
        TokenKind::Error => "a token",
    };
    name.to_owned()
}
