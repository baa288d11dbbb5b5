//! Bodies of schema endpoints, read property by property. Unknown properties are passed over, as in Stargate.

use ilium_http::Refusal;
use serde_json::{Map, Value};

use super::bad;
use crate::value::shown;

/// A JSON object and what it is called in errors.
#[derive(Clone, Copy)]
pub struct Object<'j> {
    pub map: &'j Map<String, Value>,
    pub what: &'static str,
}

impl<'j> Object<'j> {
    pub fn of(value: &'j Value, what: &'static str) -> Result<Object<'j>, Refusal> {
        match value {
            Value::Object(map) => Ok(Object { map, what }),
            _ => Err(bad(format!(
                "Invalid JSON payload: {what} must be an object, not {}",
                shown(&value.to_string())
            ))),
        }
    }

    fn get(self, name: &str) -> Option<&'j Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn wrong(self, name: &str, expected: &str, value: &Value) -> Refusal {
        bad(format!(
            "Invalid JSON payload: {}.{name} must be {expected}, not {}",
            self.what,
            shown(&value.to_string())
        ))
    }

    /// A text, `None` where it is missing, null or blank.
    pub fn text(self, name: &str) -> Result<Option<&'j str>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
            Some(other) => Err(self.wrong(name, "a string", other)),
        }
    }

    /// A text that must be there.
    pub fn required(self, name: &str) -> Result<&'j str, Refusal> {
        self.text(name)?
            .ok_or_else(|| bad(format!("Request invalid: {}.{name} must be provided.", self.what)))
    }

    pub fn flag(self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
            Some(other) => Err(self.wrong(name, "true or false", other)),
        }
    }

    pub fn integer(self, name: &str) -> Result<Option<u32>, Refusal> {
        let wrong = |value| self.wrong(name, "a whole number, not negative, of 31 bits", value);
        match self.get(name) {
            None => Ok(None),
            Some(value @ (Value::Number(_) | Value::String(_))) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
                number.map(Some).ok_or_else(|| wrong(value))
            }
            Some(other) => Err(wrong(other)),
        }
    }

    /// The items of an array, `None` where it is missing or null.
    pub fn list(self, name: &str) -> Result<Option<&'j [Value]>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(name, "an array", other)),
        }
    }

    /// The names in an array, none where it is missing.
    pub fn names(self, name: &str) -> Result<Vec<&'j str>, Refusal> {
        let items = self.list(name)?.unwrap_or_default();
        items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| self.wrong(name, "an array of names", item)))
            .collect()
    }

    pub fn object(self, name: &str, what: &'static str) -> Result<Option<Object<'j>>, Refusal> {
        self.get(name).map(|value| Object::of(value, what)).transpose()
    }
}
