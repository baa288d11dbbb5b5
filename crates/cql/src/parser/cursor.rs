//! The place in the tokens, and the small steps every part of the grammar is made of.

use super::error::Parse;
use super::{MAX_HEIGHT, MAX_NESTING, Parser};
use crate::ast::{Expr, ExprKind, Name, Span};
use crate::lexer::{Keyword, LexError, Token, TokenKind};

impl<'a> Parser<'a> {
    pub(super) fn token_at(&self, ahead: usize) -> Token {
        let last = || self.tokens.last().copied();
        let token = self.tokens.get(self.position + ahead).copied().or_else(last);
        token.unwrap_or(Token { kind: TokenKind::End, start: 0, end: 0 })
    }

    pub(super) fn peek(&self) -> Token {
        self.token_at(0)
    }

    pub(super) fn kind(&self) -> TokenKind {
        self.peek().kind
    }

    pub(super) fn kind_at(&self, ahead: usize) -> TokenKind {
        self.token_at(ahead).kind
    }

    pub(super) fn at(&self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    pub(super) fn keyword(&self) -> Option<Keyword> {
        match self.kind() {
            TokenKind::Keyword(keyword) => Some(keyword),
            _ => None,
        }
    }

    pub(super) fn at_keyword(&self, keyword: Keyword) -> bool {
        self.at(TokenKind::Keyword(keyword))
    }

    pub(super) fn keyword_follows(&self, ahead: usize, keyword: Keyword) -> bool {
        self.kind_at(ahead) == TokenKind::Keyword(keyword)
    }

    /// Takes the current token. The one at the end stays where it is.
    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek();
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
        token
    }

    pub(super) fn accept(&mut self, kind: TokenKind) -> bool {
        let accepted = self.at(kind);
        if accepted {
            self.advance();
        }
        accepted
    }

    pub(super) fn accept_keyword(&mut self, keyword: Keyword) -> bool {
        self.accept(TokenKind::Keyword(keyword))
    }

    pub(super) fn expect(&mut self, kind: TokenKind) -> Parse<Token> {
        if self.at(kind) { Ok(self.advance()) } else { self.mismatched(grammar_name(kind)) }
    }

    pub(super) fn expect_keyword(&mut self, keyword: Keyword) -> Parse<Token> {
        self.expect(TokenKind::Keyword(keyword))
    }

    pub(super) fn source(&self, token: Token) -> &'a str {
        self.text.get(token.start as usize..token.end as usize).unwrap_or_default()
    }

    /// The start of the current token.
    pub(super) fn start(&self) -> u32 {
        self.peek().start
    }

    /// From `start` to the end of the token taken last.
    pub(super) fn span_from(&self, start: u32) -> Span {
        let previous = self.position.checked_sub(1).and_then(|p| self.tokens.get(p));
        Span { start, end: previous.map_or(start, |token| token.end) }
    }

    pub(super) fn reached_lex_error(&self) -> Option<LexError> {
        if self.at(TokenKind::Error) { self.lex_error } else { None }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.nesting == MAX_NESTING {
            let message =
                format!("expressions and types may nest {MAX_NESTING} deep; split the statement up");
            return self.refuse(message, self.span_here());
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    pub(super) fn check_height(&self, height: u32) -> Parse<()> {
        if height > MAX_HEIGHT {
            let message = format!("an expression may chain {MAX_HEIGHT} operators; split it up");
            return self.refuse(message, self.span_here());
        }
        Ok(())
    }

    fn span_here(&self) -> Span {
        let token = self.peek();
        Span { start: token.start, end: token.end }
    }

    /// One `parse` or more, with commas between.
    pub(super) fn comma_separated<T>(
        &mut self,
        mut parse: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Parse<Vec<T>> {
        let mut items = vec![parse(self)?];
        while self.accept(TokenKind::Comma) {
            items.push(parse(self)?);
        }
        Ok(items)
    }

    /// Comma-separated, in parentheses.
    pub(super) fn parenthesised<T>(&mut self, parse: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect(TokenKind::Open)?;
        let items = self.comma_separated(parse)?;
        self.expect(TokenKind::Close)?;
        Ok(items)
    }

    pub(super) fn if_exists(&mut self) -> Parse<bool> {
        let present = self.accept_keyword(Keyword::If);
        if present {
            self.expect_keyword(Keyword::Exists)?;
        }
        Ok(present)
    }

    pub(super) fn if_not_exists(&mut self) -> Parse<bool> {
        let present = self.accept_keyword(Keyword::If);
        if present {
            self.expect_keyword(Keyword::Not)?;
            self.expect_keyword(Keyword::Exists)?;
        }
        Ok(present)
    }

    pub(super) fn at_marker(&self) -> bool {
        matches!(self.kind(), TokenKind::Question | TokenKind::Colon)
    }

    /// `?` or `:name`, numbered in the order of the text, which is the order Cassandra numbers them in. A name that
    /// occurs twice is two markers.
    pub(super) fn marker(&mut self) -> Parse<Expr> {
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
