//! Stored keys: the order of the store is the order of Cassandra.
//!
//! ```text
//! [table number u32 BE][token with its sign flipped, 8 BE][key length u16 BE][partition key][kind]...
//!   kind 0: the partition record: partition deletion and static cells; the row itself without clustering columns
//!   kind 1: a range tombstone:    [start length u16 BE][start][end]
//!   kind 2: a row:                the clustering columns as `cql::sort_key`
//! ```
//! Partition keys of one token (2^-64 by chance) sort by length before bytes, which is where this order differs from
//! Cassandra's `DecoratedKey`: the length prefix lets a reader take the key out without copying it.
//!
//! Clustering bounds are byte strings in the space of clustering sort keys: an interval is half open, and
//! `prefix ++ 0xFF` lies above every row that begins with `prefix` (no component begins with 0xFF).

use ilium_cql::murmur3::Token;

/// The number under which the catalog keeps the schema itself.
pub const CATALOG_NUMBER: u32 = 0;

/// Set in the numbers of secondary indexes: whoever meets a stray key can tell what it was of.
pub const INDEX_BIT: u32 = 1 << 31;

/// The number a stored key begins with.
pub fn number_of(key: &[u8]) -> Option<u32> {
    key.first_chunk::<4>().map(|number| u32::from_be_bytes(*number))
}

/// What a stored entry of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum EntryKind {
    Partition = 0,
    RangeTombstone = 1,
    Row = 2,
}

/// Above every sort key component.
pub const ABOVE: u8 = 0xFF;

/// Bytes before the partition key: table number, token, length.
pub const HEAD: usize = 4 + 8 + 2;

/// A stored key taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyParts<'a> {
    pub number: u32,
    pub token: i64,
    pub partition_key: &'a [u8],
    pub kind: EntryKind,
    /// Clustering sort key, or a range tombstone's bounds.
    pub rest: &'a [u8],
}

/// Appends the prefix that all entries of a partition share, short of the kind.
pub fn push_partition(number: u32, partition_key: &[u8], out: &mut Vec<u8>) {
    push_partition_at(number, Token::of(partition_key).0, partition_key, out);
}

/// As [`push_partition`], with the token known.
pub fn push_partition_at(number: u32, token: i64, partition_key: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEAD + partition_key.len() + 1);
    push_token(number, token, out);
    // Cassandra refuses partition keys past 65,535 bytes (`QueryProcessor.validateKey`), and so do writes here.
    out.extend_from_slice(&(partition_key.len() as u16).to_be_bytes());
    out.extend_from_slice(partition_key);
}

/// Appends the prefix that all partitions of a token share.
pub fn push_token(number: u32, token: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&((token as u64) ^ (1 << 63)).to_be_bytes());
}

/// A whole key of `kind`; `rest` as in [`KeyParts`].
pub fn entry_key(number: u32, partition_key: &[u8], kind: EntryKind, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(HEAD + partition_key.len() + 1 + rest.len());
    push_partition(number, partition_key, &mut key);
    key.push(kind as u8);
    key.extend_from_slice(rest);
    key
}

/// The rest of a range tombstone's key.
pub fn range_rest(start: &[u8], end: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(2 + start.len() + end.len());
    rest.extend_from_slice(&(start.len() as u16).to_be_bytes());
    rest.extend_from_slice(start);
    rest.extend_from_slice(end);
    rest
}

/// The bounds in a range tombstone's key.
pub fn split_range_rest(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, bounds) = rest.split_first_chunk::<2>()?;
    bounds.split_at_checked(u16::from_be_bytes(*length) as usize)
}

/// `None`: not a key of a table's entry.
pub fn split(key: &[u8]) -> Option<KeyParts<'_>> {
    let (number, rest) = key.split_first_chunk::<4>()?;
    let (token, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (partition_key, rest) = rest.split_at_checked(u16::from_be_bytes(*length) as usize)?;
    let (kind, rest) = rest.split_first()?;
    Some(KeyParts {
        number: u32::from_be_bytes(*number),
        token: (u64::from_be_bytes(*token) ^ (1 << 63)) as i64,
        partition_key,
        kind: match kind {
            0 => EntryKind::Partition,
            1 => EntryKind::RangeTombstone,
            2 => EntryKind::Row,
            _ => return None,
        },
        rest,
    })
}

/// How many bytes of a stored key are its partition's prefix; the whole key where it is none.
pub fn partition_prefix_len(key: &[u8]) -> usize {
    let length = key.get(12..14).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    length.map_or(key.len(), |length| (HEAD + length as usize).min(key.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_apart_as_it_was_put_together() {
        let key = entry_key(7, b"alpha", EntryKind::Row, b"\x40ck");
        let parts = split(&key).unwrap();
        assert_eq!(
            (parts.number, parts.partition_key, parts.kind, parts.rest),
            (7, &b"alpha"[..], EntryKind::Row, &b"\x40ck"[..])
        );
        assert_eq!(parts.token, Token::of(b"alpha").0);
        assert_eq!(partition_prefix_len(&key), HEAD + 5);
        for cut in 0..HEAD + 6 {
            assert!(split(&key[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn tokens_sort_signed() {
        let mut keys: Vec<(i64, Vec<u8>)> = [3, -1, i64::MIN, i64::MAX, 0]
            .map(|token| {
                let mut key = Vec::new();
                push_partition_at(1, token, b"k", &mut key);
                (token, key)
            })
            .into();
        keys.sort_by(|a, b| a.1.cmp(&b.1));
        assert!(keys.is_sorted_by_key(|(token, _)| *token));
    }

    #[test]
    fn range_bounds_come_apart() {
        let rest = range_rest(b"ab", b"ac\xff");
        assert_eq!(split_range_rest(&rest), Some((&b"ab"[..], &b"ac\xff"[..])));
    }
}
