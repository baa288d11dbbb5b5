//! Slices of rows from bounds of tuples, in the byte order of clustering sort keys.
//!
//! A bound compares values, rows lie in the order of their columns, ascending or not: `(a, b) > (1, 2)` with `b`
//! descending is the rows of `a = 1` before `b = 2`, and then all of `a > 1`. Each column of a bound gives one piece,
//! in which the columns before it are equal; pieces that touch become one.

use crate::layout::key::ABOVE;
use crate::layout::scan::Slice;

/// One column of a bound: its component as rows have it, and whether the column descends.
pub(super) struct Part {
    pub component: Vec<u8>,
    pub descending: bool,
}

/// The component of a null in a bound: below every value, whichever way the column goes (`ClusteringComparator`).
pub(super) const NULL_COMPONENT: u8 = 0x00;

/// Rows that begin with `prefix` and whose next columns are greater than the parts, or equal if `inclusive`.
pub(super) fn above(prefix: &[u8], parts: &[Part], inclusive: bool) -> Vec<Slice> {
    pieces(prefix, parts, inclusive, true)
}

/// As [`above`], for less.
pub(super) fn below(prefix: &[u8], parts: &[Part], inclusive: bool) -> Vec<Slice> {
    pieces(prefix, parts, inclusive, false)
}

/// Every row that begins with `prefix`.
pub(super) fn within(prefix: &[u8]) -> Slice {
    Slice { from: prefix.to_vec(), to: with(prefix, &[ABOVE]) }
}

fn pieces(prefix: &[u8], parts: &[Part], inclusive: bool, greater: bool) -> Vec<Slice> {
    let mut found = Vec::with_capacity(parts.len() + 1);
    let mut equal = prefix.to_vec();
    for part in parts {
        let at = with(&equal, &part.component);
        found.push(if greater != part.descending {
            Slice { from: with(&at, &[ABOVE]), to: with(&equal, &[ABOVE]) }
        } else {
            Slice { from: equal, to: at.clone() }
        });
        equal = at;
    }
    if inclusive {
        found.push(within(&equal));
    }
    joined(found)
}

/// Sorted, disjoint, and none of them empty.
pub(super) fn joined(mut slices: Vec<Slice>) -> Vec<Slice> {
    slices.retain(|slice| slice.from < slice.to);
    slices.sort();
    let mut found: Vec<Slice> = Vec::with_capacity(slices.len());
    for slice in slices {
        match found.last_mut() {
            Some(last) if slice.from <= last.to => {
                if last.to < slice.to {
                    last.to = slice.to;
                }
            }
            _ => found.push(slice),
        }
    }
    found
}

/// The rows in both. Each list is sorted and disjoint.
pub(in crate::select) fn common(a: &[Slice], b: &[Slice]) -> Vec<Slice> {
    let mut found = Vec::new();
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let from = (&x.from).max(&y.from);
        let to = (&x.to).min(&y.to);
        if from < to {
            found.push(Slice { from: from.clone(), to: to.clone() });
        }
        if x.to <= y.to {
            a.next();
        } else {
            b.next();
        }
    }
    found
}

fn with(prefix: &[u8], more: &[u8]) -> Vec<u8> {
    [prefix, more].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Components of one byte, ascending or inverted, as `sort_key` would make them.
    fn part(value: u8, descending: bool) -> Part {
        Part { component: vec![component(value, descending)], descending }
    }

    fn component(value: u8, descending: bool) -> u8 {
        if descending { !(value + 0x20) } else { value + 0x20 }
    }

    #[test]
    fn a_bound_of_tuples_holds_exactly_the_rows_that_compare_so() {
        for directions in 0..8u8 {
            let descending = |column: u8| directions & (1 << column) != 0;
            for length in 1..=3usize {
                for inclusive in [false, true] {
                    let bound: Vec<u8> = [2, 1, 2][..length].to_vec();
                    let parts: Vec<Part> =
                        bound.iter().zip(0..).map(|(v, c)| part(*v, descending(c))).collect();
                    for (greater, slices) in
                        [(true, above(b"", &parts, inclusive)), (false, below(b"", &parts, inclusive))]
                    {
                        assert!(slices.windows(2).all(|pair| pair[0].to < pair[1].from));
                        for row in 0..64u8 {
                            let values = [row / 16, row / 4 % 4, row % 4];
                            let key: Vec<u8> =
                                values.iter().zip(0..).map(|(v, c)| component(*v, descending(c))).collect();
                            let order = values[..length].cmp(&bound[..]);
                            let wanted = match greater {
                                true => order.is_gt() || (inclusive && order.is_eq()),
                                false => order.is_lt() || (inclusive && order.is_eq()),
                            };
                            let found = slices.iter().any(|slice| slice.contains(&key));
                            assert_eq!(
                                found, wanted,
                                "{values:?} against {bound:?}, {directions:03b}, {inclusive}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn columns_that_all_ascend_make_one_slice() {
        let parts = [part(1, false), part(2, false)];
        assert_eq!(above(b"p", &parts, false).len(), 1);
        assert_eq!(below(b"p", &parts, true).len(), 1);
        assert_eq!(above(b"p", &[part(1, false), part(2, true)], true).len(), 2);
    }

    #[test]
    fn what_two_lists_share_is_in_both() {
        let slice = |from: u8, to: u8| Slice { from: vec![from], to: vec![to] };
        assert_eq!(
            common(&[slice(1, 5), slice(7, 9)], &[slice(0, 2), slice(4, 8)]),
            [slice(1, 2), slice(4, 5), slice(7, 8)]
        );
        assert_eq!(common(&[], &[slice(0, 2)]), []);
    }
}
