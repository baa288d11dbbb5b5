//! INSERT, UPDATE and DELETE.

use super::error::Parse;
use super::{Parser, SyntaxErrorKind};
use crate::ast::{
    Assignment, Change, ColumnCondition, Condition, ConditionTarget, ConditionTest, Delete, DeleteTarget,
    Expr, ExprKind, Insert, InsertValues, Literal, LiteralKind, Name, Update, Using,
};
use crate::lexer::{Keyword, TokenKind, unquote};

impl Parser<'_> {
    pub(super) fn insert(&mut self) -> Parse<Insert> {
        self.expect_keyword(Keyword::Insert)?;
        self.expect_keyword(Keyword::Into)?;
        let table = self.table_name()?;
        let values = match self.kind() {
            TokenKind::Open => {
                let columns = self.columns_list()?;
                self.expect_keyword(Keyword::Values)?;
                InsertValues::Columns { columns, values: self.parenthesised(Self::term)? }
            }
            TokenKind::Keyword(Keyword::Json) => {
                self.advance();
                let value = self.json_value()?;
                InsertValues::Json { value, default_unset: self.default_unset()? }
            }
            _ => return self.no_viable("columns or JSON"),
        };
        let if_not_exists = self.if_not_exists()?;
        let using = if self.at_keyword(Keyword::Using) { self.using()? } else { Using::default() };
        Ok(Insert { table, values, if_not_exists, using })
    }

    fn json_value(&mut self) -> Parse<Expr> {
        if !self.at(TokenKind::String) {
            return if self.at_marker() {
                self.marker()
            } else {
                self.no_viable("a string or a bind marker")
            };
        }
        let start = self.start();
        let token = self.advance();
        let text = unquote(self.source(token)).into_owned();
        let kind = ExprKind::Literal(Literal { kind: LiteralKind::String, text });
        Ok(Expr { kind, span: self.span_from(start) })
    }

    fn default_unset(&mut self) -> Parse<bool> {
        if !self.accept_keyword(Keyword::Default) {
            return Ok(false);
        }
        match self.keyword() {
            Some(Keyword::Null) => {
                self.advance();
                Ok(false)
            }
            Some(Keyword::Unset) => {
                self.advance();
                Ok(true)
            }
            _ => self.no_viable("NULL or UNSET"),
        }
    }

    /// USING; of an option that is given twice the last counts, as in Cassandra.
    pub(super) fn using(&mut self) -> Parse<Using> {
        self.expect_keyword(Keyword::Using)?;
        let mut using = Using::default();
        loop {
            let option = match self.keyword() {
                Some(Keyword::Timestamp) => &mut using.timestamp,
                Some(Keyword::Ttl) => &mut using.ttl,
                _ => return self.no_viable("TIMESTAMP or TTL"),
            };
            self.advance();
            let value = self.integer_or_marker()?;
            if let Some(Expr { kind: ExprKind::Bind { .. }, span }) = option.replace(value) {
                let message = "a bind marker in USING has no effect, since the same option follows; drop one";
                return self.refuse_as(SyntaxErrorKind::Invalid, message, span);
            }
            if !self.accept_keyword(Keyword::And) {
                return Ok(using);
            }
        }
    }

    pub(super) fn update(&mut self) -> Parse<Update> {
        self.expect_keyword(Keyword::Update)?;
        let table = self.table_name()?;
        let using = if self.at_keyword(Keyword::Using) { self.using()? } else { Using::default() };
        self.expect_keyword(Keyword::Set)?;
        let assignments = self.assignments()?;
        self.expect_keyword(Keyword::Where)?;
        let restrictions = self.relations()?;
        let condition = self.condition()?;
        Ok(Update { table, using, assignments, restrictions, condition })
    }

    fn assignments(&mut self) -> Parse<Vec<Assignment>> {
        let assignments = self.comma_separated(Self::assignment)?;
        self.check_compatible(&assignments)?;
        Ok(assignments)
    }

    /// A column may be set once, or changed in parts as often as one likes (`Operation.RawUpdate.isCompatibleWith`).
    fn check_compatible(&self, assignments: &[Assignment]) -> Parse<()> {
        let mut by_column: Vec<&Assignment> = assignments.iter().collect();
        by_column.sort_by(|a, b| a.column.text.cmp(&b.column.text));
        for same in by_column.chunk_by(|a, b| a.column.text == b.column.text) {
            let sets = same.iter().any(|a| matches!(a.change, Change::Set(_)));
            let mut fields: Vec<&str> = same
                .iter()
                .filter_map(|a| match &a.change {
                    Change::SetField { field, .. } => Some(field.as_str()),
                    _ => None,
                })
                .collect();
            fields.sort_unstable();
            let twice = fields.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
            if let [first, _, ..] = same
                && (sets || twice)
            {
                let message = format!("Multiple incompatible setting of column {}", first.column.text);
                return self.refuse(message, first.column.span);
            }
        }
        Ok(())
    }

    fn assignment(&mut self) -> Parse<Assignment> {
        let column = self.column()?;
        let change = match self.kind() {
            TokenKind::Equal => {
                self.advance();
                self.change_of(&column)?
            }
            TokenKind::PlusEqual => {
                self.advance();
                Change::Add(self.term()?)
            }
            TokenKind::MinusEqual => {
                self.advance();
                Change::Subtract(self.term()?)
            }
            TokenKind::OpenBracket => {
                self.advance();
                let key = self.term()?;
                self.expect(TokenKind::CloseBracket)?;
                self.expect(TokenKind::Equal)?;
                Change::SetElement { key, value: self.term()? }
            }
            TokenKind::Dot => {
                self.advance();
                let field = self.identifier()?;
                self.expect(TokenKind::Equal)?;
                Change::SetField { field, value: self.term()? }
            }
            _ => return self.no_viable("an assignment"),
        };
        Ok(Assignment { column, change })
    }

    /// What follows `column =`.
    fn change_of(&mut self, column: &Name) -> Parse<Change> {
        if !self.at_column() || self.at_function_call() || self.at_form(Keyword::Cast) {
            let value = self.term_before_column()?;
            if !self.accept(TokenKind::Plus) {
                return Ok(Change::Set(value));
            }
            let other = self.column()?;
            if other != *column {
                let message = "Only expressions of the form X = <value> + X are supported.";
                return self.refuse(message, other.span);
            }
            return Ok(Change::Prepend(value));
        }
        let other = self.column()?;
        let sign = match self.kind() {
            TokenKind::Plus => "+",
            TokenKind::Minus => "-",
            // `c = c -3`: the lexer takes the sign for the number's.
            TokenKind::Integer => {
                let token = self.peek();
                let sign = if self.source(token).starts_with('-') { "- " } else { "+ " };
                self.check_same(&other, column, sign)?;
                return Ok(Change::Add(self.integer_or_marker()?));
            }
            _ => return self.no_viable("+ or -"),
        };
        self.advance();
        let value = self.term()?;
        self.check_same(&other, column, sign)?;
        Ok(if sign == "+" { Change::Add(value) } else { Change::Subtract(value) })
    }

    fn check_same(&self, other: &Name, column: &Name, sign: &str) -> Parse<()> {
        if other == column {
            return Ok(());
        }
        let message = format!("Only expressions of the form X = X {sign}<value> are supported.");
        self.refuse(message, other.span)
    }

    pub(super) fn delete(&mut self) -> Parse<Delete> {
        self.expect_keyword(Keyword::Delete)?;
        let targets = if self.at_column() { self.comma_separated(Self::delete_target)? } else { Vec::new() };
        self.expect_keyword(Keyword::From)?;
        let table = self.table_name()?;
        let mut using = Using::default();
        if self.accept_keyword(Keyword::Using) {
            self.expect_keyword(Keyword::Timestamp)?;
            using.timestamp = Some(self.integer_or_marker()?);
        }
        self.expect_keyword(Keyword::Where)?;
        let restrictions = self.relations()?;
        let condition = self.condition()?;
        Ok(Delete { table, targets, using, restrictions, condition })
    }

    fn delete_target(&mut self) -> Parse<DeleteTarget> {
        let column = self.column()?;
        Ok(match self.kind() {
            TokenKind::OpenBracket => {
                self.advance();
                let key = self.term()?;
                self.expect(TokenKind::CloseBracket)?;
                DeleteTarget::Element { column, key }
            }
            TokenKind::Dot => {
                self.advance();
                DeleteTarget::Field { column, field: self.identifier()? }
            }
            _ => DeleteTarget::Column(column),
        })
    }

    /// IF of UPDATE and DELETE. `exists` is a column when something is asked of it.
    fn condition(&mut self) -> Parse<Option<Condition>> {
        if !self.accept_keyword(Keyword::If) {
            return Ok(None);
        }
        if self.at_keyword(Keyword::Exists) && !self.condition_continues() {
            self.advance();
            return Ok(Some(Condition::Exists));
        }
        let mut conditions = vec![self.column_condition()?];
        while self.accept_keyword(Keyword::And) {
            conditions.push(self.column_condition()?);
        }
        Ok(Some(Condition::All(conditions)))
    }

    /// Whether what follows the column here asks something of it.
    fn condition_continues(&self) -> bool {
        use TokenKind as T;
        matches!(
            self.kind_at(1),
            T::Equal
                | T::NotEqual
                | T::Less
                | T::LessOrEqual
                | T::Greater
                | T::GreaterOrEqual
                | T::OpenBracket
                | T::Dot
                | T::Keyword(Keyword::In | Keyword::Contains)
        )
    }

    fn column_condition(&mut self) -> Parse<ColumnCondition> {
        let column = self.column()?;
        let target = match self.kind() {
            TokenKind::OpenBracket => {
                self.advance();
                let key = self.term()?;
                self.expect(TokenKind::CloseBracket)?;
                ConditionTarget::Element { column, key }
            }
            TokenKind::Dot => {
                self.advance();
                ConditionTarget::Field { column, field: self.identifier()? }
            }
            _ => ConditionTarget::Column(column),
        };
        let test = match (self.kind(), &target) {
            (TokenKind::Keyword(Keyword::In), _) => {
                self.advance();
                ConditionTest::In(self.in_values()?)
            }
            (TokenKind::Keyword(Keyword::Contains), ConditionTarget::Column(_)) => {
                let operator = self.contains_operator();
                ConditionTest::Compare { operator, value: self.term()? }
            }
            _ => {
                let operator = self.comparison()?;
                ConditionTest::Compare { operator, value: self.term()? }
            }
        };
        Ok(ColumnCondition { target, test })
    }
}
