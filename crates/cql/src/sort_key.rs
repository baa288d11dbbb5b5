//! Byte-comparable keys: clustering values turned into bytes whose plain order is the clustering order.
//!
//! Vocabulary: a *component* is one value encoded. Components are self-delimiting, so that a key is their
//! concatenation; a *reversed* component (DESC) has every bit inverted. A *bound* is a key prefix with one byte more.
//!
//! No component is a prefix of another component of its type, and none begins with 0x00 or 0xFF, reversed or not.
//! Hence `prefix ++ [0x00]` sorts below and `prefix ++ [0xFF]` above every key that extends `prefix`, and both on the
//! right side of every other key.
//!
//! A component begins with a marker: `EMPTY` alone for an empty value, else `VALUE` (decimals and booleans put the
//! number's sign or truth there). Then:
//! - fixed-length numbers: their bytes in an order-preserving form (sign bit flipped, UUID by version and time, ...);
//! - bytes of any length: escaped so that 0x00 is 0x00 0xFF, ended by 0x00 0x01;
//! - varint: a byte for sign and length (four more for long ones), then the shortest two's complement;
//! - decimal: exponent, then digits in pairs, ended by 0x00; inverted as a whole when negative;
//! - collections and tuples: the components of their parts (`NULL` for a null field), ended by 0x00;
//! - vectors: the components of their elements.
//!
//! Values that compare as equal have equal components; where such values can differ in their bytes the component does
//! not tell them apart (`is_lossy`), and whoever needs the exact bytes back keeps them beside the key.

mod decode;
mod number;

pub use decode::{decode, decode_into};

use crate::types::CqlType;
use crate::value::wire::{take_bytes, take_i32, take_vector_element};
use crate::value::{ValueError, compare, decimal};

/// A null field of a tuple, below all others. Null has no component of its own: a key has no nulls.
const NULL: u8 = 0x08;
const EMPTY: u8 = 0x10;
const VALUE: u8 = 0x20;
/// Ends the parts of a collection or tuple; below the first byte of any component.
const END: u8 = 0x00;

/// Appends the component of a value to `out`. The value must be valid for its type; if not, `out` may hold a part of
/// a component after the error.
pub fn encode(ty: &CqlType, bytes: &[u8], reversed: bool, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let start = out.len();
    let result = encode_ascending(ty, bytes, out);
    if reversed && let Some(component) = out.get_mut(start..) {
        for byte in component {
            *byte = !*byte;
        }
    }
    result
}

/// Whether a value of this type can have a component that does not give its bytes back.
pub fn is_lossy(ty: &CqlType) -> bool {
    match ty {
        // Redundant sign bytes; trailing zeros and scale; any byte but 0 is true; any NaN is a NaN.
        CqlType::Varint | CqlType::Decimal | CqlType::Boolean | CqlType::Float | CqlType::Double => true,
        // Trailing nulls may be written or left out.
        CqlType::Tuple(_) | CqlType::Udt { .. } => true,
        other => other.parts().any(is_lossy),
    }
}

/// Whether this value's component does not give its bytes back: what `is_lossy` fears, seldom true of a value.
pub fn loses_bytes(ty: &CqlType, bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return false;
    }
    match ty {
        CqlType::Varint => decimal::trim_sign(bytes).len() != bytes.len(),
        CqlType::Decimal => number::loses_decimal(bytes),
        CqlType::Boolean => !matches!(bytes, [0 | 1]),
        CqlType::Float => bytes.first_chunk().is_some_and(|bits| {
            f32::from_be_bytes(*bits).is_nan() && u32::from_be_bytes(*bits) != compare::JAVA_FLOAT_NAN
        }),
        CqlType::Double => bytes.first_chunk().is_some_and(|bits| {
            f64::from_be_bytes(*bits).is_nan() && u64::from_be_bytes(*bits) != compare::JAVA_DOUBLE_NAN
        }),
        _ if !is_lossy(ty) => false,
        CqlType::List { element, .. } | CqlType::Set { element, .. } => {
            any_entry(&[element], bytes, loses_bytes)
        }
        CqlType::Map { key, value, .. } => any_entry(&[key, value], bytes, loses_bytes),
        CqlType::Vector { element, dimension } => {
            let mut rest = bytes;
            (0..*dimension)
                .map_while(|_| take_vector_element(element.fixed_len(), &mut rest))
                .any(|part| loses_bytes(element, part))
        }
        CqlType::Tuple(_) | CqlType::Udt { .. } => {
            let mut rest = bytes;
            let mut count = 0;
            let mut ends_in_null = false;
            for field in ty.parts() {
                if rest.is_empty() {
                    break;
                }
                let length = rest.first_chunk::<4>();
                let value = take_bytes(&mut rest).flatten();
                count += 1;
                ends_in_null = value.is_none();
                let lost = match value {
                    Some(value) => loses_bytes(field, value),
                    // Any negative length says null.
                    None => length != Some(&[0xff; 4]),
                };
                if lost {
                    return true;
                }
            }
            // One null alone is what stands for nothing but nulls.
            ends_in_null && count > 1
        }
        _ => false,
    }
}

fn any_entry(parts: &[&CqlType], bytes: &[u8], test: fn(&CqlType, &[u8]) -> bool) -> bool {
    let mut rest = bytes;
    let count = take_i32(&mut rest).unwrap_or(0);
    for _ in 0..count {
        for ty in parts {
            match take_bytes(&mut rest).flatten() {
                Some(part) if test(ty, part) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
    false
}

#[inline]
fn encode_ascending(ty: &CqlType, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    match ty {
        CqlType::Int => fixed(ty, bytes, out, |b| (u32::from_be_bytes(b) ^ (1 << 31)).to_be_bytes()),
        CqlType::Bigint | CqlType::Counter | CqlType::Timestamp => {
            fixed(ty, bytes, out, |b| (u64::from_be_bytes(b) ^ (1 << 63)).to_be_bytes())
        }
        CqlType::Text
        | CqlType::Ascii
        | CqlType::Blob
        | CqlType::Inet
        | CqlType::Duration
        | CqlType::Custom(_) => {
            put_escaped(bytes, out);
            Ok(())
        }
        CqlType::Uuid => fixed(ty, bytes, out, |b| compare::uuid_rank(b).to_be_bytes()),
        CqlType::Timeuuid => fixed(ty, bytes, out, |b| compare::timeuuid_rank(b).to_be_bytes()),
        CqlType::Date => fixed(ty, bytes, out, |b: [u8; 4]| b),
        CqlType::Time => fixed(ty, bytes, out, |b: [u8; 8]| b),
        CqlType::Smallint => fixed(ty, bytes, out, |b| (u16::from_be_bytes(b) ^ (1 << 15)).to_be_bytes()),
        CqlType::Tinyint => fixed(ty, bytes, out, |[b]: [u8; 1]| [b ^ 0x80]),
        CqlType::Float => fixed(ty, bytes, out, |b| compare::float_rank(b).to_be_bytes()),
        CqlType::Double => fixed(ty, bytes, out, |b| compare::double_rank(b).to_be_bytes()),
        CqlType::Boolean => {
            out.push(match bytes.first() {
                None => EMPTY,
                Some(0) => number::FALSE,
                Some(_) => number::TRUE,
            });
            Ok(())
        }
        CqlType::Varint => number::encode_varint(bytes, out),
        CqlType::Decimal => number::encode_decimal(bytes, out),
        CqlType::Empty => {
            out.push(EMPTY);
            Ok(())
        }
        _ if bytes.is_empty() => {
            out.push(EMPTY);
            Ok(())
        }
        CqlType::List { element, .. } | CqlType::Set { element, .. } => {
            encode_entries(ty, &[element], bytes, out)
        }
        CqlType::Map { key, value, .. } => encode_entries(ty, &[key, value], bytes, out),
        CqlType::Tuple(fields) => encode_fields(ty, fields.iter(), bytes, out),
        CqlType::Udt { definition, .. } => {
            encode_fields(ty, definition.fields.iter().map(|(_, field)| field), bytes, out)
        }
        CqlType::Vector { element, dimension } => {
            out.push(VALUE);
            let mut rest = bytes;
            for _ in 0..*dimension {
                let part =
                    take_vector_element(element.fixed_len(), &mut rest).ok_or_else(|| malformed(ty))?;
                encode_ascending(element, part, out)?;
            }
            if rest.is_empty() { Ok(()) } else { Err(malformed(ty)) }
        }
    }
}

fn malformed(ty: &CqlType) -> ValueError {
    ValueError::new(format!("a value that is not a valid {ty} cannot be made part of a key"))
}

#[inline]
fn fixed<const N: usize>(
    ty: &CqlType,
    bytes: &[u8],
    out: &mut Vec<u8>,
    order_preserving: impl FnOnce([u8; N]) -> [u8; N],
) -> Result<(), ValueError> {
    match <[u8; N]>::try_from(bytes) {
        Ok(value) => {
            out.reserve(N + 1);
            out.push(VALUE);
            out.extend_from_slice(&order_preserving(value));
            Ok(())
        }
        Err(_) if bytes.is_empty() => {
            out.push(EMPTY);
            Ok(())
        }
        Err(_) => Err(malformed(ty)),
    }
}

/// Bytes of any length. An empty value needs no marker of its own: its end comes first.
fn put_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 3);
    out.push(VALUE);
    // `contains` is far faster than a search that stops at each zero, and hardly any text has one.
    if !bytes.contains(&0) {
        out.extend_from_slice(bytes);
        out.extend_from_slice(&[0x00, 0x01]);
        return;
    }
    let mut runs = bytes.split(|byte| *byte == 0);
    if let Some(first) = runs.next() {
        out.extend_from_slice(first);
    }
    for run in runs {
        out.extend_from_slice(&[0x00, 0xff]);
        out.extend_from_slice(run);
    }
    out.extend_from_slice(&[0x00, 0x01]);
}

fn encode_entries(
    ty: &CqlType,
    parts: &[&CqlType],
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    out.push(VALUE);
    let mut rest = bytes;
    let count = take_i32(&mut rest).filter(|count| *count >= 0).ok_or_else(|| malformed(ty))?;
    for _ in 0..count {
        for part in parts {
            let value = take_bytes(&mut rest).flatten().ok_or_else(|| malformed(ty))?;
            encode_ascending(part, value, out)?;
        }
    }
    out.push(END);
    if rest.is_empty() { Ok(()) } else { Err(malformed(ty)) }
}

fn encode_fields<'t>(
    ty: &CqlType,
    fields: impl Iterator<Item = &'t CqlType>,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    out.push(VALUE);
    let mut rest = bytes;
    // Nulls are written once a value follows, for those at the end do not count in the order.
    let mut nulls = 0;
    for field in fields {
        if rest.is_empty() {
            break;
        }
        match take_bytes(&mut rest).ok_or_else(|| malformed(ty))? {
            None => nulls += 1,
            Some(value) => {
                out.extend(std::iter::repeat_n(NULL, nulls));
                nulls = 0;
                encode_ascending(field, value, out)?;
            }
        }
    }
    out.push(END);
    if rest.is_empty() { Ok(()) } else { Err(malformed(ty)) }
}
