//! BATCH.

use super::Parser;
use super::error::Parse;
use crate::ast::{Batch, BatchItem, BatchKind, Using};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn batch(&mut self) -> Parse<Batch> {
        self.expect_keyword(Keyword::Begin)?;
        let kind = match self.keyword() {
            Some(Keyword::Unlogged) => BatchKind::Unlogged,
            Some(Keyword::Counter) => BatchKind::Counter,
            _ => BatchKind::Logged,
        };
        if kind != BatchKind::Logged {
            self.advance();
        }
        self.expect_keyword(Keyword::Batch)?;
        let using = if self.at_keyword(Keyword::Using) { self.using()? } else { Using::default() };
        let mut statements = Vec::new();
        loop {
            let item = match self.keyword() {
                Some(Keyword::Insert) => BatchItem::Insert(self.insert()?),
                Some(Keyword::Update) => BatchItem::Update(self.update()?),
                Some(Keyword::Delete) => BatchItem::Delete(self.delete()?),
                _ => break,
            };
            statements.push(item);
            self.accept(TokenKind::Semicolon);
        }
        self.expect_keyword(Keyword::Apply)?;
        self.expect_keyword(Keyword::Batch)?;
        Ok(Batch { kind, using, statements })
    }
}
