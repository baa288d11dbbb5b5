//! How a secondary index lies in the store: as a table of its own whose partition key is the indexed value and whose
//! clustering key says where the value was found.
//!
//! ```text
//! [index number u32 BE][token of the value, sign flipped, 8 BE][value length u16 BE][value][kind 2]
//!     [token of the partition, sign flipped, 8 BE][key length u16 BE][partition key][found u8][clustering sort key]
//!     [path, path length u16 BE]
//! ```
//! The *path*, announced in `found`, tells elements of one row apart that may have one value: those of a map or a list
//! indexed by value. Every entry but those of key columns thus stands for one cell, and dies with it.
//!

//! Everything that walks stored keys (merging, purging, scrubbing) can thus take an index for a table. The *value* is
//! in wire form, not a sort key: an index is only ever asked for equal values, and Cassandra's tells 1.0 from 1.00 as
//! this one does. Within a value, entries are in the order of the base table's partitions, then of its rows.
//!
//! An entry is *live* as the cell or row it was made for was; it is never changed when the base row changes without
//! it. A reader therefore takes it for a hint, reads the base row, and asks the restriction again.

use super::key::{self, EntryKind};
use super::record::{BadRecord, Expiry, Liveness, Record, RecordWriter};

/// What an entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole partition: the index is on a static column or on a part of the partition key (one entry a partition).
    Partition,
    /// The row with this clustering sort key; in a table without clustering columns it is empty.
    Row(&'a [u8]),
}

const PARTITION: u8 = EntryKind::Partition as u8;
const ROW: u8 = EntryKind::Row as u8;
/// Set beside one of those: a path ends the key.
const ELEMENT: u8 = 0x40;

/// The base row or partition that an entry's key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    pub token: i64,
    pub partition_key: &'a [u8],
    pub found: Found<'a>,
    /// Which of the row's elements it is, as its stored cell's path; empty where that cannot be in doubt.
    pub element: &'a [u8],
}

/// The longest value an index takes (`FBUtilities.MAX_UNSIGNED_SHORT`): a longer one is refused when written, and a
/// query for it is an error.
pub const MAX_VALUE: usize = 65535;

/// Appends the value under which an index on `entries(m)` keeps `m[key] = value`.
pub fn push_map_entry(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    // A key past 65,535 bytes makes the whole too long, which the caller must refuse; the cut length does no harm.
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Appends the prefix of all entries of a value.
pub fn push_value(number: u32, value: &[u8], out: &mut Vec<u8>) {
    key::push_partition(number, value, out);
    out.push(ROW);
}

/// The end, exclusive, of the entries of a value, given their prefix.
pub fn end_of_value(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(kind) = end.last_mut() {
        *kind = ROW + 1;
    }
    end
}

/// Appends, behind [`push_value`], the prefix of all entries in partitions of this token and the later ones' lower
/// bound.
pub fn push_token(token: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&((token as u64) ^ (1 << 63)).to_be_bytes());
}

/// Appends, behind [`push_value`], the prefix of all entries in one partition.
pub fn push_partition(token: i64, partition_key: &[u8], out: &mut Vec<u8>) {
    push_token(token, out);
    out.extend_from_slice(&(partition_key.len() as u16).to_be_bytes());
    out.extend_from_slice(partition_key);
}

/// Appends, behind [`push_partition`], what an entry leads to.
fn push_found(found: Found<'_>, element: &[u8], out: &mut Vec<u8>) {
    let flag = if element.is_empty() { 0 } else { ELEMENT };
    match found {
        Found::Partition => out.push(PARTITION | flag),
        Found::Row(clustering) => {
            out.push(ROW | flag);
            out.extend_from_slice(clustering);
        }
    }
    if flag != 0 {
        out.extend_from_slice(element);
        // `element_name` lets no longer one pass.
        out.extend_from_slice(&(element.len() as u16).to_be_bytes());
    }
}

/// How a key names an element with this path. One too long for its length field stays nameless: its entry is a hint
/// for every element of the row with that value, and is kept as long as the index.
pub fn element_name(path: &[u8]) -> &[u8] {
    if path.len() > usize::from(u16::MAX) { &[] } else { path }
}

/// The whole key of an entry. `value` is at most [`MAX_VALUE`] bytes long.
pub fn entry_key(number: u32, value: &[u8], target: Target<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(key::HEAD + value.len() + 12 + target.partition_key.len() + 16);
    push_value(number, value, &mut out);
    push_partition(target.token, target.partition_key, &mut out);
    push_found(target.found, target.element, &mut out);
    out
}

/// What an entry's key leads to, given how long the prefix of its value ([`push_value`]) is. `None`: it is no key of an
/// index.
pub fn target(entry_key: &[u8], value_prefix: usize) -> Option<Target<'_>> {
    let (token, rest) = entry_key.get(value_prefix..)?.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (partition_key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (&kind, rest) = rest.split_first()?;
    let (rest, element) = match kind & ELEMENT {
        0 => (rest, &[][..]),
        _ => {
            let (rest, length) = rest.split_last_chunk::<2>()?;
            rest.split_at_checked(rest.len().checked_sub(usize::from(u16::from_be_bytes(*length)))?)?
        }
    };
    let found = match (kind & !ELEMENT, rest) {
        (PARTITION, []) => Found::Partition,
        (ROW, clustering) => Found::Row(clustering),
        _ => return None,
    };
    Some(Target { token: (u64::from_be_bytes(*token) ^ (1 << 63)) as i64, partition_key, found, element })
}

/// Appends the record of an entry: the write time, and for a cell's value its expiry. An index on a column of the
/// primary key gives none, since the row may outlive the write that has one.
pub fn push_record(timestamp: i64, expiry: Option<Expiry>, out: &mut Vec<u8>) {
    let mut writer = RecordWriter::new(timestamp, out);
    writer.liveness(Liveness { timestamp, expiry });
    writer.finish();
}

/// Whether an entry may still lead somewhere at `now` (seconds).
pub fn is_live(record: &[u8], now: i64) -> Result<bool, BadRecord> {
    let record = Record::parse(record)?;
    let Some(liveness) = record.liveness else { return Ok(false) };
    let deleted = record.deletion.is_some_and(|deletion| deletion.timestamp >= liveness.timestamp);
    Ok(!deleted && liveness.expiry.is_none_or(|expiry| !expiry.is_past(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_key_comes_apart_as_it_was_put_together() {
        let founds = [Found::Partition, Found::Row(b""), Found::Row(b"\x20ck")];
        let elements: [&[u8]; 2] = [b"", b"path"];
        for (found, element) in founds.into_iter().flat_map(|found| elements.map(|element| (found, element)))
        {
            let target_in = Target { token: -3, partition_key: b"pk", found, element };
            let whole = entry_key(9, b"value", target_in);
            let mut prefix = Vec::new();
            push_value(9, b"value", &mut prefix);
            assert!(whole.starts_with(&prefix));
            assert_eq!(target(&whole, prefix.len()), Some(target_in));
            let parts = key::split(&whole).unwrap();
            assert_eq!((parts.number, parts.partition_key, parts.kind), (9, &b"value"[..], EntryKind::Row));
        }
    }

    #[test]
    fn entries_of_a_value_are_in_the_order_of_the_base_table() {
        let at = |token, partition_key, found| {
            entry_key(9, b"v", Target { token, partition_key, found, element: b"" })
        };
        let keys = [
            at(i64::MIN, b"z", Found::Row(b"")),
            at(-1, b"a", Found::Partition),
            at(-1, b"a", Found::Row(b"\x20a")),
            at(-1, b"a", Found::Row(b"\x20b")),
            at(-1, b"b", Found::Row(b"\x20a")),
            at(5, b"a", Found::Partition),
        ];
        assert!(keys.is_sorted());
    }

    #[test]
    fn an_entry_dies_with_its_time_to_live_and_with_its_deletion() {
        let mut record = Vec::new();
        push_record(10, Some(Expiry { ttl: 5, at: 100 }), &mut record);
        assert!(is_live(&record, 99).unwrap());
        assert!(!is_live(&record, 100).unwrap());
        record.clear();
        push_record(10, None, &mut record);
        assert!(is_live(&record, i64::MAX).unwrap());
        assert!(is_live(&record[..3], 0).is_err());
    }
}
