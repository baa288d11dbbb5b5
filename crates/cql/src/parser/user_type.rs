//! CREATE TYPE and ALTER TYPE.

use super::Parser;
use super::error::Parse;
use crate::ast::{AlterType, CreateType, Name, Statement, TypeChange, TypeName};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn create_type(&mut self) -> Parse<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let name = self.user_type_name()?;
        self.expect(TokenKind::Open)?;
        let mut fields = vec![self.field()?];
        // Commas that nothing follows are allowed.
        while self.accept(TokenKind::Comma) {
            if !self.at(TokenKind::Comma) && !self.at(TokenKind::Close) {
                fields.push(self.field()?);
            }
        }
        self.expect(TokenKind::Close)?;
        Ok(Statement::CreateType(CreateType { name, if_not_exists, fields }))
    }

    fn field(&mut self) -> Parse<(Name, TypeName)> {
        Ok((self.identifier()?, self.type_name()?))
    }

    pub(super) fn alter_type(&mut self) -> Parse<Statement> {
        self.advance();
        let if_exists = self.if_exists()?;
        let name = self.user_type_name()?;
        let change = match self.keyword() {
            Some(Keyword::Alter) => {
                self.advance();
                let field = self.identifier()?;
                self.expect_keyword(Keyword::Type)?;
                TypeChange::Alter { field, to: self.type_name()? }
            }
            Some(Keyword::Add) => {
                self.advance();
                let if_not_exists = self.if_not_exists()?;
                let (field, field_type) = self.field()?;
                TypeChange::Add { if_not_exists, field, field_type }
            }
            Some(Keyword::Rename) => {
                self.advance();
                let if_exists = self.if_exists()?;
                TypeChange::Rename { if_exists, renames: self.renames()? }
            }
            _ => return self.no_viable("ALTER, ADD or RENAME"),
        };
        Ok(Statement::AlterType(AlterType { name, if_exists, change }))
    }
}
