//! WHERE: from relations as written to what a statement may read or change.
//!
//! Vocabulary: a *relation* is one conjunct as written; a *restriction* is all that is asked of one column, or of
//! several clustering columns as a tuple. Restrictions on the partition key name partitions or a part of the ring;
//! those on clustering columns, as far as they follow each other, name rows or *slices* of rows; what is left is the
//! *filter*, asked of each row. The rules and the words for what breaks them are those of Cassandra's
//! `StatementRestrictions`.

mod choose;
mod conditions;
mod interval;
mod relation;
mod restriction;
mod rows;
mod set;
mod token;

use std::fmt;
use std::sync::Arc;

use ilium_cql::ast::{QualifiedName, Relation, RelationKind};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::ColumnKind;
use ilium_store::{Error, Result};

use crate::catalog::entry::TableEntry;
use crate::term::Compiler;

pub(in crate::select) use conditions::{Condition, Expected};
pub(in crate::select) use interval::common;
pub(in crate::select) use relation::undefined_column;
use relation::{Made, Relations};
use restriction::{Restriction, name};
pub use rows::RowKey;
pub(in crate::select) use rows::{RowSlices, check_keys, key_error};
use set::RestrictionSet;
pub(in crate::select) use set::answers;
pub(in crate::select) use token::TokenRange;
use token::TokenRestriction;

/// Cassandra's refusal of a query that would have to look at rows it does not return.
pub const REQUIRES_ALLOW_FILTERING: &str = "Cannot execute this query as it might involve data filtering and thus may \
     have unpredictable performance. If you want to execute this query despite the performance unpredictability, use \
     ALLOW FILTERING";

/// Whose WHERE clause it is; shown as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// Its relations are made of the columns and values it lists.
    Insert,
    Update,
    Delete,
    Select,
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StatementKind::Insert => "INSERT",
            StatementKind::Update => "UPDATE",
            StatementKind::Delete => "DELETE",
            StatementKind::Select => "SELECT",
        })
    }
}

/// What the rules depend on beside the relations.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    pub statement: StatementKind,
    /// The selected or changed columns are all static (or, selected, of the partition key).
    pub only_statics: bool,
    pub allow_filtering: bool,
}

/// The markers that carry the partition key's columns.
#[derive(Debug, Clone, Default)]
pub struct KeyMarkers(Vec<Option<u16>>);

impl KeyMarkers {
    /// Notes that the marker is the value of a column, by its index; of several the last one in the text counts.
    pub fn note(&mut self, column: usize, marker: u16) {
        if self.0.len() <= column {
            self.0.resize(column + 1, None);
        }
        if let Some(slot) = self.0.get_mut(column) {
            *slot = (*slot).max(Some(marker));
        }
    }

    /// The marker of each partition key column in order; empty unless all have one.
    pub fn of_key(&self, partition_key_len: usize) -> Vec<u16> {
        let found: Option<Vec<u16>> = (0..partition_key_len).map(|column| *self.0.get(column)?).collect();
        found.unwrap_or_default()
    }
}

/// A checked WHERE clause. What it names at one execution: [`Restrictions::partition_keys`],
/// [`Restrictions::row_keys`], [`Restrictions::slices`].
#[derive(Debug, Clone)]
pub struct Restrictions {
    entry: Arc<TableEntry>,
    partition: RestrictionSet,
    token: Option<TokenRestriction>,
    clustering: RestrictionSet,
    others: RestrictionSet,
    is_key_range: bool,
    uses_index: bool,
    filters: Filters,
}

/// Which sets are asked of rows.
#[derive(Debug, Clone, Copy, Default)]
struct Filters {
    partition: bool,
    clustering: bool,
    others: bool,
}

impl Restrictions {
    /// Checks the relations of a statement on `entry`'s table and compiles their values, in the order written.
    pub fn new(
        entry: &Arc<TableEntry>,
        relations: &[Relation],
        clause: Clause,
        compiler: &mut Compiler<'_>,
        key_markers: &mut KeyMarkers,
    ) -> Result<Restrictions> {
        let mut built = Restrictions {
            entry: Arc::clone(entry),
            partition: RestrictionSet::default(),
            token: None,
            clustering: RestrictionSet::default(),
            others: RestrictionSet::default(),
            is_key_range: false,
            uses_index: false,
            filters: Filters::default(),
        };
        let mut reader = Relations { compiler, key_markers };
        for relation in relations {
            if matches!(relation.kind, RelationKind::Custom { .. }) {
                continue;
            }
            match reader.restriction(relation, clause.statement)? {
                Made::Columns(restriction) => built.add(restriction, clause)?,
                Made::Token(restriction) => {
                    built.token = Some(match built.token.take() {
                        Some(present) => present.and(restriction, &entry.table)?,
                        None => restriction,
                    });
                }
            }
        }
        built.check_custom(relations)?;
        built.check(clause)?;
        Ok(built)
    }

    fn add(&mut self, restriction: Restriction, clause: Clause) -> Result<()> {
        let use_indexes = clause.statement == StatementKind::Select;
        match self.entry.table.columns.get(restriction.first()).map(|column| column.kind) {
            Some(ColumnKind::PartitionKey) => self.partition.add(restriction, &self.entry.table),
            Some(ColumnKind::Clustering) => {
                self.clustering.add_clustering(restriction, &self.entry, clause.allow_filtering, use_indexes)
            }
            _ => self.others.add(restriction, &self.entry.table),
        }
    }

    /// `expr(index, value)`: only custom indexes take it, and there are none.
    fn check_custom(&self, relations: &[Relation]) -> Result<()> {
        let mut custom = relations.iter().filter_map(|relation| match &relation.kind {
            RelationKind::Custom { index, .. } => Some(index),
            _ => None,
        });
        let Some(index) = custom.next() else { return Ok(()) };
        if custom.next().is_some() {
            return Err(Error::invalid(
                "Multiple custom index expressions in a single query are not supported",
            ));
        }
        let QualifiedName { keyspace, name } = index;
        let table = &self.entry.table;
        let shown = format!("{}.{}", quote_if_needed(&table.keyspace), quote_if_needed(&table.name));
        if keyspace.as_ref().is_some_and(|keyspace| keyspace.as_str() != &*table.keyspace) {
            return Err(Error::invalid(format!(
                "Target index {} cannot be used to query {shown}",
                name.text
            )));
        }
        if self.entry.index(name.as_str()).is_none() {
            return Err(Error::invalid(format!(
                "Invalid index expression, index {} not found for {shown}",
                name.text
            )));
        }
        Err(Error::invalid(format!(
            "Only CUSTOM indexes may be used in custom index expressions, {} is not valid",
            name.text
        )))
    }

    fn check(&mut self, clause: Clause) -> Result<()> {
        let select = clause.statement == StatementKind::Select;
        let clustering_index = select && self.clustering.is_supported(&self.entry);
        let has_index = clustering_index
            || (select
                && (self.partition.is_supported(&self.entry) || self.others.is_supported(&self.entry)));
        self.check_partition_key(clause, has_index)?;
        if self.uses_index || self.partition_needs_filtering() {
            self.filters.partition = true;
        }
        if clause.only_statics && !self.clustering.is_empty() {
            match clause.statement {
                StatementKind::Update | StatementKind::Delete => {
                    return Err(Error::invalid(format!(
                        "Invalid restrictions on clustering columns since the {} statement modifies only static columns",
                        clause.statement
                    )));
                }
                StatementKind::Select => {
                    return Err(Error::invalid(
                        "Cannot restrict clustering columns when selecting only static columns",
                    ));
                }
                StatementKind::Insert => {}
            }
        }
        self.check_clustering(clause, has_index)?;
        if self.is_key_range && clustering_index {
            self.uses_index = true;
        }
        if self.uses_index || self.clustering.clustering_needs_filtering(&self.entry) {
            self.filters.clustering = true;
        }
        if !self.others.is_empty() {
            self.check_others(clause, has_index)?;
        }
        if self.uses_index && self.partition_has_in() {
            return Err(Error::invalid(
                "Select on indexed columns and with IN clause for the PRIMARY KEY are not supported",
            ));
        }
        Ok(())
    }

    fn check_partition_key(&mut self, clause: Clause, has_index: bool) -> Result<()> {
        if clause.statement != StatementKind::Select {
            let statement = clause.statement;
            if self.is_on_token() {
                return Err(Error::invalid(format!(
                    "The token function cannot be used in WHERE clauses for {statement} statements"
                )));
            }
            if self.partition.len() < self.entry.partition_key_len {
                let missing = self.missing(0..self.entry.partition_key_len, &self.partition);
                return Err(Error::invalid(format!("Some partition key parts are missing: {missing}")));
            }
            if self.partition.has_slice() {
                return Err(Error::invalid(format!(
                    "Only EQ and IN relation are supported on the partition key (unless you use the token() function) \
                     for {statement} statements"
                )));
            }
            return Ok(());
        }
        if self.is_on_token() {
            self.is_key_range = true;
        }
        if self.partition.is_empty() && self.token.is_none() {
            self.is_key_range = true;
            self.uses_index = has_index;
        }
        if self.partition_needs_filtering() {
            if !clause.allow_filtering && !has_index && self.must_say_allow_filtering() {
                return Err(Error::invalid(REQUIRES_ALLOW_FILTERING));
            }
            self.is_key_range = true;
            self.uses_index = has_index;
        }
        Ok(())
    }

    fn check_clustering(&mut self, clause: Clause, has_index: bool) -> Result<()> {
        let statement = clause.statement;
        let clustering = self.entry.partition_key_len..self.entry.key_len();
        if matches!(statement, StatementKind::Insert | StatementKind::Update) {
            if self.clustering.has_slice() {
                return Err(Error::invalid(format!(
                    "Slice restrictions are not supported on the clustering columns in {statement} statements"
                )));
            }
            if !clause.only_statics && self.clustering.len() != self.entry.clustering_len {
                let missing = self.missing(clustering, &self.clustering);
                return Err(Error::invalid(format!("Some clustering keys are missing: {missing}")));
            }
            return Ok(());
        }
        if self.clustering.has_contains() && !has_index && !clause.allow_filtering {
            return Err(Error::invalid(
                "Clustering columns can only be restricted with CONTAINS with a secondary index or filtering",
            ));
        }
        if self.clustering.is_empty() || !self.clustering.clustering_needs_filtering(&self.entry) {
            return Ok(());
        }
        if has_index {
            self.uses_index = true;
        } else if !clause.allow_filtering {
            for (expected, restricted) in clustering.zip(self.clustering.columns()) {
                if expected != restricted {
                    let table = &self.entry.table;
                    return Err(Error::invalid(format!(
                        "PRIMARY KEY column \"{}\" cannot be restricted as preceding column \"{}\" is not restricted",
                        name(table, restricted),
                        name(table, expected)
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_others(&mut self, clause: Clause, has_index: bool) -> Result<()> {
        let table = &self.entry.table;
        if clause.statement != StatementKind::Select {
            let names: Vec<&str> = self.others.columns().map(|column| name(table, column)).collect();
            return Err(Error::invalid(format!(
                "Non PRIMARY KEY columns found in where clause: {} ",
                names.join(", ")
            )));
        }
        // Only the first one is looked at (`StatementRestrictions`).
        let is_vector =
            |column: &usize| table.columns.get(*column).is_some_and(|column| column.column_type.is_vector());
        let first = self.others.columns().find(is_vector);
        if first.is_some_and(|first| self.entry.indexes.iter().any(|index| index.column == first)) {
            return Err(Error::invalid("Vector indexes only support ANN queries"));
        }
        if has_index {
            self.uses_index = true;
        } else if !clause.allow_filtering && self.must_say_allow_filtering() {
            return Err(Error::invalid(REQUIRES_ALLOW_FILTERING));
        }
        self.filters.others = true;
        Ok(())
    }

    /// Virtual tables are small and filter without being told to (`AbstractVirtualTable.allowFilteringImplicitly`).
    pub(in crate::select) fn must_say_allow_filtering(&self) -> bool {
        !crate::system::is_virtual_keyspace(&self.entry.table.keyspace)
    }

    /// Whether rows will be looked at that are not returned (`needFiltering`).
    pub(in crate::select) fn needs_filtering(&self) -> bool {
        let sets = self.filtered_sets();
        let any = self.filters.partition || self.filters.clustering || self.filters.others;
        let answered =
            |index| sets.iter().all(|set| set.iter().all(|r| !set::needs_filtering(r, index, &self.entry)));
        if any && !self.entry.indexes.iter().any(answered) {
            return true;
        }
        sets.iter().all(|set| set.is_empty()) && !self.clustering.is_empty()
    }

    fn filtered_sets(&self) -> Vec<&RestrictionSet> {
        [
            (self.filters.partition, &self.partition),
            (self.filters.clustering, &self.clustering),
            (self.filters.others, &self.others),
        ]
        .into_iter()
        .filter_map(|(filtered, set)| filtered.then_some(set))
        .collect()
    }

    /// Partitions are found along the ring, not by name.
    pub(in crate::select) fn is_key_range(&self) -> bool {
        self.is_key_range
    }

    pub(in crate::select) fn uses_index(&self) -> bool {
        self.uses_index
    }

    /// Partitions are read by token although some of the key's columns may be named.
    fn is_on_token(&self) -> bool {
        self.token.is_some()
            && (self.partition_needs_filtering() || self.partition.len() < self.entry.partition_key_len)
    }

    fn partition_needs_filtering(&self) -> bool {
        !self.partition.is_empty()
            && (self.partition.len() < self.entry.partition_key_len
                || self.partition.has_slice()
                || self.partition.has_contains())
    }

    /// IN on the partition key.
    pub fn partition_has_in(&self) -> bool {
        !self.is_on_token() && self.partition.has_in()
    }

    pub(in crate::select) fn restricts_partition_key(&self) -> bool {
        !self.partition.is_empty() || self.token.is_some()
    }

    pub fn restricts_clustering(&self) -> bool {
        !self.clustering.is_empty()
    }

    /// Whether the clause names rows by all their clustering columns ([`Restrictions::row_keys`]); if not, it names
    /// slices of them ([`Restrictions::slices`]).
    pub fn names_rows(&self) -> bool {
        self.clustering.len() == self.entry.clustering_len && self.clustering.only_equalities()
    }

    /// IN on a clustering column.
    pub fn clustering_has_in(&self) -> bool {
        self.clustering.has_in()
    }

    /// Whether a partition that has nothing but static content is an answer: not when rows are asked for.
    pub(in crate::select) fn gives_static_partitions(&self) -> bool {
        self.clustering.is_empty() && !self.restricts_kind(ColumnKind::Regular)
    }

    pub(in crate::select) fn restricts_kind(&self, kind: ColumnKind) -> bool {
        self.others
            .columns()
            .any(|column| self.entry.table.columns.get(column).is_some_and(|c| c.kind == kind))
    }

    pub(in crate::select) fn is_restricted_by_equal(&self, column: usize) -> bool {
        [&self.partition, &self.clustering, &self.others]
            .into_iter()
            .find_map(|set| set.of(column))
            .is_some_and(Restriction::is_equal)
    }

    fn missing(&self, columns: std::ops::Range<usize>, set: &RestrictionSet) -> String {
        let names: Vec<&str> = columns
            .filter(|column| set.of(*column).is_none())
            .map(|column| name(&self.entry.table, column))
            .collect();
        names.join(", ")
    }
}
