//! Arguments read as what they are.

use ilium_cql::CqlType;
use ilium_cql::value::text::Duration;
use ilium_store::{Error, ErrorKind, Result};

use super::{Function, Invocation, NATIVE_KEYSPACE, Slot};
use crate::term::number::{NoResult, Number};
use crate::term::time;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;
pub(super) const DAY_MILLIS: i64 = DAY_SECONDS * 1000;
/// The number of the day 1 January 1970, so that days before it sort first.
const EPOCH_DAY: u32 = 1 << 31;

impl Invocation<'_, '_> {
    pub fn bytes(&self, i: usize) -> Option<&[u8]> {
        self.arguments.get(i)?.as_deref()
    }

    /// A number; empty ones are null.
    pub fn number(&self, i: usize) -> Option<Number> {
        Number::read(self.function.arguments.get(i)?, self.bytes(i)?)
    }

    pub fn int(&self, i: usize) -> Option<i32> {
        self.bytes(i)?.try_into().ok().map(i32::from_be_bytes)
    }

    pub fn long(&self, i: usize) -> Option<i64> {
        self.bytes(i)?.try_into().ok().map(i64::from_be_bytes)
    }

    pub fn duration(&self, i: usize) -> Option<Duration> {
        Duration::from_wire(self.bytes(i)?)
    }

    pub fn text(&self, i: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes(i)?).ok()
    }

    /// Milliseconds since the epoch of a timestamp, date or timeuuid.
    pub fn millis(&self, i: usize) -> Option<i64> {
        match self.function.arguments.get(i)? {
            CqlType::Timestamp => self.long(i),
            CqlType::Date => {
                self.bytes(i)?.try_into().ok().map(|day| date_to_millis(u32::from_be_bytes(day)))
            }
            CqlType::Timeuuid => time::unix_millis(self.bytes(i)?),
            _ => None,
        }
    }
}

pub(super) fn date_to_millis(day: u32) -> i64 {
    i64::from(day.wrapping_sub(EPOCH_DAY) as i32) * DAY_MILLIS
}

/// The date of a time. Before 1970 Cassandra rounds to the day after, and so is it here.
pub(super) fn millis_to_date(millis: i64) -> u32 {
    let days = millis.div_euclid(1000) / DAY_SECONDS;
    (days as u32).wrapping_add(EPOCH_DAY)
}

/// Milliseconds as a value of the type.
pub(super) fn from_millis<'a>(ty: &CqlType, millis: i64) -> Slot<'a> {
    Some(match ty {
        CqlType::Date => millis_to_date(millis).to_be_bytes().to_vec().into(),
        _ => millis.to_be_bytes().to_vec().into(),
    })
}

/// A call that has no result.
pub(super) fn failed(function: &Function, message: String) -> Error {
    let kind = ErrorKind::FunctionFailure {
        keyspace: NATIVE_KEYSPACE.into(),
        name: function.name.clone(),
        arguments: function.arguments.iter().map(CqlType::to_string).collect(),
    };
    Error::new(kind, message)
}

/// A function of numbers that has no value there.
pub(super) fn no_result(function: &Function, error: NoResult) -> Error {
    let arguments: Vec<String> = function.arguments.iter().map(CqlType::to_string).collect();
    let message =
        format!("execution of '{}[{}]' failed: {}", function.full_name(), arguments.join(", "), error.0);
    failed(function, message)
}

/// The number as a result.
pub(super) fn written<'a>(
    result: std::result::Result<Number, NoResult>,
    call: &Invocation<'_, 'a>,
) -> Result<Slot<'a>> {
    result.map(|number| Some(number.write().into())).map_err(|e| no_result(call.function, e))
}
