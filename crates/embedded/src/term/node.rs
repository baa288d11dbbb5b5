//! A compiled expression.

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::CellMeta;

use super::function::Function;

/// An expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub(super) node: Node,
    pub(super) result_type: CqlType,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    /// A literal, encoded.
    Constant(Box<[u8]>),
    Bind(u16),
    /// The marker behind `IN ?`: a list whose elements may be null.
    BindChoices(u16),
    Column(usize),
    /// `nullable`: in a selection a list may hold nulls, in a value it may not.
    List {
        parts: Vec<Term>,
        nullable: bool,
    },
    /// Parts in the order written; they are sorted when evaluated.
    Set(Vec<Term>),
    /// `nullable`: in a selection a value may be null.
    Map {
        entries: Vec<(Term, Term)>,
        nullable: bool,
    },
    Vector(Vec<Term>),
    /// Tuples and user-defined types; the fields of the latter are all there, in declared order.
    Tuple(Vec<Term>),
    Call {
        function: Arc<Function>,
        arguments: Vec<Term>,
    },
    Field {
        of: Box<Term>,
        field: usize,
    },
    Element {
        of: Box<Term>,
        key: Box<Term>,
        of_name: Box<str>,
    },
    Slice {
        of: Box<Term>,
        from: Option<Box<Term>>,
        to: Option<Box<Term>>,
        of_name: Box<str>,
    },
    /// `of` is a column with fields, elements and slices taken of it.
    CellMeta {
        what: CellMeta,
        of: Box<Term>,
    },
    /// The result of the statement's aggregate of that number.
    Aggregate(usize),
}

/// A selected expression and the name its column has in the result when there is no alias.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    pub term: Term,
    pub name: String,
}

/// An aggregate somewhere in a selection, and what it takes of each row; `None` for `count(*)`.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    pub function: Arc<Function>,
    pub argument: Option<Term>,
}

impl Term {
    pub(super) fn new(node: Node, result_type: CqlType) -> Term {
        Term { node, result_type }
    }

    pub fn result_type(&self) -> &CqlType {
        &self.result_type
    }

    /// The column, where the term is nothing else.
    pub fn as_column(&self) -> Option<usize> {
        match self.node {
            Node::Column(column) => Some(column),
            _ => None,
        }
    }

    /// The marker, where the term is nothing else.
    pub fn as_bind(&self) -> Option<u16> {
        match self.node {
            Node::Bind(index) | Node::BindChoices(index) => Some(index),
            _ => None,
        }
    }

    /// Whether it is the word NULL.
    pub fn is_null(&self) -> bool {
        matches!(self.node, Node::Null)
    }

    /// Its value, where it has the same one at every execution and is not null.
    pub fn as_constant(&self) -> Option<&[u8]> {
        match &self.node {
            Node::Constant(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self.node, Node::Constant(_) | Node::Null)
    }

    pub fn has_bind(&self) -> bool {
        self.any(&mut |node| matches!(node, Node::Bind(_) | Node::BindChoices(_)))
    }

    /// Whether an aggregate's result is part of it.
    pub fn has_aggregate(&self) -> bool {
        self.any(&mut |node| matches!(node, Node::Aggregate(_)))
    }

    /// Whether it gives the same value again for the same row and markers: `now()` and `uuid()` do not.
    pub fn is_pure(&self) -> bool {
        !self.any(&mut |node| matches!(node, Node::Call { function, .. } if !function.is_pure()))
    }

    /// Whether it reads write times or TTLs, which come with cells and not with values.
    pub fn has_cell_meta(&self) -> bool {
        self.any(&mut |node| matches!(node, Node::CellMeta { .. }))
    }

    /// Calls `visit` with every column it reads, once for each mention.
    pub fn visit_columns(&self, visit: &mut dyn FnMut(usize)) {
        self.any(&mut |node| {
            if let Node::Column(column) = node {
                visit(*column);
            }
            false
        });
    }

    /// The columns that `GROUP BY` takes a monotonic function of: the function's own, where this is such a call.
    pub fn as_call(&self) -> Option<(&Function, &[Term])> {
        match &self.node {
            Node::Call { function, arguments } => Some((function, arguments)),
            _ => None,
        }
    }

    /// The parts of a tuple that is written out: what `(a, b) = (1, ?)` compares column by column.
    pub fn as_tuple(&self) -> Option<&[Term]> {
        match &self.node {
            Node::Tuple(parts) => Some(parts),
            _ => None,
        }
    }

    fn any(&self, test: &mut dyn FnMut(&Node) -> bool) -> bool {
        if test(&self.node) {
            return true;
        }
        match &self.node {
            Node::Null
            | Node::Constant(_)
            | Node::Bind(_)
            | Node::BindChoices(_)
            | Node::Column(_)
            | Node::Aggregate(_) => false,
            Node::List { parts, .. }
            | Node::Set(parts)
            | Node::Vector(parts)
            | Node::Tuple(parts)
            | Node::Call { arguments: parts, .. } => parts.iter().any(|part| part.any(test)),
            Node::Map { entries, .. } => entries.iter().any(|(key, value)| key.any(test) || value.any(test)),
            Node::Field { of, .. } | Node::CellMeta { of, .. } => of.any(test),
            Node::Element { of, key, .. } => of.any(test) || key.any(test),
            Node::Slice { of, from, to, .. } => {
                of.any(test) || [from, to].into_iter().flatten().any(|end| end.any(test))
            }
        }
    }
}
