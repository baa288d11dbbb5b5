//! Identifiers of every kind the grammar has.

use super::Parser;
use super::error::Parse;
use crate::ast::{Name, QualifiedName, Span};
use crate::lexer::{Keyword, Token, TokenKind, unquote};

/// Whether a token may stand where the grammar has `ident`.
pub(super) fn is_identifier(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Identifier | TokenKind::QuotedName => true,
        TokenKind::Keyword(keyword) => keyword.is_identifier(),
        _ => false,
    }
}

/// Whether a token may be the last part of a function's name.
fn is_function_name(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Identifier | TokenKind::QuotedName => true,
        TokenKind::Keyword(keyword) => keyword.is_function_name(),
        _ => false,
    }
}

impl Parser<'_> {
    /// Takes the current token as a name: folded to lower case unless quoted.
    pub(super) fn take_name(&mut self) -> Name {
        let token = self.advance();
        let span = Span { start: token.start, end: token.end };
        Name { text: self.folded(token), span }
    }

    pub(super) fn folded(&self, token: Token) -> String {
        let text = self.source(token);
        match token.kind {
            TokenKind::QuotedName | TokenKind::EmptyQuotedName => unquote(text).into_owned(),
            _ => text.to_ascii_lowercase(),
        }
    }

    /// `ident`, `fident`, `noncol_ident`, `sident`: they differ in what Cassandra makes of them only.
    pub(super) fn identifier(&mut self) -> Parse<Name> {
        if is_identifier(self.kind()) { Ok(self.take_name()) } else { self.no_viable("a name") }
    }

    /// `cident`: a column outside of DDL, which may have the empty name.
    pub(super) fn column(&mut self) -> Parse<Name> {
        if is_identifier(self.kind()) || self.at(TokenKind::EmptyQuotedName) {
            Ok(self.take_name())
        } else {
            self.no_viable("a column")
        }
    }

    pub(super) fn at_column(&self) -> bool {
        is_identifier(self.kind()) || self.at(TokenKind::EmptyQuotedName)
    }

    pub(super) fn keyspace_name(&mut self) -> Parse<Name> {
        self.object_name("keyspace")
    }

    pub(super) fn table_name(&mut self) -> Parse<QualifiedName> {
        self.qualified_name("table")
    }

    pub(super) fn qualified_name(&mut self, what: &str) -> Parse<QualifiedName> {
        if self.kind_at(1) == TokenKind::Dot {
            let keyspace = self.keyspace_name()?;
            self.advance();
            return Ok(QualifiedName { keyspace: Some(keyspace), name: self.object_name(what)? });
        }
        Ok(QualifiedName { keyspace: None, name: self.object_name(what)? })
    }

    /// A name for which Cassandra's grammar has a special refusal of `?`.
    pub(super) fn object_name(&mut self, what: &str) -> Parse<Name> {
        if is_identifier(self.kind()) {
            return Ok(self.take_name());
        }
        if self.at(TokenKind::Question) {
            let token = self.peek();
            let span = Span { start: token.start, end: token.end };
            return self.refuse(format!("Bind variables cannot be used for {what} names"), span);
        }
        self.no_viable(&format!("a {what} name"))
    }

    pub(super) fn function_name(&mut self) -> Parse<QualifiedName> {
        let keyspace = if self.kind_at(1) == TokenKind::Dot {
            let keyspace = self.keyspace_name()?;
            self.advance();
            Some(keyspace)
        } else {
            None
        };
        Ok(QualifiedName { keyspace, name: self.unqualified_function_name()? })
    }

    pub(super) fn unqualified_function_name(&mut self) -> Parse<Name> {
        if is_function_name(self.kind()) { Ok(self.take_name()) } else { self.no_viable("a function name") }
    }

    /// Whether a function's name and its opening parenthesis come next.
    pub(super) fn at_function_call(&self) -> bool {
        let name = if self.kind_at(1) == TokenKind::Dot { 2 } else { 0 };
        (name == 0 || is_identifier(self.kind()))
            && is_function_name(self.kind_at(name))
            && self.kind_at(name + 1) == TokenKind::Open
    }

    /// Whether the word and then a parenthesis come next, as in `writetime(`.
    pub(super) fn at_form(&self, keyword: Keyword) -> bool {
        self.at_keyword(keyword) && self.kind_at(1) == TokenKind::Open
    }
}
