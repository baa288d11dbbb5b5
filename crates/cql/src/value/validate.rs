//! Whether bytes are a value of a type: Cassandra's `AbstractType.validate`, with its messages.
//!
//! Two cases are stricter than Cassandra on purpose. Text must be UTF-8 as the standard has it, where Cassandra's own
//! state machine lets some malformed sequences through, so that whatever was accepted can be rendered later. A negative
//! element count is refused, which Cassandra notices only when it reads the value back.

use super::text::Hex;
use super::wire::{ListElements, map_entries, take_bytes, take_i32, vector_elements};
use super::{ValueError, vint};
use crate::types::{CqlType, UserType};

fn error(message: impl Into<String>) -> Result<(), ValueError> {
    Err(ValueError::new(message))
}

/// Checks that `bytes` are a value of type `ty` (null has no bytes and is not passed here).
pub fn validate(ty: &CqlType, bytes: &[u8]) -> Result<(), ValueError> {
    let len = bytes.len();
    match ty {
        CqlType::Blob | CqlType::Varint | CqlType::Custom(_) => Ok(()),
        CqlType::Int if len == 4 || len == 0 => Ok(()),
        CqlType::Int => error(format!("Expected 4 or 0 byte int ({len})")),
        CqlType::Bigint | CqlType::Counter if len == 8 || len == 0 => Ok(()),
        CqlType::Bigint | CqlType::Counter => error(format!("Expected 8 or 0 byte long ({len})")),
        CqlType::Text => {
            if std::str::from_utf8(bytes).is_ok() {
                Ok(())
            } else {
                error("String didn't validate.")
            }
        }
        CqlType::Ascii if bytes.is_ascii() => Ok(()),
        CqlType::Ascii => match bytes.iter().find(|byte| !byte.is_ascii()) {
            None => Ok(()),
            Some(byte) => error(format!("Invalid byte for ascii: {}", *byte as i8)),
        },
        CqlType::Uuid if len == 16 || len == 0 => Ok(()),
        CqlType::Uuid => error(format!("UUID should be 16 or 0 bytes ({len})")),
        CqlType::Timeuuid => validate_timeuuid(bytes),
        CqlType::Timestamp if len == 8 || len == 0 => Ok(()),
        CqlType::Timestamp => error(format!("Expected 8 or 0 byte long for date ({len})")),
        CqlType::Double if len == 8 || len == 0 => Ok(()),
        CqlType::Double => error(format!("Expected 8 or 0 byte value for a double ({len})")),
        CqlType::Float if len == 4 || len == 0 => Ok(()),
        CqlType::Float => error(format!("Expected 4 or 0 byte value for a float ({len})")),
        CqlType::Boolean if len <= 1 => Ok(()),
        CqlType::Boolean => error(format!("Expected 1 or 0 byte value ({len})")),
        CqlType::Smallint if len == 2 => Ok(()),
        CqlType::Smallint => error(format!("Expected 2 bytes for a smallint ({len})")),
        CqlType::Tinyint if len == 1 => Ok(()),
        CqlType::Tinyint => error(format!("Expected 1 byte for a tinyint ({len})")),
        CqlType::Date if len == 4 => Ok(()),
        CqlType::Date => error(format!("Expected 4 byte long for date ({len})")),
        CqlType::Time if len == 8 => Ok(()),
        CqlType::Time => error(format!("Expected 8 byte long for time ({len})")),
        CqlType::Decimal if len == 0 || len >= 4 => Ok(()),
        CqlType::Decimal => error(format!("Expected 0 or at least 4 bytes ({len})")),
        CqlType::Inet if matches!(len, 0 | 4 | 16) => Ok(()),
        CqlType::Inet => error(format!("Expected 4 or 16 byte inetaddress; got {}", Hex(bytes))),
        CqlType::Duration => validate_duration(bytes),
        CqlType::Empty if len == 0 => Ok(()),
        CqlType::Empty => error("EmptyType only accept empty values"),
        CqlType::List { element, .. } => validate_elements(ListElements::open(bytes, "list")?, element),
        CqlType::Set { element, .. } => validate_elements(ListElements::open(bytes, "set")?, element),
        CqlType::Map { key, value, .. } => {
            for entry in map_entries(bytes)? {
                let (entry_key, entry_value) = entry?;
                validate(key, entry_key)?;
                validate(value, entry_value)?;
            }
            Ok(())
        }
        CqlType::Tuple(fields) => validate_tuple(fields, bytes),
        CqlType::Udt { definition, .. } => validate_udt(definition, bytes),
        CqlType::Vector { element, .. } => validate_vector(ty, element, bytes),
    }
}

fn validate_elements(elements: ListElements<'_>, ty: &CqlType) -> Result<(), ValueError> {
    for element in elements {
        validate(ty, element?)?;
    }
    Ok(())
}

fn validate_vector(ty: &CqlType, element: &CqlType, bytes: &[u8]) -> Result<(), ValueError> {
    if let Some(expected) = ty.fixed_len().filter(|_| !bytes.is_empty()) {
        if bytes.len() < expected {
            return error(format!("Not enough bytes to read a {ty}"));
        }
        // Any bytes of the right length are a number or a UUID: a vector of floats needs no look at each.
        if bytes.len() == expected && !matches!(element, CqlType::Timeuuid | CqlType::Vector { .. }) {
            return Ok(());
        }
    }
    for part in vector_elements(ty, bytes)? {
        validate(element, part?)?;
    }
    Ok(())
}

fn validate_timeuuid(bytes: &[u8]) -> Result<(), ValueError> {
    let Some(uuid) = bytes.first_chunk::<16>().filter(|_| bytes.len() == 16) else {
        return match bytes.len() {
            0 => Ok(()),
            len => error(format!("UUID should be 16 or 0 bytes ({len})")),
        };
    };
    let [_, _, _, _, _, _, version, ..] = uuid;
    if version >> 4 == 1 {
        return Ok(());
    }
    error(format!("Invalid version for TimeUUID type: 0x{:x}", version >> 4))
}

fn validate_duration(bytes: &[u8]) -> Result<(), ValueError> {
    if bytes.len() < 3 {
        return error(format!("Expected at least 3 bytes for a duration ({})", bytes.len()));
    }
    let parts = (|| {
        let (months, rest) = vint::read_signed(bytes)?;
        let (days, rest) = vint::read_signed(rest)?;
        let (nanos, rest) = vint::read_signed(rest)?;
        rest.is_empty().then_some((months, days, nanos))
    })();
    let Some((months, days, nanos)) = parts else {
        return error(format!(
            "Expected three variable-length integers for a duration ({} bytes)",
            bytes.len()
        ));
    };
    if i32::try_from(months).is_err() {
        return error(format!("The duration months must be a 32 bits integer but was: {months}"));
    }
    if i32::try_from(days).is_err() {
        return error(format!("The duration days must be a 32 bits integer but was: {days}"));
    }
    let all = |test: fn(i64) -> bool| [months, days, nanos].into_iter().all(test);
    if !all(|n| n >= 0) && !all(|n| n <= 0) {
        return error(format!(
            "The duration months, days and nanoseconds must be all of the same sign ({months}, {days}, {nanos})"
        ));
    }
    Ok(())
}

fn validate_tuple(fields: &[CqlType], bytes: &[u8]) -> Result<(), ValueError> {
    let mut rest = bytes;
    for (i, ty) in fields.iter().enumerate() {
        if rest.is_empty() {
            return Ok(());
        }
        match take_bytes(&mut rest) {
            Some(Some(field)) => validate(ty, field)?,
            Some(None) => {}
            None if take_i32(&mut rest).is_none() => {
                return error(format!("Not enough bytes to read size of {i}th component"));
            }
            None => return error(format!("Not enough bytes to read {i}th component")),
        }
    }
    if rest.is_empty() { Ok(()) } else { error("Invalid remaining data after end of tuple value") }
}

fn validate_udt(definition: &UserType, bytes: &[u8]) -> Result<(), ValueError> {
    let mut rest = bytes;
    for (i, (name, ty)) in definition.fields.iter().enumerate() {
        if rest.is_empty() {
            return Ok(());
        }
        match take_bytes(&mut rest) {
            Some(Some(field)) => validate(ty, field)
                .map_err(|e| ValueError::new(format!("Failure validating the {i}th field {name}; {e}")))?,
            Some(None) => {}
            None if take_i32(&mut rest).is_none() => {
                return error(format!("Not enough bytes to read size of {i}th field {name}"));
            }
            None => return error(format!("Not enough bytes to read {i}th field {name}")),
        }
    }
    if rest.is_empty() { Ok(()) } else { error("Invalid remaining data after end of UDT value") }
}
