//! A type read back from the text that `Display` (and Cassandra's `system_schema`) gives it.

use super::{CqlType, MAX_DEPTH, UserType};
use std::sync::Arc;

/// Why a type's text could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeParseError {
    #[error("Unknown type {0}")]
    UnknownType(String),
    #[error("type '{text}' is malformed at byte {at}: expected {expected}")]
    Syntax { text: String, at: usize, expected: &'static str },
    #[error("type '{0}' is nested deeper than {MAX_DEPTH} levels")]
    TooDeep(String),
    #[error("vectors may only have positive dimensions; given {0}")]
    Dimension(String),
    #[error("frozen<> is only allowed on collections, tuples, and user-defined types (got {0})")]
    NotFreezable(String),
}

/// Finds the definition of a user-defined type by its unquoted name.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<Arc<UserType>>;

struct TypeReader<'a> {
    text: &'a str,
    at: usize,
    resolve: Resolve<'a>,
}

impl CqlType {
    /// Reads a type as `Display` prints it. `resolve` finds user-defined types by name, unquoted.
    pub fn parse(text: &str, resolve: Resolve<'_>) -> Result<CqlType, TypeParseError> {
        let mut reader = TypeReader { text, at: 0, resolve };
        let ty = reader.read(0)?;
        reader.skip_blank();
        if reader.at != text.len() {
            return Err(reader.expected("the end of the type"));
        }
        if ty.depth() > MAX_DEPTH {
            return Err(TypeParseError::TooDeep(text.to_owned()));
        }
        Ok(ty)
    }

    /// The native type of this name in any case, `varchar` included.
    pub fn native(name: &str) -> Option<CqlType> {
        Some(match name.to_ascii_lowercase().as_str() {
            "ascii" => CqlType::Ascii,
            "bigint" => CqlType::Bigint,
            "blob" => CqlType::Blob,
            "boolean" => CqlType::Boolean,
            "counter" => CqlType::Counter,
            "date" => CqlType::Date,
            "decimal" => CqlType::Decimal,
            "double" => CqlType::Double,
            "duration" => CqlType::Duration,
            "float" => CqlType::Float,
            "inet" => CqlType::Inet,
            "int" => CqlType::Int,
            "smallint" => CqlType::Smallint,
            "text" | "varchar" => CqlType::Text,
            "time" => CqlType::Time,
            "timestamp" => CqlType::Timestamp,
            "timeuuid" => CqlType::Timeuuid,
            "tinyint" => CqlType::Tinyint,
            "uuid" => CqlType::Uuid,
            "varint" => CqlType::Varint,
            "empty" => CqlType::Empty,
            _ => return None,
        })
    }
}

impl<'a> TypeReader<'a> {
    fn read(&mut self, depth: usize) -> Result<CqlType, TypeParseError> {
        // Each level may be frozen, which is a level of text but not of the type.
        if depth > 2 * MAX_DEPTH {
            return Err(TypeParseError::TooDeep(self.text.to_owned()));
        }
        self.skip_blank();
        match self.rest().chars().next() {
            Some('\'') => {
                let body = self.rest().get(1..).unwrap_or_default();
                let end = body.find('\'').ok_or_else(|| self.expected("a closing quote"))?;
                self.at += end + 2;
                Ok(CqlType::Custom(Arc::from(body.get(..end).unwrap_or_default())))
            }
            Some('"') => {
                let name = self.read_quoted_name()?;
                self.user_type(&name)
            }
            Some(c) if c.is_ascii_alphanumeric() => {
                let rest = self.rest();
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let word = rest.get(..end).unwrap_or_default();
                self.at += end;
                self.skip_blank();
                if self.rest().starts_with('<') {
                    self.at += 1;
                    self.read_parameters(word, depth)
                } else if let Some(native) = CqlType::native(word) {
                    Ok(native)
                } else {
                    self.user_type(&word.to_ascii_lowercase())
                }
            }
            _ => Err(self.expected("a type")),
        }
    }

    fn read_parameters(&mut self, constructor: &str, depth: usize) -> Result<CqlType, TypeParseError> {
        let ty = match constructor.to_ascii_lowercase().as_str() {
            "frozen" => {
                let inner = self.read(depth + 1)?;
                if !inner.is_freezable() {
                    return Err(TypeParseError::NotFreezable(inner.to_string()));
                }
                inner.freeze()
            }
            "list" => CqlType::List { element: Arc::new(self.read(depth + 1)?), frozen: false },
            "set" => CqlType::Set { element: Arc::new(self.read(depth + 1)?), frozen: false },
            "map" => {
                let key = Arc::new(self.read(depth + 1)?);
                self.symbol(',', "','")?;
                CqlType::Map { key, value: Arc::new(self.read(depth + 1)?), frozen: false }
            }
            "tuple" => {
                let mut fields = vec![self.read(depth + 1)?.freeze()];
                self.skip_blank();
                while self.rest().starts_with(',') {
                    self.at += 1;
                    fields.push(self.read(depth + 1)?.freeze());
                    self.skip_blank();
                }
                CqlType::Tuple(fields.into())
            }
            "vector" => {
                let element = Arc::new(self.read(depth + 1)?);
                self.symbol(',', "','")?;
                CqlType::Vector { element, dimension: self.read_dimension()? }
            }
            _ => return Err(TypeParseError::UnknownType(constructor.to_owned())),
        };
        self.symbol('>', "'>'")?;
        Ok(ty)
    }

    fn read_dimension(&mut self) -> Result<u32, TypeParseError> {
        self.skip_blank();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        let dimension = digits
            .parse::<i32>()
            .ok()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n > 0)
            .ok_or_else(|| TypeParseError::Dimension(digits.to_owned()))?;
        self.at += end;
        Ok(dimension)
    }

    fn read_quoted_name(&mut self) -> Result<String, TypeParseError> {
        let mut name = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((i, c)) = chars.next() {
            if c != '"' {
                name.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
                chars.next();
                name.push('"');
            } else {
                self.at += i + 1;
                return Ok(name);
            }
        }
        Err(self.expected("a closing quote"))
    }

    fn user_type(&self, name: &str) -> Result<CqlType, TypeParseError> {
        match (self.resolve)(name) {
            Some(definition) => Ok(CqlType::Udt { definition, frozen: false }),
            None => Err(TypeParseError::UnknownType(name.to_owned())),
        }
    }

    fn symbol(&mut self, symbol: char, expected: &'static str) -> Result<(), TypeParseError> {
        self.skip_blank();
        if !self.rest().starts_with(symbol) {
            return Err(self.expected(expected));
        }
        self.at += symbol.len_utf8();
        Ok(())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn expected(&self, expected: &'static str) -> TypeParseError {
        TypeParseError::Syntax { text: self.text.to_owned(), at: self.at, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CqlType, TypeParseError> {
        CqlType::parse(text, &|name| {
            (name == "Known \"one\"").then(|| {
                Arc::new(UserType { keyspace: Arc::from("ks"), name: Arc::from(name), fields: Vec::new() })
            })
        })
    }

    #[test]
    fn blanks_and_case_of_native_names_do_not_matter() {
        let ty = parse(" FROZEN < Map<TEXT ,varchar> > ").unwrap();
        assert_eq!(ty.to_string(), "frozen<map<text, text>>");
        assert_eq!(parse("\"Known \"\"one\"\"\"").unwrap().to_string(), "\"Known \"\"one\"\"\"");
    }

    #[test]
    fn an_error_names_the_place_and_what_was_expected() {
        for (text, message) in [
            ("", "type '' is malformed at byte 0: expected a type"),
            ("list<int", "type 'list<int' is malformed at byte 8: expected '>'"),
            ("int>", "type 'int>' is malformed at byte 3: expected the end of the type"),
            ("map<int>", "type 'map<int>' is malformed at byte 7: expected ','"),
            ("nosuch", "Unknown type nosuch"),
            (
                "frozen<int>",
                "frozen<> is only allowed on collections, tuples, and user-defined types (got int)",
            ),
            ("vector<int, 0>", "vectors may only have positive dimensions; given 0"),
            ("'open", "type ''open' is malformed at byte 0: expected a closing quote"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn nesting_ends_where_the_limit_says() {
        let nested = |depth: usize| "list<".repeat(depth) + "int" + &">".repeat(depth);
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        for depth in [MAX_DEPTH + 1, 100_000] {
            assert!(matches!(parse(&nested(depth)), Err(TypeParseError::TooDeep(_))));
        }
        assert!(parse(&"frozen<".repeat(100_000)).is_err());
    }
}
