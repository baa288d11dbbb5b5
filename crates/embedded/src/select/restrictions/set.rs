//! Restrictions on the columns of one kind, in the order of the columns.

use std::cmp::Ordering;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::IndexOn;
use ilium_cql::schema::{ColumnKind, Table};
use ilium_store::{Error, Result};

use super::restriction::{Restriction, Test, name};
use crate::catalog::entry::{IndexEntry, TableEntry};

/// A restriction on several columns stands under each of them.
#[derive(Debug, Clone, Default)]
pub(super) struct RestrictionSet {
    /// Sorted by the column's position, then its name.
    by_column: Vec<(usize, Arc<Restriction>)>,
    has_in: bool,
    has_slice: bool,
    has_contains: bool,
    has_other_than_equality: bool,
}

impl RestrictionSet {
    pub fn is_empty(&self) -> bool {
        self.by_column.is_empty()
    }

    /// How many columns are restricted.
    pub fn len(&self) -> usize {
        self.by_column.len()
    }

    pub fn has_in(&self) -> bool {
        self.has_in
    }

    pub fn has_slice(&self) -> bool {
        self.has_slice
    }

    pub fn has_contains(&self) -> bool {
        self.has_contains
    }

    pub fn only_equalities(&self) -> bool {
        !self.has_other_than_equality
    }

    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.by_column.iter().map(|(column, _)| *column)
    }

    pub fn of(&self, column: usize) -> Option<&Restriction> {
        self.by_column.iter().find(|(at, _)| *at == column).map(|(_, restriction)| &**restriction)
    }

    /// Each restriction once.
    pub fn iter(&self) -> impl Iterator<Item = &Restriction> {
        let mut previous: Option<&Arc<Restriction>> = None;
        self.by_column.iter().filter_map(move |(_, restriction)| {
            let again = previous.is_some_and(|previous| Arc::ptr_eq(previous, restriction));
            previous = Some(restriction);
            (!again).then_some(&**restriction)
        })
    }

    /// Adds a restriction, merging it with those its columns have.
    pub fn add(&mut self, restriction: Restriction, table: &Table) -> Result<()> {
        let mut existing: Vec<Arc<Restriction>> = Vec::new();
        for (column, present) in &self.by_column {
            if restriction.columns.contains(column)
                && !existing.iter().any(|other| Arc::ptr_eq(other, present))
            {
                existing.push(Arc::clone(present));
            }
        }
        self.has_in |= restriction.is_in();
        self.has_slice |= restriction.is_slice();
        self.has_contains |= restriction.is_contains();
        self.has_other_than_equality |= !(restriction.is_equal() || restriction.is_in());
        if existing.is_empty() {
            let columns = restriction.columns.clone();
            self.put(&columns, &Arc::new(restriction), table);
            return Ok(());
        }
        for present in existing {
            let merged = Arc::new(present.and(&restriction, table)?);
            self.put(&restriction.columns, &merged, table);
        }
        Ok(())
    }

    fn put(&mut self, columns: &[usize], restriction: &Arc<Restriction>, table: &Table) {
        for column in columns {
            match self.by_column.iter_mut().find(|(at, _)| at == column) {
                Some(slot) => slot.1 = Arc::clone(restriction),
                None => self.by_column.push((*column, Arc::clone(restriction))),
            }
        }
        self.by_column.sort_by(|(a, _), (b, _)| order(table, *a, *b));
    }

    /// Adds a restriction on clustering columns, which must follow each other where rows cannot be filtered.
    pub fn add_clustering(
        &mut self,
        restriction: Restriction,
        entry: &TableEntry,
        allow_filtering: bool,
        use_indexes: bool,
    ) -> Result<()> {
        let table = &entry.table;
        let (first, is_slice) = (restriction.first(), restriction.is_slice());
        let supported = use_indexes && is_supported(&restriction, entry);
        let last = self.by_column.last().map(|(_, last)| (last.first(), last.is_slice()));
        let next = self.by_column.iter().find(|(column, _)| *column > first).map(|(column, _)| *column);
        self.add(restriction, table)?;
        let Some((last_first, last_is_slice)) = last else { return Ok(()) };
        if allow_filtering || supported {
            return Ok(());
        }
        if last_is_slice && first > last_first {
            return Err(Error::invalid(format!(
                "Clustering column \"{}\" cannot be restricted (preceding column \"{}\" is restricted by a non-EQ relation)",
                name(table, first),
                name(table, last_first)
            )));
        }
        if let Some(next) = next.filter(|_| first < last_first && is_slice) {
            return Err(Error::invalid(format!(
                "PRIMARY KEY column \"{}\" cannot be restricted (preceding column \"{}\" is restricted by a non-EQ relation)",
                name(table, next),
                name(table, first)
            )));
        }
        Ok(())
    }

    /// Whether some clustering restriction cannot be met by reading slices of rows.
    pub fn clustering_needs_filtering(&self, entry: &TableEntry) -> bool {
        let mut position = entry.partition_key_len;
        for restriction in self.iter() {
            if is_filtered(restriction, position) {
                return true;
            }
            if !restriction.is_slice() {
                position = restriction.last() + 1;
            }
        }
        self.has_contains
    }

    pub fn is_supported(&self, entry: &TableEntry) -> bool {
        self.iter().any(|restriction| is_supported(restriction, entry))
    }
}

/// Whether a clustering restriction is left to the filter, `position` being the first clustering column that none of
/// those before it names.
pub(super) fn is_filtered(restriction: &Restriction, position: usize) -> bool {
    restriction.is_contains() || restriction.first() != position
}

fn order(table: &Table, a: usize, b: usize) -> Ordering {
    let key = |at: usize| {
        table.columns.get(at).map(|column| {
            let position = match column.kind {
                ColumnKind::PartitionKey | ColumnKind::Clustering => column.position,
                ColumnKind::Static | ColumnKind::Regular => 0,
            };
            (position, &column.name)
        })
    };
    key(a).cmp(&key(b))
}

/// What an index is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::select) enum Lookup {
    Equal,
    Contains,
    ContainsKey,
    MapEntry,
    /// A comparison or IN, which no index answers.
    Other,
}

/// Whether an index answers a lookup of its column (`supportsOperator` of Cassandra's index classes).
pub(in crate::select) fn answers(index: &IndexEntry, column_type: &CqlType, lookup: Lookup) -> bool {
    let is_set = matches!(column_type, CqlType::Set { .. });
    // A frozen collection is one value whatever the index was declared on.
    if !column_type.is_multi_cell() || matches!(index.on, IndexOn::Simple | IndexOn::Full) {
        return lookup == Lookup::Equal;
    }
    match index.on {
        IndexOn::Entries => lookup == Lookup::MapEntry,
        IndexOn::Keys => lookup == Lookup::ContainsKey,
        _ if is_set => matches!(lookup, Lookup::Contains | Lookup::ContainsKey),
        _ => lookup == Lookup::Contains,
    }
}

/// What a restriction asks of an index on one of its columns.
pub(super) fn lookups(restriction: &Restriction) -> impl Iterator<Item = Lookup> {
    let found: Vec<Lookup> = match &restriction.test {
        Test::Equal(_) => vec![Lookup::Equal],
        Test::In(_) | Test::Slice { .. } => vec![Lookup::Other],
        Test::Contains { values, keys, entries } => {
            let mut found = Vec::new();
            if !values.is_empty() {
                found.push(Lookup::Contains);
            }
            if !keys.is_empty() {
                found.push(Lookup::ContainsKey);
            }
            if !entries.is_empty() {
                found.push(Lookup::MapEntry);
            }
            found
        }
    };
    found.into_iter()
}

/// Whether this index answers the restriction, or some part of it.
pub(super) fn index_supports(
    restriction: &Restriction,
    column: usize,
    index: &IndexEntry,
    entry: &TableEntry,
) -> bool {
    index.column == column
        && entry.table.columns.get(column).is_some_and(|column| {
            lookups(restriction).any(|lookup| answers(index, &column.column_type, lookup))
        })
}

/// Whether some index answers a part of the restriction.
pub(super) fn is_supported(restriction: &Restriction, entry: &TableEntry) -> bool {
    entry.indexes.iter().any(|index| {
        restriction.columns.iter().any(|column| index_supports(restriction, *column, index, entry))
    })
}

/// Whether rows must be filtered for this restriction although the one index is used (`needsFiltering`).
pub(super) fn needs_filtering(restriction: &Restriction, index: &IndexEntry, entry: &TableEntry) -> bool {
    if restriction.tuple {
        return restriction.columns.iter().any(|column| !index_supports(restriction, *column, index, entry));
    }
    // An index finds the rows of one value; the others are left to the filter.
    let several = matches!(&restriction.test,
        Test::Contains { values, keys, entries } if values.len() + keys.len() + entries.len() > 1);
    several || !index_supports(restriction, restriction.first(), index, entry)
}
