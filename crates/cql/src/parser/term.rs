//! Terms: constants, collections, markers and calls, with arithmetic between.

use super::Parser;
use super::error::Parse;
use super::names::is_identifier;
use crate::ast::{Arithmetic, Expr, ExprKind, Literal, LiteralKind, Span};
use crate::lexer::{Keyword, Token, TokenKind, unquote};

/// An expression and how deep it is, 1 being a leaf.
pub(super) struct Tree {
    pub expr: Expr,
    pub height: u32,
}

impl Tree {
    pub(super) fn leaf(kind: ExprKind, span: Span) -> Tree {
        Tree { expr: Expr { kind, span }, height: 1 }
    }
}

/// Several expressions and how deep the deepest is.
#[derive(Default)]
pub(super) struct Forest {
    pub exprs: Vec<Expr>,
    pub height: u32,
}

impl Forest {
    pub(super) fn push(&mut self, tree: Tree) {
        self.height = self.height.max(tree.height);
        self.exprs.push(tree.expr);
    }
}

impl Parser<'_> {
    pub(super) fn term(&mut self) -> Parse<Expr> {
        Ok(self.term_tree()?.expr)
    }

    /// A term that may be the value in `value + column`, which prepends to a list; stops before that `+`.
    pub(super) fn term_before_column(&mut self) -> Parse<Expr> {
        Ok(self.sum(true)?.expr)
    }

    pub(super) fn term_tree(&mut self) -> Parse<Tree> {
        self.sum(false)
    }

    fn sum(&mut self, stop_before_column: bool) -> Parse<Tree> {
        let start = self.start();
        let mut left = self.term_product()?;
        loop {
            let operator = match self.kind() {
                TokenKind::Plus if stop_before_column && self.column_ends_sum() => return Ok(left),
                TokenKind::Plus => Arithmetic::Add,
                TokenKind::Minus => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.term_product()?;
            left = self.binary(start, operator, left, right)?;
        }
    }

    /// Whether the `+` here is followed by a name that is no function's.
    fn column_ends_sum(&self) -> bool {
        let next = self.kind_at(1);
        let is_name = is_identifier(next) || next == TokenKind::EmptyQuotedName;
        is_name && !matches!(self.kind_at(2), TokenKind::Open | TokenKind::Dot)
    }

    fn term_product(&mut self) -> Parse<Tree> {
        let start = self.start();
        let mut left = self.signed_term()?;
        while let Some(operator) = self.product_operator() {
            self.advance();
            let right = self.signed_term()?;
            left = self.binary(start, operator, left, right)?;
        }
        Ok(left)
    }

    pub(super) fn product_operator(&self) -> Option<Arithmetic> {
        match self.kind() {
            TokenKind::Star => Some(Arithmetic::Multiply),
            TokenKind::Slash => Some(Arithmetic::Divide),
            TokenKind::Percent => Some(Arithmetic::Modulo),
            _ => None,
        }
    }

    /// `left operator right`, as one expression from `start` to here.
    pub(super) fn binary(
        &mut self,
        start: u32,
        operator: Arithmetic,
        left: Tree,
        right: Tree,
    ) -> Parse<Tree> {
        let height = left.height.max(right.height);
        let kind = ExprKind::Binary { operator, left: Box::new(left.expr), right: Box::new(right.expr) };
        self.branch(kind, height, start)
    }

    /// An expression from `start` to here whose deepest part has `height`.
    pub(super) fn branch(&self, kind: ExprKind, height: u32, start: u32) -> Parse<Tree> {
        let height = height + 1;
        self.check_height(height)?;
        Ok(Tree { expr: Expr { kind, span: self.span_from(start) }, height })
    }

    fn signed_term(&mut self) -> Parse<Tree> {
        let start = self.start();
        if !self.accept(TokenKind::Minus) {
            return self.simple_term();
        }
        let Tree { expr, height } = self.simple_term()?;
        self.branch(ExprKind::Negate(Box::new(expr)), height, start)
    }

    fn simple_term(&mut self) -> Parse<Tree> {
        let start = self.start();
        if let Some(leaf) = self.constant_or_marker()? {
            return Ok(leaf);
        }
        match self.kind() {
            TokenKind::Open => self.nested(Self::cast_or_tuple),
            TokenKind::OpenBracket => self.nested(|p| {
                let items = p.items_until(TokenKind::CloseBracket, Self::term_tree)?;
                p.branch(ExprKind::List(items.exprs), items.height, start)
            }),
            TokenKind::OpenBrace => self.nested(Self::braces),
            _ if self.at_form(Keyword::Cast) => self.nested(Self::cast),
            _ if self.at_function_call() => self.nested(|p| {
                let function = p.function_name()?;
                let arguments = p.items_until(TokenKind::Close, Self::term_tree)?;
                p.branch(ExprKind::Call { function, arguments: arguments.exprs }, arguments.height, start)
            }),
            _ => {
                // A name is no term: it is what follows it that does not fit.
                if is_identifier(self.kind()) {
                    self.advance();
                }
                self.no_viable("a value")
            }
        }
    }

    /// Takes the opening token, items with commas between, perhaps none, and `close`.
    pub(super) fn items_until(
        &mut self,
        close: TokenKind,
        mut item: impl FnMut(&mut Self) -> Parse<Tree>,
    ) -> Parse<Forest> {
        self.advance();
        let mut items = Forest::default();
        if self.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if !self.accept(TokenKind::Comma) {
                self.expect(close)?;
                return Ok(items);
            }
        }
    }

    /// `(type) term` or `(term, ...)`.
    fn cast_or_tuple(&mut self) -> Parse<Tree> {
        let start = self.start();
        if self.is_type_cast() {
            self.advance();
            let to = self.type_name()?;
            self.expect(TokenKind::Close)?;
            let Tree { expr, height } = self.simple_term()?;
            return self.branch(ExprKind::TypeHint { to, value: Box::new(expr) }, height, start);
        }
        self.tuple()
    }

    fn is_type_cast(&self) -> bool {
        let Some(length) = self.type_length(1) else { return false };
        if self.kind_at(1 + length) != TokenKind::Close {
            return false;
        }
        // A name in parentheses is no term, so it must be a type; a string is either.
        self.kind_at(1) != TokenKind::String || self.term_starts(2 + length)
    }

    fn term_starts(&self, ahead: usize) -> bool {
        match self.kind_at(ahead) {
            TokenKind::Open | TokenKind::OpenBracket | TokenKind::OpenBrace => true,
            TokenKind::Question | TokenKind::Keyword(Keyword::Null) => true,
            // Otherwise the colon between a map's key and its value.
            TokenKind::Colon => is_identifier(self.kind_at(ahead + 1)) && !self.call_starts(ahead + 1),
            kind => is_constant(kind) || self.call_starts(ahead),
        }
    }

    /// Whether a name is `ahead` of here that can only be a function's.
    fn call_starts(&self, ahead: usize) -> bool {
        let name = self.kind_at(ahead);
        (is_identifier(name) || name == TokenKind::Keyword(Keyword::Token))
            && matches!(self.kind_at(ahead + 1), TokenKind::Open | TokenKind::Dot)
    }

    /// `(term, ...)`, at least one.
    pub(super) fn tuple(&mut self) -> Parse<Tree> {
        let start = self.start();
        self.expect(TokenKind::Open)?;
        let mut items = Forest::default();
        loop {
            items.push(self.term_tree()?);
            if !self.accept(TokenKind::Comma) {
                break;
            }
        }
        self.expect(TokenKind::Close)?;
        self.branch(ExprKind::Tuple(items.exprs), items.height, start)
    }

    fn cast(&mut self) -> Parse<Tree> {
        let start = self.start();
        self.advance();
        self.advance();
        let Tree { expr, height } = self.simple_term()?;
        self.expect_keyword(Keyword::As)?;
        let to = self.native_type()?;
        self.expect(TokenKind::Close)?;
        self.branch(ExprKind::Cast { value: Box::new(expr), to }, height, start)
    }

    /// A set, a map, or a user-defined type's value.
    fn braces(&mut self) -> Parse<Tree> {
        let start = self.start();
        self.advance();
        if is_identifier(self.kind()) && self.kind_at(1) == TokenKind::Colon {
            let mut height = 0;
            let fields = self.comma_separated(|p| {
                let field = p.identifier()?;
                p.expect(TokenKind::Colon)?;
                let value = p.term_tree()?;
                height = height.max(value.height);
                Ok((field, value.expr))
            })?;
            self.expect(TokenKind::CloseBrace)?;
            return self.branch(ExprKind::Udt(fields), height, start);
        }
        if self.accept(TokenKind::CloseBrace) {
            return self.branch(ExprKind::Set(Vec::new()), 0, start);
        }
        let first = self.term_tree()?;
        if self.accept(TokenKind::Colon) {
            let value = self.term_tree()?;
            let mut height = first.height.max(value.height);
            let mut entries = vec![(first.expr, value.expr)];
            while self.accept(TokenKind::Comma) {
                let key = self.term_tree()?;
                self.expect(TokenKind::Colon)?;
                let value = self.term_tree()?;
                height = height.max(key.height).max(value.height);
                entries.push((key.expr, value.expr));
            }
            self.expect(TokenKind::CloseBrace)?;
            return self.branch(ExprKind::Map(entries), height, start);
        }
        let mut items = Forest::default();
        items.push(first);
        while self.accept(TokenKind::Comma) {
            items.push(self.term_tree()?);
        }
        self.expect(TokenKind::CloseBrace)?;
        self.branch(ExprKind::Set(items.exprs), items.height, start)
    }

    /// A constant, `NULL` or a marker, when one is here.
    pub(super) fn constant_or_marker(&mut self) -> Parse<Option<Tree>> {
        if let Some(literal) = self.constant()? {
            let span = self.last_span();
            return Ok(Some(Tree::leaf(ExprKind::Literal(literal), span)));
        }
        if self.accept_keyword(Keyword::Null) {
            return Ok(Some(Tree::leaf(ExprKind::Null, self.last_span())));
        }
        if self.at_marker() {
            return Ok(Some(Tree { expr: self.marker()?, height: 1 }));
        }
        Ok(None)
    }

    /// A constant, when one is here.
    pub(super) fn constant(&mut self) -> Parse<Option<Literal>> {
        let token = self.peek();
        let Some(kind) = literal_kind(token.kind) else { return Ok(None) };
        if kind == LiteralKind::Float && !is_in_range(self.source(token)) {
            return self.float_out_of_range(token);
        }
        self.advance();
        Ok(Some(Literal { kind, text: self.literal_text(token) }))
    }

    fn float_out_of_range<T>(&self, token: Token) -> Parse<T> {
        let reason = "Character I is neither a decimal digit number, decimal point, nor \"e\" notation \
                      exponential mark.";
        let message = self.failed_with("NumberFormatException", reason);
        self.refuse(message, Span { start: token.start, end: token.end })
    }

    fn literal_text(&self, token: Token) -> String {
        match token.kind {
            TokenKind::String => unquote(self.source(token)).into_owned(),
            // Cassandra has one NaN.
            TokenKind::NegativeNan | TokenKind::Keyword(Keyword::Nan) => "NaN".to_owned(),
            TokenKind::Keyword(Keyword::Infinity) => "Infinity".to_owned(),
            TokenKind::NegativeInfinity => "-Infinity".to_owned(),
            _ => self.source(token).to_owned(),
        }
    }

    fn last_span(&self) -> Span {
        let token = self.position.checked_sub(1).and_then(|p| self.tokens.get(p));
        token.map_or(Span::default(), |token| Span { start: token.start, end: token.end })
    }

    /// An integer or a marker: what LIMIT, TTL and TIMESTAMP take.
    pub(super) fn integer_or_marker(&mut self) -> Parse<Expr> {
        if self.at(TokenKind::Integer) {
            let token = self.advance();
            let literal = Literal { kind: LiteralKind::Integer, text: self.source(token).to_owned() };
            return Ok(Expr { kind: ExprKind::Literal(literal), span: self.last_span() });
        }
        if self.at_marker() { self.marker() } else { self.no_viable("an integer or a bind marker") }
    }

    /// The refusal of an integer that Java could not read.
    pub(super) fn number_out_of_range<T>(&self, token: Token) -> Parse<T> {
        let reason = format!("For input string: \"{}\"", self.source(token));
        let message = self.failed_with("NumberFormatException", &reason);
        self.refuse(message, Span { start: token.start, end: token.end })
    }
}

/// Whether Java reads a float: the exponent must fit 32 bits, and the value a double, which Cassandra compares it with.
fn is_in_range(float: &str) -> bool {
    let exponent = float.split_once(['e', 'E']).map(|(_, exponent)| exponent.parse::<i32>());
    exponent.is_none_or(|exponent| exponent.is_ok()) && float.parse::<f64>().is_ok_and(f64::is_finite)
}

fn literal_kind(token: TokenKind) -> Option<LiteralKind> {
    Some(match token {
        TokenKind::String => LiteralKind::String,
        TokenKind::Integer => LiteralKind::Integer,
        TokenKind::Float => LiteralKind::Float,
        TokenKind::Boolean => LiteralKind::Boolean,
        TokenKind::Uuid => LiteralKind::Uuid,
        TokenKind::Hex => LiteralKind::Hex,
        TokenKind::Duration => LiteralKind::Duration,
        TokenKind::NegativeNan
        | TokenKind::NegativeInfinity
        | TokenKind::Keyword(Keyword::Nan | Keyword::Infinity) => LiteralKind::NanOrInfinity,
        _ => return None,
    })
}

pub(super) fn is_constant(token: TokenKind) -> bool {
    literal_kind(token).is_some()
}
