//! Which partitions and rows a WHERE clause names at one execution.

use ilium_cql::murmur3::Token;
use ilium_cql::partition_key::{self, PartitionKeyError};
use ilium_cql::schema::Column;
use ilium_cql::sort_key;
use ilium_store::{Error, Result};

use super::Restrictions;
use super::choose::{Choice, choices, invalid, tuple};
use super::interval::{self, NULL_COMPONENT, Part, above, below, joined, within};
use super::restriction::{Limit, Restriction, Test, Values, name};
use super::set::{RestrictionSet, is_filtered};
use super::token::TokenRange;
use crate::layout::scan::Slice;
use crate::select::point::PointRead;
use crate::term::{Env, Term};

/// A row named by all its clustering columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    pub sort_key: Vec<u8>,
    /// The columns' wire bytes, which the sort key may not give back.
    pub values: Vec<Vec<u8>>,
}

/// Rows of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::select) struct RowSlices {
    pub slices: Vec<Slice>,
    /// Each slice is one row with all its clustering columns.
    pub exact: bool,
}

/// A product of IN lists under construction.
struct Product {
    /// Parallel: the sort key so far, the values so far.
    keys: Vec<RowKey>,
    budget: usize,
}

impl Product {
    fn new(budget: usize) -> Product {
        Product { keys: vec![RowKey { sort_key: Vec::new(), values: Vec::new() }], budget }
    }

    /// Appends every choice to every key.
    fn multiply(&mut self, choices: &[Choice<'_>], columns: &[&Column]) -> Result<()> {
        let bytes_each: usize = choices.iter().flatten().map(|value| value.len() + 32).sum();
        if self.keys.len().saturating_mul(bytes_each.max(1)) > self.budget {
            return Err(too_many());
        }
        let mut keys = Vec::with_capacity(self.keys.len().saturating_mul(choices.len()));
        for key in &self.keys {
            for choice in choices {
                let mut key = key.clone();
                for (value, column) in choice.iter().zip(columns) {
                    sort_key::encode(&column.column_type, value, column.descending, &mut key.sort_key)
                        .map_err(invalid)?;
                    key.values.push(value.to_vec());
                }
                keys.push(key);
            }
        }
        self.keys = keys;
        Ok(())
    }

    /// In the order of values, each once.
    fn finish(mut self) -> Vec<RowKey> {
        if self.keys.len() > 1 {
            self.keys.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
            self.keys.dedup_by(|a, b| a.sort_key == b.sort_key);
        }
        self.keys
    }
}

fn too_many() -> Error {
    Error::invalid(
        "The IN restrictions name more keys than the memory budget of a request holds; ask for fewer keys at once",
    )
}

impl Restrictions {
    /// The keys of the partitions that are named by `=` and IN, in the order of their columns' values, each once.
    /// `budget`: bytes that a product of IN lists may take.
    pub fn partition_keys(&self, env: &Env<'_>, budget: usize) -> Result<Vec<Vec<u8>>> {
        let keys = self.unchecked_partition_keys(env, budget)?;
        check_keys(&keys)?;
        Ok(keys)
    }

    /// As [`Restrictions::partition_keys`], before [`check_keys`].
    pub(in crate::select) fn unchecked_partition_keys(
        &self,
        env: &Env<'_>,
        budget: usize,
    ) -> Result<Vec<Vec<u8>>> {
        let mut product = Product::new(budget);
        for restriction in self.partition.iter() {
            let choices = choices(restriction, &self.entry.table, env)?;
            product.multiply(&choices, &self.columns_of(restriction))?;
            // `IN ()`: what follows is not looked at.
            if choices.is_empty() {
                break;
            }
        }
        let mut found = Vec::new();
        for key in product.finish() {
            let mut bytes = Vec::new();
            partition_key::encode(&key.values, &mut bytes).map_err(key_error)?;
            let admitted = match &self.token {
                Some(token) => token.admits(Token::of(&bytes), env)?,
                None => true,
            };
            if admitted {
                found.push(bytes);
            }
        }
        Ok(found)
    }

    /// The part of the ring to read where partitions are not named; `None`: nothing.
    pub(in crate::select) fn token_range(&self, env: &Env<'_>) -> Result<Option<TokenRange>> {
        match &self.token {
            Some(token) => token.range(env),
            None => Ok(Some(TokenRange::ALL)),
        }
    }

    /// Rows named by all their clustering columns, in their order, each once. In a table without clustering columns
    /// it is the one row of each partition. To be asked only where [`Restrictions::names_rows`].
    pub fn row_keys(&self, env: &Env<'_>, budget: usize) -> Result<Vec<RowKey>> {
        let mut product = Product::new(budget);
        for restriction in self.clustering.iter() {
            let choices = choices(restriction, &self.entry.table, env)?;
            product.multiply(&choices, &self.columns_of(restriction))?;
            // `IN ()`: what follows is not looked at.
            if choices.is_empty() {
                break;
            }
        }
        Ok(product.finish())
    }

    /// The rows as slices, sorted and disjoint; what cannot be said by slices is left to the filter.
    pub fn slices(&self, env: &Env<'_>, budget: usize) -> Result<Vec<Slice>> {
        let mut product = Product::new(budget);
        let mut position = self.entry.partition_key_len;
        for restriction in self.clustering.iter() {
            if is_filtered(restriction, position) {
                break;
            }
            if let Test::Slice { start, end } = &restriction.test {
                let start = start.as_ref().map(|limit| self.parts(limit, restriction, env)).transpose()?;
                let end = end.as_ref().map(|limit| self.parts(limit, restriction, env)).transpose()?;
                let mut slices = Vec::new();
                for key in product.finish() {
                    let prefix = key.sort_key;
                    let lower = start.as_ref().map(|(parts, inclusive)| above(&prefix, parts, *inclusive));
                    let upper = end.as_ref().map(|(parts, inclusive)| below(&prefix, parts, *inclusive));
                    slices.extend(match (lower, upper) {
                        (Some(lower), Some(upper)) => interval::common(&lower, &upper),
                        (Some(one), None) | (None, Some(one)) => one,
                        (None, None) => vec![within(&prefix)],
                    });
                }
                return Ok(joined(slices));
            }
            let choices = choices(restriction, &self.entry.table, env)?;
            product.multiply(&choices, &self.columns_of(restriction))?;
            // `IN ()`: what follows is not looked at.
            if choices.is_empty() {
                break;
            }
            position = restriction.last() + 1;
        }
        Ok(joined(product.finish().iter().map(|key| within(&key.sort_key)).collect()))
    }

    /// Rows by name or by slice, whichever the clause says.
    pub(in crate::select) fn row_slices(&self, env: &Env<'_>, budget: usize) -> Result<RowSlices> {
        if self.entry.clustering_len == 0 {
            return Ok(RowSlices { slices: vec![Slice::all()], exact: false });
        }
        if !self.names_rows() {
            return Ok(RowSlices { slices: self.slices(env, budget)?, exact: false });
        }
        let keys = self.row_keys(env, budget)?;
        Ok(RowSlices { slices: keys.into_iter().map(|key| Slice::row(key.sort_key)).collect(), exact: true })
    }

    /// The terms of a key that is named whole by single values: the fast way to run such a statement. `None`: there is
    /// more to it.
    pub(in crate::select) fn point(&self) -> Option<PointRead> {
        let terms = |set: &RestrictionSet| -> Option<Vec<Term>> {
            set.iter()
                .map(|restriction| match &restriction.test {
                    Test::Equal(Values::Each(terms)) if !restriction.tuple => terms.first().cloned(),
                    _ => None,
                })
                .collect()
        };
        if self.is_key_range || self.uses_index || self.token.is_some() {
            return None;
        }
        let partition = terms(&self.partition).filter(|terms| terms.len() == self.entry.partition_key_len)?;
        let clustering = terms(&self.clustering)
            .filter(|terms| terms.is_empty() || terms.len() == self.entry.clustering_len)?;
        Some(PointRead { partition, clustering })
    }

    fn parts(&self, limit: &Limit, restriction: &Restriction, env: &Env<'_>) -> Result<(Vec<Part>, bool)> {
        let table = &self.entry.table;
        let values = tuple(&limit.values, restriction, table, env)?;
        let mut parts = Vec::with_capacity(values.len());
        for (value, index) in values.iter().zip(&restriction.columns) {
            let Some(column) = table.columns.get(*index) else { break };
            let mut component = Vec::new();
            match value {
                Some(value) => {
                    sort_key::encode(&column.column_type, value, column.descending, &mut component)
                        .map_err(invalid)?
                }
                None if restriction.tuple => {
                    return Err(Error::invalid(format!(
                        "Invalid null value in condition for column {}",
                        name(table, *index)
                    )));
                }
                None => component.push(NULL_COMPONENT),
            }
            parts.push(Part { component, descending: column.descending });
        }
        Ok((parts, limit.inclusive))
    }

    fn columns_of(&self, restriction: &Restriction) -> Vec<&Column> {
        restriction.columns.iter().filter_map(|column| self.entry.table.columns.get(*column)).collect()
    }
}

/// Cassandra takes no key without bytes (`QueryProcessor.validateKey`).
pub(in crate::select) fn check_keys(keys: &[Vec<u8>]) -> Result<()> {
    match keys.iter().any(Vec::is_empty) {
        true => Err(Error::invalid("Key may not be empty")),
        false => Ok(()),
    }
}

pub(in crate::select) fn key_error(error: PartitionKeyError) -> Error {
    Error::invalid(error.to_string())
}
