//! Where a result goes on, as the client carries it from page to page.
//!
//! ```text
//! text = version 1, remaining u32 BE, remaining in the partition u32 BE,
//!        partition key length u16 BE, partition key, [clustering sort key, if the position is within a partition]
//! ```
//! The text is sealed and bound to its statement and that one's values: a client can neither read it nor make one up, and
//! one made for another statement, or for other values of the same, does not open. Nothing in it is kept by the server, so it outlives a restart.

use ilium_store::{Error, ErrorKind, PageState, Result, SealKey};

const VERSION: u8 = 1;

/// No limit.
pub(super) const UNLIMITED: u32 = u32::MAX;

/// The place that the next page starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub partition_key: Vec<u8>,
    /// After the row with this sort key. `None`: where partitions are named, from the first row of this one; along the
    /// ring, after this partition.
    pub clustering: Option<Vec<u8>>,
    /// Rows, or groups, that LIMIT still allows.
    pub remaining: u32,
    /// The same for PER PARTITION LIMIT; of the partition that `clustering` is in.
    pub remaining_in_partition: u32,
}

impl Position {
    pub fn seal(&self, key: &SealKey, statement: &[u8]) -> Result<PageState> {
        let mut text = Vec::with_capacity(16 + self.partition_key.len());
        text.push(VERSION);
        text.extend_from_slice(&self.remaining.to_be_bytes());
        text.extend_from_slice(&self.remaining_in_partition.to_be_bytes());
        text.extend_from_slice(&(self.partition_key.len() as u16).to_be_bytes());
        text.extend_from_slice(&self.partition_key);
        if let Some(clustering) = &self.clustering {
            text.push(1);
            text.extend_from_slice(clustering);
        }
        let sealed = key.seal(statement, &text).map_err(|e| Error::internal(e.to_string()))?;
        Ok(PageState(sealed.into()))
    }

    pub fn open(state: &PageState, key: &SealKey, statement: &[u8]) -> Result<Position> {
        let text = key.open(statement, &state.0).map_err(|_| invalid())?;
        parse(&text).ok_or_else(invalid)
    }
}

fn parse(text: &[u8]) -> Option<Position> {
    let (version, rest) = text.split_first()?;
    let (remaining, rest) = rest.split_first_chunk::<4>()?;
    let (remaining_in_partition, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (partition_key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let clustering = match rest.split_first() {
        None => None,
        Some((1, clustering)) => Some(clustering.to_vec()),
        Some(_) => return None,
    };
    (*version == VERSION).then(|| Position {
        partition_key: partition_key.to_vec(),
        clustering,
        remaining: u32::from_be_bytes(*remaining),
        remaining_in_partition: u32::from_be_bytes(*remaining_in_partition),
    })
}

fn invalid() -> Error {
    Error::new(ErrorKind::Protocol, "Invalid value for the paging state")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::new(&[7; SealKey::LENGTH]).unwrap()
    }

    #[test]
    fn a_page_state_opens_for_its_own_statement_only_and_only_unaltered() {
        for clustering in [None, Some(Vec::new()), Some(b"\x20ck".to_vec())] {
            let position = Position {
                partition_key: b"pk".to_vec(),
                clustering,
                remaining: 7,
                remaining_in_partition: UNLIMITED,
            };
            let state = position.seal(&key(), b"q1").unwrap();
            assert_eq!(Position::open(&state, &key(), b"q1").unwrap(), position);
            let refused = Position::open(&state, &key(), b"q2").unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Protocol);
            assert_eq!(refused.message, "Invalid value for the paging state");
            for at in 0..state.0.len() {
                let mut bytes = state.0.to_vec();
                bytes[at] ^= 0x40;
                assert!(Position::open(&PageState(bytes.into()), &key(), b"q1").is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_refused_or_another_position() {
        let text = [&[VERSION][..], &[0, 0, 0, 1], &[0, 0, 0, 2], &[0, 2], b"pk", &[1], b"ck"].concat();
        let whole = parse(&text).unwrap();
        assert_eq!(whole.clustering.as_deref(), Some(&b"ck"[..]));
        for cut in 0..text.len() {
            assert_ne!(parse(&text[..cut]), Some(whole.clone()), "cut at {cut}");
        }
    }
}
