//! Components of numbers without a fixed length, and their way back.

use super::decode::Input;
use super::{EMPTY, VALUE};
use crate::value::ValueError;
use crate::value::decimal::{Digits, trim_sign};
use num_bigint::{BigInt, BigUint, Sign};
use std::cmp::Ordering;

pub(super) const FALSE: u8 = VALUE;
pub(super) const TRUE: u8 = 0x30;

/// Markers of decimals by sign.
const NEGATIVE: u8 = VALUE;
const ZERO: u8 = 0x30;
const POSITIVE: u8 = 0x40;

/// Varints of at least this many bytes write their length in four bytes after the header.
const LONG: usize = 0x7e;

pub(super) fn encode_varint(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let bytes = trim_sign(bytes);
    let Some(first) = bytes.first() else {
        out.push(EMPTY);
        return Ok(());
    };
    let len = u32::try_from(bytes.len()).map_err(|_| ValueError::new("a varint is longer than 4 GiB"))?;
    let header = bytes.len().min(LONG) as u8;
    let long = bytes.len() >= LONG;
    out.push(VALUE);
    // The longer a positive number the later, the longer a negative one the sooner.
    if *first < 0x80 {
        out.push(0x80 + header);
        if long {
            out.extend_from_slice(&len.to_be_bytes());
        }
    } else {
        out.push(0x7f - header);
        if long {
            out.extend_from_slice(&(!len).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Takes a varint's component, its marker already read.
pub(super) fn decode_varint(input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<()> {
    let header = input.byte()?;
    let negative = header < 0x80;
    let mut len = usize::from(if negative { 0x7f - header } else { header - 0x80 });
    if len == LONG {
        let raw = u32::from_be_bytes(input.array()?);
        len = usize::try_from(if negative { !raw } else { raw }).ok()?;
    }
    input.copy(len, out)
}

/// A key is at most 64 KiB, so its decimals have fewer digits than this; more are damage.
const MOST_ZEROS: usize = 1 << 18;

/// Exponents between minus this and this take one byte, others six.
const NEAR: i64 = 60;
const FAR_BELOW: u8 = 0x01;
const FAR_ABOVE: u8 = 0xfe;

pub(super) fn encode_decimal(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    if bytes.is_empty() {
        out.push(EMPTY);
        return Ok(());
    }
    let number = Digits::of(bytes)
        .ok_or_else(|| ValueError::new(format!("Expected 0 or at least 4 bytes ({})", bytes.len())))?;
    out.push(match number.sign {
        Ordering::Less => NEGATIVE,
        Ordering::Equal => {
            out.push(ZERO);
            return Ok(());
        }
        Ordering::Greater => POSITIVE,
    });
    let start = out.len();
    if number.exponent.abs() <= NEAR {
        out.push((0x80 + number.exponent) as u8);
    } else {
        out.push(if number.exponent < 0 { FAR_BELOW } else { FAR_ABOVE });
        // A scale has 32 bits and a value at most 2^31 bytes, so forty bits always hold it.
        out.extend(number.exponent.wrapping_add(1 << 39).to_be_bytes().into_iter().skip(3));
    }
    // A byte for two digits, from 1, so that the end below sorts first.
    for pair in number.digits.chunks(2) {
        let mut digits = pair.iter();
        let tens = digits.next().copied().unwrap_or(0);
        let ones = digits.next().copied().unwrap_or(0);
        out.push(tens * 10 + ones + 1);
    }
    out.push(0);
    if number.sign.is_lt() {
        for byte in out.iter_mut().skip(start) {
            *byte = !*byte;
        }
    }
    Ok(())
}

/// Takes a decimal's component, its marker given: the number without trailing zeros.
pub(super) fn decode_decimal(marker: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<()> {
    let sign = match marker {
        NEGATIVE => Sign::Minus,
        POSITIVE => Sign::Plus,
        ZERO => {
            out.extend_from_slice(&[0; 5]);
            return Some(());
        }
        _ => return None,
    };
    let invert = if sign == Sign::Minus { 0xff } else { 0 };
    let exponent = match input.byte()? ^ invert {
        FAR_BELOW | FAR_ABOVE => {
            let raw: [u8; 5] = input.array()?;
            raw.into_iter().fold(0i64, |raw, byte| (raw << 8) | i64::from(byte ^ invert)) - (1 << 39)
        }
        near => i64::from(near) - 0x80,
    };
    let mut digits: Vec<u8> = Vec::new();
    loop {
        match input.byte()? ^ invert {
            0 => break,
            pair @ 1..=100 => digits.extend([(pair - 1) / 10, (pair - 1) % 10]),
            _ => return None,
        }
    }
    if digits.last() == Some(&0) {
        digits.pop();
    }
    let mut scale = digits.len() as i64 - exponent;
    let least = i64::from(i32::MIN);
    if scale < least {
        // Zeros that were stripped come back where the scale has no room for them.
        let zeros = usize::try_from(least - scale).ok().filter(|zeros| *zeros <= MOST_ZEROS)?;
        digits.resize(digits.len() + zeros, 0);
        scale = least;
    }
    let magnitude = BigUint::from_radix_be(&digits, 10)?;
    out.extend_from_slice(&i32::try_from(scale).ok()?.to_be_bytes());
    out.extend_from_slice(&BigInt::from_biguint(sign, magnitude).to_signed_bytes_be());
    Some(())
}

/// Whether a decimal is written otherwise than `decode_decimal` gives it back.
pub(super) fn loses_decimal(bytes: &[u8]) -> bool {
    let mut component = Vec::new();
    let mut back = Vec::new();
    encode_decimal(bytes, &mut component).is_ok()
        && component.split_first().is_some_and(|(marker, rest)| {
            let mut input = Input { rest, invert: 0 };
            decode_decimal(*marker, &mut input, &mut back).is_none() || back != bytes
        })
}
