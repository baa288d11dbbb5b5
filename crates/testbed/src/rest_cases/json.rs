//! JSON as it was answered, and patterns of it. Both are read here and apart from the product's own JSON, so that no
//! mistake can hide by being on both sides; a number is its digits, so that none is lost.
//!
//! A pattern is JSON in which there may stand, instead of a value:
//! - `any`: any value, `string`: any string, `number`: any number, `absent`: the field is not there;
//! - `~"some ... words"`: a string with these parts in this order;
//! - `string as name`: the value is kept, for `{name}` in later requests of the case;
//! - `unordered [...]`: these elements in any order; `...` as the last element or field: others may follow.

use std::fmt;

use anyhow::{Context as _, Result, bail};

/// A JSON value; objects keep their fields' order and have no field twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// What a value must be like.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// A scalar.
    Exactly(Json),
    Any,
    AnyString,
    AnyNumber,
    Absent,
    /// A string that contains these in this order.
    Words(Vec<String>),
    Kept(Box<Pattern>, String),
    Array {
        items: Vec<Pattern>,
        unordered: bool,
        open: bool,
    },
    Object {
        fields: Vec<(String, Pattern)>,
        open: bool,
    },
}

/// Values kept by name.
pub type Kept = Vec<(String, String)>;

impl Json {
    /// Reads a whole text as one value.
    pub fn read(text: &str) -> Result<Json> {
        let mut reader = Reader { rest: text };
        let value = reader.json()?;
        reader.end()?;
        Ok(value)
    }

    /// The field of an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(digits) => f.write_str(digits),
            Json::String(text) => write!(f, "{text:?}"),
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(Json::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Json::Object(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name:?}: {value}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

impl Pattern {
    /// Reads a whole text as one pattern.
    pub fn read(text: &str) -> Result<Pattern> {
        let mut reader = Reader { rest: text };
        let pattern = reader.pattern()?;
        reader.end()?;
        Ok(pattern)
    }

    /// The words of `~"..."`.
    pub fn words(text: &str) -> Vec<String> {
        text.split("...").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    }

    /// Says where and how a value (`None`: the field is not there) is not as the pattern wants it.
    pub fn compare(&self, value: Option<&Json>, at: &str, kept: &mut Kept) -> Result<(), String> {
        let Some(value) = value else {
            return match self {
                Pattern::Absent => Ok(()),
                _ => Err(format!("{at} is not there")),
            };
        };
        let unlike = |what: String| Err(format!("{at} is {value}, {what}"));
        match (self, value) {
            (Pattern::Any, _)
            | (Pattern::AnyString, Json::String(_))
            | (Pattern::AnyNumber, Json::Number(_)) => Ok(()),
            (Pattern::Exactly(wanted), _) if same(wanted, value) => Ok(()),
            (Pattern::Words(words), Json::String(text)) => match missing(text, words) {
                None => Ok(()),
                Some(word) => unlike(format!("without {word:?}")),
            },
            (Pattern::Kept(pattern, name), _) => {
                pattern.compare(Some(value), at, kept)?;
                let text = match value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                kept.push((name.clone(), text));
                Ok(())
            }
            (Pattern::Array { items, unordered: false, open }, Json::Array(values)) => {
                for (number, item) in items.iter().enumerate() {
                    item.compare(values.get(number), &format!("{at}[{number}]"), kept)?;
                }
                match values.get(items.len()) {
                    Some(more) if !open => Err(format!("{at} has more elements, from {more} on")),
                    _ => Ok(()),
                }
            }
            (Pattern::Array { items, unordered: true, open }, Json::Array(values)) => {
                let mut left: Vec<&Json> = values.iter().collect();
                for item in items {
                    let found = left.iter().position(|v| item.compare(Some(v), at, &mut Vec::new()).is_ok());
                    let Some(place) = found else {
                        return unlike(format!("without an element like {item:?}"));
                    };
                    left.remove(place);
                }
                match left.first() {
                    Some(more) if !open => Err(format!("{at} has another element: {more}")),
                    _ => Ok(()),
                }
            }
            (Pattern::Object { fields, open }, Json::Object(values)) => {
                for (name, pattern) in fields {
                    pattern.compare(value.get(name), &format!("{at}.{name}"), kept)?;
                }
                let known = |name: &str| fields.iter().any(|(n, _)| n == name);
                match values.iter().find(|(name, _)| !known(name)) {
                    Some((name, more)) if !open => Err(format!("{at} has another field, {name:?}: {more}")),
                    _ => Ok(()),
                }
            }
            (wanted, _) => unlike(format!("not {}", wanted.describe())),
        }
    }

    fn describe(&self) -> String {
        match self {
            Pattern::Exactly(value) => value.to_string(),
            Pattern::AnyString | Pattern::Words(_) => "a string".to_owned(),
            Pattern::AnyNumber => "a number".to_owned(),
            Pattern::Absent => "absent".to_owned(),
            Pattern::Array { .. } => "an array".to_owned(),
            Pattern::Object { .. } => "an object".to_owned(),
            Pattern::Any | Pattern::Kept(..) => "any value".to_owned(),
        }
    }
}

/// The first of the words that does not follow the ones before it.
pub fn missing<'w>(text: &str, words: &'w [String]) -> Option<&'w str> {
    let mut rest = text;
    for word in words {
        match rest.split_once(word.as_str()) {
            Some((_, after)) => rest = after,
            None => return Some(word),
        }
    }
    None
}

/// Whether two scalars are equal; how a number is written does not matter.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => normal(one) == normal(other),
        _ => one == other,
    }
}

/// A number as its sign, its digits without zeroes around them, and the power of ten that they are multiplied by.
fn normal(number: &str) -> (bool, String, i64) {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (digits, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    let trimmed = all.trim_end_matches('0');
    let places = i64::try_from(part.len()).unwrap_or(i64::MAX);
    let zeroes = i64::try_from(all.len() - trimmed.len()).unwrap_or(i64::MAX);
    let digits = trimmed.trim_start_matches('0').to_owned();
    match digits.is_empty() {
        true => (false, digits, 0),
        false => (sign, digits, power.parse::<i64>().unwrap_or(i64::MAX) - places + zeroes),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn want(&mut self, token: &str) -> Result<()> {
        match self.eat(token) {
            true => Ok(()),
            false => bail!("{token:?} is missing before {:?}", self.ahead()),
        }
    }

    fn end(&mut self) -> Result<()> {
        self.blank();
        match self.rest.is_empty() {
            true => Ok(()),
            false => bail!("after the value comes {:?}", self.ahead()),
        }
    }

    fn ahead(&self) -> String {
        self.rest.chars().take(40).collect()
    }

    fn json(&mut self) -> Result<Json> {
        if self.eat("{") {
            let mut fields: Vec<(String, Json)> = Vec::new();
            while !self.eat("}") {
                if !fields.is_empty() {
                    self.want(",")?;
                }
                let name = self.string()?;
                self.want(":")?;
                let value = self.json()?;
                if fields.iter().any(|(other, _)| *other == name) {
                    bail!("the field {name:?} comes twice");
                }
                fields.push((name, value));
            }
            return Ok(Json::Object(fields));
        }
        if self.eat("[") {
            let mut items = Vec::new();
            while !self.eat("]") {
                if !items.is_empty() {
                    self.want(",")?;
                }
                items.push(self.json()?);
            }
            return Ok(Json::Array(items));
        }
        self.scalar()
    }

    fn scalar(&mut self) -> Result<Json> {
        self.blank();
        if self.rest.starts_with('"') {
            return Ok(Json::String(self.string()?));
        }
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
        let (word, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        let value = match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number if is_number(number) => Json::Number(number.to_owned()),
            _ => bail!("no JSON: {:?}", self.ahead()),
        };
        self.rest = rest;
        Ok(value)
    }

    fn string(&mut self) -> Result<String> {
        self.want("\"")?;
        let mut text = String::new();
        loop {
            let c = self.next()?;
            match c {
                '"' => return Ok(text),
                '\\' => match self.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => text.push(self.escaped()?),
                    c @ ('"' | '\\' | '/') => text.push(c),
                    c => bail!("no escape: \\{c}"),
                },
                c if c < ' ' => bail!("a control character within a string"),
                c => text.push(c),
            }
        }
    }

    fn next(&mut self) -> Result<char> {
        let mut rest = self.rest.chars();
        let c = rest.next().context("the text ends within a string")?;
        self.rest = rest.as_str();
        Ok(c)
    }

    /// The character of one escape of four hexadecimal digits or two, of which the first `\u` is taken.
    fn escaped(&mut self) -> Result<char> {
        let mut unit = || -> Result<u16> {
            let (digits, rest) = self.rest.split_at_checked(4).context("\\u wants four digits")?;
            self.rest = rest;
            Ok(u16::from_str_radix(digits, 16)?)
        };
        let first = unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            self.want("\\u")?;
            let (digits, rest) = self.rest.split_at_checked(4).context("\\u wants four digits")?;
            self.rest = rest;
            units.push(u16::from_str_radix(digits, 16)?);
        }
        char::decode_utf16(units).next().context("no character")?.context("half a surrogate pair")
    }

    fn pattern(&mut self) -> Result<Pattern> {
        let pattern = self.bare_pattern()?;
        if self.eat("as ") {
            self.blank();
            let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(length);
            self.rest = rest;
            return Ok(Pattern::Kept(Box::new(pattern), name.to_owned()));
        }
        Ok(pattern)
    }

    fn bare_pattern(&mut self) -> Result<Pattern> {
        for (word, pattern) in [
            ("any", Pattern::Any),
            ("string", Pattern::AnyString),
            ("number", Pattern::AnyNumber),
            ("absent", Pattern::Absent),
        ] {
            if self.eat(word) {
                return Ok(pattern);
            }
        }
        if self.eat("~") {
            return Ok(Pattern::Words(Pattern::words(&self.string()?)));
        }
        if self.eat("{") {
            let mut fields = Vec::new();
            let mut open = false;
            while !self.eat("}") {
                if !fields.is_empty() {
                    self.want(",")?;
                }
                if self.eat("...") {
                    open = true;
                    continue;
                }
                let name = self.string()?;
                self.want(":")?;
                fields.push((name, self.pattern()?));
            }
            return Ok(Pattern::Object { fields, open });
        }
        let unordered = self.eat("unordered");
        if unordered || self.rest.starts_with('[') {
            self.want("[")?;
            let mut items = Vec::new();
            let mut open = false;
            while !self.eat("]") {
                if !items.is_empty() {
                    self.want(",")?;
                }
                match self.eat("...") {
                    true => open = true,
                    false => items.push(self.pattern()?),
                }
            }
            return Ok(Pattern::Array { items, unordered, open });
        }
        Ok(Pattern::Exactly(self.scalar()?))
    }
}

/// Whether this is a number as JSON writes them.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (number, power) = match unsigned.split_once(['e', 'E']) {
        Some((number, power)) => (number, Some(power.strip_prefix(['+', '-']).unwrap_or(power))),
        None => (unsigned, None),
    };
    let (whole, part) = match number.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (number, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && part.is_none_or(digits)
        && power.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::{Json, Pattern};

    fn verdict(pattern: &str, value: &str) -> Result<(), String> {
        let value = Json::read(value).map_err(|e| format!("{e:#}"))?;
        Pattern::read(pattern).map_err(|e| format!("{e:#}"))?.compare(Some(&value), "$", &mut Vec::new())
    }

    #[test]
    fn a_pattern_takes_what_it_says_and_nothing_else() {
        for (pattern, value) in [
            ("{\"a\": 1, \"b\": [true, null]}", "{\"b\":[true,null],\"a\":1.0}"),
            ("{\"a\": any, \"b\": absent}", "{\"a\":{}}"),
            ("{\"a\": 1, ...}", "{\"a\":1,\"b\":2}"),
            ("unordered [1, 2]", "[2, 1]"),
            ("unordered [2, ...]", "[1, 2, 3]"),
            ("~\"no such ... t\"", "\"there is no such table as t\""),
            ("123456789012345678901234567890.5", "1234567890123456789012345678905e-1"),
            ("\"é\\n\"", "\"\\u00e9\\n\""),
        ] {
            assert_eq!(verdict(pattern, value), Ok(()), "{pattern} of {value}");
        }
        for (pattern, value) in [
            ("{\"a\": 1}", "{\"a\":1,\"b\":2}"),
            ("{\"a\": any}", "{}"),
            ("[1, 2]", "[2, 1]"),
            ("unordered [1, 1]", "[1, 2]"),
            ("1", "\"1\""),
            ("1.5", "1.50000000000000000000000000001"),
            ("~\"b ... a\"", "\"a b\""),
            ("string", "1"),
        ] {
            assert!(verdict(pattern, value).is_err(), "{pattern} of {value}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        for text in ["", "{", "[1,]", "01", "1.", "NaN", "{\"a\":1,\"a\":2}", "\"\n\"", "{} x", "tru", "'a'"]
        {
            assert!(Json::read(text).is_err(), "{text}");
        }
    }
}
