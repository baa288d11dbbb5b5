//! One restriction: what WHERE asks of a column, or of several as a tuple, and how two that meet become one.

use ilium_cql::schema::Table;
use ilium_store::{Error, Result};

use crate::term::Term;

/// One side of a comparison: a value for each column that is compared.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Each(Vec<Term>),
    /// `(a, b) > ?`: the tuple comes whole.
    Tuple(Term),
}

impl Values {
    /// The value of a single column.
    pub fn single(&self) -> Option<&Term> {
        match self {
            Values::Each(terms) => terms.first(),
            Values::Tuple(_) => None,
        }
    }
}

/// What follows IN.
#[derive(Debug, Clone)]
pub(super) enum Choices {
    List(Vec<Values>),
    /// A marker for the whole list.
    Marker(Term),
}

#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub values: Values,
    pub inclusive: bool,
}

/// What must hold.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Equal(Values),
    In(Choices),
    /// In the order of values, whatever the order of rows.
    Slice {
        start: Option<Limit>,
        end: Option<Limit>,
    },
    /// CONTAINS, CONTAINS KEY and `m[key] = value`, in any combination.
    Contains {
        values: Vec<Term>,
        keys: Vec<Term>,
        entries: Vec<(Term, Term)>,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Restriction {
    /// By index in the table; several only if `tuple`.
    pub columns: Vec<usize>,
    /// Written as a tuple, or merged with one that was.
    pub tuple: bool,
    pub test: Test,
}

impl Restriction {
    pub fn one(column: usize, test: Test) -> Restriction {
        Restriction { columns: vec![column], tuple: false, test }
    }

    pub fn first(&self) -> usize {
        self.columns.first().copied().unwrap_or_default()
    }

    pub fn last(&self) -> usize {
        self.columns.last().copied().unwrap_or_default()
    }

    pub fn is_equal(&self) -> bool {
        matches!(self.test, Test::Equal(_))
    }

    pub fn is_in(&self) -> bool {
        matches!(self.test, Test::In(_))
    }

    pub fn is_slice(&self) -> bool {
        matches!(self.test, Test::Slice { .. })
    }

    pub fn is_contains(&self) -> bool {
        matches!(self.test, Test::Contains { .. })
    }

    /// Both must hold. The words are Cassandra's `mergeWith` of each class of restriction.
    pub fn and(&self, other: &Restriction, table: &Table) -> Result<Restriction> {
        // `b > 1 AND (b, c) < (2, 3)` is one slice of tuples; what is asked of a collection cannot be part of a tuple.
        let as_tuples = self.tuple || (other.tuple && !self.is_contains());
        let subject =
            if as_tuples { self.common(other, table) } else { name(table, self.first()).to_owned() };
        match (&self.test, &other.test) {
            (Test::Equal(_), _) => Err(Error::invalid(format!(
                "{subject} cannot be restricted by more than one relation if it includes an Equal"
            ))),
            (Test::In(_), _) => Err(Error::invalid(format!(
                "{subject} cannot be restricted by more than one relation if it includes a IN"
            ))),
            (Test::Slice { start, end }, Test::Slice { start: other_start, end: other_end }) => {
                if as_tuples && self.first() != other.first() {
                    let column = self.first().max(other.first());
                    return Err(Error::invalid(format!(
                        "Column \"{}\" cannot be restricted by two inequalities not starting with the same column",
                        name(table, column)
                    )));
                }
                if start.is_some() && other_start.is_some() {
                    return Err(Error::invalid(format!(
                        "More than one restriction was found for the start bound on {subject}"
                    )));
                }
                if end.is_some() && other_end.is_some() {
                    return Err(Error::invalid(format!(
                        "More than one restriction was found for the end bound on {subject}"
                    )));
                }
                let longer = if self.columns.len() >= other.columns.len() { self } else { other };
                Ok(Restriction {
                    columns: longer.columns.clone(),
                    tuple: as_tuples,
                    test: Test::Slice {
                        start: start.as_ref().or(other_start.as_ref()).cloned(),
                        end: end.as_ref().or(other_end.as_ref()).cloned(),
                    },
                })
            }
            (Test::Slice { .. }, _) => Err(Error::invalid(format!(
                "Column \"{subject}\" cannot be restricted by both an equality and an inequality relation"
            ))),
            (
                Test::Contains { values, keys, entries },
                Test::Contains { values: more_values, keys: more_keys, entries: more_entries },
            ) => Ok(Restriction::one(
                self.first(),
                Test::Contains {
                    values: [&values[..], more_values].concat(),
                    keys: [&keys[..], more_keys].concat(),
                    entries: [&entries[..], more_entries].concat(),
                },
            )),
            (Test::Contains { .. }, _) => Err(Error::invalid(format!(
                "Collection column {subject} can only be restricted by CONTAINS, CONTAINS KEY, or map-entry equality"
            ))),
        }
    }

    /// The names of the columns both restrict.
    fn common(&self, other: &Restriction, table: &Table) -> String {
        let names: Vec<&str> = self
            .columns
            .iter()
            .filter(|column| other.columns.contains(column))
            .map(|column| name(table, *column))
            .collect();
        names.join(" ,")
    }
}

/// A column's name; never missing for an index that came from the same table.
pub(super) fn name(table: &Table, column: usize) -> &str {
    table.columns.get(column).map_or("?", |column| &column.name)
}
