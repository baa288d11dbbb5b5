//! DESCRIBE.

use super::Parser;
use super::error::Parse;
use super::names::is_identifier;
use crate::ast::{Describe, DescribeTarget, Statement};
use crate::lexer::Keyword;

impl Parser<'_> {
    pub(super) fn describe(&mut self) -> Parse<Statement> {
        self.advance();
        let what = self.describe_target()?;
        let with_internals = self.accept_keyword(Keyword::With);
        if with_internals {
            self.expect_keyword(Keyword::Internals)?;
        }
        Ok(Statement::Describe(Describe { what, with_internals }))
    }

    fn describe_target(&mut self) -> Parse<DescribeTarget> {
        // TYPE, FUNCTION and AGGREGATE alone are things of that name.
        let names_one = is_identifier(self.kind_at(1));
        let names_routine = names_one || self.keyword_follows(1, Keyword::Token);
        let target = match self.keyword() {
            Some(Keyword::Cluster) => DescribeTarget::Cluster,
            Some(Keyword::Keyspaces) => DescribeTarget::Keyspaces,
            Some(Keyword::Tables) => DescribeTarget::Tables,
            Some(Keyword::Types) => DescribeTarget::Types,
            Some(Keyword::Functions) => DescribeTarget::Functions,
            Some(Keyword::Aggregates) => DescribeTarget::Aggregates,
            Some(Keyword::Schema) => DescribeTarget::Schema { full: false },
            Some(Keyword::Full) => {
                self.advance();
                self.expect_keyword(Keyword::Schema)?;
                return Ok(DescribeTarget::Schema { full: true });
            }
            Some(Keyword::Only) if self.keyword_follows(1, Keyword::Keyspace) => {
                self.advance();
                return self.described_keyspace(true);
            }
            Some(Keyword::Keyspace) => return self.described_keyspace(false),
            Some(Keyword::Table) => {
                self.advance();
                return Ok(DescribeTarget::Table(self.table_name()?));
            }
            Some(Keyword::Index) => {
                self.advance();
                return Ok(DescribeTarget::Index(self.table_name()?));
            }
            Some(Keyword::Materialized) => {
                self.advance();
                self.expect_keyword(Keyword::View)?;
                return Ok(DescribeTarget::View(self.table_name()?));
            }
            Some(Keyword::Type) if names_one => {
                self.advance();
                return Ok(DescribeTarget::Type(self.user_type_name()?));
            }
            Some(Keyword::Function) if names_routine => {
                self.advance();
                return Ok(DescribeTarget::Function(self.function_name()?));
            }
            Some(Keyword::Aggregate) if names_routine => {
                self.advance();
                return Ok(DescribeTarget::Aggregate(self.function_name()?));
            }
            _ if is_identifier(self.kind()) => return Ok(DescribeTarget::Any(self.table_name()?)),
            _ => return self.no_viable("what to describe"),
        };
        self.advance();
        Ok(target)
    }

    /// `KEYSPACE [name]`
    fn described_keyspace(&mut self, only: bool) -> Parse<DescribeTarget> {
        self.advance();
        let named = is_identifier(self.kind()) || self.at_marker();
        let name = if named { Some(self.keyspace_name()?) } else { None };
        Ok(DescribeTarget::Keyspace { name, only })
    }
}
