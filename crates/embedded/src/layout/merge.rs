//! Two deltas of one entry become one, by Cassandra's rules (`Rows.merge`, `Cells.reconcile`, `LivenessInfo`).
//!
//! The result does not depend on the order in which deltas are merged, which lets the store keep writes blind.

use std::cmp::Ordering;

use super::record::{BadRecord, Cell, CellState, Cells, Deletion, Expiry, Liveness, Record, RecordWriter};

/// Appends the merged record to `out`.
pub fn merge(a: &[u8], b: &[u8], out: &mut Vec<u8>) -> Result<(), BadRecord> {
    let (ra, rb) = (Record::parse(a)?, Record::parse(b)?);
    let deletion = Deletion::later(ra.deletion, rb.deletion);
    let liveness = later_liveness(ra.liveness, rb.liveness).filter(|l| !deletes(deletion, l.timestamp));

    // The greater base whatever survives: the same bytes in whichever order deltas meet.
    let mut writer = RecordWriter::new(ra.base().max(rb.base()), out);
    if let Some(at) = ra.ranges_at.max(rb.ranges_at) {
        writer.ranges_at(at);
    }
    if let Some(liveness) = liveness {
        writer.liveness(liveness);
    }
    if let Some(deletion) = deletion {
        writer.deletion(deletion);
    }
    // Which spelling of an equal key stays does not matter to Cassandra either; the greater makes it one.
    if let Some(originals) = ra.originals.max(rb.originals) {
        writer.originals(originals);
    }
    merge_cells(ra.cells(), rb.cells(), deletion, &mut writer)?;
    writer.finish();
    Ok(())
}

fn merge_cells(
    mut a: Cells<'_>,
    mut b: Cells<'_>,
    deletion: Option<Deletion>,
    writer: &mut RecordWriter<'_>,
) -> Result<(), BadRecord> {
    let (mut next_a, mut next_b) = (a.next().transpose()?, b.next().transpose()?);
    let mut shadow = Shadow::under(deletion);
    loop {
        let cell = match (next_a, next_b) {
            (None, None) => return Ok(()),
            (Some(x), None) => {
                next_a = a.next().transpose()?;
                x
            }
            (None, Some(y)) => {
                next_b = b.next().transpose()?;
                y
            }
            (Some(x), Some(y)) => match x.order(&y) {
                Ordering::Less => {
                    next_a = a.next().transpose()?;
                    x
                }
                Ordering::Greater => {
                    next_b = b.next().transpose()?;
                    y
                }
                Ordering::Equal => {
                    next_a = a.next().transpose()?;
                    next_b = b.next().transpose()?;
                    reconcile(x, y)
                }
            },
        };
        if shadow.lets_through(&cell) {
            writer.cell(&cell);
        }
    }
}

/// What hides the cells that follow: the row's deletion, and within a collection that column's.
pub struct Shadow {
    row: Option<Deletion>,
    collection: Option<(u16, Deletion)>,
}

impl Shadow {
    pub fn under(row: Option<Deletion>) -> Shadow {
        Shadow { row, collection: None }
    }

    /// Cells must be asked for in order. A collection's deletion goes through only if the row's does not cover it.
    #[inline]
    pub fn lets_through(&mut self, cell: &Cell<'_>) -> bool {
        if let CellState::CollectionDeleted { at } = cell.state {
            let deletion = Deletion { timestamp: cell.timestamp, at };
            let stands = deletion.supersedes(self.row);
            self.collection = stands.then_some((cell.column, deletion));
            return stands;
        }
        if deletes(self.row, cell.timestamp) {
            return false;
        }
        !self.collection.is_some_and(|(column, by)| column == cell.column && cell.timestamp <= by.timestamp)
    }
}

/// Whether something written at `timestamp` is gone.
pub fn deletes(deletion: Option<Deletion>, timestamp: i64) -> bool {
    deletion.is_some_and(|deletion| timestamp <= deletion.timestamp)
}

/// `LivenessInfo.supersedes`, as stored data meets it: an expiry is not yet judged by the clock.
fn later_liveness(a: Option<Liveness>, b: Option<Liveness>) -> Option<Liveness> {
    let (Some(x), Some(y)) = (a, b) else { return a.or(b) };
    let rank = |l: &Liveness| {
        let expiry = l.expiry.map(|e| (e.at, std::cmp::Reverse(e.ttl)));
        (l.timestamp, expiry)
    };
    Some(if rank(&y) > rank(&x) { y } else { x })
}

/// `Cells.reconcile`: of two cells in one place, the one that stays.
fn reconcile<'a>(x: Cell<'a>, y: Cell<'a>) -> Cell<'a> {
    // A counter's tombstone wins whatever the times (CASSANDRA-7346).
    match (&x.state, &y.state) {
        (CellState::Counter { .. }, CellState::Tombstone { .. }) => return y,
        (CellState::Tombstone { .. }, CellState::Counter { .. }) => return x,
        _ => {}
    }
    if rank(&y) > rank(&x) { y } else { x }
}

/// Greater stays: the later; then a tombstone over an expiring cell over a plain one (CASSANDRA-14592); then the
/// later local time; then the shorter time to live; then the greater value.
pub fn rank<'a>(cell: &Cell<'a>) -> (i64, u8, u32, std::cmp::Reverse<u32>, &'a [u8]) {
    let (class, local, ttl, value): (u8, u32, u32, &[u8]) = match cell.state {
        CellState::CollectionDeleted { at } | CellState::Tombstone { at } => (2, at, 0, &[]),
        CellState::Live { value, expiry: Some(Expiry { ttl, at }) } => (1, at, ttl, value),
        CellState::Live { value, expiry: None } | CellState::Counter { value } => (0, 0, 0, value),
    };
    (cell.timestamp, class, local, std::cmp::Reverse(ttl), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Delta {
        base: i64,
        liveness: Option<(i64, Option<(u32, u32)>)>,
        deletion: Option<(i64, u32)>,
        cells: Vec<(u16, Option<u8>, i64, u8, u8)>,
    }

    fn encode(delta: &Delta) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RecordWriter::new(delta.base, &mut out);
        if let Some((timestamp, expiry)) = delta.liveness {
            writer.liveness(Liveness { timestamp, expiry: expiry.map(|(ttl, at)| Expiry { ttl, at }) });
        }
        if let Some((timestamp, at)) = delta.deletion {
            writer.deletion(Deletion { timestamp, at });
        }
        let values = [[0u8], [1], [2], [3]];
        let mut cells: Vec<Cell<'_>> = delta
            .cells
            .iter()
            .map(|(column, path, timestamp, state, value)| Cell {
                column: *column,
                timestamp: *timestamp,
                // Columns from 2 on are collections.
                path: if *column >= 2 && *state != 3 {
                    Some(&values[path.unwrap_or(0) as usize % 4])
                } else {
                    None
                },
                state: match (*state, *column >= 2) {
                    (0, _) => CellState::Live { value: &values[*value as usize % 4], expiry: None },
                    (1, _) => CellState::Live {
                        value: &values[*value as usize % 4],
                        expiry: Some(Expiry { ttl: u32::from(*value), at: u32::from(*value) + 10 }),
                    },
                    (3, true) => CellState::CollectionDeleted { at: u32::from(*value) },
                    _ => CellState::Tombstone { at: u32::from(*value) },
                },
            })
            .collect();
        cells.sort_by(|a, b| a.order(b));
        cells.dedup_by(|a, b| a.order(b).is_eq());
        for cell in &cells {
            writer.cell(cell);
        }
        writer.finish();
        out
    }

    fn delta() -> impl Strategy<Value = Delta> {
        let expiry = prop::option::of((1u32..4, 10u32..14));
        (
            0i64..6,
            prop::option::of((0i64..6, expiry)),
            prop::option::of((0i64..6, 0u32..3)),
            prop::collection::vec((0u16..4, prop::option::of(0u8..4), 0i64..6, 0u8..4, 0u8..4), 0..6),
        )
            .prop_map(|(base, liveness, deletion, cells)| Delta { base, liveness, deletion, cells })
    }

    fn merged(a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        merge(a, b, &mut out).unwrap();
        out
    }

    proptest! {
        /// The store merges a delta whenever it meets another, perhaps twice: only these laws make that safe.
        #[test]
        fn the_order_in_which_deltas_meet_does_not_matter(a in delta(), b in delta(), c in delta()) {
            let (a, b, c) = (encode(&a), encode(&b), encode(&c));
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            let clean = merged(&a, &a);
            prop_assert_eq!(merged(&clean, &clean), clean);
            let (left, right) = (merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(merged(&left, &a), left);
        }

        #[test]
        fn bytes_that_are_no_record_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            let _ = merge(&bytes, &bytes, &mut out);
        }
    }
}
