//! The `name = value` pairs of a WITH clause, read as the types that options have.

use ilium_cql::ast::{Property, PropertyValue};
use ilium_store::{Error, Result};

/// The properties of one statement, each at most once.
pub struct Properties<'a>(&'a [Property]);

impl<'a> Properties<'a> {
    /// Refuses a name that is written twice, and one that is not among `known`.
    pub fn read(properties: &'a [Property], known: &[&str]) -> Result<Properties<'a>> {
        for (i, property) in properties.iter().enumerate() {
            let name = property.name.as_str();
            if properties.iter().take(i).any(|earlier| earlier.name.as_str() == name) {
                return Err(Error::syntax(format!("Multiple definitions for property '{name}'")));
            }
        }
        match properties.iter().find(|property| !known.contains(&property.name.as_str())) {
            Some(unknown) => Err(Error::syntax(format!("Unknown property '{}'", unknown.name.as_str()))),
            None => Ok(Properties(properties)),
        }
    }

    fn value(&self, name: &str) -> Option<&'a PropertyValue> {
        self.0.iter().find(|property| property.name.as_str() == name).map(|property| &property.value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub fn string(&self, name: &str) -> Result<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(PropertyValue::Simple(text)) => Ok(Some(text)),
            Some(_) => {
                Err(Error::syntax(format!("Invalid value for property '{name}'. It should be a string")))
            }
        }
    }

    pub fn map(&self, name: &str) -> Result<Option<&'a [(String, String)]>> {
        match self.value(name) {
            None => Ok(None),
            Some(PropertyValue::Map(entries)) => Ok(Some(entries)),
            Some(_) => {
                Err(Error::syntax(format!("Invalid value for property '{name}'. It should be a map.")))
            }
        }
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match text.to_lowercase().as_str() {
            "1" | "true" | "yes" => Ok(Some(true)),
            "0" | "false" | "no" => Ok(Some(false)),
            _ => Err(Error::syntax(format!(
                "Invalid boolean value {text} for '{name}'. Positive values can be '1', 'true' or 'yes'. Negative \
                 values can be '0', 'false' or 'no'."
            ))),
        }
    }

    pub fn integer(&self, name: &str) -> Result<Option<i32>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let value = text.parse();
        value.map(Some).map_err(|_| Error::syntax(format!("Invalid integer value {text} for '{name}'")))
    }

    pub fn double(&self, name: &str) -> Result<Option<f64>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match parse_double(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::syntax(format!("Invalid double value {text} for '{name}'"))),
        }
    }
}

/// A decimal number as `Double.parseDouble` reads it.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust reads `inf` and any case of `nan`, Java only these.
    match text.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" => text.parse().ok(),
        digits if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            text.trim_end_matches(['f', 'F', 'd', 'D']).parse().ok()
        }
        _ => None,
    }
}
