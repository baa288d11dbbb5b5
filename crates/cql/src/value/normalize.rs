//! Collections as they are kept: sets and maps in order and without duplicates, however a client sent them.
//!
//! Cassandra takes a bound collection apart, with the collections in it, and puts it together again. Tuples,
//! user-defined types and vectors are kept as they came, with all that is in them.

use super::wire::{CollectionBuilder, ListElements, MapEntries, map_entries};
use super::{ValueError, compare};
use crate::types::CqlType;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A valid value as Cassandra keeps it. Of entries with equal keys the first one's key stays, with the last one's
/// value.
pub fn normalize<'a>(ty: &CqlType, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, ValueError> {
    if is_normal(ty, bytes)? {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut builder = CollectionBuilder::new(&mut out);
    for entry in match ty {
        CqlType::Set { element, .. } => unique(element, Parts::list(bytes)?.read(element, None)?),
        CqlType::Map { key, value, .. } => unique(key, Parts::map(bytes)?.read(key, Some(value))?),
        CqlType::List { element, .. } => Parts::list(bytes)?.read(element, None)?,
        _ => Vec::new(),
    } {
        match entry.value {
            Some(value) => builder.push_entry(&entry.key, &value)?,
            None => builder.push(&entry.key)?,
        }
    }
    builder.finish()?;
    Ok(Cow::Owned(out))
}

/// Whether nothing is to be done: what drivers send in order is kept without a copy.
fn is_normal(ty: &CqlType, bytes: &[u8]) -> Result<bool, ValueError> {
    match ty {
        CqlType::List { element, .. } if is_rebuilt(element) => {
            for part in Parts::list(bytes)? {
                if !is_normal(element, part?.0)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        CqlType::Set { element, .. } => is_ascending(Parts::list(bytes)?, element, None),
        CqlType::Map { key, value, .. } => is_ascending(Parts::map(bytes)?, key, Some(value)),
        _ => Ok(true),
    }
}

fn is_ascending(parts: Parts<'_>, key: &CqlType, value: Option<&CqlType>) -> Result<bool, ValueError> {
    let mut previous: Option<&[u8]> = None;
    for part in parts {
        let (part_key, part_value) = part?;
        let ascends = previous.is_none_or(|previous| compare(key, previous, part_key) == Ordering::Less);
        if !ascends || !is_normal(key, part_key)? {
            return Ok(false);
        }
        if let (Some(value), Some(bytes)) = (value, part_value)
            && !is_normal(value, bytes)?
        {
            return Ok(false);
        }
        previous = Some(part_key);
    }
    Ok(true)
}

/// Whether values of a type are taken apart at all.
fn is_rebuilt(ty: &CqlType) -> bool {
    match ty {
        CqlType::Set { .. } | CqlType::Map { .. } => true,
        CqlType::List { element, .. } => is_rebuilt(element),
        _ => false,
    }
}

struct Entry<'a> {
    key: Cow<'a, [u8]>,
    /// Of a map only.
    value: Option<Cow<'a, [u8]>>,
}

/// Elements and entries alike: a key, and a value if it is a map's.
enum Parts<'a> {
    List(ListElements<'a>),
    Map(MapEntries<'a>),
}

impl<'a> Parts<'a> {
    fn list(bytes: &'a [u8]) -> Result<Self, ValueError> {
        Ok(Parts::List(ListElements::open(bytes, "collection")?))
    }

    fn map(bytes: &'a [u8]) -> Result<Self, ValueError> {
        Ok(Parts::Map(map_entries(bytes)?))
    }

    fn read(self, key: &CqlType, value: Option<&CqlType>) -> Result<Vec<Entry<'a>>, ValueError> {
        self.map(|part| {
            let (part_key, part_value) = part?;
            let value = match (value, part_value) {
                (Some(value), Some(bytes)) => Some(normalize(value, bytes)?),
                _ => None,
            };
            Ok(Entry { key: normalize(key, part_key)?, value })
        })
        .collect()
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(&'a [u8], Option<&'a [u8]>), ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Parts::List(elements) => Some(elements.next()?.map(|element| (element, None))),
            Parts::Map(entries) => Some(entries.next()?.map(|(key, value)| (key, Some(value)))),
        }
    }
}

fn unique<'a>(ty: &CqlType, mut entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
    // Stable: of equal keys the first stays first.
    entries.sort_by(|a, b| compare(ty, &a.key, &b.key));
    entries.dedup_by(|later, kept| {
        let same = compare(ty, &later.key, &kept.key).is_eq();
        if same {
            kept.value = later.value.take();
        }
        same
    });
    entries
}
