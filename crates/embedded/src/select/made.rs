//! Rows that `system` makes when they are asked for, put in the order stored rows would have.

use std::cmp::Ordering;

use ilium_cql::murmur3::Token;
use ilium_cql::{partition_key, sort_key};
use ilium_store::{Error, Result};

use super::page_state::Position;
use super::reader::MadePartitions;
use crate::catalog::entry::TableEntry;

/// One row: a wire value, or null, for each column of its table.
pub type MadeRow = Vec<Option<Vec<u8>>>;

/// The rows of one table, sorted.
pub(super) struct MadeRows {
    rows: Vec<Keyed>,
}

pub(super) struct Keyed {
    pub partition_key: Vec<u8>,
    /// What partitions are ordered by.
    rank: Vec<u8>,
    pub clustering_key: Vec<u8>,
    pub values: MadeRow,
}

impl MadeRows {
    /// `by_key_value`: partitions are ordered by their keys' values, otherwise by their tokens.
    pub fn sorted(rows: Vec<MadeRow>, entry: &TableEntry, by_key_value: bool) -> Result<MadeRows> {
        let mut rows =
            rows.into_iter().map(|row| keyed(row, entry, by_key_value)).collect::<Result<Vec<_>>>()?;
        rows.sort_by(|a, b| a.order(&b.rank, &b.partition_key, Some(&b.clustering_key)));
        Ok(MadeRows { rows })
    }

    /// The rows of the partitions asked for, after an earlier page's last.
    pub fn read<'r>(
        &'r self,
        which: &'r MadePartitions<'r>,
        resumed: Option<&'r Position>,
        reversed: bool,
    ) -> impl Iterator<Item = &'r Keyed> {
        let (named, ring) = match which {
            MadePartitions::Named(keys) => (Some(keys), None),
            MadePartitions::Ring(range) => (None, Some(range)),
        };
        let in_named = named.into_iter().flat_map(move |keys| {
            let first = resumed.map_or(0, |position| {
                keys.iter().position(|key| *key == position.partition_key).unwrap_or(keys.len())
            });
            keys.iter().skip(first).flat_map(move |key| {
                let after = resumed
                    .filter(|position| position.partition_key == *key)
                    .and_then(|position| position.clustering.as_deref());
                let rows = self.rows.iter().filter(move |row| row.partition_key == *key);
                let directed: Box<dyn Iterator<Item = &'r Keyed> + 'r> =
                    if reversed { Box::new(rows.rev()) } else { Box::new(rows) };
                directed.filter(move |row| match after {
                    None => true,
                    Some(after) if reversed => row.clustering_key.as_slice() < after,
                    Some(after) => row.clustering_key.as_slice() > after,
                })
            })
        });
        let resumed_rank = resumed.and_then(|position| {
            self.rows.iter().find(|row| row.partition_key == position.partition_key).map(|row| &row.rank)
        });
        let in_ring = ring.into_iter().flat_map(move |range| {
            self.rows.iter().filter(move |row| {
                let token = Token::of(&row.partition_key);
                let inside = range.from <= token && token <= range.through;
                let later = match (resumed, resumed_rank) {
                    (Some(position), Some(rank)) => {
                        row.order(rank, &position.partition_key, position.clustering.as_deref())
                            == Ordering::Greater
                    }
                    // The partition is gone since; tokens still tell where it was.
                    (Some(position), None) => token > Token::of(&position.partition_key),
                    (None, _) => true,
                };
                inside && later
            })
        });
        in_named.chain(in_ring)
    }
}

impl Keyed {
    /// `clustering` `None` stands behind every row of the partition.
    fn order(&self, rank: &[u8], partition_key: &[u8], clustering: Option<&[u8]>) -> Ordering {
        self.rank
            .as_slice()
            .cmp(rank)
            .then_with(|| self.partition_key.as_slice().cmp(partition_key))
            .then_with(|| {
                clustering.map_or(Ordering::Less, |clustering| self.clustering_key.as_slice().cmp(clustering))
            })
    }
}

fn keyed(values: MadeRow, entry: &TableEntry, by_key_value: bool) -> Result<Keyed> {
    let bad = |why: String| {
        Error::internal(format!(
            "a row made for {}.{} has no key: {why}",
            entry.table.keyspace, entry.table.name
        ))
    };
    let part = |index: usize| {
        values.get(index).and_then(Option::as_deref).ok_or_else(|| bad(format!("column {index} is null")))
    };
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut rank = Vec::new();
    let mut clustering_key = Vec::new();
    for (index, column) in entry.table.columns.iter().enumerate().take(entry.key_len()) {
        let value = part(index)?;
        let out = if index < entry.partition_key_len { &mut rank } else { &mut clustering_key };
        sort_key::encode(&column.column_type, value, column.descending, out)
            .map_err(|e| bad(e.to_string()))?;
        if index < entry.partition_key_len {
            keys.push(value);
        }
    }
    let mut partition_key = Vec::new();
    partition_key::encode(&keys, &mut partition_key).map_err(|e| bad(e.to_string()))?;
    if !by_key_value {
        rank = ((Token::of(&partition_key).0 as u64) ^ (1 << 63)).to_be_bytes().to_vec();
    }
    Ok(Keyed { partition_key, rank, clustering_key, values })
}
