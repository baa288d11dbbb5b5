//! Compression of bodies (versions 3 and 4) and of segments (version 5).
//!
//! A body compressed with LZ4 is its uncompressed length, four bytes big-endian, then one LZ4 block; with Snappy it
//! is one raw Snappy stream, which carries its own length.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use lz4_flex::block::CompressTable;

use crate::{Envelope, Flags, HEADER_LENGTH, Limits, ProtocolError, ProtocolVersion, wire};

/// What the COMPRESSION option of STARTUP chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    Lz4,
    /// Versions 3 and 4 only.
    Snappy,
}

impl Compression {
    /// The option's value, in any case.
    pub fn from_name(name: &str) -> Result<Compression, ProtocolError> {
        if name.eq_ignore_ascii_case("lz4") {
            Ok(Compression::Lz4)
        } else if name.eq_ignore_ascii_case("snappy") {
            Ok(Compression::Snappy)
        } else {
            Err(ProtocolError::UnknownCompression(wire::clip_to_string(&name.to_lowercase()).into()))
        }
    }

    /// Whether a connection of this version may use it.
    pub fn check_version(self, version: ProtocolVersion) -> Result<(), ProtocolError> {
        if self == Compression::Snappy && version >= ProtocolVersion::V5 {
            return Err(ProtocolError::SnappyInV5);
        }
        Ok(())
    }

    /// The most bytes that one compressed byte can stand for; a claim past it is a lie, found before anything is
    /// allocated for it. LZ4: a length byte of a match adds 255 bytes. Snappy: a three-byte copy gives 64 bytes.
    fn greatest_ratio(self) -> u64 {
        match self {
            Compression::Lz4 => 255,
            Compression::Snappy => 22,
        }
    }

    /// Gives the claim back if it can be true and the envelope then is within the limit. One that is only too long is
    /// refused as a plain one would be: the client may have meant it, and goes on.
    fn check_claim(self, claimed: u64, compressed: usize, limit: u64) -> Result<usize, ProtocolError> {
        let most = (compressed as u64).saturating_mul(self.greatest_ratio());
        if claimed > most {
            return Err(ProtocolError::CompressionBomb { claimed, compressed, limit: most });
        }
        let length = claimed.saturating_add(HEADER_LENGTH as u64);
        match usize::try_from(claimed) {
            Ok(size) if length <= limit => Ok(size),
            _ => Err(ProtocolError::FrameTooBig { length, limit }),
        }
    }
}

/// The value of the COMPRESSION option.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Lz4 => "lz4",
            Compression::Snappy => "snappy",
        })
    }
}

/// Gives the envelope with a plain body and without the COMPRESSED flag.
pub fn decompress(
    envelope: Envelope,
    compression: Option<Compression>,
    limits: Limits,
) -> Result<Envelope, ProtocolError> {
    if !envelope.header.flags.contains(Flags::COMPRESSED) {
        return Ok(envelope);
    }
    let limit = u64::from(limits.max_envelope);
    let body = match compression {
        None => return Err(ProtocolError::CompressionNotNegotiated),
        Some(Compression::Lz4) => decompress_lz4(&envelope.body, limit)?,
        Some(Compression::Snappy) => decompress_snappy(&envelope.body, limit)?,
    };
    let mut header = envelope.header;
    header.flags = header.flags.without(Flags::COMPRESSED);
    Ok(Envelope { header, body: body.into() })
}

fn decompress_lz4(body: &Bytes, limit: u64) -> Result<Vec<u8>, ProtocolError> {
    let Some((claimed, block)) = body.split_first_chunk::<4>() else {
        return Err(ProtocolError::NotCompressed("LZ4"));
    };
    let claimed = u64::from(u32::from_be_bytes(*claimed));
    let size = Compression::Lz4.check_claim(claimed, block.len(), limit)?;
    decompress_lz4_block(block, size).ok_or(ProtocolError::NotCompressed("LZ4"))
}

/// `None` unless the block is valid and holds exactly `size` bytes.
pub(crate) fn decompress_lz4_block(block: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut plain = vec![0; size];
    match lz4_flex::block::decompress_into(block, &mut plain) {
        Ok(written) if written == size => Some(plain),
        _ => None,
    }
}

fn decompress_snappy(body: &Bytes, limit: u64) -> Result<Vec<u8>, ProtocolError> {
    let not_snappy = |_| ProtocolError::NotCompressed("Snappy");
    let claimed = snap::raw::decompress_len(body).map_err(not_snappy)? as u64;
    let size = Compression::Snappy.check_claim(claimed, body.len(), limit)?;
    let mut plain = vec![0; size];
    let written = snap::raw::Decoder::new().decompress(body, &mut plain).map_err(not_snappy)?;
    plain.truncate(written);
    Ok(plain)
}

/// Compresses, keeping its tables between calls.
pub(crate) enum Compressor {
    Lz4(Box<CompressTable>),
    Snappy(Box<snap::raw::Encoder>),
}

impl Compressor {
    pub(crate) fn new(compression: Compression) -> Compressor {
        match compression {
            Compression::Lz4 => Compressor::Lz4(Box::default()),
            Compression::Snappy => Compressor::Snappy(Box::new(snap::raw::Encoder::new())),
        }
    }

    /// Appends the compressed form of a body in versions 3 and 4, or nothing where it would not be shorter: the
    /// caller then sends the body plain, which the flag of each frame permits.
    pub(crate) fn compress_body(&mut self, body: &[u8], out: &mut BytesMut) -> bool {
        let Ok(length) = u32::try_from(body.len()) else { return false };
        let start = out.len();
        if matches!(self, Compressor::Lz4(_)) {
            out.put_u32(length);
        }
        let shorter = self.compress_block(body, out).is_some() && out.len() - start < body.len();
        if !shorter {
            out.truncate(start);
        }
        shorter
    }

    /// Appends the compressed block alone and gives its length; `None` (and nothing appended) if that failed.
    pub(crate) fn compress_block(&mut self, plain: &[u8], out: &mut BytesMut) -> Option<usize> {
        let start = out.len();
        let most = match self {
            Compressor::Lz4(_) => lz4_flex::block::get_maximum_output_size(plain.len()),
            // Zero for an input that Snappy cannot take.
            Compressor::Snappy(_) => match snap::raw::max_compress_len(plain.len()) {
                0 => return None,
                most => most,
            },
        };
        out.resize(start + most, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = match self {
            Compressor::Lz4(table) => lz4_flex::block::compress_into_with_table(plain, room, table).ok(),
            Compressor::Snappy(encoder) => encoder.compress(plain, room).ok(),
        };
        out.truncate(start + written.unwrap_or(0));
        written
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compressor::Lz4(_) => "Compressor(lz4)",
            Compressor::Snappy(_) => "Compressor(snappy)",
        })
    }
}
