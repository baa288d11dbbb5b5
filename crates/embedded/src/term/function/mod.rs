//! Functions: which there are, which overload a call means, and what they do.
//!
//! Vocabulary: an *overload* is one function of several with a name, told apart by argument types. A *factory* makes
//! an overload to measure for argument types that have no end (`map_keys` of any map). All are native: they live in
//! the keyspace `system`, whether a call says so or not.

mod aggregate;
mod arguments;
mod bytes;
mod calendar;
mod cast;
mod collection;
mod factory;
mod json;
mod mask;
mod math;
mod operation;
mod registry;
mod resolve;
mod time;
mod token;
mod uuid;
mod vector;

pub use aggregate::{Accumulator, AggregateKind};
pub use operation::sum;
pub(in crate::term) use resolve::{Lookup, resolve};

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::Arithmetic;
use ilium_cql::identifier::quote_if_needed;
use ilium_store::Result;

use super::compile::operator_sign;
use super::marker::Receiver;

/// The keyspace of every native function.
pub(in crate::term) const NATIVE_KEYSPACE: &str = "system";
/// The function behind `-x`.
pub(in crate::term) const NEGATION: &str = "_negate";

/// The function behind an operator.
pub(in crate::term) fn operation_name(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "_add",
        Arithmetic::Subtract => "_substract",
        Arithmetic::Multiply => "_multiply",
        Arithmetic::Divide => "_divide",
        Arithmetic::Modulo => "_modulo",
    }
}

fn operator_of(name: &str) -> Option<Arithmetic> {
    use Arithmetic as A;
    [A::Add, A::Subtract, A::Multiply, A::Divide, A::Modulo]
        .into_iter()
        .find(|op| operation_name(*op) == name)
}

/// A value passed in or given back, in wire form; `None` is null.
pub(in crate::term) type Slot<'a> = Option<Cow<'a, [u8]>>;

/// What a scalar function looks at.
pub(in crate::term) struct Invocation<'f, 'a> {
    pub function: &'f Function,
    pub arguments: &'f mut [Slot<'a>],
    /// Microseconds since the epoch when the statement was started.
    pub now_micros: i64,
}

pub(in crate::term) type Execute = for<'f, 'a> fn(&mut Invocation<'f, 'a>) -> Result<Slot<'a>>;

/// One overload.
#[derive(Clone)]
pub struct Function {
    pub name: Arc<str>,
    pub arguments: Vec<CqlType>,
    pub returns: CqlType,
    pub(in crate::term) kind: FunctionKind,
    /// Whether equal arguments give equal results.
    pure: bool,
    /// Whether greater arguments give no smaller results; for all but the first argument constant, where there is one.
    monotonic: bool,
    from_factory: bool,
}

#[derive(Clone, Copy)]
pub(in crate::term) enum FunctionKind {
    Scalar(Execute),
    Aggregate(AggregateKind),
}

impl Function {
    pub(in crate::term) fn scalar(
        name: impl Into<Arc<str>>,
        arguments: Vec<CqlType>,
        returns: CqlType,
        execute: Execute,
    ) -> Function {
        Function {
            name: name.into(),
            arguments,
            returns,
            kind: FunctionKind::Scalar(execute),
            pure: true,
            monotonic: false,
            from_factory: false,
        }
    }

    pub(in crate::term) fn aggregate(
        name: impl Into<Arc<str>>,
        arguments: Vec<CqlType>,
        returns: CqlType,
        kind: AggregateKind,
    ) -> Function {
        Function {
            name: name.into(),
            arguments,
            returns,
            kind: FunctionKind::Aggregate(kind),
            pure: true,
            monotonic: false,
            from_factory: false,
        }
    }

    pub(in crate::term) fn impure(mut self) -> Function {
        self.pure = false;
        self
    }

    pub(in crate::term) fn monotonic(mut self) -> Function {
        self.monotonic = true;
        self
    }

    pub(in crate::term) fn made_by_factory(mut self) -> Function {
        self.from_factory = true;
        self
    }

    pub fn is_pure(&self) -> bool {
        self.pure
    }

    /// Whether rows in order of its first argument are in order of its result, the other arguments being constant:
    /// what `GROUP BY` asks of a function.
    pub fn is_monotonic(&self) -> bool {
        self.monotonic
    }

    pub fn is_aggregate(&self) -> bool {
        matches!(self.kind, FunctionKind::Aggregate(_))
    }

    /// A fresh state for one group; `None`: this is no aggregate.
    pub fn accumulator(&self) -> Option<Box<dyn Accumulator>> {
        match self.kind {
            FunctionKind::Aggregate(kind) => Some(aggregate::accumulator(kind, self.arguments.first())),
            FunctionKind::Scalar(_) => None,
        }
    }

    pub(in crate::term) fn is_from_factory(&self) -> bool {
        self.from_factory
    }

    /// `system.name`.
    pub fn full_name(&self) -> String {
        format!("{NATIVE_KEYSPACE}.{}", self.name)
    }

    /// The sign, where this is the function behind an operator.
    pub(in crate::term) fn operator(&self) -> Option<char> {
        operator_of(&self.name).map(operator_sign)
    }

    /// The name of a result column that is a call of it (`Function.columnName`).
    pub(in crate::term) fn column_name(&self, arguments: &[String]) -> String {
        let argument = |i: usize| arguments.get(i).map(String::as_str).unwrap_or_default();
        if let Some(sign) = self.operator() {
            return format!("{} {sign} {}", argument(0), argument(1));
        }
        match &*self.name {
            NEGATION => format!("-{}", argument(0)),
            "count_rows" | "countRows" => "count".to_owned(),
            name if name.starts_with("cast_as_") || name.starts_with("castAs") => {
                format!("cast({} as {})", argument(0), self.returns)
            }
            _ => format!("{}({})", self.full_name(), arguments.join(", ")),
        }
    }

    /// What takes its argument number `i`, and names a marker there.
    pub(in crate::term) fn argument_receiver(
        &self,
        i: usize,
        keyspace: &Arc<str>,
        table: &Arc<str>,
    ) -> Option<Receiver> {
        Some(Receiver {
            keyspace: Arc::clone(keyspace),
            table: Arc::clone(table),
            name: format!("arg{i}({})", self.full_name().to_lowercase()).into(),
            column_type: self.arguments.get(i)?.clone(),
            choices: false,
        })
    }

    /// Whether its result can be assigned there (`AbstractFunction.testAssignment`).
    pub(in crate::term) fn can_return_to(&self, receiver: &CqlType) -> bool {
        let frozen = receiver.is_freezable() && !receiver.is_multi_cell();
        let returns = if frozen { Cow::Owned(self.returns.freeze()) } else { Cow::Borrowed(&self.returns) };
        *receiver == *returns || receiver.is_value_compatible_with(&returns)
    }
}

impl fmt::Display for Function {
    /// `system.abs : (int) -> int`, as in Cassandra's lists of known signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NATIVE_KEYSPACE}.{} : (", quote_if_needed(&self.name))?;
        for (i, argument) in self.arguments.iter().enumerate() {
            write!(f, "{}{argument}", if i > 0 { ", " } else { "" })?;
        }
        write!(f, ") -> {}", self.returns)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Function {
    /// By signature: two functions of one name and type do the same.
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name && self.arguments == other.arguments && self.returns == other.returns
    }
}
