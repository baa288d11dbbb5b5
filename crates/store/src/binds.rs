//! The values bound to a statement's markers, kept in the buffer they arrived in.

use bytes::Bytes;
use smallvec::SmallVec;

/// Values in the order of the statement's markers. Cloning shares the buffer.
#[derive(Debug, Clone, Default)]
pub struct Binds {
    buffer: Bytes,
    slots: SmallVec<[Slot; 8]>,
}

/// Where a value lies in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Null,
    Unset,
    Value { offset: u32, length: u32 },
}

/// One bound value, in CQL wire form without its length prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind<'a> {
    Null,
    Unset,
    Value(&'a [u8]),
}

impl Binds {
    /// `slots` lie in `buffer`; one that does not reads as null.
    pub fn new(buffer: Bytes, slots: SmallVec<[Slot; 8]>) -> Binds {
        Binds { buffer, slots }
    }

    /// Copies the values into a buffer of its own; for callers that build values one by one.
    pub fn from_values<'a>(values: impl IntoIterator<Item = Bind<'a>>) -> Binds {
        let mut buffer = Vec::new();
        let slots = values
            .into_iter()
            .map(|value| match value {
                Bind::Null => Slot::Null,
                Bind::Unset => Slot::Unset,
                Bind::Value(bytes) => {
                    let offset = buffer.len() as u32;
                    buffer.extend_from_slice(bytes);
                    Slot::Value { offset, length: bytes.len() as u32 }
                }
            })
            .collect();
        Binds { buffer: buffer.into(), slots }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all values; of a buffer that several share, those of this statement alone.
    pub fn bytes(&self) -> usize {
        let lengths = self.slots.iter().map(|slot| match slot {
            Slot::Null | Slot::Unset => 0,
            Slot::Value { length, .. } => *length as usize,
        });
        lengths.sum()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// `None`: there is no such marker.
    pub fn get(&self, index: usize) -> Option<Bind<'_>> {
        Some(match *self.slots.get(index)? {
            Slot::Null => Bind::Null,
            Slot::Unset => Bind::Unset,
            Slot::Value { offset, length } => {
                let start = offset as usize;
                self.buffer.get(start..start.saturating_add(length as usize)).map_or(Bind::Null, Bind::Value)
            }
        })
    }
}
