//! Text to bytes: what a `bind` line's values become when they are bound to a type.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};
use num_bigint::BigInt;

use super::calendar::days;
use super::literal::unhex;
use super::{Literal, Type};
use crate::wire::Bind;

/// The bytes of a literal as a value of a type.
pub fn encode(kind: &Type, literal: &Literal) -> Result<Bind> {
    Ok(match literal {
        Literal::Null => Bind::Null,
        Literal::Unset => Bind::Unset,
        _ => Bind::Bytes(bytes(kind, literal).with_context(|| format!("{literal} is no {kind}"))?),
    })
}

fn bytes(kind: &Type, literal: &Literal) -> Result<Vec<u8>> {
    match (kind, literal) {
        (_, Literal::Raw(bytes)) => Ok(bytes.clone()),
        (Type::Custom(class), _) => match Type::behind(class) {
            Some(kind) => bytes(&kind, literal),
            None => bail!("no type is known by this class"),
        },
        (_, Literal::Word(word)) if word == "empty" => Ok(Vec::new()),
        // A set written as a list is sent as it stands, unsorted or with an element twice.
        (Type::List(element) | Type::Set(element), Literal::List(all))
        | (Type::Set(element), Literal::Set(all)) => {
            let mut out = i32::try_from(all.len())?.to_be_bytes().to_vec();
            all.iter().try_for_each(|one| sized(&mut out, element, one))?;
            Ok(out)
        }
        (Type::Map(..), Literal::Set(all)) if all.is_empty() => Ok(vec![0; 4]),
        (Type::Map(key, value), Literal::Map(all)) => {
            let mut out = i32::try_from(all.len())?.to_be_bytes().to_vec();
            for (k, v) in all {
                sized(&mut out, key, k)?;
                sized(&mut out, value, v)?;
            }
            Ok(out)
        }
        (Type::Tuple(fields), Literal::Tuple(all)) => {
            let mut out = Vec::new();
            for (field, one) in fields.iter().zip(all) {
                sized(&mut out, field, one)?;
            }
            Ok(out)
        }
        (Type::Udt { fields, .. }, Literal::Map(all)) => {
            let mut out = Vec::new();
            for (name, field) in fields {
                let given = all.iter().find(|(key, _)| *key == Literal::Word(name.clone()));
                sized(&mut out, field, given.map_or(&Literal::Null, |(_, value)| value))?;
            }
            Ok(out)
        }
        (Type::Vector(element, _), Literal::List(all)) => {
            let mut out = Vec::new();
            for one in all {
                let value = bytes(element, one)?;
                if element.fixed().is_none() {
                    vint::write(&mut out, value.len() as u64);
                }
                out.extend(value);
            }
            Ok(out)
        }
        (_, Literal::Text(text)) => from_text(kind, text),
        (_, Literal::Word(word)) => from_word(kind, word),
        _ => bail!("the form does not fit"),
    }
}

fn sized(out: &mut Vec<u8>, kind: &Type, literal: &Literal) -> Result<()> {
    if *literal == Literal::Null {
        out.extend((-1i32).to_be_bytes());
        return Ok(());
    }
    let value = bytes(kind, literal)?;
    out.extend(i32::try_from(value.len())?.to_be_bytes());
    out.extend(value);
    Ok(())
}

fn from_text(kind: &Type, text: &str) -> Result<Vec<u8>> {
    Ok(match kind {
        Type::Date => {
            let day = date(text)?;
            (u32::try_from(day + (1 << 31))?).to_be_bytes().to_vec()
        }
        Type::Time => time(text)?.to_be_bytes().to_vec(),
        Type::Timestamp => {
            let (day, rest) = text.split_once(' ').unwrap_or((text, "00:00:00"));
            let millis = date(day)? * 86_400_000 + time(rest.trim_end_matches('Z'))? / 1_000_000;
            millis.to_be_bytes().to_vec()
        }
        Type::Inet => match text.parse()? {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        },
        _ => text.as_bytes().to_vec(),
    })
}

fn from_word(kind: &Type, word: &str) -> Result<Vec<u8>> {
    Ok(match kind {
        Type::Boolean => vec![u8::from(word.parse::<bool>()?)],
        Type::Tinyint => word.parse::<i8>()?.to_be_bytes().to_vec(),
        Type::Smallint => word.parse::<i16>()?.to_be_bytes().to_vec(),
        Type::Int => word.parse::<i32>()?.to_be_bytes().to_vec(),
        Type::Bigint | Type::Counter | Type::Time | Type::Timestamp => {
            word.parse::<i64>()?.to_be_bytes().to_vec()
        }
        Type::Varint => word.parse::<BigInt>()?.to_signed_bytes_be(),
        Type::Decimal => decimal(word)?,
        Type::Float => word.parse::<f32>()?.to_be_bytes().to_vec(),
        Type::Double => word.parse::<f64>()?.to_be_bytes().to_vec(),
        Type::Date => word.parse::<u32>()?.to_be_bytes().to_vec(),
        Type::Uuid | Type::Timeuuid => {
            let id = unhex(&word.replace('-', ""))?;
            if id.len() != 16 {
                bail!("a uuid has 16 bytes");
            }
            id
        }
        Type::Duration => duration(word)?,
        Type::Inet => from_text(kind, word)?,
        _ => match word.strip_prefix("0x") {
            Some(digits) => unhex(digits)?,
            None => bail!("the form does not fit"),
        },
    })
}

fn date(text: &str) -> Result<i64> {
    let mut parts = text.split('-');
    let mut part = || parts.next().context("a date is year-month-day");
    Ok(days(part()?.parse()?, part()?.parse()?, part()?.parse()?))
}

/// Nanoseconds of `hh:mm:ss.nnnnnnnnn`.
fn time(text: &str) -> Result<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let mut next = || parts.next().unwrap_or("0").parse::<i64>();
    let seconds = next()? * 3600 + next()? * 60 + next()?;
    Ok(seconds * 1_000_000_000 + format!("{part:0<9}").parse::<i64>()?)
}

/// The scale in four bytes, then the unscaled value.
fn decimal(word: &str) -> Result<Vec<u8>> {
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i32::try_from(part.len())? - exponent.parse::<i32>()?;
    let unscaled: BigInt = format!("{whole}{part}").parse()?;
    let mut out = scale.to_be_bytes().to_vec();
    out.extend(unscaled.to_signed_bytes_be());
    Ok(out)
}

/// `1mo2d3ns`, each part optional.
fn duration(word: &str) -> Result<Vec<u8>> {
    let (negative, mut rest) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let (mut months, mut days, mut nanos) = (0i64, 0i64, 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).context("a unit is missing")?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number: i64 = number.parse()?;
        match unit {
            "y" => months += 12 * number,
            "mo" => months += number,
            "w" => days += 7 * number,
            "d" => days += number,
            "h" => nanos += number * 3_600_000_000_000,
            "m" => nanos += number * 60_000_000_000,
            "s" => nanos += number * 1_000_000_000,
            "ms" => nanos += number * 1_000_000,
            "us" => nanos += number * 1_000,
            "ns" => nanos += number,
            other => bail!("no unit is called {other}"),
        }
        rest = after;
    }
    let sign = if negative { -1 } else { 1 };
    let mut out = Vec::new();
    [months, days, nanos].iter().for_each(|part| vint::write_signed(&mut out, sign * part));
    Ok(out)
}

/// Cassandra's variable-length integers: the first byte's leading ones count the bytes that follow.
pub(super) mod vint {
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<u64> {
        let (first, rest) = bytes.split_first()?;
        let extra = first.leading_ones() as usize;
        let (more, rest) = rest.split_at_checked(extra)?;
        *bytes = rest;
        let head = if extra >= 8 { 0 } else { u64::from(*first) & (0xff >> extra) };
        Some(more.iter().fold(head, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(crate) fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
        let value = read(bytes)?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn write(out: &mut Vec<u8>, value: u64) {
        let bits = 64 - (value | 1).leading_zeros() as usize;
        let extra = ((bits - 1) / 7).min(8);
        let bytes = value.to_be_bytes();
        let mark = if extra == 8 { 0xff } else { !(0xffu32 >> extra) as u8 };
        let mut tail = bytes.iter().skip(8 - extra);
        let head = if extra == 8 { 0 } else { bytes.iter().rev().nth(extra).copied().unwrap_or(0) };
        out.push(mark | head);
        out.extend(&mut tail);
    }

    pub(crate) fn write_signed(out: &mut Vec<u8>, value: i64) {
        write(out, ((value << 1) ^ (value >> 63)) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::super::show;
    use super::*;

    fn round(kind: &Type, text: &str) -> String {
        let literal = Literal::list(text).unwrap().remove(0).1;
        match encode(kind, &literal).unwrap() {
            Bind::Bytes(bytes) => show(kind, Some(&bytes)),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_value_is_shown_as_it_was_written() {
        for (kind, text) in [
            (Type::Int, "-5"),
            (Type::Varint, "-123456789012345678901234567890"),
            (Type::Decimal, "1.00"),
            (Type::Decimal, "-0.05"),
            (Type::Decimal, "12e3"),
            (Type::Double, "1.5"),
            (Type::Float, "NaN"),
            (Type::Text, "'it''s'"),
            (Type::Date, "'2024-02-29'"),
            (Type::Time, "'08:12:54.123456789'"),
            (Type::Timestamp, "'1969-12-31 23:59:59.999Z'"),
            (Type::Uuid, "123e4567-e89b-12d3-a456-426614174000"),
            (Type::Duration, "-1mo-2d-3ns"),
            (Type::List(Box::new(Type::Int)), "[1, 2, null]"),
            (Type::Map(Box::new(Type::Inet), Box::new(Type::Int)), "{::1: 1}"),
            (Type::Tuple(vec![Type::Int, Type::Text]), "(1, 'a')"),
            (Type::Vector(Box::new(Type::Text), 2), "['a', 'bc']"),
        ] {
            let shown = match text {
                "-1mo-2d-3ns" => round(&kind, "-1mo2d3ns"),
                _ => round(&kind, text),
            };
            assert_eq!(shown.trim_matches('\''), text.trim_matches('\''), "{kind}");
        }
    }

    #[test]
    fn variable_length_integers_come_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 35, u64::MAX >> 1, u64::MAX] {
            let mut out = Vec::new();
            vint::write(&mut out, value);
            assert_eq!(vint::read(&mut out.as_slice()), Some(value));
        }
    }
}
