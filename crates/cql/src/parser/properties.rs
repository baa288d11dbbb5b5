//! `WITH name = value AND ...`.

use super::Parser;
use super::error::Parse;
use crate::ast::{Expr, ExprKind, Name, Property, PropertyValue, Span};
use crate::lexer::{Keyword, TokenKind};

impl Parser<'_> {
    pub(super) fn properties(&mut self) -> Parse<Vec<Property>> {
        let mut properties = Vec::new();
        loop {
            properties.push(self.property()?);
            if !self.accept_keyword(Keyword::And) {
                self.check_defined_once(&properties)?;
                return Ok(properties);
            }
        }
    }

    pub(super) fn property(&mut self) -> Parse<Property> {
        let name = self.identifier()?;
        self.expect(TokenKind::Equal)?;
        let value = if self.at(TokenKind::OpenBrace) {
            PropertyValue::Map(self.property_map()?)
        } else {
            PropertyValue::Simple(self.simple_value()?)
        };
        Ok(Property { name, value })
    }

    pub(super) fn check_defined_once(&self, properties: &[Property]) -> Parse<()> {
        let mut names: Vec<&Name> = properties.iter().map(|property| &property.name).collect();
        names.sort_by_key(|name| &name.text);
        match names.windows(2).find(|pair| matches!(pair, [a, b] if a.text == b.text)) {
            Some([_, again]) => {
                self.refuse(format!("Multiple definitions for property '{}'", again.text), again.span)
            }
            _ => Ok(()),
        }
    }

    fn simple_value(&mut self) -> Parse<String> {
        if let Some(literal) = self.constant()? {
            return Ok(literal.text);
        }
        match self.kind() {
            TokenKind::Keyword(keyword) if keyword.is_identifier() => {
                let token = self.advance();
                Ok(self.folded(token))
            }
            _ => self.no_viable("a constant or a map"),
        }
    }

    /// `{key: value, ...}` of constants.
    pub(super) fn property_map(&mut self) -> Parse<Vec<(String, String)>> {
        self.expect(TokenKind::OpenBrace)?;
        let mut entries: Vec<(String, String)> = Vec::new();
        if self.accept(TokenKind::CloseBrace) {
            return Ok(entries);
        }
        loop {
            let key = self.term()?;
            self.expect(TokenKind::Colon)?;
            let value = self.term()?;
            let key_text = self.property_constant(&key, "Invalid property name: ", "")?;
            let for_property = format!(" for property: {}", self.written(&key));
            let value_text = self.property_constant(&value, "Invalid property value: ", &for_property)?;
            entries.push((key_text, value_text));
            if !self.accept(TokenKind::Comma) {
                break;
            }
        }
        self.expect(TokenKind::CloseBrace)?;
        self.check_unique(&entries)?;
        Ok(entries)
    }

    fn check_unique(&self, entries: &[(String, String)]) -> Parse<()> {
        let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            Some([key, _]) => {
                let token = self.peek();
                let message = format!("Multiple definition for property {key}");
                self.refuse(message, Span { start: token.start, end: token.start })
            }
            _ => Ok(()),
        }
    }

    fn property_constant(&self, expr: &Expr, problem: &str, of: &str) -> Parse<String> {
        let reason = match &expr.kind {
            ExprKind::Literal(literal) => return Ok(literal.text.clone()),
            ExprKind::Bind { .. } => " (bind variables are not supported in DDL queries)",
            _ => "",
        };
        self.refuse(format!("{problem}{}{of}{reason}", self.written(expr)), expr.span)
    }

    fn written(&self, expr: &Expr) -> &str {
        self.text.get(expr.span.start as usize..expr.span.end as usize).unwrap_or_default()
    }
}
