//! Typed expressions: everything in a statement that has a value.
//!
//! Vocabulary: an expression is *compiled* once, when its statement is prepared, into a [`Term`], which is *evaluated*
//! for every execution or row. In INSERT, UPDATE, DELETE and WHERE an expression stands where a value is wanted and
//! sees no columns (Cassandra's *term*): it is compiled against a [`Receiver`], the thing that takes the value, which
//! decides the type of its literals and names its bind markers. In a selection it sees the row (Cassandra's
//! *selectable*) and has a column name of its own: it is compiled into a [`Selector`].
//!
//! ```text
//! let mut markers = Markers::new();                      // one a statement (a whole BATCH is one)
//! let mut compiler = Compiler::new(&schema, &table, &mut markers);
//! let value = compiler.term(&expr, &Receiver::of(&table, column))?;        // c = value
//! let tuple = compiler.columns_term(&expr, &receivers)?;                   // (a, b) > value
//! let item = compiler.selector(&selector.value, None)?;                    // SELECT item.term AS item.name
//! let calls = compiler.into_aggregates();                // the aggregates its selectors name by slot
//! let binds: Vec<BindMarker> = markers.finish();
//!
//! let env = Env { binds: &binds, row: Some(&row), aggregates: &[], now_micros };
//! match value.evaluate(&env)? { Value::Null => .., Value::Unset => .., Value::Bytes(bytes) => .. }
//! ```
//!
//! With aggregates: for every group make an [`Accumulator`](function::Accumulator) of each [`AggregateCall`], `add` the
//! call's argument evaluated on each row, then `finish` them into `Env::aggregates` and evaluate the selectors on the
//! group's first row, as Cassandra does for what is not aggregated.
//!
//! A value is in wire form. Evaluating a literal, a marker or a column borrows its bytes.

mod compile;
mod elements;
mod evaluate;
pub mod function;
mod live_row;
mod marker;
mod node;
mod number;
#[cfg(test)]
mod recorded;
mod row;
#[cfg(test)]
mod tests;
mod time;

pub use compile::Compiler;
pub use marker::{Markers, Receiver};
pub use node::{AggregateCall, Selector, Term};
pub use row::{ElementTimes, RowValues};
pub use time::next_timeuuid;

use std::borrow::Cow;

use ilium_store::Binds;

/// What evaluation may look at.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub binds: &'a Binds,
    /// `None`: every column is null, as in the one row of an aggregation over nothing.
    pub row: Option<&'a dyn RowValues>,
    /// The aggregates' results, by [`AggregateCall`] in the order of `Compiler::into_aggregates`.
    pub aggregates: &'a [Option<Vec<u8>>],
    /// Microseconds since the epoch when the statement was started: `now()`, and what a TTL counts down to.
    pub now_micros: i64,
}

/// A value in wire form, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    /// A marker bound to "unset": leave what is stored as it is. Only a term that is a marker itself, or a collection
    /// with one in it, evaluates to it; elsewhere it is an error.
    Unset,
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Value<'a> {
    /// The bytes, where neither null nor unset.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn into_bytes(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn is_unset(&self) -> bool {
        matches!(self, Value::Unset)
    }
}

impl<'a> From<Option<Cow<'a, [u8]>>> for Value<'a> {
    fn from(bytes: Option<Cow<'a, [u8]>>) -> Value<'a> {
        bytes.map_or(Value::Null, Value::Bytes)
    }
}
