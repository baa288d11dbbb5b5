//! The order of values: Cassandra's `AbstractType.compare` for each type.

use super::decimal::{compare_decimal, compare_varint};
use super::wire::{take_bytes, take_i32, take_vector_element};
use crate::types::CqlType;
use std::cmp::Ordering;

/// Compares two values of type `ty` that are valid for it; an empty value comes first. Bytes that are not valid are
/// still ordered, by what can be read of them and then by length, so that nothing they hold can cause a panic.
pub fn compare(ty: &CqlType, a: &[u8], b: &[u8]) -> Ordering {
    match ty {
        // Date and time are stored so that their bytes order; durations have no order of their own.
        CqlType::Ascii
        | CqlType::Text
        | CqlType::Blob
        | CqlType::Date
        | CqlType::Time
        | CqlType::Inet
        | CqlType::Duration
        | CqlType::Custom(_) => a.cmp(b),
        CqlType::Int => fixed(a, b, i32::from_be_bytes),
        CqlType::Bigint | CqlType::Counter | CqlType::Timestamp => fixed(a, b, i64::from_be_bytes),
        CqlType::Smallint => fixed(a, b, i16::from_be_bytes),
        CqlType::Tinyint => fixed(a, b, i8::from_be_bytes),
        CqlType::Boolean => {
            let rank = |bytes: &[u8]| bytes.first().map(|byte| *byte != 0);
            rank(a).cmp(&rank(b))
        }
        CqlType::Float => fixed(a, b, float_rank),
        CqlType::Double => fixed(a, b, double_rank),
        CqlType::Varint => compare_varint(a, b),
        CqlType::Decimal => compare_decimal(a, b),
        CqlType::Uuid => fixed(a, b, uuid_rank),
        CqlType::Timeuuid => fixed(a, b, timeuuid_rank),
        CqlType::Empty => Ordering::Equal,
        CqlType::List { element, .. } | CqlType::Set { element, .. } => compare_collections(&[element], a, b),
        CqlType::Map { key, value, .. } => compare_collections(&[key, value], a, b),
        CqlType::Tuple(fields) => compare_tuples(fields.iter(), a, b),
        CqlType::Udt { definition, .. } => compare_tuples(definition.fields.iter().map(|(_, ty)| ty), a, b),
        CqlType::Vector { element, dimension } => compare_vectors(element, *dimension, a, b),
    }
}

/// Values of one length by what `rank` makes of their bytes.
#[inline]
fn fixed<const N: usize, R: Ord>(a: &[u8], b: &[u8], rank: impl Fn([u8; N]) -> R) -> Ordering {
    match (a.first_chunk(), b.first_chunk()) {
        (Some(a), Some(b)) => rank(*a).cmp(&rank(*b)),
        _ => a.len().cmp(&b.len()),
    }
}

/// Bits whose unsigned order is that of Java's `Float.compare`: -0.0 below 0.0, every NaN the same and above all.
pub(crate) fn float_rank(bytes: [u8; 4]) -> u32 {
    let bits = u32::from_be_bytes(bytes);
    let bits = if f32::from_bits(bits).is_nan() { JAVA_FLOAT_NAN } else { bits };
    if bits >> 31 == 1 { !bits } else { bits ^ (1 << 31) }
}

/// Bits whose unsigned order is that of Java's `Double.compare`.
pub(crate) fn double_rank(bytes: [u8; 8]) -> u64 {
    let bits = u64::from_be_bytes(bytes);
    let bits = if f64::from_bits(bits).is_nan() { JAVA_DOUBLE_NAN } else { bits };
    if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) }
}

/// The bits Java writes for a NaN.
pub(crate) const JAVA_FLOAT_NAN: u32 = 0x7fc0_0000;
pub(crate) const JAVA_DOUBLE_NAN: u64 = 0x7ff8_0000_0000_0000;

/// A number whose order is that of `UUIDType`: by version, then by time for version 1 and by bytes for the others.
/// The version moves to the top bits, so the rank can be turned back into the UUID.
pub(crate) fn uuid_rank(bytes: [u8; 16]) -> u128 {
    let bits = u128::from_be_bytes(bytes);
    let high = (bits >> 64) as u64;
    let version = (high >> 12) & 0xf;
    let ranked = if version == 1 {
        time_first(high)
    } else {
        (version << 60) | ((high >> 4) & 0x0fff_ffff_ffff_f000) | (high & 0xfff)
    };
    (u128::from(ranked) << 64) | u128::from(bits as u64)
}

pub(crate) fn uuid_from_rank(rank: u128) -> [u8; 16] {
    let ranked = (rank >> 64) as u64;
    let version = ranked >> 60;
    let high = if version == 1 {
        time_first_back(ranked)
    } else {
        ((ranked << 4) & 0xffff_ffff_ffff_0000) | (version << 12) | (ranked & 0xfff)
    };
    ((u128::from(high) << 64) | u128::from(rank as u64)).to_be_bytes()
}

/// In every byte of the low half the sign bit: `TimeUUIDType` compares those bytes signed.
const LOW_BYTE_SIGNS: u128 = 0x8080_8080_8080_8080;

/// A number whose order is that of `TimeUUIDType`: by time, then by the last eight bytes, each signed.
pub(crate) fn timeuuid_rank(bytes: [u8; 16]) -> u128 {
    let bits = u128::from_be_bytes(bytes);
    ((u128::from(time_first((bits >> 64) as u64)) << 64) | u128::from(bits as u64)) ^ LOW_BYTE_SIGNS
}

pub(crate) fn timeuuid_from_rank(rank: u128) -> [u8; 16] {
    let bits = rank ^ LOW_BYTE_SIGNS;
    ((u128::from(time_first_back((bits >> 64) as u64)) << 64) | u128::from(bits as u64)).to_be_bytes()
}

/// time_low, time_mid, version and time_hi turned into version and time_hi, time_mid, time_low.
fn time_first(high: u64) -> u64 {
    (high << 48) | ((high << 16) & 0xffff_0000_0000) | (high >> 32)
}

fn time_first_back(ranked: u64) -> u64 {
    (ranked << 32) | ((ranked >> 16) & 0xffff_0000) | (ranked >> 48)
}

/// Lists, sets and maps: element by element, then the shorter first. `parts` are the types of one entry's members.
fn compare_collections(parts: &[&CqlType], a: &[u8], b: &[u8]) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    let (Some(count_a), Some(count_b)) = (take_i32(&mut rest_a), take_i32(&mut rest_b)) else {
        return a.len().cmp(&b.len());
    };
    for _ in 0..count_a.min(count_b) {
        for ty in parts {
            let (Some(part_a), Some(part_b)) = (take_bytes(&mut rest_a), take_bytes(&mut rest_b)) else {
                return rest_a.len().cmp(&rest_b.len());
            };
            let order = compare_nullable(ty, part_a, part_b);
            if order.is_ne() {
                return order;
            }
        }
    }
    count_a.cmp(&count_b)
}

fn compare_nullable(ty: &CqlType, a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(ty, a, b),
        _ => a.is_some().cmp(&b.is_some()),
    }
}

/// Field by field, a null first. Fields missing at the end count as null, but an empty value is below all others.
fn compare_tuples<'t>(fields: impl Iterator<Item = &'t CqlType>, a: &[u8], b: &[u8]) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return a.len().min(1).cmp(&b.len().min(1));
    }
    let (mut rest_a, mut rest_b) = (a, b);
    for ty in fields {
        if rest_a.is_empty() && rest_b.is_empty() {
            break;
        }
        let field_a = take_bytes(&mut rest_a).flatten();
        let field_b = take_bytes(&mut rest_b).flatten();
        let order = compare_nullable(ty, field_a, field_b);
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_vectors(element: &CqlType, dimension: u32, a: &[u8], b: &[u8]) -> Ordering {
    let fixed = element.fixed_len();
    let (mut rest_a, mut rest_b) = (a, b);
    for _ in 0..dimension {
        let parts = (take_vector_element(fixed, &mut rest_a), take_vector_element(fixed, &mut rest_b));
        let (Some(part_a), Some(part_b)) = parts else {
            return rest_a.len().cmp(&rest_b.len());
        };
        let order = compare(element, part_a, part_b);
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
