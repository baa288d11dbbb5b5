//! `abs`, `exp`, `log`, `log10` and `round`, each of a number in the number's own type.

use ilium_cql::CqlType;
use ilium_store::Result;

use super::arguments::written;
use super::registry::Registry;
use super::{Function, Invocation, Slot};
use crate::term::number::{NoResult, Number};

/// The types arithmetic is defined on, those that hold more first: where nothing else chooses between overloads, no
/// digit is lost.
pub(super) const NUMBERS: [CqlType; 9] = [
    CqlType::Decimal,
    CqlType::Varint,
    CqlType::Double,
    CqlType::Bigint,
    CqlType::Float,
    CqlType::Int,
    CqlType::Smallint,
    CqlType::Tinyint,
    CqlType::Counter,
];

pub(super) fn add_to(registry: &mut Registry) {
    for ty in NUMBERS {
        let mut add = |name: &str, execute| {
            registry.add(Function::scalar(name, vec![ty.clone()], ty.clone(), execute));
        };
        add("abs", |call| apply(call, |number| Ok(number.abs())));
        add("exp", |call| apply(call, Number::exp));
        add("log", |call| apply(call, Number::ln));
        add("log10", |call| apply(call, Number::log10));
        add("round", |call| apply(call, Number::round));
    }
}

fn apply<'a>(
    call: &mut Invocation<'_, 'a>,
    function: fn(Number) -> std::result::Result<Number, NoResult>,
) -> Result<Slot<'a>> {
    match call.number(0) {
        Some(number) => written(function(number), call),
        None => Ok(None),
    }
}
