//! Functions of collections: their keys, values, sizes, and the aggregates of their elements.

use std::borrow::Cow;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::value::{self, CollectionBuilder};
use ilium_store::{Error, Result};

use super::aggregate::{self, AggregateKind};
use super::factory::{Factory, Make, Parameter};
use super::registry::Registry;
use super::{Function, Invocation, Slot};
use crate::term::evaluate::invalid;

pub(super) fn add_to(registry: &mut Registry) {
    let mut add = |name, parameters, make| {
        registry.add_factory(Factory { name, parameters, make: Make::Types(make) });
    };
    add("map_keys", &[Parameter::Map], |name, types, _| {
        let Some(CqlType::Map { key, .. }) = types.first() else { return Err(no_collection(name)) };
        let returns = CqlType::Set { element: Arc::clone(key), frozen: true };
        Ok(Function::scalar(name, types, returns, |call| halves(call, Half::Key)))
    });
    add("map_values", &[Parameter::Map], |name, types, _| {
        let Some(CqlType::Map { value, .. }) = types.first() else { return Err(no_collection(name)) };
        let returns = CqlType::List { element: Arc::clone(value), frozen: true };
        Ok(Function::scalar(name, types, returns, |call| halves(call, Half::Value)))
    });
    add("collection_count", &[Parameter::Collection], |name, types, _| {
        Ok(Function::scalar(name, types, CqlType::Int, count))
    });
    add("collection_min", &[Parameter::SetOrList], |name, types, _| {
        of_elements(name, types, |call| fold(call, AggregateKind::Min))
    });
    add("collection_max", &[Parameter::SetOrList], |name, types, _| {
        of_elements(name, types, |call| fold(call, AggregateKind::Max))
    });
    add("collection_sum", &[Parameter::NumericSetOrList], |name, types, _| {
        of_elements(name, types, |call| fold(call, AggregateKind::Sum))
    });
    add("collection_avg", &[Parameter::NumericSetOrList], |name, types, _| {
        of_elements(name, types, |call| fold(call, AggregateKind::Average))
    });
}

fn no_collection(name: &str) -> Error {
    Error::internal(format!("{name} was made for something that is no such collection"))
}

/// A function that gives back something of the elements' type.
fn of_elements(name: &'static str, types: Vec<CqlType>, execute: super::Execute) -> Result<Function> {
    let Some(CqlType::Set { element, .. } | CqlType::List { element, .. }) = types.first() else {
        return Err(no_collection(name));
    };
    let returns = CqlType::clone(element);
    Ok(Function::scalar(name, types, returns, execute))
}

#[derive(Clone, Copy)]
enum Half {
    Key,
    Value,
}

fn halves<'a>(call: &mut Invocation<'_, 'a>, half: Half) -> Result<Slot<'a>> {
    let Some(bytes) = call.bytes(0) else { return Ok(None) };
    let mut out = Vec::new();
    let mut builder = CollectionBuilder::new(&mut out);
    for entry in value::map_entries(bytes).map_err(invalid)? {
        let (key, value) = entry.map_err(invalid)?;
        builder
            .push(match half {
                Half::Key => key,
                Half::Value => value,
            })
            .map_err(invalid)?;
    }
    builder.finish().map_err(invalid)?;
    Ok(Some(Cow::Owned(out)))
}

fn count<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    // The count is written first, for maps too.
    Ok(call.bytes(0).and_then(|bytes| bytes.get(..4)).map(|count| Cow::Owned(count.to_vec())))
}

fn fold<'a>(call: &mut Invocation<'_, 'a>, kind: AggregateKind) -> Result<Slot<'a>> {
    let Some(bytes) = call.bytes(0) else { return Ok(None) };
    let mut accumulator = aggregate::accumulator(kind, Some(&call.function.returns));
    let mut elements = value::list_elements(bytes).map_err(invalid)?;
    while let Some(element) = elements.next_nullable() {
        accumulator.add(element.map_err(invalid)?)?;
    }
    Ok(accumulator.finish()?.map(Cow::Owned))
}
