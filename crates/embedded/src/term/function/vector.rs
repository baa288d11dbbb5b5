//! How alike two vectors of floats are, from 0 to 1 (a dot product may leave that range).

use std::borrow::Cow;

use ilium_cql::CqlType;
use ilium_store::{Error, Result};

use super::factory::{Factory, Make, Parameter};
use super::registry::Registry;
use super::{Function, Invocation, Slot};

pub(super) fn add_to(registry: &mut Registry) {
    for (name, execute) in [
        ("similarity_cosine", cosine as super::Execute),
        ("similarity_euclidean", euclidean),
        ("similarity_dot_product", dot_product),
    ] {
        registry.add_factory(Factory {
            name,
            parameters: &[Parameter::FloatVector { same_as: 1 }, Parameter::FloatVector { same_as: 0 }],
            make: Make::Vectors(execute),
        });
    }
}

/// For two vectors of one dimension.
pub(super) fn make(name: &'static str, types: Vec<CqlType>, execute: super::Execute) -> Result<Function> {
    if let [CqlType::Vector { dimension, .. }, CqlType::Vector { dimension: other, .. }] = types.as_slice()
        && dimension != other
    {
        return Err(Error::invalid("All arguments must have the same vector dimensions"));
    }
    let first = types.first().cloned().unwrap_or(CqlType::Blob);
    Ok(Function::scalar(name, vec![first.clone(), first], CqlType::Float, execute))
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|float| f32::from_be_bytes(*float))
}

fn sum_of(left: &[u8], right: &[u8], term: fn(f32, f32) -> f32) -> f32 {
    floats(left).zip(floats(right)).fold(0.0, |sum, (a, b)| sum + term(a, b))
}

fn compare<'a>(
    call: &mut Invocation<'_, 'a>,
    similarity: impl FnOnce(&[u8], &[u8]) -> Result<f32>,
) -> Result<Slot<'a>> {
    let (Some(left), Some(right)) = (call.bytes(0), call.bytes(1)) else {
        return Ok(None);
    };
    similarity(left, right).map(|similarity| Some(Cow::Owned(similarity.to_be_bytes().to_vec())))
}

fn cosine<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let name = call.function.full_name();
    compare(call, |left, right| {
        if [left, right].into_iter().any(|vector| floats(vector).all(|float| float == 0.0)) {
            return Err(Error::invalid(format!("Function {name} doesn't support all-zero vectors.")));
        }
        let dot = sum_of(left, right, |a, b| a * b);
        let squares = |vector: &[u8]| f64::from(sum_of(vector, vector, |a, b| a * b));
        let cosine = (f64::from(dot) / (squares(left) * squares(right)).sqrt()) as f32;
        Ok((1.0 + cosine) / 2.0)
    })
}

fn euclidean<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    compare(call, |left, right| Ok(1.0 / (1.0 + sum_of(left, right, |a, b| (a - b) * (a - b)))))
}

fn dot_product<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    compare(call, |left, right| Ok((1.0 + sum_of(left, right, |a, b| a * b)) / 2.0))
}
