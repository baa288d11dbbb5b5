//! From syntax trees to [`Term`]s.
//!
//! Vocabulary: an *argument* is anything whose fit for a receiver can be tested before it is compiled; a function is
//! chosen among its overloads that way.

mod assign;
mod call;
mod parts;
mod selectable;
mod selector;
mod text;
mod value;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{Expr, ExprKind, TypeName};
use ilium_cql::schema::{Schema, Table};
use ilium_cql::types::Assignment;
use ilium_store::{Error, Result};

use crate::catalog::TypeScope;

use super::function::Function;
use super::marker::{Markers, Receiver};
use super::node::{AggregateCall, Node, Selector, Term};

pub(super) use text::operator_sign;

/// Compiles the expressions of one statement on one table.
pub struct Compiler<'a> {
    schema: &'a Schema,
    table: &'a Table,
    markers: &'a mut Markers,
    aggregates: Vec<AggregateCall>,
    /// Calls whose overload is known, by the expression's address and the expected type: a nested call is tested
    /// against every overload of the one around it, which without this would take exponential time.
    chosen: RefCell<Chosen>,
}

type Chosen = HashMap<(usize, Option<CqlType>), Result<Option<Arc<Function>>>>;

/// What a function may be called with.
pub(in crate::term) trait Argument {
    /// How well it fits a place of that type.
    fn test(&self, receiver: &CqlType) -> Result<Assignment>;
    /// A type that can hold it, if one can be told (`AssignmentTestable.getCompatibleTypeIfKnown`).
    fn compatible_type(&self) -> Result<Option<CqlType>>;
    /// The type it has by itself, for choosing between functions that fit alike.
    fn natural_type(&self) -> Result<Option<CqlType>> {
        self.compatible_type()
    }
    /// As messages show it.
    fn text(&self) -> String;
    fn is_marker(&self) -> bool {
        false
    }
    /// The number of its elements, where it is `[...]` in a selection.
    fn array_len(&self) -> Option<usize> {
        None
    }
}

impl<'a> Compiler<'a> {
    /// User-defined types are looked up in the table's keyspace.
    pub fn new(schema: &'a Schema, table: &'a Table, markers: &'a mut Markers) -> Compiler<'a> {
        Compiler { schema, table, markers, aggregates: Vec::new(), chosen: RefCell::default() }
    }

    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// Compiles an expression without columns for `receiver`.
    pub fn term(&mut self, expr: &Expr, receiver: &Receiver) -> Result<Term> {
        self.chosen.get_mut().clear();
        self.value(expr, receiver)
    }

    /// Compiles what `(a, b)` is compared with: a tuple written out, whose parts [`Term::as_tuple`] gives, or a marker
    /// for a whole one.
    pub fn columns_term(&mut self, expr: &Expr, receivers: &[Receiver]) -> Result<Term> {
        self.chosen.get_mut().clear();
        let Some(whole) = Receiver::tuple_of(receivers) else {
            return Err(Error::invalid("A tuple of no columns cannot be compared"));
        };
        let parts = match &expr.kind {
            ExprKind::Tuple(parts) => parts,
            ExprKind::Bind { .. } => return self.value(expr, &whole),
            _ => {
                return Err(Error::syntax(format!(
                    "Expected a tuple of {} values or a bind marker, got {}",
                    receivers.len(),
                    self.text_of(expr)
                )));
            }
        };
        if parts.len() != receivers.len() {
            return Err(Error::invalid(format!(
                "Expected {} elements in value tuple, but got {}: {}",
                receivers.len(),
                parts.len(),
                self.text_of(expr)
            )));
        }
        let terms = parts
            .iter()
            .zip(receivers)
            .map(|(part, receiver)| self.value(part, receiver))
            .collect::<Result<Vec<_>>>()?;
        Ok(Term::new(Node::Tuple(terms), whole.column_type))
    }

    /// Compiles an expression of a selection or of GROUP BY. `expected` is the type it must have, if there is one.
    pub fn selector(&mut self, expr: &Expr, expected: Option<&CqlType>) -> Result<Selector> {
        self.chosen.get_mut().clear();
        let selectable = self.selectable(expr)?;
        self.build(selectable, expected)
    }

    /// As [`Compiler::into_aggregates`], while there may be more to compile.
    pub fn aggregates(&self) -> &[AggregateCall] {
        &self.aggregates
    }

    /// The type that a hint or a CAST names.
    fn resolve_type(&self, name: &TypeName) -> Result<CqlType> {
        let keyspace = &*self.table.keyspace;
        match self.schema.keyspace(keyspace) {
            Some(known) => TypeScope { keyspace, types: &known.types }.resolve(name),
            // The server's own keyspaces may be unknown to a schema and have no types.
            None => TypeScope { keyspace, types: &BTreeMap::new() }.resolve(name),
        }
    }

    /// The aggregates of the selectors compiled so far, in the order of their slots.
    pub fn into_aggregates(self) -> Vec<AggregateCall> {
        self.aggregates
    }
}
