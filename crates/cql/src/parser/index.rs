//! CREATE INDEX.

use super::Parser;
use super::error::Parse;
use crate::ast::{CreateIndex, IndexOn, IndexTarget, QualifiedName, Statement};
use crate::lexer::{Keyword, TokenKind, unquote};

impl Parser<'_> {
    pub(super) fn create_index(&mut self) -> Parse<Statement> {
        let custom = self.accept_keyword(Keyword::Custom);
        self.expect_keyword(Keyword::Index)?;
        let if_not_exists = self.if_not_exists()?;
        let name = if self.at_keyword(Keyword::On) {
            None
        } else {
            Some(QualifiedName { keyspace: None, name: self.object_name("index")? })
        };
        self.expect_keyword(Keyword::On)?;
        let table = self.table_name()?;
        self.expect(TokenKind::Open)?;
        let targets =
            if self.at(TokenKind::Close) { Vec::new() } else { self.comma_separated(Self::index_target)? };
        self.expect(TokenKind::Close)?;
        let using = if self.accept_keyword(Keyword::Using) { Some(self.string()?) } else { None };
        let options = if self.accept_keyword(Keyword::With) { self.properties()? } else { Vec::new() };
        Ok(Statement::CreateIndex(CreateIndex {
            name,
            custom,
            if_not_exists,
            table,
            targets,
            using,
            options,
        }))
    }

    fn index_target(&mut self) -> Parse<IndexTarget> {
        let on = match self.keyword() {
            Some(Keyword::Values) => IndexOn::Values,
            Some(Keyword::Keys) => IndexOn::Keys,
            Some(Keyword::Entries) => IndexOn::Entries,
            Some(Keyword::Full) => IndexOn::Full,
            _ => IndexOn::Simple,
        };
        // VALUES and KEYS alone are columns of that name.
        if on == IndexOn::Simple || self.kind_at(1) != TokenKind::Open {
            return Ok(IndexTarget { column: self.column()?, on: IndexOn::Simple });
        }
        self.advance();
        self.advance();
        let column = self.column()?;
        self.expect(TokenKind::Close)?;
        Ok(IndexTarget { column, on })
    }

    pub(super) fn string(&mut self) -> Parse<String> {
        let token = self.expect(TokenKind::String)?;
        Ok(unquote(self.source(token)).into_owned())
    }
}
