//! Bytes to text.

use std::net::{Ipv4Addr, Ipv6Addr};

use num_bigint::BigInt;

use super::Type;
use super::calendar::civil;
use super::encode::vint;

/// The text of a value, `null` for none.
pub fn show(kind: &Type, value: Option<&[u8]>) -> String {
    let Some(bytes) = value else { return "null".to_owned() };
    let empty_is_a_value = matches!(kind, Type::Ascii | Type::Text | Type::Blob);
    if bytes.is_empty() && !empty_is_a_value {
        return "empty".to_owned();
    }
    match valid(kind, bytes) {
        Some(text) => text,
        None => format!("invalid({})", hex(bytes)),
    }
}

/// Bytes as a CQL blob.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::from("0x");
    for byte in bytes {
        out += &format!("{byte:02x}");
    }
    out
}

fn valid(kind: &Type, bytes: &[u8]) -> Option<String> {
    Some(match kind {
        Type::Ascii | Type::Text => quoted(std::str::from_utf8(bytes).ok()?),
        Type::Blob | Type::Custom(_) => hex(bytes),
        Type::Boolean => match bytes {
            [0] => "false".to_owned(),
            [1] => "true".to_owned(),
            _ => return None,
        },
        Type::Tinyint => i8::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::Smallint => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::Int => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::Bigint | Type::Counter => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Type::Varint => varint(bytes)?,
        Type::Decimal => decimal(bytes)?,
        Type::Float => number(f32::from_be_bytes(bytes.try_into().ok()?).into(), bytes.len()),
        Type::Double => number(f64::from_be_bytes(bytes.try_into().ok()?), bytes.len()),
        Type::Date => date(i64::from(u32::from_be_bytes(bytes.try_into().ok()?)) - (1 << 31)),
        Type::Time => time(i64::from_be_bytes(bytes.try_into().ok()?))?,
        Type::Timestamp => timestamp(i64::from_be_bytes(bytes.try_into().ok()?)),
        Type::Uuid | Type::Timeuuid => uuid(bytes)?,
        Type::Inet => match bytes.len() {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string(),
            _ => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string(),
        },
        Type::Duration => duration(bytes)?,
        Type::List(element) => format!("[{}]", elements(element, bytes)?),
        Type::Set(element) => format!("{{{}}}", elements(element, bytes)?),
        Type::Map(key, value) => map(key, value, bytes)?,
        Type::Tuple(fields) => {
            let shown = fields_of(bytes, fields.iter(), |kind, value| Some(show(kind, value)))?;
            format!("({})", shown.join(", "))
        }
        Type::Udt { fields, .. } => {
            let shown = fields_of(bytes, fields.iter(), |(name, kind), value| {
                Some(format!("{name}: {}", show(kind, value)))
            })?;
            format!("{{{}}}", shown.join(", "))
        }
        Type::Vector(element, count) => vector(element, *count, bytes)?,
    })
}

/// As a CQL string, with control characters made visible.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out += "''",
            '\\' => out += "\\\\",
            c if c.is_control() => out += &format!("\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "'"
}

/// The shortest text that reads back as the same number. Which of the many NaN a division gives is the processor's
/// affair, so they are all one here.
fn number(value: f64, width: usize) -> String {
    match (value.is_finite(), value.is_nan()) {
        (true, _) if width == 4 => format!("{:?}", value as f32),
        (true, _) => format!("{value:?}"),
        (false, true) => "NaN".to_owned(),
        (false, false) => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
    }
}

/// A varint longer than it need be is shown with its bytes.
fn varint(bytes: &[u8]) -> Option<String> {
    let value = BigInt::from_signed_bytes_be(bytes);
    match value.to_signed_bytes_be() == bytes {
        true => Some(value.to_string()),
        false => Some(format!("{value}({})", hex(bytes))),
    }
}

/// The unscaled value with its point; where that would be long or lose the scale, with an exponent.
fn decimal(bytes: &[u8]) -> Option<String> {
    let (scale, unscaled) = bytes.split_first_chunk::<4>()?;
    if unscaled.is_empty() {
        return None;
    }
    let scale = i32::from_be_bytes(*scale);
    let digits = varint(unscaled)?;
    if scale == 0 {
        return Some(digits);
    }
    if !(1..=60).contains(&scale) || digits.contains('(') {
        return Some(format!("{digits}e{}", -i64::from(scale)));
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let padded = format!("{digits:0>width$}", width = scale as usize + 1);
    let (whole, part) = padded.split_at_checked(padded.len() - scale as usize)?;
    Some(format!("{sign}{whole}.{part}"))
}

/// Years that a person writes are shown as a date, others as days.
fn date(days: i64) -> String {
    match civil(days) {
        (year @ 0..=9999, month, day) => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("day({days})"),
    }
}

fn time(nanos: i64) -> Option<String> {
    if !(0..86_400_000_000_000).contains(&nanos) {
        return None;
    }
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Some(format!("{:02}:{:02}:{:02}.{nanos:09}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

fn timestamp(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    match civil(days) {
        (0..=9999, _, _) => {
            let (seconds, millis) = (rest / 1000, rest % 1000);
            let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            format!("{} {h:02}:{m:02}:{s:02}.{millis:03}Z", date(days))
        }
        _ => format!("ms({millis})"),
    }
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let all = u128::from_be_bytes(bytes.try_into().ok()?);
    Some(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        all >> 96,
        (all >> 80) & 0xffff,
        (all >> 64) & 0xffff,
        (all >> 48) & 0xffff,
        all & 0xffff_ffff_ffff
    ))
}

fn duration(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let months = vint::read_signed(&mut rest)?;
    let days = vint::read_signed(&mut rest)?;
    let nanos = vint::read_signed(&mut rest)?;
    rest.is_empty().then(|| format!("{months}mo{days}d{nanos}ns"))
}

fn count(bytes: &mut &[u8]) -> Option<i32> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(i32::from_be_bytes(*first))
}

/// An [int] length and that many bytes; a negative length is a null.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(count(bytes)?) else { return Some(None) };
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(value))
}

fn elements(kind: &Type, bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let number = count(&mut rest)?;
    let mut shown = Vec::new();
    for _ in 0..number {
        shown.push(show(kind, element(&mut rest)?));
    }
    rest.is_empty().then(|| shown.join(", "))
}

fn map(key: &Type, value: &Type, bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let number = count(&mut rest)?;
    let mut shown = Vec::new();
    for _ in 0..number {
        let key = show(key, element(&mut rest)?);
        shown.push(format!("{key}: {}", show(value, element(&mut rest)?)));
    }
    rest.is_empty().then(|| format!("{{{}}}", shown.join(", ")))
}

/// Fields in order; a value may stop before the last ones, which is shown by leaving them out.
fn fields_of<T>(
    bytes: &[u8],
    fields: impl Iterator<Item = T>,
    mut one: impl FnMut(T, Option<&[u8]>) -> Option<String>,
) -> Option<Vec<String>> {
    let mut rest = bytes;
    let mut shown = Vec::new();
    for field in fields {
        if rest.is_empty() {
            break;
        }
        shown.push(one(field, element(&mut rest)?)?);
    }
    rest.is_empty().then_some(shown)
}

fn vector(kind: &Type, number: usize, bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let mut shown = Vec::new();
    for _ in 0..number {
        let length = match kind.fixed() {
            Some(length) => length,
            None => usize::try_from(vint::read(&mut rest)?).ok()?,
        };
        let (value, after) = rest.split_at_checked(length)?;
        rest = after;
        shown.push(show(kind, Some(value)));
    }
    rest.is_empty().then(|| format!("[{}]", shown.join(", ")))
}
