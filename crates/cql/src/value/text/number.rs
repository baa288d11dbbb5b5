//! Numbers as Java reads and prints them.

use super::super::ValueError;
use super::super::decimal::small_int;
use crate::types::CqlType;
use num_bigint::BigInt;
use std::fmt::{Display, LowerExp, Write};

/// A float as `Float.toString` prints it.
pub fn float_to_text(value: f32) -> String {
    let mut out = String::new();
    push_floating(&mut out, value, f64::from(value));
    out
}

/// A double as `Double.toString` prints it.
pub fn double_to_text(value: f64) -> String {
    let mut out = String::new();
    push_floating(&mut out, value, value);
    out
}

/// Java prints the fewest digits that tell a number from its neighbours, but at least two: plain between 0.001 and
/// 10,000,000, in scientific form beyond. `wide` is the same number, for its sign and kind.
pub(crate) fn push_floating<F: LowerExp + Display>(out: &mut String, value: F, wide: f64) {
    if PLAIN.contains(&wide.abs()) {
        let start = out.len();
        // Writing to a String cannot fail.
        let _ = write!(out, "{value}");
        let digits = out.get(start..).unwrap_or_default();
        let has_point = digits.contains('.');
        // So few digits that no others mean the same number: there is nothing that Java could print instead.
        let certain = if size_of::<F>() == size_of::<f32>() { f32::DIGITS } else { f64::DIGITS } as usize;
        if digits.len() <= certain + usize::from(has_point) {
            out.push_str(if has_point { "" } else { ".0" });
            return;
        }
        out.truncate(start);
    }
    push_any_floating(out, value, wide);
}

/// The numbers Java prints without an exponent.
const PLAIN: std::ops::Range<f64> = 0.001..10_000_000.0;

fn push_any_floating<F: LowerExp>(out: &mut String, value: F, wide: f64) {
    if wide.is_nan() {
        return out.push_str("NaN");
    }
    if wide.is_sign_negative() {
        out.push('-');
    }
    if wide.is_infinite() {
        return out.push_str("Infinity");
    }
    if wide == 0.0 {
        return out.push_str("0.0");
    }
    let mantissa_bits =
        if size_of::<F>() == size_of::<f32>() { f32::MANTISSA_DIGITS } else { f64::MANTISSA_DIGITS };
    let text = match whole_number(wide.abs(), mantissa_bits) {
        Some(whole) => format!("{whole:e}"),
        None => {
            let shortest = format!("{value:e}");
            let mantissa = shortest.split('e').next().unwrap_or_default();
            let digits = mantissa.bytes().filter(u8::is_ascii_digit).count().saturating_sub(1).max(1);
            // Of that many digits, but two at least, Java takes those nearest to the number, and the even ones where
            // two are equally near.
            format!("{value:.digits$e}")
        }
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Writing to a String cannot fail.
    let _ = if (-3..7).contains(&exponent) {
        push_plain(out, digits, exponent)
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        write!(out, "{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest })
    };
}

/// The digits of a whole number below 2^63 as Java 11 and 17 give them, which Cassandra 5.0 runs on: all of them, but
/// for those at the end that a mantissa of `mantissa_bits` cannot hold, which are rounded away. (Java 19 and later
/// print the fewest digits here too.)
fn whole_number(value: f64, mantissa_bits: u32) -> Option<u64> {
    if value.fract() != 0.0 || value >= (1u64 << 63) as f64 {
        return None;
    }
    let whole = value as u64;
    let excess_bits = whole.checked_ilog2()?.saturating_sub(mantissa_bits + 1);
    let unit = 10u64.pow((1u64 << excess_bits).ilog10());
    Some((whole + unit / 2) / unit * unit)
}

/// Digits d1d2d3... as d1.d2d3... times ten to `exponent`, written out.
fn push_plain(out: &mut String, digits: &str, exponent: i32) -> std::fmt::Result {
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let (whole, fraction) = digits.split_at_checked(exponent + 1).unwrap_or((digits, ""));
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            write!(out, "{whole:0<width$}.{fraction}", width = exponent + 1)
        }
        Err(_) => {
            let zeros = exponent.unsigned_abs() as usize - 1;
            write!(out, "0.{}{digits}", "0".repeat(zeros))
        }
    }
}

/// The text of a double as `Double.valueOf` takes it: blanks around it, a sign, `NaN` or `Infinity`, decimal digits
/// with a point and an exponent, one of the letters `dDfF` at the end.
pub(super) fn java_double(source: &str) -> Option<&str> {
    let text = source.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return Some(text);
    }
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    // What is left of malformed text Rust's own parser refuses alike.
    (decimal && !text.is_empty()).then_some(text)
}

pub(super) fn parse_double(source: &str) -> Option<f64> {
    java_double(source)?.parse().ok()
}

pub(super) fn parse_float(source: &str) -> Option<f32> {
    java_double(source)?.parse().ok()
}

/// The longest text that is read as a `varint` or `decimal`. Reading takes time that grows with the square of the
/// digits (40 ms for this many), so one statement could otherwise keep a core busy for minutes.
pub const MAX_NUMBER_LEN: usize = 100_000;

/// A whole number as `new BigInteger(text)` takes it, in wire form.
pub(crate) fn parse_varint(source: &str) -> Option<Vec<u8>> {
    let digits = source.strip_prefix(['+', '-']).unwrap_or(source);
    let too_long = digits.len() > MAX_NUMBER_LEN;
    if digits.is_empty() || too_long || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(BigInt::parse_bytes(source.as_bytes(), 10)?.to_signed_bytes_be())
}

/// A decimal as `new BigDecimal(text)` takes it, in wire form: the scale, then the unscaled number.
pub fn parse_decimal(source: &str) -> Result<Vec<u8>, ValueError> {
    if source.len() > MAX_NUMBER_LEN {
        return Err(too_long(source));
    }
    decimal_parts(source)
        .map(|(scale, unscaled)| {
            let mut out = scale.to_be_bytes().to_vec();
            out.extend_from_slice(&unscaled.to_signed_bytes_be());
            out
        })
        .ok_or_else(|| ValueError::new(format!("unable to make BigDecimal from '{source}'")))
}

/// What to say of a number beyond `MAX_NUMBER_LEN`.
pub(super) fn too_long(source: &str) -> ValueError {
    ValueError::new(format!(
        "a number of {} characters is longer than the {MAX_NUMBER_LEN} that are read as text; bind its bytes instead",
        source.len()
    ))
}

fn decimal_parts(source: &str) -> Option<(i32, BigInt)> {
    let (mantissa, exponent) = match source.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (mantissa, i64::from(exponent.parse::<i32>().ok()?))
        }
        None => (source, 0),
    };
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{sign}{whole}{fraction}");
    let count = whole.len() + fraction.len();
    if count == 0 || ![whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let scale = i32::try_from(i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?).ok()?;
    Some((scale, BigInt::parse_bytes(digits.as_bytes(), 10)?))
}

/// The longest wire form of a number of `MAX_NUMBER_LEN` digits (of 3.322 bits each), without a scale.
const MAX_NUMBER_BYTES: usize = MAX_NUMBER_LEN * 3322 / 8000 + 1;

/// Refuses a `varint` or `decimal` that would not be read back from its text: writing, too, takes time that grows with
/// the square of the digits.
pub(crate) fn check_length_as_text(ty: &CqlType, bytes: &[u8]) -> Result<(), ValueError> {
    let digits = match ty {
        CqlType::Varint => bytes.len(),
        CqlType::Decimal => bytes.len().saturating_sub(4),
        _ => return Ok(()),
    };
    if digits <= MAX_NUMBER_BYTES {
        return Ok(());
    }
    Err(ValueError::new(format!(
        "a {ty} of {} bytes has more than the {MAX_NUMBER_LEN} digits that are written as text; read its bytes over CQL \
         instead",
        bytes.len()
    )))
}

/// A varint in wire form as decimal digits; empty for an empty value.
pub fn varint_to_text(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    match small_int(bytes) {
        Some(small) => small.to_string(),
        None => BigInt::from_signed_bytes_be(bytes).to_string(),
    }
}

/// A decimal in wire form as `BigDecimal.toString` prints it; empty for an empty value.
pub fn decimal_to_text(bytes: &[u8]) -> String {
    let Some((scale, unscaled)) = bytes.split_first_chunk::<4>() else {
        return String::new();
    };
    let scale = i64::from(i32::from_be_bytes(*scale));
    let unscaled = if unscaled.is_empty() { "0".to_owned() } else { varint_to_text(unscaled) };
    if scale == 0 {
        return unscaled;
    }
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled.as_str()),
    };
    let adjusted = digits.len() as i64 - 1 - scale;
    let mut out = sign.to_owned();
    if scale > 0 && adjusted >= -6 {
        // At least -6, so no more than a few zeros are filled in.
        let scale = usize::try_from(scale).unwrap_or(usize::MAX);
        match digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
            Some(whole) => {
                let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((digits, ""));
                let _ = write!(out, "{whole}.{fraction}");
            }
            None => {
                let _ = write!(out, "0.{digits:0>scale$}");
            }
        }
        return out;
    }
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    if adjusted != 0 {
        let _ = write!(out, "E{adjusted:+}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digits_are_those_of_the_long_way() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..5_000 {
            // xorshift: any bits will do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let scale = 10f64.powi((state % 11) as i32 - 3);
            let short = (state >> 20) as f64 / (1u64 << 44) as f64 * scale;
            for value in [short, (short * 100.0).round() / 100.0, -short, short.round()] {
                let (mut plain, mut long) = (String::new(), String::new());
                push_floating(&mut plain, value, value);
                push_any_floating(&mut long, value, value);
                assert_eq!(plain, long);
                let narrow = value as f32;
                let (mut plain, mut long) = (String::new(), String::new());
                push_floating(&mut plain, narrow, f64::from(narrow));
                push_any_floating(&mut long, narrow, f64::from(narrow));
                assert_eq!(plain, long);
            }
        }
    }
}
