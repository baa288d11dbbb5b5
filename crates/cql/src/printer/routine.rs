//! Functions and aggregates.

use std::fmt::{self, Display, Formatter};

use super::name::{FunctionName, QualifiedFunctionName};
use super::{commas, if_exists, if_not_exists, quote_string, when, write_commas};
use crate::ast::{CreateAggregate, CreateFunction, QualifiedName, TypeName};

impl Display for CreateFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let replace = when(self.or_replace, "OR REPLACE ");
        write!(f, "CREATE {replace}FUNCTION {}", if_not_exists(self.if_not_exists))?;
        write!(f, "{}(", QualifiedFunctionName(&self.name))?;
        write_commas(f, &self.arguments, |f, (name, argument_type)| write!(f, "{name} {argument_type}"))?;
        let on_null = if self.called_on_null { "CALLED" } else { "RETURNS NULL" };
        write!(f, ") {on_null} ON NULL INPUT RETURNS {}", self.returns)?;
        // The grammar wants the language as a plain word.
        write!(f, " LANGUAGE {} AS {}", self.language.text, quote_string(&self.body))
    }
}

impl Display for CreateAggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let replace = when(self.or_replace, "OR REPLACE ");
        write!(f, "CREATE {replace}AGGREGATE {}", if_not_exists(self.if_not_exists))?;
        write!(f, "{}({})", QualifiedFunctionName(&self.name), commas(&self.arguments))?;
        write!(f, " SFUNC {} STYPE {}", FunctionName(&self.state_function), self.state_type)?;
        self.final_function.iter().try_for_each(|name| write!(f, " FINALFUNC {}", FunctionName(name)))?;
        self.initial.iter().try_for_each(|initial| write!(f, " INITCOND {initial}"))
    }
}

pub(super) fn write_drop(
    f: &mut Formatter<'_>,
    what: &str,
    name: &QualifiedName,
    arguments: Option<&[TypeName]>,
    condition: bool,
) -> fmt::Result {
    write!(f, "DROP {what} {}{}", if_exists(condition), QualifiedFunctionName(name))?;
    arguments.iter().try_for_each(|arguments| write!(f, "({})", commas(arguments)))
}
