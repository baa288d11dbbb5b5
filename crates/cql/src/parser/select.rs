//! SELECT.

use super::error::Parse;
use super::{Parser, SyntaxErrorKind};
use crate::ast::{Expr, OrderBy, Ordering, Select};
use crate::lexer::Keyword;

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Parse<Select> {
        self.expect_keyword(Keyword::Select)?;
        let json = self.at_keyword(Keyword::Json) && self.modifies_selection();
        if json {
            self.advance();
        }
        let distinct = self.at_keyword(Keyword::Distinct) && self.modifies_selection();
        if distinct {
            self.advance();
        }
        let selection = self.selection()?;
        self.expect_keyword(Keyword::From)?;
        let from = self.table_name()?;
        let restrictions = if self.accept_keyword(Keyword::Where) { self.relations()? } else { Vec::new() };
        let group_by = self.group_by()?;
        let order_by = self.order_by()?;
        let per_partition_limit = self.per_partition_limit()?;
        let limit = if self.accept_keyword(Keyword::Limit) { Some(self.integer_or_marker()?) } else { None };
        let allow_filtering = self.accept_keyword(Keyword::Allow);
        if allow_filtering {
            self.expect_keyword(Keyword::Filtering)?;
        }
        Ok(Select {
            json,
            distinct,
            selection,
            from,
            restrictions,
            group_by,
            order_by,
            per_partition_limit,
            limit,
            allow_filtering,
        })
    }

    fn group_by(&mut self) -> Parse<Vec<Expr>> {
        if !self.accept_keyword(Keyword::Group) {
            return Ok(Vec::new());
        }
        self.expect_keyword(Keyword::By)?;
        self.comma_separated(Self::selector)
    }

    fn order_by(&mut self) -> Parse<Vec<Ordering>> {
        if !self.accept_keyword(Keyword::Order) {
            return Ok(Vec::new());
        }
        self.expect_keyword(Keyword::By)?;
        self.comma_separated(|p| {
            let column = p.column()?;
            let nearest_to = if p.accept_keyword(Keyword::Ann) {
                p.expect_keyword(Keyword::Of)?;
                Some(p.term()?)
            } else {
                None
            };
            let descending = p.at_keyword(Keyword::Desc);
            if descending || p.at_keyword(Keyword::Asc) {
                p.advance();
            }
            let by = match nearest_to {
                Some(_) if descending => {
                    let message = "Descending ANN ordering is not supported";
                    return p.refuse_as(SyntaxErrorKind::Invalid, message, column.span);
                }
                Some(vector) => OrderBy::NearestTo(vector),
                None if descending => OrderBy::Descending,
                None => OrderBy::Ascending,
            };
            Ok(Ordering { column, by })
        })
    }

    fn per_partition_limit(&mut self) -> Parse<Option<Expr>> {
        if !self.accept_keyword(Keyword::Per) {
            return Ok(None);
        }
        self.expect_keyword(Keyword::Partition)?;
        self.expect_keyword(Keyword::Limit)?;
        Ok(Some(self.integer_or_marker()?))
    }
}
