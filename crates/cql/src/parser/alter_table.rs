//! ALTER TABLE.

use super::Parser;
use super::error::Parse;
use crate::ast::{AlterTable, ColumnDefinition, Name, Statement, TableChange};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn alter_table(&mut self) -> Parse<Statement> {
        self.advance();
        let if_exists = self.if_exists()?;
        let name = self.table_name()?;
        let change = match self.keyword() {
            Some(Keyword::Alter) => self.alter_column()?,
            Some(Keyword::Add) => self.add_columns()?,
            Some(Keyword::Drop) => self.drop_columns()?,
            Some(Keyword::Rename) => {
                self.advance();
                let if_exists = self.if_exists()?;
                TableChange::Rename { if_exists, renames: self.renames()? }
            }
            Some(Keyword::With) => {
                self.advance();
                TableChange::Options(self.properties()?)
            }
            _ => return self.no_viable("ALTER, ADD, DROP, RENAME or WITH"),
        };
        Ok(Statement::AlterTable(AlterTable { name, if_exists, change }))
    }

    /// `ALTER column TYPE type`, which Cassandra parses to refuse it, or a change of the column's mask.
    fn alter_column(&mut self) -> Parse<TableChange> {
        self.advance();
        let if_exists = self.if_exists()?;
        let column = self.column()?;
        match self.keyword() {
            Some(Keyword::Type) if !if_exists => {
                self.advance();
                Ok(TableChange::AlterType { column, to: self.type_name()? })
            }
            Some(Keyword::Masked) => Ok(TableChange::Mask { if_exists, column, mask: Some(self.mask()?) }),
            Some(Keyword::Drop) => {
                self.advance();
                self.expect_keyword(Keyword::Masked)?;
                Ok(TableChange::Mask { if_exists, column, mask: None })
            }
            _ => self.no_viable("TYPE, MASKED or DROP MASKED"),
        }
    }

    fn add_columns(&mut self) -> Parse<TableChange> {
        self.advance();
        let if_not_exists = self.if_not_exists()?;
        let columns = self.one_or_parenthesised(Self::column_definition)?;
        Ok(TableChange::Add { if_not_exists, columns })
    }

    fn one_or_parenthesised<T>(&mut self, mut parse: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        if self.at(TokenKind::Open) { self.parenthesised(parse) } else { Ok(vec![parse(self)?]) }
    }

    fn drop_columns(&mut self) -> Parse<TableChange> {
        self.advance();
        if self.at_keyword(Keyword::Compact) && self.keyword_follows(1, Keyword::Storage) {
            self.advance();
            self.advance();
            return Ok(TableChange::DropCompactStorage);
        }
        let if_exists = self.if_exists()?;
        let columns = self.one_or_parenthesised(Self::identifier)?;
        let timestamp = if self.accept_keyword(Keyword::Using) {
            self.expect_keyword(Keyword::Timestamp)?;
            let token = self.expect(TokenKind::Integer)?;
            match self.source(token).parse() {
                Ok(timestamp) => Some(timestamp),
                Err(_) => return self.number_out_of_range(token),
            }
        } else {
            None
        };
        Ok(TableChange::Drop { if_exists, columns, timestamp })
    }

    /// `a TO b AND c TO d ...`
    pub(super) fn renames(&mut self) -> Parse<Vec<(Name, Name)>> {
        let mut renames = Vec::new();
        loop {
            let from = self.identifier()?;
            self.expect_keyword(Keyword::To)?;
            renames.push((from, self.identifier()?));
            if !self.accept_keyword(Keyword::And) {
                return Ok(renames);
            }
        }
    }

    /// `name type [STATIC] [MASKED WITH ...]`
    pub(super) fn column_definition(&mut self) -> Parse<ColumnDefinition> {
        let name = self.identifier()?;
        let column_type = self.type_name()?;
        let is_static = self.accept_keyword(Keyword::Static);
        let mask = if self.at_keyword(Keyword::Masked) { Some(self.mask()?) } else { None };
        Ok(ColumnDefinition { name, column_type, is_static, mask })
    }
}
