//! The end of a table file: what the table holds, and a fixed footer that finds it.

use super::super::encode::{Input, put_bytes, put_uint};
use super::block::Handle;
use super::garbage::Garbage;

/// Bytes at the end of every table file.
pub(crate) const FOOTER_LEN: usize = 48;
const MAGIC: [u8; 8] = *b"ilm-tabl";
/// The format this version writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What a table holds, as far as the store asks without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub first_key: Vec<u8>,
    pub last_key: Vec<u8>,
    pub entries: u64,
    /// No write time in the table is less (microseconds).
    pub oldest: i64,
    /// No write time in the table is greater.
    pub newest: i64,
    pub garbage: Garbage,
}

impl Summary {
    pub fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.first_key);
        put_bytes(out, &self.last_key);
        put_uint(out, self.entries);
        out.extend_from_slice(&self.oldest.to_le_bytes());
        out.extend_from_slice(&self.newest.to_le_bytes());
        self.garbage.put(out);
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let summary = Self {
            first_key: input.bytes()?.to_vec(),
            last_key: input.bytes()?.to_vec(),
            entries: input.uint()?,
            oldest: input.i64()?,
            newest: input.i64()?,
            garbage: Garbage::read(&mut input)?,
        };
        input.is_empty().then_some(summary)
    }
}

/// Finds the summary and the top of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub table: u64,
    pub summary: Handle,
    pub top: Handle,
}

/// Why a footer was refused.
pub(crate) enum BadFooter {
    Newer { found: u32, known: u32 },
    Damaged(&'static str),
}

impl Footer {
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.table.to_le_bytes());
        for handle in [self.summary, self.top] {
            out.extend_from_slice(&handle.offset.to_le_bytes());
            out.extend_from_slice(&handle.len.to_le_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub fn read(bytes: &[u8]) -> Result<Self, BadFooter> {
        let damaged = BadFooter::Damaged("the footer's checksum does not match");
        let Some((body, crc)) = bytes.split_last_chunk::<4>() else { return Err(damaged) };
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(damaged);
        }
        let mut input = Input(body);
        if input.array() != Some(MAGIC) {
            return Err(BadFooter::Damaged("this is no table file"));
        }
        match input.u32() {
            Some(FORMAT) => {}
            Some(found) => return Err(BadFooter::Newer { found, known: FORMAT }),
            None => return Err(damaged),
        }
        Self::read_rest(&mut input).ok_or(damaged)
    }

    fn read_rest(input: &mut Input<'_>) -> Option<Self> {
        let table = input.u64()?;
        let summary = Handle { offset: input.u64()?, len: input.u32()? };
        let top = Handle { offset: input.u64()?, len: input.u32()? };
        Some(Self { table, summary, top })
    }
}
