//! The filter: what is left to be asked of each row (Cassandra's `RowFilter`).

use std::borrow::Cow;
use std::cmp::Ordering;

use ilium_cql::CqlType;
use ilium_cql::schema::{ColumnKind, Table};
use ilium_cql::value::{compare, list_elements, map_entries};
use ilium_store::{Error, Result};

use super::Restrictions;
use super::choose::{in_list, tuple};
use super::restriction::{Choices, Limit, Restriction, Test, Values, name};
use super::set::{Lookup, RestrictionSet, is_filtered, is_supported};
use crate::term::{Env, RowValues, Term, Value};

/// One question about one column, its values not yet known.
#[derive(Debug, Clone)]
pub(in crate::select) struct Condition {
    pub column: usize,
    ask: Ask,
}

#[derive(Debug, Clone)]
enum Ask {
    Compare(Comparison, Term),
    /// A field of a tuple that is bound whole.
    TupleField {
        tuple: Restriction,
        at: usize,
    },
    In(Restriction),
    Contains(Term),
    ContainsKey(Term),
    MapEntry(Term, Term),
    /// What cannot be asked of a row, found out when the statement runs, as in Cassandra.
    Refused(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::select) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// What a column must be at one execution.
#[derive(Debug, Clone)]
pub(in crate::select) enum Expected<'e> {
    Compare(Comparison, Cow<'e, [u8]>),
    In(Vec<Cow<'e, [u8]>>),
    Contains(Cow<'e, [u8]>),
    ContainsKey(Cow<'e, [u8]>),
    MapEntry(Cow<'e, [u8]>, Cow<'e, [u8]>),
}

impl Restrictions {
    /// What rows are asked, in Cassandra's order, which decides whose null is complained of.
    pub(in crate::select) fn conditions(&self) -> Vec<Condition> {
        let mut found = Vec::new();
        if self.filters.partition {
            self.push_all(&self.partition, &mut found);
        }
        if self.filters.clustering {
            let mut position = self.entry.partition_key_len;
            for restriction in self.clustering.iter() {
                // What slices say need not be asked again.
                if is_filtered(restriction, position) || is_supported(restriction, &self.entry) {
                    push(restriction, &mut found);
                } else if !restriction.is_slice() {
                    position = restriction.last() + 1;
                }
            }
        }
        if self.filters.others {
            self.push_all(&self.others, &mut found);
        }
        found
    }

    fn push_all(&self, set: &RestrictionSet, found: &mut Vec<Condition>) {
        for restriction in set.iter() {
            push(restriction, found);
        }
    }
}

fn push(restriction: &Restriction, found: &mut Vec<Condition>) {
    let column = restriction.first();
    let mut add = |column, ask| found.push(Condition { column, ask });
    match &restriction.test {
        Test::Equal(Values::Each(terms)) => {
            for (column, term) in restriction.columns.iter().zip(terms) {
                add(*column, Ask::Compare(Comparison::Equal, term.clone()));
            }
        }
        Test::Equal(Values::Tuple(_)) => {
            for (at, column) in restriction.columns.iter().enumerate() {
                add(*column, Ask::TupleField { tuple: restriction.clone(), at });
            }
        }
        Test::In(_) if restriction.columns.len() > 1 => {
            add(column, Ask::Refused("Multicolumn IN filters are not supported"));
        }
        Test::In(_) => add(column, Ask::In(restriction.clone())),
        Test::Slice { .. } if restriction.tuple => {
            add(column, Ask::Refused("Multi-column slice restrictions cannot be used for filtering."));
        }
        Test::Slice { start, end } => {
            let bounds = [
                (start, Comparison::GreaterOrEqual, Comparison::Greater),
                (end, Comparison::LessOrEqual, Comparison::Less),
            ];
            for (limit, inclusive, exclusive) in bounds {
                let Some(Limit { values: Values::Each(terms), inclusive: is_inclusive }) = limit else {
                    continue;
                };
                for term in terms {
                    add(
                        column,
                        Ask::Compare(if *is_inclusive { inclusive } else { exclusive }, term.clone()),
                    );
                }
            }
        }
        Test::Contains { values, keys, entries } => {
            for value in values {
                add(column, Ask::Contains(value.clone()));
            }
            for key in keys {
                add(column, Ask::ContainsKey(key.clone()));
            }
            for (key, value) in entries {
                add(column, Ask::MapEntry(key.clone(), value.clone()));
            }
        }
    }
}

impl Condition {
    /// Asked of the partition as a whole.
    pub fn is_of_partition(&self, table: &Table) -> bool {
        table
            .columns
            .get(self.column)
            .is_some_and(|column| matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Static))
    }

    /// What an index would be asked for.
    pub fn lookup(&self) -> Lookup {
        match self.ask {
            Ask::Compare(Comparison::Equal, _) | Ask::TupleField { .. } => Lookup::Equal,
            Ask::Contains(_) => Lookup::Contains,
            Ask::ContainsKey(_) => Lookup::ContainsKey,
            Ask::MapEntry(..) => Lookup::MapEntry,
            Ask::Compare(..) | Ask::In(_) | Ask::Refused(_) => Lookup::Other,
        }
    }

    pub fn bind<'e>(&'e self, table: &Table, env: &Env<'e>) -> Result<Expected<'e>> {
        let value = |term: &'e Term| self.present(term.evaluate(env)?, "value", table);
        Ok(match &self.ask {
            Ask::Compare(comparison, term) => Expected::Compare(*comparison, value(term)?),
            Ask::TupleField { tuple: restriction, at } => {
                let Test::Equal(values) = &restriction.test else {
                    return Err(Error::internal("a field of a tuple is asked for where there is no tuple"));
                };
                let field = tuple(values, restriction, table, env)?.into_iter().nth(*at).flatten();
                Expected::Compare(Comparison::Equal, self.present(field.into(), "value", table)?)
            }
            Ask::In(restriction) => {
                let Test::In(list) = &restriction.test else {
                    return Err(Error::internal("a list of values is asked for where there is no IN"));
                };
                // As Cassandra's `ListSerializer.anyMatch` reads the list: a null ends it, an unset marker is no bytes.
                let mut found = Vec::new();
                match list {
                    Choices::List(values) if !restriction.tuple => {
                        for term in values.iter().filter_map(Values::single) {
                            match term.evaluate(env)? {
                                Value::Null => break,
                                Value::Unset => found.push(Cow::Borrowed(&[][..])),
                                Value::Bytes(bytes) => found.push(bytes),
                            }
                        }
                    }
                    _ => {
                        let tuples = in_list(list, restriction, table, env)?;
                        found
                            .extend(tuples.into_iter().map_while(|tuple| tuple.into_iter().next().flatten()));
                    }
                }
                Expected::In(found)
            }
            Ask::Contains(term) => Expected::Contains(value(term)?),
            Ask::ContainsKey(term) => Expected::ContainsKey(value(term)?),
            Ask::MapEntry(key, value) => Expected::MapEntry(
                self.present(key.evaluate(env)?, "map key", table)?,
                self.present(value.evaluate(env)?, "map value", table)?,
            ),
            Ask::Refused(why) => return Err(Error::invalid(*why)),
        })
    }

    fn present<'e>(&self, value: Value<'e>, what: &str, table: &Table) -> Result<Cow<'e, [u8]>> {
        let missing = match value {
            Value::Bytes(bytes) => return Ok(bytes),
            Value::Null => "null",
            Value::Unset => "unset",
        };
        Err(Error::invalid(format!("Unsupported {missing} {what} for column {}", name(table, self.column))))
    }
}

impl Expected<'_> {
    /// Whether the row's column is as wanted. Null never is.
    pub fn holds<R: RowValues + ?Sized>(&self, row: &R, column: usize, column_type: &CqlType) -> bool {
        let Some(found) = row.value(column) else { return false };
        match self {
            Expected::Compare(comparison, value) => comparison.holds(compare(column_type, found, value)),
            Expected::In(values) => values.iter().any(|value| compare(column_type, found, value).is_eq()),
            Expected::Contains(value) => match column_type {
                CqlType::Map { value: ty, .. } => map_entries(found).is_ok_and(|mut entries| {
                    entries.any(|e| e.is_ok_and(|(_, v)| compare(ty, v, value).is_eq()))
                }),
                CqlType::List { element, .. } | CqlType::Set { element, .. } => list_elements(found)
                    .is_ok_and(|mut list| list.any(|e| e.is_ok_and(|e| compare(element, e, value).is_eq()))),
                _ => false,
            },
            Expected::ContainsKey(key) => map_value(column_type, found, key).is_some(),
            Expected::MapEntry(key, value) => {
                let CqlType::Map { value: ty, .. } = column_type else { return false };
                map_value(column_type, found, key).is_some_and(|found| compare(ty, found, value).is_eq())
            }
        }
    }

    /// The value an index keeps its entries under, where [`Condition::lookup`] is one that indexes answer.
    pub fn index_value(&self) -> Option<Vec<u8>> {
        match self {
            Expected::Compare(_, value) | Expected::Contains(value) | Expected::ContainsKey(value) => {
                Some(value.to_vec())
            }
            Expected::MapEntry(key, value) => {
                let mut out = Vec::new();
                crate::layout::index_key::push_map_entry(key, value, &mut out);
                Some(out)
            }
            Expected::In(_) => None,
        }
    }
}

fn map_value<'r>(map_type: &CqlType, map: &'r [u8], key: &[u8]) -> Option<&'r [u8]> {
    let CqlType::Map { key: ty, .. } = map_type else { return None };
    map_entries(map).ok()?.find_map(|entry| {
        entry.ok().and_then(|(found, value)| compare(ty, found, key).is_eq().then_some(value))
    })
}
