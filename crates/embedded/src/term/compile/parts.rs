//! Rules for what is made of parts (lists, sets, maps, tuples), the same for values and for selections.

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::types::Assignment;
use ilium_store::Result;

/// Exact when all are, not assignable as soon as one is not.
pub(super) fn test_all<P>(parts: &[P], mut test: impl FnMut(&P) -> Result<Assignment>) -> Result<Assignment> {
    let mut all = Assignment::Exact;
    for part in parts {
        match test(part)? {
            Assignment::NotAssignable => return Ok(Assignment::NotAssignable),
            fit => all = all.min(fit),
        }
    }
    Ok(all)
}

pub(super) fn test_list<P>(
    receiver: &CqlType,
    parts: &[P],
    test: impl Fn(&P, &CqlType) -> Result<Assignment>,
) -> Result<Assignment> {
    match receiver {
        // An empty list may be a list of anything.
        CqlType::List { .. } if parts.is_empty() => Ok(Assignment::Weak),
        CqlType::List { element, .. } => test_all(parts, |part| test(part, element)),
        _ => Ok(Assignment::NotAssignable),
    }
}

pub(super) fn test_set<P>(
    receiver: &CqlType,
    parts: &[P],
    test: impl Fn(&P, &CqlType) -> Result<Assignment>,
) -> Result<Assignment> {
    match receiver {
        // `{}` is the empty map too.
        CqlType::Set { .. } | CqlType::Map { .. } if parts.is_empty() => Ok(Assignment::Weak),
        CqlType::Set { element, .. } => test_all(parts, |part| test(part, element)),
        _ => Ok(Assignment::NotAssignable),
    }
}

pub(super) fn test_map<P>(
    receiver: &CqlType,
    entries: &[(P, P)],
    test: impl Fn(&P, &CqlType) -> Result<Assignment>,
) -> Result<Assignment> {
    let CqlType::Map { key, value, .. } = receiver else {
        return Ok(Assignment::NotAssignable);
    };
    test_all(entries, |(k, v)| Ok(test(k, key)?.min(test(v, value)?)))
}

/// The fields that `(a, b)` would give values to: in a selection a user-defined type can be written as a tuple too. (As
/// a value to be stored Cassandra's rules allow it as well, and its writes then fail.)
pub(super) fn tuple_types(ty: &CqlType) -> Option<Vec<CqlType>> {
    matches!(ty, CqlType::Tuple(_) | CqlType::Udt { .. }).then(|| ty.parts().cloned().collect())
}

/// Never exact; fewer elements than fields are fine.
pub(super) fn test_tuple<P>(
    fields: &[CqlType],
    parts: &[P],
    test: impl Fn(&P, &CqlType) -> Result<Assignment>,
) -> Result<Assignment> {
    if parts.len() > fields.len() {
        return Ok(Assignment::NotAssignable);
    }
    for (part, field) in parts.iter().zip(fields) {
        if !test(part, field)?.is_assignable() {
            return Ok(Assignment::NotAssignable);
        }
    }
    Ok(Assignment::Weak)
}

/// What a type of a part is asked for: the exact one or a compatible one.
type TypeOf<P> = Result<Option<P>>;

/// The first part whose type is known decides.
pub(super) fn exact_element<P>(
    parts: &[P],
    type_of: impl Fn(&P) -> TypeOf<CqlType>,
) -> Result<Option<Arc<CqlType>>> {
    for part in parts {
        if let Some(element) = type_of(part)? {
            return Ok(Some(Arc::new(element)));
        }
    }
    Ok(None)
}

pub(super) fn exact_set<P>(parts: &[P], type_of: impl Fn(&P) -> TypeOf<CqlType>) -> Result<Option<CqlType>> {
    Ok(exact_element(parts, type_of)?.map(|element| CqlType::Set { element, frozen: true }))
}

pub(super) fn exact_map<P>(
    entries: &[(P, P)],
    type_of: impl Fn(&P) -> TypeOf<CqlType>,
) -> Result<Option<CqlType>> {
    let (mut key, mut value) = (None, None);
    for (k, v) in entries {
        if key.is_none() {
            key = type_of(k)?;
        }
        if value.is_none() {
            value = type_of(v)?;
        }
    }
    Ok(match (key, value) {
        (Some(key), Some(value)) => {
            Some(CqlType::Map { key: Arc::new(key), value: Arc::new(value), frozen: true })
        }
        _ => None,
    })
}

/// Known only where every element's type is.
pub(super) fn exact_tuple<P>(
    parts: &[P],
    type_of: impl Fn(&P) -> TypeOf<CqlType>,
) -> Result<Option<CqlType>> {
    let mut types = Vec::with_capacity(parts.len());
    for part in parts {
        match type_of(part)? {
            Some(part) => types.push(part.freeze()),
            None => return Ok(None),
        }
    }
    Ok(Some(CqlType::Tuple(types.into())))
}

/// A type among those known that every other one can be assigned to.
pub(super) fn compatible_element<P>(
    parts: impl Iterator<Item = P>,
    type_of: impl Fn(P) -> TypeOf<CqlType>,
) -> Result<Option<Arc<CqlType>>> {
    let mut types: Vec<CqlType> = Vec::new();
    for part in parts {
        if let Some(element) = type_of(part)?
            && !types.contains(&element)
        {
            types.push(element);
        }
    }
    let widest = types.iter().find(|wide| types.iter().all(|ty| ty.test_assignment(wide).is_assignable()));
    Ok(widest.cloned().map(Arc::new))
}

pub(super) fn compatible_set<P>(
    parts: &[P],
    type_of: impl Fn(&P) -> TypeOf<CqlType>,
) -> Result<Option<CqlType>> {
    let element = compatible_element(parts.iter(), type_of)?;
    Ok(element.map(|element| CqlType::Set { element, frozen: true }))
}

pub(super) fn compatible_map<P>(
    entries: &[(P, P)],
    type_of: impl Fn(&P) -> TypeOf<CqlType>,
) -> Result<Option<CqlType>> {
    let key = compatible_element(entries.iter().map(|(key, _)| key), &type_of)?;
    let value = compatible_element(entries.iter().map(|(_, value)| value), &type_of)?;
    Ok(key.zip(value).map(|(key, value)| CqlType::Map { key, value, frozen: true }))
}
