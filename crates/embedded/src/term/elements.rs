//! Parts of composed values: fields, elements, slices, and the write times and TTLs of the cells they are in.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use ilium_cql::CqlType;
use ilium_cql::ast::CellMeta;
use ilium_cql::value::{self, CollectionBuilder};
use ilium_store::{Error, Result};

use super::evaluate::{element_key, invalid, slice_ends};
use super::function::Slot;
use super::node::{Node, Term};
use super::{Env, Value};

/// A part of `whole` found by `find`, borrowed where the whole is.
fn part_of<'a>(
    whole: Cow<'a, [u8]>,
    find: impl for<'b> FnOnce(&'b [u8]) -> Result<Option<&'b [u8]>>,
) -> Result<Slot<'a>> {
    match whole {
        Cow::Borrowed(bytes) => Ok(find(bytes)?.map(Cow::Borrowed)),
        Cow::Owned(bytes) => Ok(find(&bytes)?.map(|part| Cow::Owned(part.to_vec()))),
    }
}

/// A field of a tuple or user-defined type; null where the value is too short to have it.
pub(super) fn field(whole: Cow<'_, [u8]>, field: usize) -> Result<Slot<'_>> {
    part_of(whole, |bytes| match value::tuple_fields(bytes).nth(field) {
        Some(found) => found.map_err(invalid),
        None => Ok(None),
    })
}

/// The key, in order, of each element of a set or map, with its value in a map.
fn keyed(ty: &CqlType, bytes: &[u8], mut see: impl FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
    match ty {
        CqlType::Map { .. } => {
            for entry in value::map_entries(bytes).map_err(invalid)? {
                let (key, value) = entry.map_err(invalid)?;
                if !see(key, value) {
                    break;
                }
            }
        }
        _ => {
            for element in value::list_elements(bytes).map_err(invalid)? {
                let element = element.map_err(invalid)?;
                if !see(element, element) {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn key_type(ty: &CqlType) -> Result<&CqlType> {
    match ty {
        CqlType::Set { element: key, .. } | CqlType::Map { key, .. } => Ok(key),
        other => Err(Error::internal(format!("an element was selected of the type {other}"))),
    }
}

/// The value of a map's key, or the element of a set itself.
pub(super) fn element<'a>(ty: &CqlType, whole: Cow<'a, [u8]>, key: &[u8]) -> Result<Slot<'a>> {
    let key_type = key_type(ty)?;
    part_of(whole, |bytes| {
        let mut at = None;
        let base = bytes.as_ptr().addr();
        keyed(ty, bytes, |found, value| match value::compare(key_type, found, key) {
            Ordering::Less => true,
            Ordering::Equal => {
                let start = value.as_ptr().addr() - base;
                at = Some(start..start + value.len());
                false
            }
            Ordering::Greater => false,
        })?;
        Ok(at.and_then(|at| bytes.get(at)))
    })
}

/// Which elements of a set or map lie between two keys, both included.
fn positions(ty: &CqlType, bytes: &[u8], [from, to]: &[Slot<'_>; 2]) -> Result<Range<usize>> {
    let key_type = key_type(ty)?;
    let (mut start, mut end) = (0, 0);
    keyed(ty, bytes, |key, _| {
        if from.as_ref().is_some_and(|from| value::compare(key_type, key, from) == Ordering::Less) {
            start += 1;
        } else if to.as_ref().is_some_and(|to| value::compare(key_type, key, to) == Ordering::Greater) {
            return false;
        }
        end += 1;
        true
    })?;
    Ok(start..end)
}

/// The elements between two keys as a collection of its own; null where there are none of one that is not frozen.
pub(super) fn slice<'a>(ty: &CqlType, whole: Cow<'a, [u8]>, ends: &[Slot<'_>; 2]) -> Result<Slot<'a>> {
    if ends.iter().all(Option::is_none) {
        return Ok(Some(whole));
    }
    let range = positions(ty, &whole, ends)?;
    if range.is_empty() && ty.is_multi_cell() {
        return Ok(None);
    }
    let mut out = Vec::new();
    let mut builder = CollectionBuilder::new(&mut out);
    let mut pushed = Ok(());
    let mut i = 0;
    keyed(ty, &whole, |key, value| {
        if range.contains(&i) {
            pushed = match ty {
                CqlType::Map { .. } => builder.push_entry(key, value),
                _ => builder.push(key),
            };
        }
        i += 1;
        pushed.is_ok()
    })?;
    pushed.and_then(|()| builder.finish()).map_err(invalid)?;
    Ok(Some(Cow::Owned(out)))
}

/// Write times or seconds left to live: of one cell, or of each cell of a multi-cell value.
enum Times {
    None,
    One(Option<i64>),
    Many(Vec<Option<i64>>),
}

/// `writetime`, `maxwritetime` and `ttl` of a column or a part of one.
pub(super) fn cell_meta<'a>(what: CellMeta, of: &'a Term, env: &Env<'a>) -> Result<Value<'a>> {
    let encode = |time: i64| match what {
        CellMeta::Ttl => i32::try_from(time).unwrap_or(i32::MAX).to_be_bytes().to_vec(),
        CellMeta::WriteTime | CellMeta::MaxWriteTime => time.to_be_bytes().to_vec(),
    };
    let time = match (times(what, of, env)?, what) {
        (Times::None, _) => None,
        (Times::One(time), _) => time,
        (Times::Many(all), CellMeta::MaxWriteTime) => all.into_iter().flatten().max(),
        (Times::Many(all), _) if all.is_empty() => None,
        (Times::Many(all), _) => {
            let mut out = (all.len() as u32).to_be_bytes().to_vec();
            for time in all {
                value::push_bytes(&mut out, time.map(encode).as_deref()).map_err(invalid)?;
            }
            return Ok(Value::Bytes(Cow::Owned(out)));
        }
    };
    Ok(time.map(|time| Cow::Owned(encode(time))).into())
}

fn times<'a>(what: CellMeta, of: &'a Term, env: &Env<'a>) -> Result<Times> {
    match &of.node {
        Node::Column(column) => Ok(column_times(what, *column, &of.result_type, env)),
        Node::Field { of: whole, field } => {
            if of.evaluate(env)? == Value::Null {
                return Ok(Times::None);
            }
            Ok(one_of(times(what, whole, env)?, Some(*field)))
        }
        Node::Element { of: whole, key, of_name } => {
            let key = element_key(key, of_name, env)?;
            let Some(bytes) = whole.evaluate(env)?.into_bytes() else { return Ok(Times::None) };
            let ends = [Some(key.clone()), Some(key)];
            let position = positions(&whole.result_type, &bytes, &ends)?;
            Ok(one_of(times(what, whole, env)?, position.into_iter().next()))
        }
        Node::Slice { of: whole, from, to, of_name } => {
            let ends = slice_ends(from.as_deref(), to.as_deref(), of_name, env)?;
            let Some(bytes) = whole.evaluate(env)?.into_bytes() else { return Ok(Times::None) };
            let range = positions(&whole.result_type, &bytes, &ends)?;
            if range.is_empty() {
                return Ok(Times::None);
            }
            Ok(match times(what, whole, env)? {
                Times::Many(all) => Times::Many(all.get(range).unwrap_or_default().to_vec()),
                one => one,
            })
        }
        _ => Err(Error::internal("write times were asked of something that is no column")),
    }
}

/// Of a part of a frozen value the whole's time, for it is one cell.
fn one_of(times: Times, position: Option<usize>) -> Times {
    let Some(position) = position else { return Times::None };
    match times {
        Times::Many(all) => Times::One(all.get(position).copied().flatten()),
        other => other,
    }
}

fn column_times(what: CellMeta, column: usize, ty: &CqlType, env: &Env<'_>) -> Times {
    let Some(row) = env.row else { return Times::None };
    let now = env.now_micros.div_euclid(1_000_000);
    let left = |expires_at: Option<u32>| expires_at.map(|at| i64::from(at) - now).filter(|left| *left >= 0);
    if !ty.is_multi_cell() {
        return Times::One(match what {
            CellMeta::Ttl => left(row.expires_at(column)),
            CellMeta::WriteTime | CellMeta::MaxWriteTime => row.write_time(column),
        });
    }
    let mut all = Vec::new();
    let mut position = 0;
    while let Some(element) = row.element(column, position) {
        position += 1;
        if let CqlType::Udt { .. } = ty {
            // Fields without a value have a place all the same.
            all.resize(all.len().max(usize::from(element.field)), None);
        }
        all.push(match what {
            CellMeta::Ttl => left(element.expires_at),
            CellMeta::WriteTime | CellMeta::MaxWriteTime => Some(element.write_time),
        });
    }
    if let (CqlType::Udt { definition, .. }, 1..) = (ty, position) {
        all.resize(definition.fields.len(), None);
    }
    Times::Many(all)
}
