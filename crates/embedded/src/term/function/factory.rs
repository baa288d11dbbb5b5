//! Functions made to measure for the types of a call's arguments (Cassandra's `FunctionFactory`).

use std::borrow::Cow;

use ilium_cql::CqlType;
use ilium_store::{Error, Result};

use super::resolve::Lookup;
use super::{Execute, Function, NATIVE_KEYSPACE, vector};
use crate::term::compile::Argument;

/// Makes a function for argument types that fit the parameters.
pub(super) struct Factory {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    pub make: Make,
}

pub(super) enum Make {
    /// From the name, the argument types and what takes the result.
    Types(fn(&'static str, Vec<CqlType>, Option<&CqlType>) -> Result<Function>),
    /// From two vectors of one dimension.
    Vectors(Execute),
    /// From the whole call, its arguments unseen.
    Call(fn(&Lookup<'_>) -> Result<Function>),
}

/// What an argument may be, and which type it has where it says none itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Parameter {
    Any {
        infer_from_receiver: bool,
    },
    /// `Int`, `Text` or a string of either kind.
    Int,
    Text,
    AnyString,
    OptionalText,
    /// Of the type of the argument at that index, always.
    SameAs(usize),
    Collection,
    SetOrList,
    NumericSetOrList,
    Map,
    /// A vector of floats; of the type of the argument at that index, where it has none itself.
    FloatVector {
        same_as: usize,
    },
}

impl Factory {
    pub fn make(&self, lookup: &Lookup<'_>) -> Result<Function> {
        if let Make::Call(make) = self.make {
            return make(lookup).map(Function::made_by_factory);
        }
        let (arguments, receiver) = (lookup.arguments, lookup.receiver);
        if arguments.len() > self.parameters.len() || arguments.len() < self.mandatory() {
            return Err(Error::invalid(format!("Invalid number of arguments for function {}", self.text())));
        }
        let pairs = || self.parameters.iter().zip(arguments);
        // First each for itself, then with the others' types to go by.
        let mut types: Vec<Option<CqlType>> = Vec::with_capacity(arguments.len());
        for (parameter, argument) in pairs() {
            types.push(parameter.infer(*argument, receiver, &[])?);
        }
        for (i, (parameter, argument)) in pairs().enumerate() {
            let Some(ty) = parameter.infer(*argument, receiver, &types)? else {
                return Err(Error::invalid(format!(
                    "Cannot infer type of argument {} in call to function {}: use type casts to disambiguate",
                    argument.text(),
                    self.text()
                )));
            };
            parameter.check(self.name, *argument, &ty)?;
            if let Some(slot) = types.get_mut(i) {
                *slot = Some(ty);
            }
        }
        let types = types.into_iter().flatten().collect();
        match self.make {
            Make::Types(make) => make(self.name, types, receiver),
            Make::Vectors(execute) => vector::make(self.name, types, execute),
            Make::Call(make) => make(lookup),
        }
        .map(Function::made_by_factory)
    }

    fn mandatory(&self) -> usize {
        self.parameters.iter().filter(|parameter| !matches!(parameter, Parameter::OptionalText)).count()
    }

    /// `system.map_keys(map)`.
    fn text(&self) -> String {
        let parameters: Vec<&str> = self.parameters.iter().map(Parameter::text).collect();
        format!("{NATIVE_KEYSPACE}.{}({})", self.name, parameters.join(", "))
    }
}

impl Parameter {
    fn infer(
        &self,
        argument: &dyn Argument,
        receiver: Option<&CqlType>,
        others: &[Option<CqlType>],
    ) -> Result<Option<CqlType>> {
        let own = || argument.compatible_type();
        let other = |index: usize| others.get(index).cloned().flatten();
        Ok(match self {
            Parameter::Any { infer_from_receiver: true } => own()?.or_else(|| receiver.cloned()),
            Parameter::Int => Some(own()?.unwrap_or(CqlType::Int)),
            Parameter::Text | Parameter::AnyString | Parameter::OptionalText => {
                Some(own()?.unwrap_or(CqlType::Text))
            }
            Parameter::SameAs(index) => match other(*index) {
                Some(other) => Some(other),
                None => own()?.or_else(|| receiver.cloned()),
            },
            Parameter::FloatVector { .. } if argument.array_len() == Some(0) => {
                return Err(Error::invalid("vectors may only have positive dimensions; given 0"));
            }
            Parameter::FloatVector { same_as } => {
                let float_vector =
                    argument.array_len().and_then(|len| u32::try_from(len).ok()).map(|dimension| {
                        CqlType::Vector { element: std::sync::Arc::new(CqlType::Float), dimension }
                    });
                match float_vector {
                    Some(vector) => Some(vector),
                    None => own()?.or_else(|| receiver.cloned()).or_else(|| other(*same_as)),
                }
            }
            Parameter::Any { .. }
            | Parameter::Collection
            | Parameter::SetOrList
            | Parameter::NumericSetOrList
            | Parameter::Map => own()?,
        })
    }

    fn check(&self, function: &str, argument: &dyn Argument, ty: &CqlType) -> Result<()> {
        let fits_one =
            |types: &[CqlType]| types.iter().any(|fixed| ty.test_assignment(fixed).is_assignable());
        let (fits, wanted) = match self {
            Parameter::Any { .. } | Parameter::SameAs(_) => (true, Cow::Borrowed("")),
            Parameter::Int => (fits_one(&[CqlType::Int]), Cow::Borrowed("an argument of type int")),
            Parameter::Text | Parameter::OptionalText => {
                (fits_one(&[CqlType::Text]), Cow::Borrowed("an argument of type text"))
            }
            Parameter::AnyString => (
                fits_one(&[CqlType::Text, CqlType::Ascii]),
                Cow::Owned(format!("an argument of type {}", self.text())),
            ),
            Parameter::Collection => (ty.is_collection(), Cow::Borrowed("a collection argument")),
            Parameter::SetOrList => (
                matches!(ty, CqlType::Set { .. } | CqlType::List { .. }),
                Cow::Borrowed("a set or list argument"),
            ),
            Parameter::NumericSetOrList => (
                matches!(ty, CqlType::Set { element, .. } | CqlType::List { element, .. } if element.is_number()),
                Cow::Borrowed("a numeric set/list argument"),
            ),
            Parameter::Map => (matches!(ty, CqlType::Map { .. }), Cow::Borrowed("a map argument")),
            Parameter::FloatVector { .. } => (
                matches!(ty, CqlType::Vector { element, .. } if **element == CqlType::Float),
                Cow::Borrowed("a float vector argument"),
            ),
        };
        if fits {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Function {NATIVE_KEYSPACE}.{function} requires {wanted}, but found argument {} of type {ty}",
            argument.text()
        )))
    }

    /// As messages show it.
    fn text(&self) -> &'static str {
        match self {
            Parameter::Any { .. } | Parameter::SameAs(_) => "any",
            Parameter::Int => "int",
            Parameter::Text => "text",
            Parameter::OptionalText => "[text]",
            // `varchar` is a type of its own to Cassandra's messages.
            Parameter::AnyString => "[text|varchar|ascii]",
            Parameter::Collection => "collection",
            Parameter::SetOrList | Parameter::NumericSetOrList => "numeric_set_or_list",
            Parameter::Map => "map",
            Parameter::FloatVector { .. } => "vector<float, n>",
        }
    }
}
