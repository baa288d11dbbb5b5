//! ORDER BY: whether rows are read backwards, and how the rows of several partitions are sorted.

use ilium_cql::CqlType;
use ilium_cql::ast::{OrderBy, Ordering};
use ilium_cql::schema::ColumnKind;
use ilium_cql::sort_key;
use ilium_store::{Error, Result};

use super::restrictions::{Restrictions, undefined_column};
use crate::catalog::entry::TableEntry;
use crate::layout::live_row::LiveRow;
use crate::term::{Compiler, Receiver};

/// Said to a client that pages through a query whose rows must all be there before they can be sorted.
pub(super) const CANNOT_PAGE: &str = "Cannot page queries with both ORDER BY and a IN restriction on the partition \
     key; you must either remove the ORDER BY or the IN and sort client side, or disable paging for this query";

const DECLARED_ORDER: &str = "Order by currently only supports the ordering of columns following their declared order in the PRIMARY KEY";

/// The columns of ORDER BY, each once, with the direction it was last given.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderColumns {
    columns: Vec<(usize, bool)>,
}

/// How rows of several partitions are put in order.
#[derive(Debug, Clone)]
pub(super) struct Sorting {
    columns: Vec<usize>,
    reversed: bool,
}

impl OrderColumns {
    /// Looks the columns up. `ANN OF` needs an index that this engine does not have.
    pub fn resolve(
        order_by: &[Ordering],
        entry: &TableEntry,
        compiler: &mut Compiler<'_>,
    ) -> Result<OrderColumns> {
        let table = compiler.table();
        let mut found = OrderColumns::default();
        let mut nearest = None;
        for ordering in order_by {
            let column = table
                .column_index(ordering.column.as_str())
                .ok_or_else(|| undefined_column(table, &ordering.column))?;
            match &ordering.by {
                OrderBy::NearestTo(vector) => {
                    if let Some(receiver) = table.columns.get(column).map(|c| Receiver::of(table, c)) {
                        compiler.term(vector, &receiver)?;
                    }
                    if nearest.replace(column).is_some() {
                        return Err(Error::invalid("Cannot specify more than one ANN ordering"));
                    }
                }
                by => {
                    let descending = matches!(by, OrderBy::Descending);
                    match found.columns.iter_mut().find(|(at, _)| *at == column) {
                        Some(slot) => slot.1 = descending,
                        None => found.columns.push((column, descending)),
                    }
                }
            }
        }
        let Some(column) = nearest else { return Ok(found) };
        if order_by.len() > 1 {
            return Err(Error::invalid("ANN ordering does not support any other ordering"));
        }
        let is_float_vector = table.columns.get(column).is_some_and(|column| {
            matches!(&column.column_type, CqlType::Vector { element, .. } if **element == CqlType::Float)
        });
        if !is_float_vector {
            return Err(Error::invalid("ANN ordering is only supported on float vector indexes"));
        }
        if !entry.indexes.iter().any(|index| index.column == column) {
            return Err(Error::invalid("ANN ordering by vector requires the column to be indexed"));
        }
        Err(Error::config("ORDER BY ... ANN OF is not supported yet: this server has no vector indexes"))
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(column, _)| *column)
    }

    /// Whether rows are read against the order they are stored in.
    pub fn is_reversed(&self, entry: &TableEntry, restrictions: &Restrictions) -> Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        if restrictions.uses_index() {
            return Err(Error::invalid(
                "ORDER BY with 2ndary indexes is not supported, except for ANN queries.",
            ));
        }
        if restrictions.is_key_range() {
            return Err(Error::invalid(
                "ORDER BY is only supported when the partition key is restricted by an EQ or an IN.",
            ));
        }
        let mut reversed: Option<bool> = None;
        let mut all_agree = true;
        let mut next = entry.partition_key_len;
        for (index, descending) in &self.columns {
            let column =
                entry.table.columns.get(*index).filter(|column| column.kind == ColumnKind::Clustering);
            let Some(column) = column else {
                let name = entry.table.columns.get(*index).map(|column| &*column.name).unwrap_or_default();
                return Err(Error::invalid(format!(
                    "Order by is currently only supported on the clustered columns of the PRIMARY KEY, got {name}"
                )));
            };
            // Columns that are left out must be the same in all rows.
            if *index < next || (next..*index).any(|skipped| !restrictions.is_restricted_by_equal(skipped)) {
                return Err(Error::invalid(DECLARED_ORDER));
            }
            next = index + 1;
            let against = *descending != column.descending;
            all_agree &= reversed.is_none_or(|reversed| reversed == against);
            reversed = reversed.or(Some(against));
        }
        if !all_agree {
            return Err(Error::invalid("Unsupported order by relation"));
        }
        Ok(reversed.unwrap_or(false))
    }

    /// How to sort the rows of several partitions; `None`: the order they are read in is the order asked for.
    pub fn sorting(&self, reversed: bool, restrictions: &Restrictions) -> Option<Sorting> {
        (!self.is_empty() && restrictions.partition_has_in())
            .then(|| Sorting { columns: self.columns().collect(), reversed })
    }
}

impl Sorting {
    /// A key whose order is that of the rows: to be compared with [`Sorting::compare`].
    pub fn key(&self, entry: &TableEntry, row: &LiveRow) -> Result<Vec<u8>> {
        let mut key = Vec::new();
        for index in &self.columns {
            let Some(column) = entry.table.columns.get(*index) else { continue };
            match row.value(*index) {
                Some(value) => sort_key::encode(&column.column_type, value, column.descending, &mut key)
                    .map_err(|e| Error::internal(format!("a clustering value cannot be ordered: {e}")))?,
                // The static content of a partition without rows: below all, whichever way the column goes.
                None => key.push(0),
            }
        }
        Ok(key)
    }

    pub fn compare(&self, a: &[u8], b: &[u8]) -> std::cmp::Ordering {
        if self.reversed { b.cmp(a) } else { a.cmp(b) }
    }
}
