//! Time: now, conversions between the types that carry one, and rounding down.

use ilium_cql::CqlType;
use ilium_store::{Error, Result};

use super::arguments::{from_millis, millis_to_date};
use super::registry::Registry;
use super::{Function, Invocation, Slot, calendar};
use crate::term::time;

const DAY_NANOS: i64 = 86_400_000_000_000;

pub(super) fn add_to(registry: &mut Registry) {
    let now = |name: &str, ty| Function::scalar(name, Vec::new(), ty, current).impure();
    registry.add(now("now", CqlType::Timeuuid));
    for (part, ty) in [
        ("timeuuid", CqlType::Timeuuid),
        ("timestamp", CqlType::Timestamp),
        ("date", CqlType::Date),
        ("time", CqlType::Time),
    ] {
        registry.add_with_legacy(now(&format!("current_{part}"), ty), format!("current{part}"));
    }
    let bound = |name, execute| Function::scalar(name, vec![CqlType::Timestamp], CqlType::Timeuuid, execute);
    registry.add_with_legacy(bound("min_timeuuid", least_timeuuid), "mintimeuuid");
    registry.add_with_legacy(bound("max_timeuuid", greatest_timeuuid), "maxtimeuuid");
    for (from, to, name, legacy) in [
        (CqlType::Timeuuid, CqlType::Date, "to_date", "todate"),
        (CqlType::Timestamp, CqlType::Date, "to_date", "todate"),
        (CqlType::Timeuuid, CqlType::Timestamp, "to_timestamp", "totimestamp"),
        (CqlType::Date, CqlType::Timestamp, "to_timestamp", "totimestamp"),
        (CqlType::Timeuuid, CqlType::Bigint, "to_unix_timestamp", "tounixtimestamp"),
        (CqlType::Timestamp, CqlType::Bigint, "to_unix_timestamp", "tounixtimestamp"),
        (CqlType::Date, CqlType::Bigint, "to_unix_timestamp", "tounixtimestamp"),
    ] {
        registry.add_with_legacy(Function::scalar(name, vec![from], to, convert).monotonic(), legacy);
    }
    for (time, start) in [
        (CqlType::Timestamp, CqlType::Timestamp),
        (CqlType::Timeuuid, CqlType::Timestamp),
        (CqlType::Date, CqlType::Date),
    ] {
        let (mut types, returns) = (vec![time, CqlType::Duration], start.clone());
        registry.add(Function::scalar("floor", types.clone(), returns.clone(), floor).monotonic());
        types.push(start);
        registry.add(Function::scalar("floor", types, returns, floor).monotonic());
    }
    let types = vec![CqlType::Time, CqlType::Duration];
    registry.add(Function::scalar("floor", types, CqlType::Time, floor_time).monotonic());
}

fn current<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let micros = call.now_micros;
    Ok(Some(match call.function.returns {
        CqlType::Timeuuid => time::next_timeuuid(micros).to_vec().into(),
        CqlType::Date => millis_to_date(micros.div_euclid(1000)).to_be_bytes().to_vec().into(),
        CqlType::Time => micros.wrapping_mul(1000).rem_euclid(DAY_NANOS).to_be_bytes().to_vec().into(),
        _ => micros.div_euclid(1000).to_be_bytes().to_vec().into(),
    }))
}

fn least_timeuuid<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    Ok(call.millis(0).map(|millis| time::lowest_at(millis).to_vec().into()))
}

fn greatest_timeuuid<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    Ok(call.millis(0).map(|millis| time::highest_at(millis).to_vec().into()))
}

pub(super) fn convert<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    Ok(call.millis(0).and_then(|millis| from_millis(&call.function.returns, millis)))
}

fn floor<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let (Some(millis), Some(duration)) = (call.millis(0), call.duration(1)) else {
        return Ok(None);
    };
    let start = match call.function.arguments.len() {
        3 => call.millis(2),
        _ => Some(0),
    };
    let Some(start) = start else { return Ok(None) };
    let ty = &call.function.returns;
    if *ty == CqlType::Date && duration.nanos != 0 {
        return Err(Error::invalid(format!(
            "The floor on date values cannot be computed for the {duration} duration as precision is below 1 day"
        )));
    }
    if duration.nanos % calendar::NANOS_PER_MILLI != 0 {
        return Err(Error::invalid(format!(
            "The floor cannot be computed for the {duration} duration as precision is below 1 millisecond"
        )));
    }
    let floor = calendar::floor(millis, duration, start).map_err(Error::invalid)?;
    Ok(from_millis(ty, floor))
}

fn floor_time<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let (Some(nanos), Some(duration)) = (call.long(0), call.duration(1)) else {
        return Ok(None);
    };
    let floor = calendar::floor_time(nanos, duration).map_err(Error::invalid)?;
    Ok(Some(floor.to_be_bytes().to_vec().into()))
}
