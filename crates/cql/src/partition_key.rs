//! The serialised partition key: what is hashed to a token and what a partition is stored under.
//!
//! A key of one column is that column's bytes. A key of several is, for each, a 16-bit big-endian length, the bytes
//! and a zero byte (`CompositeType`).

use smallvec::SmallVec;

/// Each component's length must fit the 16 bits it is written in; Cassandra limits a key of one column alike.
pub const MAX_LEN: usize = 65535;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartitionKeyError {
    #[error("Key length of {0} is longer than maximum of {MAX_LEN}")]
    TooLong(usize),
    #[error("the partition key ends inside its component {0}: the stored key or the routing key is damaged")]
    Truncated(usize),
    #[error(
        "the partition key has more than its {0} components: the stored key or the routing key is damaged"
    )]
    Extra(usize),
}

/// Appends the key made of `components` to `out`, or leaves `out` as it was.
pub fn encode<C: AsRef<[u8]>>(components: &[C], out: &mut Vec<u8>) -> Result<(), PartitionKeyError> {
    let bytes: usize = components.iter().map(|component| component.as_ref().len()).sum();
    let len = if components.len() == 1 { bytes } else { bytes + 3 * components.len() };
    if len > MAX_LEN {
        return Err(PartitionKeyError::TooLong(len));
    }
    out.reserve(len);
    if let [only] = components {
        out.extend_from_slice(only.as_ref());
        return Ok(());
    }
    for component in components {
        let bytes = component.as_ref();
        // Shorter than the whole, which is checked.
        out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        out.extend_from_slice(bytes);
        out.push(0);
    }
    Ok(())
}

/// The `count` components of a key, in order.
pub fn split(key: &[u8], count: usize) -> Result<SmallVec<[&[u8]; 4]>, PartitionKeyError> {
    let mut parts = SmallVec::new();
    if count == 1 {
        parts.push(key);
        return Ok(parts);
    }
    let mut rest = key;
    for i in 0..count {
        let (len, after) = rest.split_first_chunk::<2>().ok_or(PartitionKeyError::Truncated(i))?;
        let (bytes, after) = after
            .split_at_checked(usize::from(u16::from_be_bytes(*len)))
            .ok_or(PartitionKeyError::Truncated(i))?;
        let (_end, after) = after.split_first().ok_or(PartitionKeyError::Truncated(i))?;
        parts.push(bytes);
        rest = after;
    }
    if rest.is_empty() { Ok(parts) } else { Err(PartitionKeyError::Extra(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_one_column_is_its_bytes() {
        let mut key = Vec::new();
        encode(&[b"abc"], &mut key).unwrap();
        assert_eq!(key, b"abc");
        assert_eq!(split(&key, 1).unwrap().as_slice(), [b"abc"]);
    }

    #[test]
    fn a_key_of_several_columns_has_each_with_its_length() {
        let mut key = Vec::new();
        encode(&[&b"ab"[..], b"", b"c"], &mut key).unwrap();
        assert_eq!(key, b"\0\x02ab\0\0\0\0\0\x01c\0");
        assert_eq!(split(&key, 3).unwrap().as_slice(), [&b"ab"[..], b"", b"c"]);
        assert_eq!(split(&key, 2), Err(PartitionKeyError::Extra(2)));
        assert_eq!(split(&key, 4), Err(PartitionKeyError::Truncated(3)));
        for end in 0..key.len() {
            assert!(split(&key[..end], 3).is_err());
        }
    }

    #[test]
    fn a_key_beyond_64_kib_is_refused_and_leaves_nothing_behind() {
        let mut key = vec![1];
        let long = vec![0; MAX_LEN + 1];
        let error = encode(&[&long], &mut key).unwrap_err();
        assert_eq!(error.to_string(), "Key length of 65536 is longer than maximum of 65535");
        assert!(encode(&[&long[..40_000], &long[..40_000]], &mut key).is_err());
        assert!(encode(&[&long[..1], &long[..]], &mut key).is_err());
        assert_eq!(key, [1]);
    }
}
