//! The functions behind `+ - * / %` and the minus sign.

use std::borrow::Cow;

use ilium_cql::CqlType;
use ilium_cql::ast::Arithmetic;
use ilium_store::{Error, Result};

use super::arguments::{failed, from_millis, written};
use super::math::NUMBERS;
use super::registry::Registry;
use super::{Function, Invocation, NEGATION, Slot, calendar, operation_name, operator_of};
use crate::term::number::Number;

pub(super) fn add_to(registry: &mut Registry) {
    use Arithmetic as A;
    for left in NUMBERS {
        for right in NUMBERS {
            let returns = common_type(&left, &right);
            for operator in [A::Add, A::Subtract, A::Multiply, A::Divide, A::Modulo] {
                let types = vec![left.clone(), right.clone()];
                registry.add(Function::scalar(operation_name(operator), types, returns.clone(), compute));
            }
        }
        registry.add(Function::scalar(NEGATION, vec![left.clone()], left, negate));
    }
    for operator in [A::Add, A::Subtract] {
        for ty in [CqlType::Timestamp, CqlType::Date] {
            let types = vec![ty.clone(), CqlType::Duration];
            registry.add(Function::scalar(operation_name(operator), types, ty, shift_time));
        }
    }
    for (left, right, returns) in [
        (CqlType::Text, CqlType::Text, CqlType::Text),
        (CqlType::Text, CqlType::Ascii, CqlType::Text),
        (CqlType::Ascii, CqlType::Text, CqlType::Text),
        (CqlType::Ascii, CqlType::Ascii, CqlType::Ascii),
    ] {
        registry.add(Function::scalar(operation_name(A::Add), vec![left, right], returns, concatenate));
    }
}

/// The type of the result: floating where one operand is, and as wide as the wider one.
fn common_type(left: &CqlType, right: &CqlType) -> CqlType {
    let width = |ty: &CqlType| match ty {
        CqlType::Tinyint => 1,
        CqlType::Smallint => 2,
        CqlType::Int | CqlType::Float => 4,
        CqlType::Varint | CqlType::Decimal => u8::MAX,
        _ => 8,
    };
    let floating = |ty: &CqlType| matches!(ty, CqlType::Float | CqlType::Double | CqlType::Decimal);
    match (floating(left) || floating(right), width(left).max(width(right))) {
        (true, 4) => CqlType::Float,
        (true, 8) => CqlType::Double,
        (true, _) => CqlType::Decimal,
        (false, 1) => CqlType::Tinyint,
        (false, 2) => CqlType::Smallint,
        (false, 4) => CqlType::Int,
        (false, 8) => CqlType::Bigint,
        (false, _) => CqlType::Varint,
    }
}

fn operator(function: &Function) -> Arithmetic {
    operator_of(&function.name).unwrap_or(Arithmetic::Add)
}

/// `the operation 'int / int' failed: ...`
fn operation_failed(function: &Function, message: impl std::fmt::Display) -> Error {
    let types: Vec<String> = function.arguments.iter().map(CqlType::to_string).collect();
    let sign = function.operator().map(|sign| format!(" {sign} ")).unwrap_or_default();
    failed(function, format!("the operation '{}' failed: {message}", types.join(&sign)))
}

fn compute<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let (Some(left), Some(right)) = (call.number(0), call.number(1)) else {
        return Ok(None);
    };
    Number::compute(operator(call.function), &left, &right, &call.function.returns)
        .map(|number| Some(number.write().into()))
        .map_err(|e| operation_failed(call.function, e.0))
}

/// The sum of two numbers of one type; `None` where either is no number of it.
pub fn sum(of: &CqlType, left: &[u8], right: &[u8]) -> Result<Option<Vec<u8>>> {
    let (Some(left), Some(right)) = (Number::read(of, left), Number::read(of, right)) else {
        return Ok(None);
    };
    match Number::compute(Arithmetic::Add, &left, &right, of) {
        Ok(sum) => Ok(Some(sum.write())),
        Err(why) => Err(Error::invalid(format!("the operation '{of} + {of}' failed: {}", why.0))),
    }
}

fn negate<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    match call.number(0) {
        Some(number) => written(Ok(number.negate()), call),
        None => Ok(None),
    }
}

fn shift_time<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let (Some(millis), Some(duration)) = (call.millis(0), call.duration(1)) else {
        return Ok(None);
    };
    let (fine_enough, unit) = match call.function.returns {
        CqlType::Date => (duration.nanos == 0, "day"),
        _ => (duration.nanos % calendar::NANOS_PER_MILLI == 0, "millisecond"),
    };
    if !fine_enough {
        let message = format!("The duration must have a {unit} precision. Was: {duration}");
        return Err(operation_failed(call.function, message));
    }
    let shifted = match operator(call.function) {
        Arithmetic::Subtract => calendar::add(millis, calendar::negate(duration)),
        _ => calendar::add(millis, duration),
    };
    Ok(from_millis(&call.function.returns, shifted))
}

fn concatenate<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let (Some(left), Some(right)) = (call.bytes(0), call.bytes(1)) else {
        return Ok(None);
    };
    Ok(Some(Cow::Owned([left, right].concat())))
}
