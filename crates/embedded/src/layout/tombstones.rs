//! A partition's range tombstones, flattened: disjoint intervals, each with the one deletion that counts there.

use std::collections::BTreeMap;

use super::record::Deletion;

#[derive(Debug, Default)]
pub struct RangeTombstones {
    written: Vec<(Vec<u8>, Vec<u8>, Deletion)>,
    /// Sorted by start; `None` marks a gap.
    flat: Vec<(Vec<u8>, Option<Deletion>)>,
}

impl RangeTombstones {
    pub fn clear(&mut self) {
        self.written.clear();
        self.flat.clear();
    }

    /// Adds `[start, end)`; [`flatten`](Self::flatten) must follow the last.
    pub fn add(&mut self, start: &[u8], end: &[u8], deletion: Deletion) {
        if start < end {
            self.written.push((start.to_vec(), end.to_vec(), deletion));
        }
    }

    pub fn flatten(&mut self) {
        let mut edges: Vec<(&[u8], bool, Deletion)> = Vec::with_capacity(2 * self.written.len());
        for (start, end, deletion) in &self.written {
            edges.push((start, true, *deletion));
            edges.push((end, false, *deletion));
        }
        edges.sort_by(|a, b| a.0.cmp(b.0));
        let mut open: BTreeMap<(i64, u32), usize> = BTreeMap::new();
        self.flat.clear();
        let mut edges = edges.into_iter().peekable();
        while let Some((at, opens, deletion)) = edges.next() {
            let key = (deletion.timestamp, deletion.at);
            if opens {
                *open.entry(key).or_default() += 1;
            } else if let Some(count) = open.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.remove(&key);
                }
            }
            if edges.peek().is_some_and(|next| next.0 == at) {
                continue;
            }
            let strongest =
                open.last_key_value().map(|((timestamp, at), _)| Deletion { timestamp: *timestamp, at: *at });
            if self.flat.last().is_none_or(|(_, last)| *last != strongest) {
                self.flat.push((at.to_vec(), strongest));
            }
        }
    }

    /// What deletes the row with this clustering key.
    pub fn covering(&self, clustering: &[u8]) -> Option<Deletion> {
        if self.flat.is_empty() {
            return None;
        }
        let after = self.flat.partition_point(|(start, _)| start.as_slice() <= clustering);
        self.flat.get(after.checked_sub(1)?)?.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_is_deleted_by_the_strongest_range_that_covers_it(
            ranges in prop::collection::vec((0u8..20, 0u8..20, 0i64..5, 0u32..3), 0..12)
        ) {
            let mut all = RangeTombstones::default();
            for (start, end, timestamp, at) in &ranges {
                all.add(&[*start], &[*end], Deletion { timestamp: *timestamp, at: *at });
            }
            all.flatten();
            for row in 0u8..20 {
                let expected = ranges.iter().filter(|(s, e, _, _)| *s <= row && row < *e)
                    .map(|(_, _, t, at)| (*t, *at)).max();
                prop_assert_eq!(all.covering(&[row]).map(|d| (d.timestamp, d.at)), expected);
            }
        }
    }
}
