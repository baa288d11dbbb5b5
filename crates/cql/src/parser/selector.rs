//! Selectors: what SELECT and GROUP BY take.

use super::Parser;
use super::error::Parse;
use super::names::is_identifier;
use super::term::{Forest, Tree, is_constant};
use crate::ast::{Arithmetic, CellMeta, Expr, ExprKind, Literal, Name, QualifiedName, Selection, Selector};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    /// `*` or selectors.
    pub(super) fn selection(&mut self) -> Parse<Selection> {
        if self.accept(TokenKind::Star) {
            return Ok(Selection::All);
        }
        let items = self.comma_separated(|p| {
            let value = p.selector()?;
            let alias = if p.accept_keyword(Keyword::As) { Some(p.identifier()?) } else { None };
            Ok(Selector { value, alias })
        })?;
        Ok(Selection::Items(items))
    }

    pub(super) fn selector(&mut self) -> Parse<Expr> {
        Ok(self.selector_tree()?.expr)
    }

    fn selector_tree(&mut self) -> Parse<Tree> {
        let start = self.start();
        let mut left = self.selector_product()?;
        loop {
            let operator = match self.kind() {
                TokenKind::Plus => Arithmetic::Add,
                TokenKind::Minus => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.selector_product()?;
            left = self.binary(start, operator, left, right)?;
        }
    }

    fn selector_product(&mut self) -> Parse<Tree> {
        let start = self.start();
        let mut left = self.signed_selector()?;
        while let Some(operator) = self.product_operator() {
            self.advance();
            let right = self.signed_selector()?;
            left = self.binary(start, operator, left, right)?;
        }
        Ok(left)
    }

    fn signed_selector(&mut self) -> Parse<Tree> {
        let start = self.start();
        if self.accept(TokenKind::Minus) {
            let Tree { expr, height } = self.nested(Self::signed_selector)?;
            return self.branch(ExprKind::Negate(Box::new(expr)), height, start);
        }
        let value = self.plain_selector()?;
        self.modified(start, value)
    }

    /// `.field`, `[element]` and `[from..to]` after `of`, as many as there are.
    fn modified(&mut self, start: u32, of: Tree) -> Parse<Tree> {
        let mut value = of;
        loop {
            match self.kind() {
                TokenKind::Dot => {
                    self.advance();
                    let field = self.identifier()?;
                    let kind = ExprKind::Field { of: Box::new(value.expr), field };
                    value = self.branch(kind, value.height, start)?;
                }
                TokenKind::OpenBracket => {
                    self.advance();
                    value = self.nested(|p| p.element_or_slice(start, value))?;
                }
                _ => return Ok(value),
            }
        }
    }

    /// What is between brackets, and the closing one.
    fn element_or_slice(&mut self, start: u32, of: Tree) -> Parse<Tree> {
        let mut height = of.height;
        let of = Box::new(of.expr);
        let mut term = |p: &mut Self| -> Parse<Box<Expr>> {
            let Tree { expr, height: own } = p.term_tree()?;
            height = height.max(own);
            Ok(Box::new(expr))
        };
        let kind = if self.accept(TokenKind::Range) {
            ExprKind::Slice { of, from: None, to: Some(term(self)?) }
        } else {
            let first = term(self)?;
            if !self.accept(TokenKind::Range) {
                ExprKind::Element { of, key: first }
            } else if self.at(TokenKind::CloseBracket) {
                ExprKind::Slice { of, from: Some(first), to: None }
            } else {
                ExprKind::Slice { of, from: Some(first), to: Some(term(self)?) }
            }
        };
        self.expect(TokenKind::CloseBracket)?;
        self.branch(kind, height, start)
    }

    /// A selector without sign and modifiers.
    fn plain_selector(&mut self) -> Parse<Tree> {
        let start = self.start();
        if let Some(leaf) = self.constant_or_marker()? {
            return Ok(leaf);
        }
        match self.kind() {
            TokenKind::Open => self.nested(Self::hint_or_tuple),
            TokenKind::OpenBracket => self.nested(|p| {
                let items = p.items_until(TokenKind::CloseBracket, Self::selector_tree)?;
                p.branch(ExprKind::List(items.exprs), items.height, start)
            }),
            TokenKind::OpenBrace => self.nested(Self::selector_braces),
            TokenKind::Keyword(Keyword::Count)
                if self.kind_at(1) == TokenKind::Open && self.kind_at(2) == TokenKind::Star =>
            {
                self.advance();
                self.advance();
                self.advance();
                self.expect(TokenKind::Close)?;
                Ok(Tree::leaf(ExprKind::CountRows, self.span_from(start)))
            }
            _ if self.at_form(Keyword::WriteTime) => self.cell_meta(CellMeta::WriteTime),
            _ if self.at_form(Keyword::MaxWriteTime) => self.cell_meta(CellMeta::MaxWriteTime),
            _ if self.at_form(Keyword::Ttl) => self.cell_meta(CellMeta::Ttl),
            _ if self.at_form(Keyword::Cast) => self.nested(Self::selector_cast),
            _ if self.at_function_call() => self.nested(Self::selector_call),
            kind if is_identifier(kind) => {
                let name = self.take_name();
                let span = name.span;
                Ok(Tree::leaf(ExprKind::Column(name), span))
            }
            _ => self.no_viable("a column or an expression"),
        }
    }

    fn selector_call(&mut self) -> Parse<Tree> {
        let start = self.start();
        let function = self.function_name()?;
        let arguments = self.items_until(TokenKind::Close, Self::selector_tree)?;
        if is_count(&function)
            && matches!(arguments.exprs.as_slice(), [Expr { kind: ExprKind::Literal(Literal { .. }), .. }])
        {
            return Ok(Tree::leaf(ExprKind::CountRows, self.span_from(start)));
        }
        self.branch(ExprKind::Call { function, arguments: arguments.exprs }, arguments.height, start)
    }

    /// `writetime(column)` and the like; a column may have modifiers.
    fn cell_meta(&mut self, what: CellMeta) -> Parse<Tree> {
        let start = self.start();
        self.advance();
        self.advance();
        let inner = self.start();
        let column = self.identifier()?;
        let span = column.span;
        let of = self.modified(inner, Tree::leaf(ExprKind::Column(column), span))?;
        self.expect(TokenKind::Close)?;
        self.branch(ExprKind::CellMeta { what, of: Box::new(of.expr) }, of.height, start)
    }

    fn selector_cast(&mut self) -> Parse<Tree> {
        let start = self.start();
        self.advance();
        self.advance();
        let Tree { expr, height } = self.selector_tree()?;
        self.expect_keyword(Keyword::As)?;
        let to = self.native_type()?;
        self.expect(TokenKind::Close)?;
        self.branch(ExprKind::Cast { value: Box::new(expr), to }, height, start)
    }

    /// `(type) selector` or `(selector, ...)`.
    fn hint_or_tuple(&mut self) -> Parse<Tree> {
        let start = self.start();
        if self.is_type_hint() {
            self.advance();
            let to = self.type_name()?;
            self.expect(TokenKind::Close)?;
            let Tree { expr, height } = self.plain_selector()?;
            return self.branch(ExprKind::TypeHint { to, value: Box::new(expr) }, height, start);
        }
        let items = self.items_until(TokenKind::Close, Self::selector_tree)?;
        if items.exprs.is_empty() {
            return self.no_viable("a column or an expression");
        }
        self.branch(ExprKind::Tuple(items.exprs), items.height, start)
    }

    /// `(a) b` is a hint, `(a) + b` and `(a) AS b` are not.
    fn is_type_hint(&self) -> bool {
        let Some(length) = self.type_length(1) else { return false };
        self.kind_at(1 + length) == TokenKind::Close && self.selector_starts(2 + length)
    }

    /// Whether a selector, other than one with a sign, starts `ahead` of here. A keyword that may be a column is one
    /// unless what follows shows that it has its own meaning.
    fn selector_starts(&self, ahead: usize) -> bool {
        match self.kind_at(ahead) {
            TokenKind::Open | TokenKind::OpenBrace => true,
            TokenKind::OpenBracket => !self.is_slice(ahead),
            TokenKind::Keyword(Keyword::Null | Keyword::Token) => true,
            TokenKind::Keyword(Keyword::As) => {
                let next = self.kind_at(ahead + 1);
                !is_identifier(next) || next == TokenKind::Keyword(Keyword::As)
            }
            TokenKind::Keyword(Keyword::Per) => !self.keyword_follows(ahead + 1, Keyword::Partition),
            // Otherwise the colon between a map's key and its value.
            TokenKind::Colon => is_identifier(self.kind_at(ahead + 1)),
            kind => is_identifier(kind) || is_constant(kind) || kind == TokenKind::Question,
        }
    }

    /// Whether the word here, JSON or DISTINCT, is what it says and not a column of that name.
    pub(super) fn modifies_selection(&self) -> bool {
        match self.kind_at(1) {
            TokenKind::Star | TokenKind::Minus => true,
            _ => self.selector_starts(1),
        }
    }

    /// Whether the bracket `ahead` of here holds a slice, and so belongs to what stands before it. Looks on to the
    /// closing bracket, which nested brackets repeat as often as they may nest.
    fn is_slice(&self, ahead: usize) -> bool {
        let mut open = 0;
        let rest = self.tokens.get(self.position + ahead..).unwrap_or_default();
        for token in rest {
            match token.kind {
                TokenKind::OpenBracket => open += 1,
                TokenKind::Range if open == 1 => return true,
                TokenKind::CloseBracket if open == 1 => return false,
                TokenKind::CloseBracket => open -= 1,
                _ => (),
            }
        }
        false
    }

    /// A set, a map, or a user-defined type's value.
    fn selector_braces(&mut self) -> Parse<Tree> {
        let start = self.start();
        self.advance();
        if self.accept(TokenKind::CloseBrace) {
            return self.branch(ExprKind::Set(Vec::new()), 0, start);
        }
        let first = self.selector_tree()?;
        if !self.at(TokenKind::Colon) {
            let mut items = Forest::default();
            items.push(first);
            while self.accept(TokenKind::Comma) {
                items.push(self.selector_tree()?);
            }
            self.expect(TokenKind::CloseBrace)?;
            return self.branch(ExprKind::Set(items.exprs), items.height, start);
        }
        let mut entries = Vec::new();
        let mut height = first.height;
        let mut key = first;
        loop {
            self.expect(TokenKind::Colon)?;
            let value = self.selector_tree()?;
            height = height.max(key.height).max(value.height);
            entries.push((key.expr, value.expr));
            if !self.accept(TokenKind::Comma) {
                break;
            }
            key = self.selector_tree()?;
        }
        self.expect(TokenKind::CloseBrace)?;
        self.branch(map_or_udt(entries), height, start)
    }
}

/// Cassandra tells a user-defined type's value from a map by the expected type; here the keys decide.
fn map_or_udt(entries: Vec<(Expr, Expr)>) -> ExprKind {
    if entries.iter().all(|(key, _)| matches!(key.kind, ExprKind::Column(_))) {
        let fields: Vec<(Name, Expr)> = entries
            .into_iter()
            .filter_map(|(key, value)| match key.kind {
                ExprKind::Column(name) => Some((name, value)),
                _ => None,
            })
            .collect();
        return ExprKind::Udt(fields);
    }
    ExprKind::Map(entries)
}

/// `count` of a constant counts rows, in Cassandra too (`Selectable.WithFunction.Raw.prepare`).
fn is_count(function: &QualifiedName) -> bool {
    let native = function.keyspace.as_ref().is_none_or(|keyspace| keyspace.as_str() == "system");
    native && function.name.as_str() == "count"
}
