//! The functions behind CAST.

use ilium_cql::CqlType;
use ilium_cql::value::text::{float_to_text, to_cql_literal};
use ilium_store::{Error, Result};

use super::arguments::written;
use super::math::NUMBERS;
use super::registry::Registry;
use super::{Function, Invocation, Slot, time};
use crate::term::number::{Decimal, NoResult, Number};

pub(super) fn add_to(registry: &mut Registry) {
    for from in NUMBERS {
        for to in NUMBERS.into_iter().filter(|to| *to != from && *to != CqlType::Counter) {
            add(registry, from.clone(), to, convert);
        }
        add_text(registry, from);
    }
    add(registry, CqlType::Ascii, CqlType::Text, same);
    add_text(registry, CqlType::Inet);
    add_text(registry, CqlType::Boolean);
    add(registry, CqlType::Timeuuid, CqlType::Date, time::convert);
    add(registry, CqlType::Timeuuid, CqlType::Timestamp, time::convert);
    add_text(registry, CqlType::Timeuuid);
    add(registry, CqlType::Timestamp, CqlType::Date, time::convert);
    add_text(registry, CqlType::Timestamp);
    add(registry, CqlType::Date, CqlType::Timestamp, time::convert);
    add_text(registry, CqlType::Date);
    add_text(registry, CqlType::Time);
    add_text(registry, CqlType::Uuid);
}

fn add(registry: &mut Registry, from: CqlType, to: CqlType, execute: super::Execute) {
    let to_name = to.to_string();
    let (first, rest) = to_name.split_at_checked(1).unwrap_or(("", &to_name));
    let legacy = format!("castAs{}{rest}", first.to_ascii_uppercase());
    registry.add_with_legacy(Function::scalar(format!("cast_as_{to_name}"), vec![from], to, execute), legacy);
}

fn add_text(registry: &mut Registry, from: CqlType) {
    add(registry, from.clone(), CqlType::Ascii, to_text);
    add(registry, from, CqlType::Text, to_text);
}

fn same<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    Ok(call.arguments.first_mut().and_then(Option::take))
}

fn convert<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let Some(number) = call.number(0) else { return Ok(None) };
    let converted = match (&call.function.returns, &number) {
        (CqlType::Decimal, Number::Float(float)) => decimal_of_float(*float),
        (CqlType::Decimal, Number::Double(_) | Number::Varint(_)) => number.convert(&CqlType::Decimal),
        (CqlType::Decimal, whole) => Ok(Number::Decimal(Decimal::new(whole.long().into(), 0))),
        // Not more than a bigint holds, whatever the number.
        (CqlType::Varint, number) => Number::Bigint(number.long()).convert(&CqlType::Varint),
        (to, number) => number.convert(to),
    };
    written(converted, call)
}

/// By the digits of the float, which are fewer than those of the same number as a double.
fn decimal_of_float(float: f32) -> std::result::Result<Number, NoResult> {
    if float.is_finite() {
        Ok(Number::Decimal(Decimal::from_text(&float_to_text(float))))
    } else {
        Decimal::from_double(f64::from(float)).map(Number::Decimal)
    }
}

fn to_text<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let (Some(ty), Some(bytes)) = (call.function.arguments.first(), call.bytes(0)) else {
        return Ok(None);
    };
    if bytes.is_empty() && ty.is_empty_meaningless() {
        return Ok(None);
    }
    let literal = to_cql_literal(ty, Some(bytes)).map_err(|e| Error::invalid(e.message()))?;
    Ok(Some(literal.trim_matches('\'').as_bytes().to_vec().into()))
}
