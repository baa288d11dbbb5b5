//! Values hidden in whole or in part. (Masks attached to columns are another thing, and not here.)

use std::borrow::Cow;

use ilium_cql::{CqlType, value};
use ilium_store::{Error, Result};
use ring::digest;

use super::factory::{Factory, Make, Parameter};
use super::registry::Registry;
use super::{Function, Invocation, Slot};
use crate::term::evaluate::invalid;
use crate::term::time;

const ANY: Parameter = Parameter::Any { infer_from_receiver: false };

pub(super) fn add_to(registry: &mut Registry) {
    let mut add = |name, parameters, make| {
        registry.add_factory(Factory { name, parameters, make: Make::Types(make) });
    };
    add("mask_null", &[ANY], |name, types, _| of_own_type(name, types, |_| Ok(None)));
    add("mask_default", &[ANY], |name, types, _| of_own_type(name, types, default_value));
    add(
        "mask_replace",
        &[Parameter::Any { infer_from_receiver: true }, Parameter::SameAs(0)],
        |name, types, _| {
            of_own_type(name, types, |call| Ok(call.arguments.get_mut(1).and_then(Option::take)))
        },
    );
    add("mask_hash", &[ANY, Parameter::OptionalText], |name, mut types, _| {
        if let Some(algorithm) = types.get_mut(1) {
            *algorithm = CqlType::Text;
        }
        Ok(Function::scalar(name, types, CqlType::Blob, hash))
    });
    let partial = &[Parameter::AnyString, Parameter::Int, Parameter::Int, Parameter::OptionalText];
    add("mask_inner", partial, |name, types, _| partial_mask(name, types, |call| mask(call, true)));
    add("mask_outer", partial, |name, types, _| partial_mask(name, types, |call| mask(call, false)));
}

fn of_own_type(name: &'static str, types: Vec<CqlType>, execute: super::Execute) -> Result<Function> {
    let returns = types.first().cloned().unwrap_or(CqlType::Blob);
    Ok(Function::scalar(name, types, returns, execute))
}

fn partial_mask(name: &'static str, types: Vec<CqlType>, execute: super::Execute) -> Result<Function> {
    let wanted = [CqlType::Int, CqlType::Int, CqlType::Text];
    let mut types = types;
    for (ty, wanted) in types.iter_mut().skip(1).zip(wanted) {
        *ty = wanted;
    }
    of_own_type(name, types, execute)
}

fn default_value<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    masked(&call.function.returns).map(|bytes| Some(Cow::Owned(bytes)))
}

/// What stands for any value of the type (`AbstractType.getMaskedValue`).
fn masked(ty: &CqlType) -> Result<Vec<u8>> {
    Ok(match ty {
        CqlType::Ascii | CqlType::Text => b"****".to_vec(),
        CqlType::Blob => Vec::new(),
        CqlType::Boolean | CqlType::Tinyint | CqlType::Varint => vec![0],
        CqlType::Smallint => vec![0; 2],
        CqlType::Duration => vec![0; 3],
        CqlType::Int | CqlType::Float | CqlType::Inet => vec![0; 4],
        CqlType::Date => vec![0x80, 0, 0, 0],
        // A scale of 0, then a zero.
        CqlType::Decimal => vec![0; 5],
        CqlType::Bigint | CqlType::Counter | CqlType::Double | CqlType::Time | CqlType::Timestamp => {
            vec![0; 8]
        }
        CqlType::Uuid => vec![0; 16],
        CqlType::Timeuuid => time::lowest_at(0).to_vec(),
        CqlType::List { .. } | CqlType::Set { .. } | CqlType::Map { .. } => vec![0; 4],
        CqlType::Tuple(_) | CqlType::Udt { .. } => {
            let mut out = Vec::new();
            for part in ty.parts() {
                value::push_bytes(&mut out, Some(&masked(part)?)).map_err(invalid)?;
            }
            out
        }
        CqlType::Vector { element, dimension } => {
            let mut out = Vec::new();
            let part = masked(element)?;
            for _ in 0..*dimension {
                value::push_vector_element(&mut out, element, &part).map_err(invalid)?;
            }
            out
        }
        CqlType::Empty | CqlType::Custom(_) => {
            return Err(Error::invalid(format!("There isn't a defined masked value for type {ty}")));
        }
    })
}

fn hash<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let algorithm = match call.text(1).unwrap_or("SHA-256").to_ascii_uppercase().as_str() {
        "SHA-256" => &digest::SHA256,
        "SHA-384" => &digest::SHA384,
        "SHA-512" => &digest::SHA512,
        "SHA-512/256" => &digest::SHA512_256,
        "SHA-1" | "SHA1" | "SHA" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        _ => {
            let name = call.text(1).unwrap_or_default();
            return Err(Error::invalid(format!("Hash algorithm not found: {name}")));
        }
    };
    Ok(call.bytes(0).map(|bytes| Cow::Owned(digest::digest(algorithm, bytes).as_ref().to_vec())))
}

/// Masks the characters between the first so many and the last so many, or those outside of them. Characters are
/// counted in UTF-16 units, as Java does.
fn mask<'a>(call: &mut Invocation<'_, 'a>, inner: bool) -> Result<Slot<'a>> {
    let mut padding = u16::from(b'*');
    if let Some(text) = call.text(3) {
        let mut units = text.encode_utf16();
        match (units.next(), units.next()) {
            (Some(only), None) => padding = only,
            _ => {
                return Err(Error::invalid(format!(
                    "The padding argument for function {} should be single-character, but '{text}' has {} characters.",
                    call.function.full_name(),
                    text.encode_utf16().count()
                )));
            }
        }
    }
    let Some(text) = call.text(0) else { return Ok(None) };
    let mut units: Vec<u16> = text.encode_utf16().collect();
    let (first, last) = (call.int(1).unwrap_or(0), call.int(2).unwrap_or(0));
    let last = (units.len() as i32).wrapping_sub(1).wrapping_sub(last);
    for (i, unit) in units.iter_mut().enumerate() {
        let within = (i as i64) >= i64::from(first) && (i as i64) <= i64::from(last);
        if within == inner {
            *unit = padding;
        }
    }
    // Half a character is left where only the other half was masked; Java writes a question mark for it.
    let masked: String = char::decode_utf16(units).map(|unit| unit.unwrap_or('?')).collect();
    Ok(Some(Cow::Owned(masked.into_bytes())))
}
