//! The log's layout on disk.
//!
//! A segment is a file of a fixed size: a header, then records, then zeros. A record is a header of its own and a
//! payload, padded to eight bytes. Record headers carry how far the log was known to be on disk when they were
//! written, so a bad record before that point is damage, and only one after it may be the torn end of a crash.

use super::super::encode::Input;

/// Bytes at the beginning of a segment.
pub(crate) const SEGMENT_HEADER: usize = 40;
/// Bytes at the beginning of a record.
pub(crate) const RECORD_HEADER: usize = 32;
/// Records begin at multiples of this.
pub(crate) const ALIGN: usize = 8;

const MAGIC: [u8; 8] = *b"ilm-log ";
/// The format this version writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;

/// A place in the log; later places compare greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub segment: u32,
    pub offset: u32,
}

impl Position {
    pub fn to_u64(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    pub fn from_u64(n: u64) -> Self {
        Self { segment: (n >> 32) as u32, offset: n as u32 }
    }
}

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub number: u32,
    pub size: u32,
    /// Mixed into every record's checksum: bytes of a record that a user stored as a value, or that an older file left
    /// on the disk, never pass for a record of this segment.
    pub salt: u64,
}

/// Why a segment header was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadSegment {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    pub fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.resize(SEGMENT_HEADER, 0);
        out.try_into().unwrap_or([0; SEGMENT_HEADER])
    }

    pub fn read(bytes: &[u8; SEGMENT_HEADER]) -> Result<Self, BadSegment> {
        let mut input = Input(bytes);
        let body = input.take(28).ok_or(BadSegment::Damaged)?;
        if input.u32() != Some(crc32fast::hash(body)) || input.0 != [0; 8] {
            return Err(BadSegment::Damaged);
        }
        let mut input = Input(body);
        if input.array() != Some(MAGIC) {
            return Err(BadSegment::Damaged);
        }
        match input.u32() {
            Some(FORMAT) => {}
            found => return Err(BadSegment::Newer(found.unwrap_or_default())),
        }
        let header = (|| Some(Self { number: input.u32()?, size: input.u32()?, salt: input.u64()? }))();
        header.ok_or(BadSegment::Damaged)
    }
}

/// The first bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// Bytes of the payload; a record without one only says how far the log is on disk.
    pub len: u32,
    pub payload_crc: u32,
    /// Everything before this place was on disk when the record was written.
    pub synced: Position,
    /// Where the last record with a payload before this one ended, perhaps in an earlier segment: a record that is
    /// missing between two others is noticed.
    pub after: Position,
}

impl RecordHeader {
    pub fn to_bytes(self, salt: u64) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        let fields = self.len.to_le_bytes().into_iter();
        let fields = fields.chain(self.payload_crc.to_le_bytes());
        let fields =
            fields.chain(self.synced.to_u64().to_le_bytes()).chain(self.after.to_u64().to_le_bytes());
        out.iter_mut().skip(8).zip(fields).for_each(|(to, from)| *to = from);
        let crc = header_crc(&out, salt);
        out.iter_mut().zip(crc.to_le_bytes()).for_each(|(to, from)| *to = from);
        out
    }

    /// The header in these bytes, if they are one of a segment with this salt.
    pub fn read(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<RECORD_HEADER>()?;
        let mut input = Input(bytes);
        let crc = input.u32()?;
        // Zeros are what most of a segment is; this spares a checksum for each of its places.
        if crc == 0 && bytes == &[0; RECORD_HEADER]
            || header_crc(bytes, salt) != crc
            || input.u32() != Some(0)
        {
            return None;
        }
        let (len, payload_crc) = (input.u32()?, input.u32()?);
        let (synced, after) = (Position::from_u64(input.u64()?), Position::from_u64(input.u64()?));
        Some(Self { len, payload_crc, synced, after })
    }
}

/// Bytes of a record with a payload of this length, padding included.
pub(crate) fn record_len(payload: usize) -> usize {
    RECORD_HEADER + payload.next_multiple_of(ALIGN)
}

fn header_crc(bytes: &[u8; RECORD_HEADER], salt: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(bytes.get(4..).unwrap_or_default());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_no_flipped_bit_passes() {
        let record = RecordHeader {
            len: 5,
            payload_crc: 6,
            synced: Position { segment: 1, offset: 2 },
            after: Position { segment: 3, offset: 4 },
        };
        let bytes = record.to_bytes(9);
        assert_eq!(RecordHeader::read(&bytes, 9), Some(record));
        assert_eq!(RecordHeader::read(&bytes, 8), None);
        let segment = SegmentHeader { number: 1, size: 2, salt: 3 };
        let segment_bytes = segment.to_bytes();
        assert_eq!(SegmentHeader::read(&segment_bytes), Ok(segment));
        for bit in 0..RECORD_HEADER * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::read(&damaged, 9), None, "bit {bit}");
        }
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut damaged = segment_bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::read(&damaged).is_err(), "bit {bit}");
        }
    }
}
