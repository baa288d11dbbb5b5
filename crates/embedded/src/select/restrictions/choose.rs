//! The values of `=` and IN at one execution, with Cassandra's words for nulls and unset markers.

use std::borrow::Cow;

use ilium_cql::schema::Table;
use ilium_cql::value::{ValueError, list_elements, tuple_fields};
use ilium_store::{Error, Result};
use smallvec::SmallVec;

use super::restriction::{Choices, Restriction, Test, Values, name};
use crate::term::{Env, Term, Value};

/// A value for each column of a restriction; a tuple's may be null.
pub(super) type Tuple<'e> = SmallVec<[Option<Cow<'e, [u8]>>; 2]>;

/// As many values as a restriction has columns, none of them null.
pub(super) type Choice<'e> = SmallVec<[Cow<'e, [u8]>; 2]>;

/// What the columns of a restriction by `=` or IN may be, in the order written; duplicates are kept.
pub(super) fn choices<'e>(
    restriction: &'e Restriction,
    table: &Table,
    env: &Env<'e>,
) -> Result<Vec<Choice<'e>>> {
    let (tuples, is_list) = match &restriction.test {
        Test::Equal(values) => (vec![tuple(values, restriction, table, env)?], false),
        Test::In(list) => (in_list(list, restriction, table, env)?, true),
        // The caller asks for slices in another way.
        Test::Slice { .. } | Test::Contains { .. } => (Vec::new(), false),
    };
    tuples.into_iter().map(|tuple| present(tuple, restriction, table, is_list)).collect()
}

/// The tuples of IN, nulls and all.
pub(super) fn in_list<'e>(
    list: &'e Choices,
    restriction: &Restriction,
    table: &Table,
    env: &Env<'e>,
) -> Result<Vec<Tuple<'e>>> {
    let marker = match list {
        Choices::List(values) => {
            let found = values.iter().map(|values| tuple(values, restriction, table, env)).collect();
            // Of a null and an unset marker in one list, Cassandra complains of the null.
            let is_null = |values: &Values| {
                values.single().is_some_and(|term| matches!(term.evaluate(env), Ok(Value::Null)))
            };
            if Result::is_err(&found) && !restriction.tuple && values.iter().any(is_null) {
                return Err(null_value(restriction.first(), table));
            }
            return found;
        }
        Choices::Marker(marker) => marker,
    };
    let bytes = match marker.evaluate(env)? {
        Value::Null if restriction.tuple => {
            return Err(Error::invalid("Invalid null value for IN restriction"));
        }
        Value::Null => {
            return Err(Error::invalid(format!(
                "Invalid null value for column {}",
                name(table, restriction.first())
            )));
        }
        Value::Unset if restriction.tuple => {
            return Err(Error::invalid(format!(
                "Invalid unset value for in{}",
                tuple_name(restriction, table)
            )));
        }
        Value::Unset => return Err(unset(restriction, table)),
        Value::Bytes(bytes) => bytes,
    };
    let mut elements = list_elements(&bytes).map_err(invalid)?;
    let mut found = Vec::with_capacity(elements.remaining());
    while let Some(element) = elements.next_nullable() {
        let element = element.map_err(invalid)?;
        found.push(match element {
            Some(element) if restriction.tuple => split(element, restriction.columns.len())?,
            // The list's bytes are the bound ones or, for a computed list, gone after this call: copied either way,
            // since IN is not the hot path.
            element => std::iter::once(element.map(|bytes| Cow::Owned(bytes.to_vec()))).collect(),
        });
    }
    Ok(found)
}

/// The value for each column.
pub(super) fn tuple<'e>(
    values: &'e Values,
    restriction: &Restriction,
    table: &Table,
    env: &Env<'e>,
) -> Result<Tuple<'e>> {
    match values {
        Values::Each(terms) => {
            terms.iter().enumerate().map(|(at, term)| one(term, at, restriction, table, env)).collect()
        }
        Values::Tuple(term) => match term.evaluate(env)? {
            Value::Null => Err(Error::invalid(format!(
                "Invalid null value for tuple {}",
                tuple_name(restriction, table)
            ))),
            Value::Unset => Err(Error::invalid(format!(
                "Invalid unset value for tuple {}",
                tuple_name(restriction, table)
            ))),
            Value::Bytes(bytes) => split(&bytes, restriction.columns.len()),
        },
    }
}

fn one<'e>(
    term: &'e Term,
    at: usize,
    restriction: &Restriction,
    table: &Table,
    env: &Env<'e>,
) -> Result<Option<Cow<'e, [u8]>>> {
    match term.evaluate(env)? {
        Value::Null => Ok(None),
        Value::Unset if restriction.tuple => {
            Err(Error::invalid(format!("Invalid unset value for tuple field number {at}")))
        }
        Value::Unset => Err(unset(restriction, table)),
        Value::Bytes(bytes) => Ok(Some(bytes)),
    }
}

fn unset(restriction: &Restriction, table: &Table) -> Error {
    Error::invalid(format!("Invalid unset value for column {}", name(table, restriction.first())))
}

/// The fields that are there: a bound tuple that is short says nothing of the columns that follow.
fn split<'e>(bytes: &[u8], columns: usize) -> Result<Tuple<'e>> {
    tuple_fields(bytes)
        .take(columns)
        .map(|field| Ok(field.map_err(invalid)?.map(|bytes| Cow::Owned(bytes.to_vec()))))
        .collect()
}

fn present<'e>(
    tuple: Tuple<'e>,
    restriction: &Restriction,
    table: &Table,
    is_list: bool,
) -> Result<Choice<'e>> {
    tuple
        .into_iter()
        .enumerate()
        .map(|(at, value)| {
            value.ok_or_else(|| {
                let column = restriction.columns.get(at).copied().unwrap_or_default();
                Error::invalid(match (restriction.tuple, is_list) {
                    (true, true) => {
                        let names: Vec<&str> =
                            restriction.columns.iter().map(|column| name(table, *column)).collect();
                        format!("Invalid null value in condition for columns: [{}]", names.join(", "))
                    }
                    (true, false) => format!("Invalid null value for column {}", name(table, column)),
                    (false, _) => {
                        format!("Invalid null value in condition for column {}", name(table, column))
                    }
                })
            })
        })
        .collect()
}

fn null_value(column: usize, table: &Table) -> Error {
    Error::invalid(format!("Invalid null value in condition for column {}", name(table, column)))
}

fn tuple_name(restriction: &Restriction, table: &Table) -> String {
    let names: Vec<&str> = restriction.columns.iter().map(|column| name(table, *column)).collect();
    format!("({})", names.join(","))
}

pub(super) fn invalid(error: ValueError) -> Error {
    Error::invalid(error.message())
}
