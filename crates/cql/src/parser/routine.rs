//! CREATE FUNCTION and CREATE AGGREGATE.
//!
//! Vocabulary: a *routine* is either.

use super::Parser;
use super::error::Parse;
use crate::ast::{CreateAggregate, CreateFunction, QualifiedName, Statement, TypeName};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn create_routine(&mut self) -> Parse<Statement> {
        let or_replace = self.accept_keyword(Keyword::Or);
        if or_replace {
            self.expect_keyword(Keyword::Replace)?;
        }
        let what = self.keyword();
        match what {
            Some(Keyword::Function | Keyword::Aggregate) => self.advance(),
            _ => return self.no_viable("FUNCTION or AGGREGATE"),
        };
        let if_not_exists = self.if_not_exists()?;
        let name = self.function_name()?;
        if what == Some(Keyword::Function) {
            self.function(name, or_replace, if_not_exists)
        } else {
            self.aggregate(name, or_replace, if_not_exists)
        }
    }

    fn function(&mut self, name: QualifiedName, or_replace: bool, if_not_exists: bool) -> Parse<Statement> {
        self.expect(TokenKind::Open)?;
        let arguments = if self.at(TokenKind::Close) {
            Vec::new()
        } else {
            self.comma_separated(|p| Ok((p.identifier()?, p.type_name()?)))?
        };
        self.expect(TokenKind::Close)?;
        let called_on_null = match self.keyword() {
            Some(Keyword::Called) => {
                self.advance();
                true
            }
            Some(Keyword::Returns) => {
                self.advance();
                self.expect_keyword(Keyword::Null)?;
                false
            }
            _ => return self.no_viable("CALLED ON NULL INPUT or RETURNS NULL ON NULL INPUT"),
        };
        self.expect_keyword(Keyword::On)?;
        self.expect_keyword(Keyword::Null)?;
        self.expect_keyword(Keyword::Input)?;
        self.expect_keyword(Keyword::Returns)?;
        let returns = self.type_name()?;
        self.expect_keyword(Keyword::Language)?;
        if !self.at(TokenKind::Identifier) {
            return self.mismatched("IDENT");
        }
        let language = self.take_name();
        self.expect_keyword(Keyword::As)?;
        let body = self.string()?;
        Ok(Statement::CreateFunction(CreateFunction {
            name,
            or_replace,
            if_not_exists,
            arguments,
            called_on_null,
            returns,
            language,
            body,
        }))
    }

    fn aggregate(&mut self, name: QualifiedName, or_replace: bool, if_not_exists: bool) -> Parse<Statement> {
        let arguments = self.argument_types()?;
        self.expect_keyword(Keyword::SFunc)?;
        let state_function = self.unqualified_function_name()?;
        self.expect_keyword(Keyword::SType)?;
        let state_type = self.type_name()?;
        let final_function = if self.accept_keyword(Keyword::FinalFunc) {
            Some(self.unqualified_function_name()?)
        } else {
            None
        };
        let initial = if self.accept_keyword(Keyword::InitCond) { Some(self.term()?) } else { None };
        Ok(Statement::CreateAggregate(CreateAggregate {
            name,
            or_replace,
            if_not_exists,
            arguments,
            state_function,
            state_type,
            final_function,
            initial,
        }))
    }

    /// `(type, ...)`, perhaps empty.
    pub(super) fn argument_types(&mut self) -> Parse<Vec<TypeName>> {
        self.expect(TokenKind::Open)?;
        let types =
            if self.at(TokenKind::Close) { Vec::new() } else { self.comma_separated(Self::type_name)? };
        self.expect(TokenKind::Close)?;
        Ok(types)
    }

    /// A routine's name, and the types of its arguments where it has to be told from others.
    pub(super) fn routine_reference(&mut self) -> Parse<(QualifiedName, Option<Vec<TypeName>>)> {
        let name = self.function_name()?;
        let arguments = if self.at(TokenKind::Open) { Some(self.argument_types()?) } else { None };
        Ok((name, arguments))
    }
}
