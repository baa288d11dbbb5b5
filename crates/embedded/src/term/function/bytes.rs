//! `int_as_blob`, `blob_as_int` and their like: the same bytes under another type.

use ilium_cql::{CqlType, value};
use ilium_store::{Error, Result};

use super::registry::Registry;
use super::{Function, Invocation, Slot};

/// Every native type but blob; `varchar` is named beside `text`.
const NAMES: [(&str, CqlType); 21] = [
    ("ascii", CqlType::Ascii),
    ("bigint", CqlType::Bigint),
    ("boolean", CqlType::Boolean),
    ("counter", CqlType::Counter),
    ("date", CqlType::Date),
    ("decimal", CqlType::Decimal),
    ("double", CqlType::Double),
    ("duration", CqlType::Duration),
    ("empty", CqlType::Empty),
    ("float", CqlType::Float),
    ("inet", CqlType::Inet),
    ("int", CqlType::Int),
    ("smallint", CqlType::Smallint),
    ("text", CqlType::Text),
    ("time", CqlType::Time),
    ("timestamp", CqlType::Timestamp),
    ("timeuuid", CqlType::Timeuuid),
    ("tinyint", CqlType::Tinyint),
    ("uuid", CqlType::Uuid),
    ("varchar", CqlType::Text),
    ("varint", CqlType::Varint),
];

pub(super) fn add_to(registry: &mut Registry) {
    for (name, ty) in NAMES {
        let to = Function::scalar(format!("{name}_as_blob"), vec![ty.clone()], CqlType::Blob, same_bytes);
        let from = Function::scalar(format!("blob_as_{name}"), vec![CqlType::Blob], ty, checked_bytes);
        registry.add_with_legacy(to, format!("{name}asblob"));
        registry.add_with_legacy(from, format!("blobas{name}"));
    }
}

fn same_bytes<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    Ok(call.arguments.first_mut().and_then(Option::take))
}

fn checked_bytes<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let Some(bytes) = call.arguments.first_mut().and_then(Option::take) else {
        return Ok(None);
    };
    if value::validate(&call.function.returns, &bytes).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(Error::invalid(format!(
            "In call to function {}, value 0x{hex} is not a valid binary representation for type {}",
            call.function.full_name(),
            call.function.name.trim_start_matches("blob_as_").trim_start_matches("blobas")
        )));
    }
    Ok(Some(bytes))
}
