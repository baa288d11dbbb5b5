//! Segments: the outer framing of version 5, once STARTUP is answered.
//!
//! A segment is a header (payload length, whether it is self-contained, a CRC24), a payload of at most 128 KiB less
//! one byte, and a CRC32. A *self-contained* segment holds one or more whole envelopes; an envelope that fits no
//! segment is cut over several that are not, and those hold nothing else. With LZ4 the header has both lengths, and
//! an uncompressed length of zero says that the payload was left plain because compression did not make it shorter.
//! Lengths and checksums are little-endian here, unlike everything else.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    FrameError, ProtocolError,
    compression::{Compressor, decompress_lz4_block},
    crc::{crc24, crc32},
    wire::patch,
};

/// The longest payload: its length has 17 bits.
pub const MAX_PAYLOAD: usize = (1 << 17) - 1;

pub(crate) const HEADER: usize = 6;
const LZ4_HEADER: usize = 8;
pub(crate) const TRAILER: usize = 4;

const LENGTH_BITS: u32 = 17;
const LENGTH_MASK: u64 = (1 << LENGTH_BITS) - 1;

/// A segment's content, checked and decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Whether the payload is whole envelopes, not a part of one.
    pub self_contained: bool,
    pub payload: Bytes,
}

/// Takes whole segments off the front of a buffer of received bytes.
#[derive(Debug, Clone, Copy)]
pub struct SegmentDecoder {
    lz4: bool,
}

impl SegmentDecoder {
    /// `lz4`: whether STARTUP chose LZ4.
    pub fn new(lz4: bool) -> SegmentDecoder {
        SegmentDecoder { lz4 }
    }

    /// The next segment, or `None` when more bytes must be received first. A plain payload shares the buffer's
    /// memory. Every error is fatal: which requests a damaged segment held cannot be known.
    pub fn decode(&self, input: &mut BytesMut) -> Result<Option<Segment>, FrameError> {
        self.take(input).map_err(|error| {
            input.clear();
            FrameError { error, stream: None, fatal: true }
        })
    }

    fn take(&self, input: &mut BytesMut) -> Result<Option<Segment>, ProtocolError> {
        let Some((fields, header_length)) = self.header(input)? else { return Ok(None) };
        let length = (fields & LENGTH_MASK) as usize;
        if input.len() < header_length + length + TRAILER {
            return Ok(None);
        }
        input.advance(header_length);
        let payload = input.split_to(length).freeze();
        let read = input.get_u32_le();
        let computed = crc32(&payload);
        if read != computed {
            return Err(ProtocolError::CrcMismatch { part: "body", read, computed });
        }
        if !self.lz4 {
            let self_contained = fields >> LENGTH_BITS & 1 != 0;
            return Ok(Some(Segment { self_contained, payload }));
        }
        let uncompressed = (fields >> LENGTH_BITS & LENGTH_MASK) as usize;
        let self_contained = fields >> (2 * LENGTH_BITS) & 1 != 0;
        if uncompressed == 0 {
            return Ok(Some(Segment { self_contained, payload }));
        }
        // At most 128 KiB whatever the header claims.
        let plain = decompress_lz4_block(&payload, uncompressed)
            .ok_or(ProtocolError::BadCompressedSegment { expected: uncompressed })?;
        Ok(Some(Segment { self_contained, payload: plain.into() }))
    }

    /// The header's fields before its checksum, as a little-endian number, and its length with the checksum.
    fn header(&self, input: &BytesMut) -> Result<Option<(u64, usize)>, ProtocolError> {
        let (fields, checksum, computed, length) = if self.lz4 {
            let Some([b0, b1, b2, b3, b4, c0, c1, c2]) = input.first_chunk::<LZ4_HEADER>() else {
                return Ok(None);
            };
            let fields = [*b0, *b1, *b2, *b3, *b4];
            let number = u64::from_le_bytes([*b0, *b1, *b2, *b3, *b4, 0, 0, 0]);
            (number, [*c0, *c1, *c2], crc24(&fields), LZ4_HEADER)
        } else {
            let Some([b0, b1, b2, c0, c1, c2]) = input.first_chunk::<HEADER>() else { return Ok(None) };
            let fields = [*b0, *b1, *b2];
            let number = u64::from_le_bytes([*b0, *b1, *b2, 0, 0, 0, 0, 0]);
            (number, [*c0, *c1, *c2], crc24(&fields), HEADER)
        };
        let [c0, c1, c2] = checksum;
        let read = u32::from_le_bytes([c0, c1, c2, 0]);
        if read != computed {
            return Err(ProtocolError::CrcMismatch { part: "header", read, computed });
        }
        Ok(Some((fields, length)))
    }
}

/// The header of a plain segment. `length` is at most `MAX_PAYLOAD`.
fn plain_header(length: usize, self_contained: bool) -> [u8; HEADER] {
    let fields = length as u32 | u32::from(self_contained) << LENGTH_BITS;
    let [b0, b1, b2, _] = fields.to_le_bytes();
    let [c0, c1, c2, _] = crc24(&[b0, b1, b2]).to_le_bytes();
    [b0, b1, b2, c0, c1, c2]
}

/// The header of a segment where LZ4 was chosen. Both lengths are at most `MAX_PAYLOAD`.
fn lz4_header(length: usize, uncompressed: usize, self_contained: bool) -> [u8; LZ4_HEADER] {
    let fields =
        length as u64 | (uncompressed as u64) << LENGTH_BITS | u64::from(self_contained) << (2 * LENGTH_BITS);
    let [b0, b1, b2, b3, b4, ..] = fields.to_le_bytes();
    let [c0, c1, c2, _] = crc24(&[b0, b1, b2, b3, b4]).to_le_bytes();
    [b0, b1, b2, b3, b4, c0, c1, c2]
}

/// Appends a plain segment that holds `payload`, at most `MAX_PAYLOAD` bytes.
pub fn encode_segment(payload: &[u8], self_contained: bool, out: &mut BytesMut) -> Result<(), ProtocolError> {
    check_payload(payload)?;
    out.reserve(HEADER + payload.len() + TRAILER);
    out.put_slice(&plain_header(payload.len(), self_contained));
    out.put_slice(payload);
    out.put_u32_le(crc32(payload));
    Ok(())
}

fn check_payload(payload: &[u8]) -> Result<(), ProtocolError> {
    let length = payload.len();
    if length > MAX_PAYLOAD {
        return Err(ProtocolError::TooLong { what: "a segment's payload", length, limit: MAX_PAYLOAD });
    }
    Ok(())
}

/// Appends an LZ4 segment that holds `payload`, plain if compression does not make it shorter.
pub(crate) fn encode_lz4_segment(
    payload: &[u8],
    self_contained: bool,
    compressor: &mut Compressor,
    out: &mut BytesMut,
) -> Result<(), ProtocolError> {
    check_payload(payload)?;
    let start = out.len();
    out.put_bytes(0, LZ4_HEADER);
    let (length, uncompressed) = match compressor.compress_block(payload, out) {
        Some(length) if length < payload.len() => (length, payload.len()),
        _ => {
            out.truncate(start + LZ4_HEADER);
            out.put_slice(payload);
            (payload.len(), 0)
        }
    };
    patch(out, start, &lz4_header(length, uncompressed, self_contained));
    let checksum = crc32(out.get(start + LZ4_HEADER..).unwrap_or_default());
    out.put_u32_le(checksum);
    Ok(())
}

/// Closes a plain segment that was begun at `start` by leaving room for its header: fills the header in and
/// appends the trailer after whatever follows it in the buffer, at most `MAX_PAYLOAD` bytes.
pub(crate) fn close_plain_segment(out: &mut BytesMut, start: usize) {
    let end = out.len();
    let trailer = seal_plain_segment(out, start, end, true);
    out.put_slice(&trailer);
}

/// Fills in the header of the plain segment whose room for it is at `start` and whose payload ends at `end`, and
/// gives the trailer.
pub(crate) fn seal_plain_segment(
    out: &mut [u8],
    start: usize,
    end: usize,
    self_contained: bool,
) -> [u8; TRAILER] {
    let payload = out.get(start + HEADER..end).unwrap_or_default();
    let trailer = crc32(payload).to_le_bytes();
    let header = plain_header(payload.len(), self_contained);
    patch(out, start, &header);
    trailer
}
