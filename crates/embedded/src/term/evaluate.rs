//! The value of a compiled expression.

use std::borrow::Cow;
use std::cmp::Ordering;

use ilium_cql::CqlType;
use ilium_cql::value::{self, CollectionBuilder, ValueError};
use ilium_store::{Bind, Binds, Error, Result};
use smallvec::SmallVec;

use super::function::{FunctionKind, Invocation, Slot};
use super::node::{Node, Term};
use super::{Env, Value, elements};

pub(super) fn invalid(error: ValueError) -> Error {
    Error::invalid(error.message())
}

impl Term {
    /// The value in this execution, on this row.
    pub fn evaluate<'a>(&'a self, env: &Env<'a>) -> Result<Value<'a>> {
        match &self.node {
            Node::Null => Ok(Value::Null),
            Node::Constant(bytes) => Ok(Value::Bytes(Cow::Borrowed(bytes))),
            Node::Bind(index) => bound(env.binds, *index, |bytes| checked(&self.result_type, bytes)),
            Node::BindChoices(index) => bound(env.binds, *index, |bytes| choices(&self.result_type, bytes)),
            Node::Column(column) => Ok(env.row.and_then(|row| row.value(*column)).map(Cow::Borrowed).into()),
            Node::Aggregate(slot) => {
                Ok(env.aggregates.get(*slot).and_then(Option::as_deref).map(Cow::Borrowed).into())
            }
            Node::List { parts, nullable } => list(parts, *nullable, env),
            Node::Set(parts) => self.set(parts, env),
            Node::Map { entries, nullable } => self.map(entries, *nullable, env),
            Node::Vector(parts) => self.vector(parts, env),
            Node::Tuple(parts) => self.tuple(parts, env),
            Node::Call { function, arguments } => {
                let FunctionKind::Scalar(execute) = function.kind else {
                    return Err(Error::internal(format!("{function} was called as a scalar function")));
                };
                let mut values: SmallVec<[Slot<'a>; 3]> = SmallVec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(match argument.evaluate(env)? {
                        Value::Unset => {
                            return Err(Error::invalid(format!(
                                "Invalid unset value for argument in call to function {}",
                                function.name
                            )));
                        }
                        value => value.into_bytes(),
                    });
                }
                let now_micros = env.now_micros;
                execute(&mut Invocation { function, arguments: &mut values, now_micros }).map(Value::from)
            }
            Node::Field { of, field } => {
                let Some(bytes) = of.evaluate(env)?.into_bytes() else { return Ok(Value::Null) };
                elements::field(bytes, *field).map(Value::from)
            }
            Node::Element { of, key, of_name } => {
                let key = selected_key(key, "element", of_name, env)?;
                let Some(bytes) = of.evaluate(env)?.into_bytes() else { return Ok(Value::Null) };
                elements::element(&of.result_type, bytes, &key).map(Value::from)
            }
            Node::Slice { of, from, to, of_name } => {
                let ends = slice_ends(from.as_deref(), to.as_deref(), of_name, env)?;
                let Some(bytes) = of.evaluate(env)?.into_bytes() else { return Ok(Value::Null) };
                elements::slice(&of.result_type, bytes, &ends).map(Value::from)
            }
            Node::CellMeta { what, of } => elements::cell_meta(*what, of, env),
        }
    }

    /// Evaluated now, if nothing in it changes between executions. A call that fails stays as it is, to fail when it
    /// is executed, as in Cassandra.
    pub(super) fn fold(self) -> Result<Term> {
        let constant = match &self.node {
            Node::List { parts, .. } | Node::Set(parts) | Node::Vector(parts) | Node::Tuple(parts) => {
                parts.iter().all(Term::is_constant)
            }
            Node::Map { entries, .. } => {
                entries.iter().all(|(key, value)| key.is_constant() && value.is_constant())
            }
            Node::Call { function, arguments } => {
                function.is_pure() && arguments.iter().all(Term::is_constant)
            }
            _ => false,
        };
        if !constant {
            return Ok(self);
        }
        let binds = Binds::default();
        let env = Env { binds: &binds, row: None, aggregates: &[], now_micros: 0 };
        let node = match self.evaluate(&env) {
            Ok(value) => match value.into_bytes() {
                Some(bytes) => Node::Constant(bytes.into_owned().into_boxed_slice()),
                None => Node::Null,
            },
            Err(_) if matches!(self.node, Node::Call { .. }) => return Ok(self),
            Err(e) => return Err(e),
        };
        Ok(Term::new(node, self.result_type))
    }

    fn set<'a>(&'a self, parts: &'a [Term], env: &Env<'a>) -> Result<Value<'a>> {
        let CqlType::Set { element, .. } = &self.result_type else {
            return Err(wrong_type("set", &self.result_type));
        };
        let mut found: Vec<Cow<'a, [u8]>> = Vec::with_capacity(parts.len());
        for part in parts {
            match part.evaluate(env)? {
                Value::Null => return Err(null_inside("collections")),
                Value::Unset => return Ok(Value::Unset),
                Value::Bytes(bytes) => found.push(bytes),
            }
        }
        found.sort_by(|a, b| value::compare(element, a, b));
        // Of equals the first written stays, as in Java's TreeSet.
        found.dedup_by(|b, a| value::compare(element, a, b) == Ordering::Equal);
        build(|builder| found.iter().try_for_each(|element| builder.push(element)))
    }

    fn map<'a>(&'a self, entries: &'a [(Term, Term)], nullable: bool, env: &Env<'a>) -> Result<Value<'a>> {
        let CqlType::Map { key: key_type, .. } = &self.result_type else {
            return Err(wrong_type("map", &self.result_type));
        };
        let mut found: Vec<(Cow<'a, [u8]>, Slot<'a>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = match key.evaluate(env)? {
                Value::Null => return Err(null_inside("collections")),
                Value::Unset => return Err(Error::invalid("unset value is not supported for map keys")),
                Value::Bytes(bytes) => bytes,
            };
            match value.evaluate(env)? {
                Value::Null if nullable => found.push((key, None)),
                Value::Null => return Err(null_inside("collections")),
                Value::Unset => return Ok(Value::Unset),
                Value::Bytes(value) => found.push((key, Some(value))),
            }
        }
        sort_entries(&mut found, key_type);
        let mut out = (found.len() as u32).to_be_bytes().to_vec();
        for (key, value) in found {
            value::push_bytes(&mut out, Some(&key)).map_err(invalid)?;
            value::push_bytes(&mut out, value.as_deref()).map_err(invalid)?;
        }
        Ok(Value::Bytes(Cow::Owned(out)))
    }

    fn vector<'a>(&'a self, parts: &'a [Term], env: &Env<'a>) -> Result<Value<'a>> {
        let CqlType::Vector { element, .. } = &self.result_type else {
            return Err(wrong_type("vector", &self.result_type));
        };
        let mut out = Vec::new();
        for part in parts {
            match part.evaluate(env)? {
                Value::Bytes(bytes) if !(bytes.is_empty() && element.is_empty_meaningless()) => {
                    value::push_vector_element(&mut out, element, &bytes).map_err(invalid)?;
                }
                _ => return Err(null_inside("vectors")),
            }
        }
        Ok(Value::Bytes(Cow::Owned(out)))
    }

    fn tuple<'a>(&'a self, parts: &'a [Term], env: &Env<'a>) -> Result<Value<'a>> {
        let mut out = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let value = match part.evaluate(env)? {
                Value::Unset => return Err(self.unset_field(i)),
                value => value.into_bytes(),
            };
            value::push_bytes(&mut out, value.as_deref()).map_err(invalid)?;
        }
        Ok(Value::Bytes(Cow::Owned(out)))
    }

    fn unset_field(&self, field: usize) -> Error {
        Error::invalid(match &self.result_type {
            CqlType::Udt { definition, .. } => format!(
                "Invalid unset value for field '{}' of user defined type {}",
                definition.fields.get(field).map(|(name, _)| &**name).unwrap_or_default(),
                definition.name
            ),
            _ => format!("Invalid unset value for tuple field number {field}"),
        })
    }
}

fn list<'a>(parts: &'a [Term], nullable: bool, env: &Env<'a>) -> Result<Value<'a>> {
    let mut out = (parts.len() as u32).to_be_bytes().to_vec();
    for part in parts {
        let value = match part.evaluate(env)? {
            Value::Null if nullable => None,
            Value::Null => return Err(null_inside("collections")),
            Value::Unset => return Ok(Value::Unset),
            Value::Bytes(bytes) => Some(bytes),
        };
        value::push_bytes(&mut out, value.as_deref()).map_err(invalid)?;
    }
    Ok(Value::Bytes(Cow::Owned(out)))
}

fn build<'a>(
    fill: impl FnOnce(&mut CollectionBuilder<'_>) -> std::result::Result<(), ValueError>,
) -> Result<Value<'a>> {
    let mut out = Vec::new();
    let mut builder = CollectionBuilder::new(&mut out);
    fill(&mut builder).and_then(|()| builder.finish()).map_err(invalid)?;
    Ok(Value::Bytes(Cow::Owned(out)))
}

/// By key; of equal keys the value written last wins.
fn sort_entries<V>(entries: &mut Vec<(Cow<'_, [u8]>, V)>, key_type: &CqlType) {
    entries.reverse();
    entries.sort_by(|(a, _), (b, _)| value::compare(key_type, a, b));
    entries.dedup_by(|(b, _), (a, _)| value::compare(key_type, a, b) == Ordering::Equal);
}

fn null_inside(what: &str) -> Error {
    Error::invalid(format!("null is not supported inside {what}"))
}

fn wrong_type(literal: &str, ty: &CqlType) -> Error {
    Error::internal(format!("a {literal} was compiled for the type {ty}"))
}

/// The value of a marker, after `check`.
fn bound<'a>(
    binds: &'a Binds,
    index: u16,
    check: impl FnOnce(&'a [u8]) -> Result<Cow<'a, [u8]>>,
) -> Result<Value<'a>> {
    match binds.get(usize::from(index)) {
        None => Err(Error::invalid(format!(
            "Invalid amount of bind variables: {} were given, and number {index} is missing",
            binds.len()
        ))),
        Some(Bind::Null) => Ok(Value::Null),
        Some(Bind::Unset) => Ok(Value::Unset),
        Some(Bind::Value(bytes)) => check(bytes).map(Value::Bytes),
    }
}

/// A valid value, its sets and maps in order, for drivers may send them in any.
fn checked<'a>(ty: &CqlType, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    value::validate(ty, bytes).map_err(invalid)?;
    if has_order(ty) { ordered(ty, bytes) } else { Ok(Cow::Borrowed(bytes)) }
}

/// A list of valid values, each alone: null among them is for the restriction to judge.
fn choices<'a>(ty: &CqlType, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    let CqlType::List { element: element_type, .. } = ty else {
        return Err(wrong_type("list of choices", ty));
    };
    let mut elements = value::list_elements(bytes).map_err(invalid)?;
    let mut found = Vec::new();
    while let Some(element) = elements.next_nullable() {
        found.push(element.map_err(invalid)?.map(|element| checked(element_type, element)).transpose()?);
    }
    if !found.iter().flatten().any(|element| matches!(element, Cow::Owned(_))) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = (found.len() as u32).to_be_bytes().to_vec();
    for element in found {
        value::push_bytes(&mut out, element.as_deref()).map_err(invalid)?;
    }
    Ok(Cow::Owned(out))
}

/// Whether sets or maps are in it where Cassandra reads them element by element.
fn has_order(ty: &CqlType) -> bool {
    match ty {
        CqlType::Set { .. } | CqlType::Map { .. } => true,
        CqlType::List { element, .. } => has_order(element),
        _ => false,
    }
}

fn ordered<'a>(ty: &CqlType, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    match ty {
        CqlType::Set { element, .. } => {
            let mut found = value::list_elements(bytes)
                .map_err(invalid)?
                .map(|part| ordered(element, part.map_err(invalid)?))
                .collect::<Result<Vec<_>>>()?;
            let sorted = found.iter().all(|part| matches!(part, Cow::Borrowed(_)))
                && found.is_sorted_by(|a, b| value::compare(element, a, b) == Ordering::Less);
            if sorted {
                return Ok(Cow::Borrowed(bytes));
            }
            found.sort_by(|a, b| value::compare(element, a, b));
            found.dedup_by(|b, a| value::compare(element, a, b) == Ordering::Equal);
            rebuilt(|builder| found.iter().try_for_each(|part| builder.push(part)))
        }
        CqlType::Map { key: key_type, value: value_type, .. } => {
            let mut found = value::map_entries(bytes)
                .map_err(invalid)?
                .map(|entry| {
                    let (key, value) = entry.map_err(invalid)?;
                    Ok((ordered(key_type, key)?, ordered(value_type, value)?))
                })
                .collect::<Result<Vec<_>>>()?;
            let sorted = found.iter().all(|entry| matches!(entry, (Cow::Borrowed(_), Cow::Borrowed(_))))
                && found.is_sorted_by(|(a, _), (b, _)| value::compare(key_type, a, b) == Ordering::Less);
            if sorted {
                return Ok(Cow::Borrowed(bytes));
            }
            sort_entries(&mut found, key_type);
            rebuilt(|builder| found.iter().try_for_each(|(key, value)| builder.push_entry(key, value)))
        }
        CqlType::List { element, .. } if has_order(element) => {
            let found = value::list_elements(bytes)
                .map_err(invalid)?
                .map(|part| ordered(element, part.map_err(invalid)?))
                .collect::<Result<Vec<_>>>()?;
            if found.iter().all(|part| matches!(part, Cow::Borrowed(_))) {
                return Ok(Cow::Borrowed(bytes));
            }
            rebuilt(|builder| found.iter().try_for_each(|part| builder.push(part)))
        }
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

fn rebuilt<'a>(
    fill: impl FnOnce(&mut CollectionBuilder<'_>) -> std::result::Result<(), ValueError>,
) -> Result<Cow<'a, [u8]>> {
    build(fill).map(|value| value.into_bytes().unwrap_or_default())
}

/// The key of `c[key]`, which has to be there.
fn selected_key<'a>(key: &'a Term, kind: &str, of: &str, env: &Env<'a>) -> Result<Cow<'a, [u8]>> {
    let lack = match key.evaluate(env)? {
        Value::Bytes(bytes) => return Ok(bytes),
        Value::Null => "null",
        Value::Unset => "unset",
    };
    Err(Error::invalid(format!("Invalid {lack} value for {kind} selection on {of}")))
}

/// The ends of `c[from..to]`; one that is left out or unset is open.
pub(super) fn slice_ends<'a>(
    from: Option<&'a Term>,
    to: Option<&'a Term>,
    of: &str,
    env: &Env<'a>,
) -> Result<[Slot<'a>; 2]> {
    let end = |end: Option<&'a Term>| match end.map(|end| end.evaluate(env)).transpose()? {
        None | Some(Value::Unset) => Ok(None),
        Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
        Some(Value::Null) => Err(Error::invalid(format!("Invalid null value for slice selection on {of}"))),
    };
    Ok([end(from)?, end(to)?])
}

/// The key of a selected element, for reading its write time.
pub(super) fn element_key<'a>(key: &'a Term, of: &str, env: &Env<'a>) -> Result<Cow<'a, [u8]>> {
    selected_key(key, "element", of, env)
}
