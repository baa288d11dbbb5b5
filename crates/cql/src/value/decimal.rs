//! Integers and decimals of any size, in the forms that comparing and ordering need.
//!
//! Vocabulary: a decimal is an *unscaled* integer times ten to the power of minus its *scale* (Java's `BigDecimal`).
//! Its *digits* here are the unscaled magnitude's without trailing zeros, read as 0.d1d2d3... times ten to the power of
//! its *exponent*, so that equal numbers have equal digits and exponents however they were written.

use num_bigint::{BigInt, Sign};
use smallvec::SmallVec;
use std::cmp::Ordering;

/// Two's complement bytes without the leading ones that only repeat the sign. Empty bytes stay empty.
pub fn trim_sign(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        match (first, tail.first()) {
            (0x00, Some(next)) if *next < 0x80 => rest = tail,
            (0xff, Some(next)) if *next >= 0x80 => rest = tail,
            _ => break,
        }
    }
    rest
}

/// Two's complement bytes as an i128, where they fit.
pub fn small_int(bytes: &[u8]) -> Option<i128> {
    let bytes = trim_sign(bytes);
    let first = *bytes.first()?;
    if bytes.len() > 16 {
        return None;
    }
    let mut value: i128 = if first >= 0x80 { -1 } else { 0 };
    for byte in bytes {
        value = (value << 8) | i128::from(*byte);
    }
    Some(value)
}

/// The order of two varints; an empty one comes first.
pub fn compare_varint(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (trim_sign(a), trim_sign(b));
    let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else {
        return a.len().cmp(&b.len());
    };
    match (*first_a >= 0x80, *first_b >= 0x80) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        // Of one sign and length, two's complement bytes order as they are.
        (false, false) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (true, true) => b.len().cmp(&a.len()).then_with(|| a.cmp(b)),
    }
}

/// A decimal taken apart for ordering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits {
    /// `Equal` is zero.
    pub sign: Ordering,
    /// The magnitude is 0.d1d2d3... times ten to this power; 0 for zero.
    pub exponent: i64,
    /// Each 0 to 9; neither the first nor the last is 0; none for zero.
    pub digits: SmallVec<[u8; 40]>,
}

impl Digits {
    /// Of a decimal in wire form; `None` where it is too short to be one. Empty unscaled bytes count as zero.
    pub fn of(bytes: &[u8]) -> Option<Digits> {
        let (scale, unscaled) = bytes.split_first_chunk::<4>()?;
        let scale = i64::from(i32::from_be_bytes(*scale));
        let mut digits: SmallVec<[u8; 40]> = SmallVec::new();
        let sign = if unscaled.is_empty() {
            Ordering::Equal
        } else if let Some(small) = small_int(unscaled) {
            let mut magnitude = small.unsigned_abs();
            while magnitude > 0 {
                digits.push((magnitude % 10) as u8);
                magnitude /= 10;
            }
            digits.reverse();
            small.cmp(&0)
        } else {
            let (sign, magnitude) = BigInt::from_signed_bytes_be(unscaled).into_parts();
            digits.extend_from_slice(&magnitude.to_radix_be(10));
            match sign {
                Sign::Minus => Ordering::Less,
                Sign::NoSign => Ordering::Equal,
                Sign::Plus => Ordering::Greater,
            }
        };
        if sign == Ordering::Equal {
            return Some(Digits { sign, exponent: 0, digits: SmallVec::new() });
        }
        let exponent = digits.len() as i64 - scale;
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Some(Digits { sign, exponent, digits })
    }

    fn compare_magnitude(&self, other: &Digits) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits))
    }
}

/// The order of two decimals by their numbers; what is too short to be one (so an empty value) comes first.
pub fn compare_decimal(a: &[u8], b: &[u8]) -> Ordering {
    if let (Some((scale_a, a)), Some((scale_b, b))) = (a.split_first_chunk::<4>(), b.split_first_chunk::<4>())
        && scale_a == scale_b
        && !a.is_empty()
        && !b.is_empty()
    {
        return compare_varint(a, b);
    }
    match (Digits::of(a), Digits::of(b)) {
        (Some(a), Some(b)) => a.sign.cmp(&b.sign).then_with(|| match a.sign {
            Ordering::Less => b.compare_magnitude(&a),
            _ => a.compare_magnitude(&b),
        }),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
