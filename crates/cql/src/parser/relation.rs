//! The conjuncts of WHERE.

use super::Parser;
use super::error::Parse;
use super::names::is_identifier;
use crate::ast::{Expr, InValues, Name, Operator, QualifiedName, Relation, RelationKind};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn relations(&mut self) -> Parse<Vec<Relation>> {
        let mut relations = Vec::new();
        loop {
            let start = self.start();
            let kind = match self.kind() {
                TokenKind::ExprOpen => self.custom_expression()?,
                _ => self.relation()?,
            };
            relations.push(Relation { kind, span: self.span_from(start) });
            if !self.accept_keyword(Keyword::And) {
                return Ok(relations);
            }
        }
    }

    /// `expr(index, value)`
    fn custom_expression(&mut self) -> Parse<RelationKind> {
        self.advance();
        let name = self.object_name("index")?;
        self.expect(TokenKind::Comma)?;
        let value = self.term()?;
        self.expect(TokenKind::Close)?;
        Ok(RelationKind::Custom { index: QualifiedName { keyspace: None, name }, value })
    }

    /// A relation in any number of parentheses.
    fn relation(&mut self) -> Parse<RelationKind> {
        let mut open = 0u32;
        while self.at(TokenKind::Open) && !self.at_columns() {
            self.advance();
            open += 1;
        }
        let kind = match self.kind() {
            TokenKind::Open => self.columns_relation()?,
            TokenKind::Keyword(Keyword::Token) => {
                self.advance();
                let columns = self.parenthesised(Self::column)?;
                let operator = self.comparison()?;
                RelationKind::Token { columns, operator, value: self.term()? }
            }
            _ if self.at_column() => self.column_relation()?,
            _ => return self.no_viable("a condition"),
        };
        for _ in 0..open {
            self.expect(TokenKind::Close)?;
        }
        Ok(kind)
    }

    /// Whether the parenthesis here opens a list of columns and not a relation.
    fn at_columns(&self) -> bool {
        let column = self.kind_at(1);
        (is_identifier(column) || column == TokenKind::EmptyQuotedName)
            && matches!(self.kind_at(2), TokenKind::Comma | TokenKind::Close)
    }

    fn column_relation(&mut self) -> Parse<RelationKind> {
        let column = self.column()?;
        match self.kind() {
            TokenKind::OpenBracket => {
                self.advance();
                let key = self.term()?;
                self.expect(TokenKind::CloseBracket)?;
                let operator = self.comparison()?;
                Ok(RelationKind::Element { column, key, operator, value: self.term()? })
            }
            TokenKind::Keyword(Keyword::In) => {
                self.advance();
                Ok(RelationKind::In { column, values: self.in_values()? })
            }
            TokenKind::Keyword(Keyword::Is) => {
                self.advance();
                self.expect_keyword(Keyword::Not)?;
                self.expect_keyword(Keyword::Null)?;
                Ok(RelationKind::IsNotNull { column })
            }
            TokenKind::Keyword(Keyword::Like) => {
                self.advance();
                Ok(RelationKind::Column { column, operator: Operator::Like, value: self.term()? })
            }
            TokenKind::Keyword(Keyword::Contains) => {
                let operator = self.contains_operator();
                Ok(RelationKind::Column { column, operator, value: self.term()? })
            }
            _ => {
                let operator = self.comparison()?;
                Ok(RelationKind::Column { column, operator, value: self.term()? })
            }
        }
    }

    /// CONTAINS or CONTAINS KEY; a call of a function in the keyspace `key` comes after CONTAINS alone.
    pub(super) fn contains_operator(&mut self) -> Operator {
        self.advance();
        if self.at_keyword(Keyword::Key) && self.kind_at(1) != TokenKind::Dot {
            self.advance();
            return Operator::ContainsKey;
        }
        Operator::Contains
    }

    fn columns_relation(&mut self) -> Parse<RelationKind> {
        let columns = self.parenthesised(Self::column)?;
        if self.accept_keyword(Keyword::In) {
            let values = self.tuples_in()?;
            return Ok(RelationKind::ColumnsIn { columns, values });
        }
        let operator = self.comparison()?;
        let value = match self.kind() {
            TokenKind::Open => self.tuple_literal()?,
            _ if self.at_marker() => self.marker()?,
            _ => return self.no_viable("a tuple or a bind marker"),
        };
        Ok(RelationKind::Columns { columns, operator, value })
    }

    fn tuple_literal(&mut self) -> Parse<Expr> {
        self.nested(|p| Ok(p.tuple()?.expr))
    }

    /// What `(a, b) IN` takes: tuples only, markers only, or one marker for the list.
    fn tuples_in(&mut self) -> Parse<InValues> {
        if self.at_marker() {
            return Ok(InValues::Marker(self.marker()?));
        }
        self.expect(TokenKind::Open)?;
        if self.accept(TokenKind::Close) {
            return Ok(InValues::List(Vec::new()));
        }
        let values = if self.at_marker() {
            self.comma_separated(Self::marker)?
        } else {
            self.comma_separated(Self::tuple_literal)?
        };
        self.expect(TokenKind::Close)?;
        Ok(InValues::List(values))
    }

    pub(super) fn in_values(&mut self) -> Parse<InValues> {
        if self.at_marker() {
            return Ok(InValues::Marker(self.marker()?));
        }
        self.expect(TokenKind::Open)?;
        if self.accept(TokenKind::Close) {
            return Ok(InValues::List(Vec::new()));
        }
        let values = self.comma_separated(Self::term)?;
        self.expect(TokenKind::Close)?;
        Ok(InValues::List(values))
    }

    pub(super) fn comparison(&mut self) -> Parse<Operator> {
        let operator = match self.kind() {
            TokenKind::Equal => Operator::Equal,
            TokenKind::Less => Operator::Less,
            TokenKind::LessOrEqual => Operator::LessOrEqual,
            TokenKind::Greater => Operator::Greater,
            TokenKind::GreaterOrEqual => Operator::GreaterOrEqual,
            TokenKind::NotEqual => Operator::NotEqual,
            _ => return self.no_viable("an operator"),
        };
        self.advance();
        Ok(operator)
    }

    pub(super) fn columns_list(&mut self) -> Parse<Vec<Name>> {
        self.parenthesised(Self::column)
    }
}
