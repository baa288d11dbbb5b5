//! `to_json` and `from_json`.

use std::borrow::Cow;

use ilium_cql::{CqlType, json};
use ilium_store::{Error, Result};

use super::arguments::failed;
use super::factory::{Factory, Make, Parameter};
use super::registry::Registry;
use super::{Function, Invocation, Slot};

pub(super) fn add_to(registry: &mut Registry) {
    for name in ["to_json", "tojson"] {
        registry.add_factory(Factory {
            name,
            parameters: &[Parameter::Any { infer_from_receiver: false }],
            make: Make::Types(|name, types, _| Ok(Function::scalar(name, types, CqlType::Text, to_json))),
        });
    }
    for name in ["from_json", "fromjson"] {
        registry.add_factory(Factory {
            name,
            parameters: &[Parameter::Text],
            make: Make::Types(|name, _, receiver| match receiver {
                Some(receiver) => {
                    Ok(Function::scalar(name, vec![CqlType::Text], receiver.clone(), from_json))
                }
                None => Err(Error::invalid(format!(
                    "{name}() cannot be used in the selection clause of a SELECT statement"
                ))),
            }),
        });
    }
}

fn to_json<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let mut out = String::new();
    match (call.bytes(0), call.function.arguments.first()) {
        (Some(bytes), Some(ty)) if !(bytes.is_empty() && ty.is_empty_meaningless()) => {
            json::to_json(ty, bytes, &mut out).map_err(|e| Error::invalid(e.to_string()))?;
        }
        _ => out.push_str("null"),
    }
    Ok(Some(Cow::Owned(out.into_bytes())))
}

fn from_json<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let Some(text) = call.text(0) else { return Ok(None) };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| {
        let name = call.function.full_name();
        failed(
            call.function,
            format!("execution of '{name}[text]' failed: Could not decode JSON string '{text}': {e}"),
        )
    })?;
    let bytes =
        json::from_json(&call.function.returns, &value).map_err(|e| failed(call.function, e.to_string()))?;
    Ok(bytes.map(Cow::Owned))
}
