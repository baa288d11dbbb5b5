//! Values as a person writes them in a `bind` line.

use std::fmt;

use anyhow::{Context as _, Result, bail};

/// A value as written; what it becomes in bytes depends on the type it is bound to.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    /// Leaves what is there.
    Unset,
    /// Exactly these bytes, whatever the type: `raw(0x00ff)`.
    Raw(Vec<u8>),
    Text(String),
    /// Anything without quotes or brackets: a number, a uuid, true, NaN, 0x00ff, a duration.
    Word(String),
    /// `[a, b]`: a list or a vector.
    List(Vec<Literal>),
    /// `(a, b)`: a tuple.
    Tuple(Vec<Literal>),
    /// `{a, b}`: a set.
    Set(Vec<Literal>),
    /// `{a: b}`: a map, or a user-defined type by field names.
    Map(Vec<(Literal, Literal)>),
}

impl Literal {
    /// Reads `1, 'a', null` or `a = 1, b = 'x'`.
    pub fn list(text: &str) -> Result<Vec<(Option<String>, Literal)>> {
        let mut rest = text.trim_start();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let name = name(&mut rest);
            all.push((name, literal(&mut rest)?));
            if rest.is_empty() {
                break;
            }
            rest = rest
                .strip_prefix(',')
                .with_context(|| format!("a comma is missing before {rest}"))?
                .trim_start();
        }
        Ok(all)
    }
}

/// Reads `name =`, if that is what comes next.
fn name(rest: &mut &str) -> Option<String> {
    let (before, after) = rest.split_once('=')?;
    let name = before.trim();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !plain {
        return None;
    }
    *rest = after.trim_start();
    Some(name.to_owned())
}

fn literal(rest: &mut &str) -> Result<Literal> {
    let found = match rest.chars().next() {
        None => bail!("a value is missing"),
        Some('\'') => Literal::Text(text(rest)?),
        Some(_) if rest.starts_with("repeat(") => repeated(rest)?,
        Some('[') => Literal::List(sequence(rest, ']')?),
        Some('(') => Literal::Tuple(sequence(rest, ')')?),
        Some('{') => braces(rest)?,
        Some(_) => {
            let end = rest.find(|c: char| " ,]})\t".contains(c)).unwrap_or(rest.len());
            let end = if rest.starts_with("raw(") { end + 1 } else { end };
            // A colon ends a key, unless it is within a word (an IPv6 address).
            let (word, after) = rest.split_at_checked(end).context("a value ends too early")?;
            let (word, after) = match word.strip_suffix(':') {
                Some(bare) if !bare.ends_with(':') => (bare, rest.get(bare.len()..).unwrap_or(after)),
                _ => (word, after),
            };
            *rest = after;
            match word {
                "null" => Literal::Null,
                "unset" => Literal::Unset,
                _ => match word.strip_prefix("raw(0x").and_then(|w| w.strip_suffix(')')) {
                    Some(digits) => Literal::Raw(unhex(digits)?),
                    None => Literal::Word(word.to_owned()),
                },
            }
        }
    };
    *rest = rest.trim_start();
    Ok(found)
}

fn text(rest: &mut &str) -> Result<String> {
    let mut out = String::new();
    let mut after = rest.get(1..).unwrap_or_default();
    loop {
        let (part, more) = after.split_once('\'').context("a quote is missing")?;
        out += part;
        match more.strip_prefix('\'') {
            Some(more) => {
                out.push('\'');
                after = more;
            }
            None => {
                *rest = more;
                return Ok(out);
            }
        }
    }
}

/// `repeat('x', 1000)`: a text too long to be written out.
fn repeated(rest: &mut &str) -> Result<Literal> {
    let (inner, after) = rest.split_once(')').context("repeat( has no end")?;
    let inner = inner.strip_prefix("repeat(").unwrap_or(inner);
    let (mut quoted, count) = inner.rsplit_once(',').context("repeat('x', 1000) wants a number")?;
    let once = text(&mut quoted)?;
    *rest = after;
    Ok(Literal::Text(once.repeat(count.trim().parse()?)))
}

fn sequence(rest: &mut &str, end: char) -> Result<Vec<Literal>> {
    *rest = rest.get(1..).unwrap_or_default().trim_start();
    let mut all = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            *rest = after;
            return Ok(all);
        }
        all.push(literal(rest)?);
        match rest.strip_prefix(',') {
            Some(after) => *rest = after.trim_start(),
            None if rest.starts_with(end) => {}
            None => bail!("a comma or {end} is missing before {rest}"),
        }
    }
}

fn braces(rest: &mut &str) -> Result<Literal> {
    *rest = rest.get(1..).unwrap_or_default().trim_start();
    let mut keys = Vec::new();
    let mut pairs = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return Ok(if pairs.is_empty() { Literal::Set(keys) } else { Literal::Map(pairs) });
        }
        let key = literal(rest)?;
        match rest.strip_prefix(':') {
            Some(after) => {
                *rest = after.trim_start();
                pairs.push((key, literal(rest)?));
            }
            None => keys.push(key),
        }
        match rest.strip_prefix(',') {
            Some(after) => *rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => bail!("a comma or a brace is missing before {rest}"),
        }
    }
}

/// Hexadecimal digits to bytes.
pub(super) fn unhex(digits: &str) -> Result<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        bail!("an odd number of hexadecimal digits: {digits}");
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| Ok(u8::from_str_radix(digits.get(at..at + 2).unwrap_or_default(), 16)?))
        .collect()
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |all: &[Literal]| all.iter().map(Literal::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Literal::Null => f.write_str("null"),
            Literal::Unset => f.write_str("unset"),
            Literal::Raw(bytes) => write!(f, "raw({})", super::hex(bytes)),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Literal::Word(word) => f.write_str(word),
            Literal::List(all) => write!(f, "[{}]", join(all)),
            Literal::Tuple(all) => write!(f, "({})", join(all)),
            Literal::Set(all) => write!(f, "{{{}}}", join(all)),
            Literal::Map(all) => {
                let all: Vec<String> = all.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                write!(f, "{{{}}}", all.join(", "))
            }
        }
    }
}
