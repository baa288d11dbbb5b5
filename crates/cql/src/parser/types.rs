//! Types as written.

use super::error::Parse;
use super::names::is_identifier;
use super::{Parser, SyntaxErrorKind};
use crate::ast::{Name, QualifiedName, Span, TypeName};
use crate::lexer::{Keyword, TokenKind, unquote};

/// Names Cassandra keeps from user-defined types, when they are unquoted and in lower case.
pub(crate) const RESERVED_TYPE_NAMES: [&str; 7] =
    ["byte", "complex", "enum", "date", "interval", "macaddr", "bitstring"];

impl Parser<'_> {
    pub(super) fn type_name(&mut self) -> Parse<TypeName> {
        self.nested(Self::type_name_here)
    }

    fn type_name_here(&mut self) -> Parse<TypeName> {
        let parametric = self.kind_at(1) == TokenKind::Less;
        match self.kind() {
            TokenKind::String => {
                let token = self.advance();
                Ok(TypeName::Custom(unquote(self.source(token)).into_owned()))
            }
            _ if self.kind_at(1) == TokenKind::Dot => Ok(TypeName::User(self.user_type_name()?)),
            TokenKind::Keyword(keyword) if keyword.is_native_type() => self.native_type(),
            TokenKind::Keyword(Keyword::Set) => {
                let element = self.parameter()?;
                Ok(TypeName::Set(Box::new(element)))
            }
            TokenKind::Keyword(Keyword::List) if parametric => {
                Ok(TypeName::List(Box::new(self.parameter()?)))
            }
            TokenKind::Keyword(Keyword::Map) if parametric => {
                self.advance();
                self.expect(TokenKind::Less)?;
                let key = self.type_name()?;
                self.expect(TokenKind::Comma)?;
                let value = self.type_name()?;
                self.expect(TokenKind::Greater)?;
                Ok(TypeName::Map(Box::new(key), Box::new(value)))
            }
            TokenKind::Keyword(Keyword::Tuple) if parametric => {
                self.advance();
                self.expect(TokenKind::Less)?;
                let elements = self.comma_separated(Self::type_name)?;
                self.expect(TokenKind::Greater)?;
                Ok(TypeName::Tuple(elements))
            }
            TokenKind::Keyword(Keyword::Vector) if parametric => self.vector(),
            TokenKind::Keyword(Keyword::Frozen) if parametric => self.frozen(),
            _ => Ok(TypeName::User(self.user_type_name()?)),
        }
    }

    pub(super) fn native_type(&mut self) -> Parse<TypeName> {
        match self.keyword() {
            Some(keyword) if keyword.is_native_type() => {
                let token = self.advance();
                Ok(TypeName::Native(self.folded(token)))
            }
            _ => self.no_viable("a native type"),
        }
    }

    /// `word < type >`
    fn parameter(&mut self) -> Parse<TypeName> {
        self.advance();
        self.expect(TokenKind::Less)?;
        let parameter = self.type_name()?;
        self.expect(TokenKind::Greater)?;
        Ok(parameter)
    }

    fn frozen(&mut self) -> Parse<TypeName> {
        let start = self.start();
        let inner = self.parameter()?;
        // What Cassandra's `CQL3Type.Raw.freeze` refuses.
        let refused = match &inner {
            TypeName::Native(name) => name.clone(),
            TypeName::Custom(class) => format!("'{class}'"),
            _ => return Ok(TypeName::Frozen(Box::new(inner))),
        };
        let message = format!(
            "frozen<> is only allowed on collections, tuples, and user-defined types (got {refused})"
        );
        self.refuse(message, self.span_from(start))
    }

    fn vector(&mut self) -> Parse<TypeName> {
        self.advance();
        self.expect(TokenKind::Less)?;
        let element = self.type_name()?;
        self.expect(TokenKind::Comma)?;
        let token = self.expect(TokenKind::Integer)?;
        self.expect(TokenKind::Greater)?;
        match self.source(token).parse::<i32>() {
            Ok(dimension) if dimension > 0 => {
                Ok(TypeName::Vector(Box::new(element), dimension.unsigned_abs()))
            }
            Ok(dimension) => {
                let message = format!("vectors may only have positive dimensions; given {dimension}");
                let span = Span { start: token.start, end: token.end };
                self.refuse_as(SyntaxErrorKind::Invalid, message, span)
            }
            Err(_) => self.number_out_of_range(token),
        }
    }

    pub(super) fn user_type_name(&mut self) -> Parse<QualifiedName> {
        let keyspace = if self.kind_at(1) == TokenKind::Dot {
            let keyspace = self.identifier()?;
            self.advance();
            Some(keyspace)
        } else {
            None
        };
        Ok(QualifiedName { keyspace, name: self.unqualified_type_name()? })
    }

    fn unqualified_type_name(&mut self) -> Parse<Name> {
        let token = self.peek();
        match token.kind {
            TokenKind::Identifier => {
                let text = self.source(token);
                if RESERVED_TYPE_NAMES.contains(&text) {
                    let span = Span { start: token.start, end: token.end };
                    return self.refuse(format!("Invalid (reserved) user type name {text}"), span);
                }
                Ok(self.take_name())
            }
            TokenKind::QuotedName => Ok(self.take_name()),
            TokenKind::Keyword(keyword) if keyword.is_type_name() => Ok(self.take_name()),
            _ => self.no_viable("a type"),
        }
    }

    /// The number of tokens that a type takes which starts `ahead` of the current token, if one does. Its inside is
    /// not looked at closely.
    pub(super) fn type_length(&self, ahead: usize) -> Option<usize> {
        let first = self.kind_at(ahead);
        let second = self.kind_at(ahead + 1);
        match first {
            TokenKind::String => Some(1),
            TokenKind::Keyword(
                Keyword::List
                | Keyword::Set
                | Keyword::Map
                | Keyword::Tuple
                | Keyword::Vector
                | Keyword::Frozen,
            ) if second == TokenKind::Less => self.parametric_type_length(ahead),
            _ if !is_identifier(first) => None,
            _ if second == TokenKind::Dot => is_identifier(self.kind_at(ahead + 2)).then_some(3),
            _ => Some(1),
        }
    }

    fn parametric_type_length(&self, ahead: usize) -> Option<usize> {
        let mut open = 0;
        let mut length = 1;
        loop {
            match self.kind_at(ahead + length) {
                TokenKind::Less => open += 1,
                TokenKind::Greater if open == 1 => return Some(length + 1),
                TokenKind::Greater => open -= 1,
                TokenKind::Comma | TokenKind::Dot | TokenKind::String | TokenKind::Integer => (),
                TokenKind::Keyword(Keyword::Set) => (),
                kind if is_identifier(kind) => (),
                _ => return None,
            }
            length += 1;
        }
    }
}
