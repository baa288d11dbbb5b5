//! CREATE and ALTER MATERIALIZED VIEW.

use super::Parser;
use super::error::Parse;
use crate::ast::{CreateView, Statement};
use crate::lexer::Keyword;

impl Parser<'_> {
    pub(super) fn create_view(&mut self) -> Parse<Statement> {
        self.advance();
        self.expect_keyword(Keyword::View)?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        self.expect_keyword(Keyword::As)?;
        self.expect_keyword(Keyword::Select)?;
        let selection = self.selection()?;
        self.expect_keyword(Keyword::From)?;
        let from = self.table_name()?;
        let restrictions = if self.accept_keyword(Keyword::Where) { self.relations()? } else { Vec::new() };
        let primary_keys = vec![self.primary_key()?];
        let start = self.start();
        let options =
            if self.accept_keyword(Keyword::With) { self.table_options()? } else { Default::default() };
        if options.compact_storage {
            let message = "COMPACT STORAGE tables are not allowed starting with version 4.0";
            return self.refuse(message, self.span_from(start));
        }
        Ok(Statement::CreateView(CreateView {
            name,
            if_not_exists,
            selection,
            from,
            restrictions,
            primary_keys,
            options,
        }))
    }

    pub(super) fn alter_view(&mut self) -> Parse<Statement> {
        self.advance();
        self.expect_keyword(Keyword::View)?;
        let if_exists = self.if_exists()?;
        let name = self.table_name()?;
        self.expect_keyword(Keyword::With)?;
        Ok(Statement::AlterView { name, if_exists, options: self.properties()? })
    }
}
