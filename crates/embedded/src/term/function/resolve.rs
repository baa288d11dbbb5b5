//! Which overload a call means (Cassandra's `FunctionResolver`).

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::schema::Table;
use ilium_cql::types::Assignment;
use ilium_store::{Error, Result};

use super::registry::registry;
use super::{Function, NATIVE_KEYSPACE, NEGATION, operator_of};
use crate::term::compile::{Argument, operator_sign};

/// A call before its function is known.
pub(in crate::term) struct Lookup<'a> {
    pub keyspace: Option<&'a str>,
    pub name: &'a str,
    /// The name as messages show it.
    pub shown: &'a str,
    pub arguments: &'a [&'a dyn Argument],
    /// What takes the result, where that is known.
    pub receiver: Option<&'a CqlType>,
    /// The table whose partition key `token()` is of.
    pub table: Option<&'a Table>,
}

/// `None`: there is no function of that name.
pub(in crate::term) fn resolve(lookup: &Lookup<'_>) -> Result<Option<Arc<Function>>> {
    if lookup.keyspace.is_some_and(|keyspace| keyspace != NATIVE_KEYSPACE) {
        return Ok(None);
    }
    let known = registry();
    let made = match known.factory(lookup.name) {
        Some(factory) => Some(Arc::new(factory.make(lookup)?)),
        None => None,
    };
    let candidates: Vec<&Arc<Function>> = known.overloads(lookup.name).iter().chain(&made).collect();
    match candidates.as_slice() {
        [] => Ok(None),
        [only] => {
            check_types(only, lookup)?;
            Ok(Some(Arc::clone(only)))
        }
        several => pick(several, lookup).map(Some),
    }
}

/// The precise error that a function without overloads allows.
fn check_types(function: &Function, lookup: &Lookup<'_>) -> Result<()> {
    if lookup.arguments.len() != function.arguments.len() {
        return Err(Error::invalid(format!(
            "Invalid number of arguments in call to function {}: {} required but {} provided",
            function.full_name(),
            function.arguments.len(),
            lookup.arguments.len()
        )));
    }
    for (i, (argument, expected)) in lookup.arguments.iter().zip(&function.arguments).enumerate() {
        if !argument.test(expected)?.is_assignable() {
            return Err(Error::invalid(format!(
                "Type error: {} cannot be passed as argument {i} of function {} of type {expected}",
                argument.text(),
                function.full_name()
            )));
        }
    }
    Ok(())
}

fn pick(candidates: &[&Arc<Function>], lookup: &Lookup<'_>) -> Result<Arc<Function>> {
    let (mut exact, mut compatible) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let returns_it = lookup
            .receiver
            .is_none_or(|receiver| candidate.returns.test_assignment(receiver).is_assignable());
        if !returns_it {
            continue;
        }
        match fit(candidate, lookup)? {
            Assignment::Exact => exact.push(*candidate),
            Assignment::Weak => compatible.push(*candidate),
            Assignment::NotAssignable => {}
        }
    }
    if let Some(best) = most_alike(&exact, lookup)? {
        return Ok(Arc::clone(best));
    }
    let operator = operator_of(lookup.name).map(operator_sign);
    let argument = |i: usize| lookup.arguments.get(i).map(|argument| argument.text()).unwrap_or_default();
    match (compatible.as_slice(), operator) {
        ([only], _) => Ok(Arc::clone(only)),
        ([], Some(sign)) => Err(Error::invalid(format!(
            "the '{sign}' operation is not supported between {} and {}",
            argument(0),
            argument(1)
        ))),
        ([], None) => Err(Error::invalid(format!(
            "Invalid call to function {}, none of its type signatures match (known type signatures: {})",
            lookup.shown,
            list(candidates)
        ))),
        (several, Some(sign)) => {
            // Literals take the receiver's type on both sides, where that is one of the choices.
            if let Some(receiver) = lookup.receiver
                && !lookup.arguments.iter().any(|argument| argument.is_marker())
                && let Some(same) =
                    several.iter().find(|function| function.arguments.iter().all(|ty| ty == receiver))
            {
                return Ok(Arc::clone(same));
            }
            Err(Error::invalid(format!(
                "Ambiguous '{sign}' operation with args {} and {}: use type hint to disambiguate, example '(int) ?'",
                argument(0),
                argument(1)
            )))
        }
        (_, None) if lookup.name == NEGATION => {
            Err(Error::invalid("Ambiguous negation: use type casts to disambiguate"))
        }
        (several, None) => Err(Error::invalid(format!(
            "Ambiguous call to function {} (can be matched by following signatures: {}): use type casts to disambiguate",
            lookup.shown,
            list(several)
        ))),
    }
}

/// A call among the arguments counts as exact for every type that some overload of it returns, so that several functions
/// may fit exactly. Cassandra takes the one its hash table has first, and often fails then; here it is the one whose
/// arguments have the types they would have by themselves, and beyond that the type of what takes the result.
fn most_alike<'f>(exact: &[&'f Arc<Function>], lookup: &Lookup<'_>) -> Result<Option<&'f Arc<Function>>> {
    if let [] | [_] = exact {
        return Ok(exact.first().copied());
    }
    let natural =
        lookup.arguments.iter().map(|argument| argument.natural_type()).collect::<Result<Vec<_>>>()?;
    let likeness = |function: &Function| {
        let own =
            function.arguments.iter().zip(&natural).filter(|(ty, own)| own.as_ref() == Some(*ty)).count();
        let same = function.arguments.iter().filter(|ty| lookup.receiver == Some(*ty)).count();
        (own, same)
    };
    Ok(exact.iter().copied().rev().max_by_key(|function| likeness(function)))
}

fn fit(function: &Function, lookup: &Lookup<'_>) -> Result<Assignment> {
    if lookup.arguments.len() != function.arguments.len() {
        return Ok(Assignment::NotAssignable);
    }
    let mut all = Assignment::Exact;
    for (argument, expected) in lookup.arguments.iter().zip(&function.arguments) {
        match argument.test(expected)? {
            Assignment::NotAssignable => return Ok(Assignment::NotAssignable),
            fit => all = all.min(fit),
        }
    }
    Ok(all)
}

fn list(functions: &[&Arc<Function>]) -> String {
    functions.iter().map(|function| function.to_string()).collect::<Vec<_>>().join(", ")
}
