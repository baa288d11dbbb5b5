//! One side's output: messages in, bytes for the socket out, whatever the version and compression.
//!
//! In version 5 the messages written between two calls of `FrameWriter::ready` share segments as far as they fit.
//! Without compression they are encoded where they will be sent from; the header of the open segment is filled in
//! last.

use bytes::{Buf, BufMut, BytesMut};

use crate::{
    Compression, Envelope, ErrorResponse, Flags, Header, Opcode, ProtocolError, ProtocolVersion, Request,
    RequestExtras, Response, ResponseExtras,
    compression::Compressor,
    envelope::{HEADER_LENGTH, LENGTH_OFFSET, encode_old_error},
    segment::{self, MAX_PAYLOAD},
    wire,
};

/// Bodies shorter than this are sent plain in versions 3 and 4: an LZ4 body begins with its length and cannot
/// save what its envelope costs.
const LEAST_COMPRESSED: usize = 64;

/// A buffer that one large message made longer than this is given back once it is empty, or each of thousands of
/// connections would keep the longest answer it ever gave. Two full segments fit.
const KEPT_CAPACITY: usize = 256 * 1024;

/// Encodes messages of one connection into a buffer of its own.
#[derive(Debug)]
pub struct FrameWriter {
    version: ProtocolVersion,
    framing: Framing,
    out: BytesMut,
    /// The most bytes that `out` held since it was new.
    largest: usize,
}

#[derive(Debug)]
enum Framing {
    /// Envelopes one after the other.
    Envelopes,
    CompressedEnvelopes {
        compressor: Compressor,
        /// A body before compression.
        plain: BytesMut,
    },
    Segments {
        /// Where in `out` the header of the segment being filled belongs.
        open: Option<usize>,
    },
    Lz4Segments {
        compressor: Compressor,
        /// Whole envelopes that wait to be compressed together; at most `MAX_PAYLOAD` bytes between calls.
        plain: BytesMut,
    },
}

impl FrameWriter {
    /// A writer of plain envelopes: every connection begins so, and the answer to STARTUP is still written so.
    pub fn new(version: ProtocolVersion) -> FrameWriter {
        FrameWriter { version, framing: Framing::Envelopes, out: BytesMut::new(), largest: 0 }
    }

    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Takes up another version before STARTUP is answered.
    pub fn set_version(&mut self, version: ProtocolVersion) {
        self.version = version;
    }

    /// Changes to what STARTUP negotiated, for all that is written from now on: segments in version 5, and the
    /// compression. A server calls it after writing its answer to STARTUP, a client after reading that answer.
    pub fn negotiated(
        &mut self,
        version: ProtocolVersion,
        compression: Option<Compression>,
    ) -> Result<(), ProtocolError> {
        if let Some(compression) = compression {
            compression.check_version(version)?;
        }
        self.close()?;
        self.version = version;
        let compressor = compression.map(Compressor::new);
        self.framing = match (version >= ProtocolVersion::V5, compressor) {
            (false, None) => Framing::Envelopes,
            (false, Some(compressor)) => Framing::CompressedEnvelopes { compressor, plain: BytesMut::new() },
            (true, None) => Framing::Segments { open: None },
            (true, Some(compressor)) => Framing::Lz4Segments { compressor, plain: BytesMut::new() },
        };
        Ok(())
    }

    /// Writes a response. After an error nothing of it was written.
    pub fn response(
        &mut self,
        stream: i16,
        extras: &ResponseExtras<'_>,
        response: &Response<'_>,
    ) -> Result<(), ProtocolError> {
        let version = self.version;
        let header = Header { version, flags: extras.flags(version), stream, opcode: response.opcode() };
        self.message(header, |out| {
            extras.encode(version, out)?;
            response.encode_message(version, out)
        })
    }

    /// Writes a request. After an error nothing of it was written.
    pub fn request(
        &mut self,
        stream: i16,
        extras: &RequestExtras<'_>,
        request: &Request<'_>,
    ) -> Result<(), ProtocolError> {
        let version = self.version;
        let header = Header { version, flags: extras.flags(), stream, opcode: request.opcode() };
        self.message(header, |out| {
            extras.encode(version, out)?;
            request.encode_message(version, out)
        })
    }

    /// Answers an envelope of a version that is not spoken (`ProtocolError::UnsupportedVersion`) so that the client
    /// can read the answer and fall back: versions 1 and 2 get it in their own layout, any other in the version of
    /// this writer, which at the start of a connection is the newest (as in Cassandra).
    pub fn refuse_version(&mut self, claimed: u8, stream: i16) -> Result<(), ProtocolError> {
        let refusal = ErrorResponse::from_protocol_error(&ProtocolError::UnsupportedVersion(claimed));
        if !matches!(claimed, 1 | 2) {
            return self.response(stream, &ResponseExtras::default(), &Response::Error(refusal));
        }
        self.close()?;
        let mut body = BytesMut::new();
        refusal.encode(self.version, &mut body)?;
        encode_old_error(claimed, stream, &body, &mut self.out);
        Ok(())
    }

    /// Writes a message that is already encoded, its body not compressed: what a forwarder does, with the stream
    /// it chose. The version must be the connection's.
    pub fn envelope(&mut self, envelope: &Envelope) -> Result<(), ProtocolError> {
        let got = envelope.header.version;
        if got != self.version {
            return Err(ProtocolError::VersionChanged { got, expected: self.version });
        }
        let mut header = envelope.header;
        header.flags = header.flags.without(Flags::COMPRESSED);
        self.message(header, |out| {
            out.put_slice(&envelope.body);
            Ok(())
        })
    }

    /// How many bytes wait, about: those of an open LZ4 segment count as they are before compression.
    pub fn pending(&self) -> usize {
        match &self.framing {
            Framing::Lz4Segments { plain, .. } => self.out.len() + plain.len(),
            _ => self.out.len(),
        }
    }

    /// All that was written, ready for the socket. The caller takes from the front what it could send (or splits
    /// all of it off) and may write more messages before the rest is sent.
    pub fn ready(&mut self) -> Result<&mut BytesMut, ProtocolError> {
        self.close()?;
        self.largest = self.largest.max(self.out.len());
        Ok(&mut self.out)
    }

    fn message(
        &mut self,
        header: Header,
        body: impl FnOnce(&mut BytesMut) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        if self.out.is_empty() && self.largest > KEPT_CAPACITY {
            self.out = BytesMut::new();
            self.largest = 0;
        }
        match &mut self.framing {
            Framing::Envelopes => put_envelope(&mut self.out, header, body).map(|_| ()),
            Framing::CompressedEnvelopes { compressor, plain } => {
                empty(plain);
                body(plain)?;
                let start = self.out.len();
                put_compressed(&mut self.out, header, compressor, plain)
                    .inspect_err(|_| self.out.truncate(start))
            }
            Framing::Segments { open } => put_in_segment(&mut self.out, open, header, body),
            Framing::Lz4Segments { compressor, plain } => {
                let start = put_envelope(plain, header, body)?;
                if plain.len() <= MAX_PAYLOAD {
                    return Ok(());
                }
                let filled = plain.split_to(start);
                if !filled.is_empty() {
                    segment::encode_lz4_segment(&filled, true, compressor, &mut self.out)?;
                }
                if plain.len() > MAX_PAYLOAD {
                    for part in plain.chunks(MAX_PAYLOAD) {
                        segment::encode_lz4_segment(part, false, compressor, &mut self.out)?;
                    }
                    empty(plain);
                }
                Ok(())
            }
        }
    }

    /// Begins another segment with what is written next, in version 5.
    pub fn end_segment(&mut self) -> Result<(), ProtocolError> {
        self.close()
    }

    /// Ends the open segment.
    fn close(&mut self) -> Result<(), ProtocolError> {
        match &mut self.framing {
            Framing::Segments { open } => {
                if let Some(start) = open.take() {
                    segment::close_plain_segment(&mut self.out, start);
                }
            }
            Framing::Lz4Segments { compressor, plain } if plain.has_remaining() => {
                segment::encode_lz4_segment(plain, true, compressor, &mut self.out)?;
                plain.clear();
            }
            _ => {}
        }
        Ok(())
    }
}

/// Empties a buffer for the next message.
fn empty(buffer: &mut BytesMut) {
    if buffer.capacity() > KEPT_CAPACITY {
        *buffer = BytesMut::new();
    } else {
        buffer.clear();
    }
}

/// Room made for a message at once: most fit, and growing from nothing takes four steps.
const SMALL: usize = 256;

/// Appends an envelope and gives where it begins; after an error the buffer is as before.
#[inline]
fn put_envelope(
    out: &mut BytesMut,
    header: Header,
    body: impl FnOnce(&mut BytesMut) -> Result<(), ProtocolError>,
) -> Result<usize, ProtocolError> {
    let start = out.len();
    out.reserve(SMALL);
    header.encode(0, out);
    let length = match body(out) {
        Ok(()) => wire::count32(out.len() - start - HEADER_LENGTH, "a body"),
        Err(error) => Err(error),
    };
    match length {
        Ok(length) => {
            wire::patch(out, start + LENGTH_OFFSET, &length.to_be_bytes());
            Ok(start)
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

fn put_compressed(
    out: &mut BytesMut,
    mut header: Header,
    compressor: &mut Compressor,
    plain: &[u8],
) -> Result<(), ProtocolError> {
    // The other side learns of the compression from STARTUP itself, which must be readable without it.
    if header.opcode != Opcode::Startup && plain.len() >= LEAST_COMPRESSED {
        header.flags = header.flags.with(Flags::COMPRESSED);
        let start = out.len();
        header.encode(0, out);
        if compressor.compress_body(plain, out) {
            let length = wire::count32(out.len() - start - HEADER_LENGTH, "a body")?;
            wire::patch(out, start + LENGTH_OFFSET, &length.to_be_bytes());
            return Ok(());
        }
        out.truncate(start);
        header.flags = header.flags.without(Flags::COMPRESSED);
    }
    header.encode(wire::count32(plain.len(), "a body")?.unsigned_abs(), out);
    out.put_slice(plain);
    Ok(())
}

/// Appends an envelope to the open segment, or to a new one where it does not fit.
#[inline]
fn put_in_segment(
    out: &mut BytesMut,
    open: &mut Option<usize>,
    header: Header,
    body: impl FnOnce(&mut BytesMut) -> Result<(), ProtocolError>,
) -> Result<(), ProtocolError> {
    let was_open = open.is_some();
    let start = match *open {
        Some(start) => start,
        None => {
            let start = out.len();
            out.put_bytes(0, segment::HEADER);
            start
        }
    };
    let envelope = match put_envelope(out, header, body) {
        Ok(envelope) => envelope,
        Err(error) => {
            if !was_open {
                out.truncate(start);
            }
            return Err(error);
        }
    };
    *open = Some(start);
    if out.len() - start - segment::HEADER > MAX_PAYLOAD {
        *open = spill(out, start, envelope);
    }
    Ok(())
}

/// The envelope that begins at `envelope` and ends the buffer made the segment at `start` too long: ends that
/// segment before it and moves it into a segment of its own, which stays open, or into several, which do not.
fn spill(out: &mut BytesMut, start: usize, envelope: usize) -> Option<usize> {
    let length = out.len() - envelope;
    let mut next = start;
    let mut trailer = None;
    if envelope > start + segment::HEADER {
        trailer = Some(segment::seal_plain_segment(out, start, envelope, true));
        next = envelope + segment::TRAILER;
    }
    let parts = length.div_ceil(MAX_PAYLOAD);
    // From one part's beginning to the next one's.
    let stride = segment::HEADER + MAX_PAYLOAD + segment::TRAILER;
    let last = length - (parts - 1) * MAX_PAYLOAD;
    out.resize(next + (parts - 1) * stride + segment::HEADER + last, 0);
    // Backwards, so that no part is overwritten before it has moved.
    for part in (0..parts).rev() {
        let from = envelope + part * MAX_PAYLOAD;
        let size = if part + 1 == parts { last } else { MAX_PAYLOAD };
        out.copy_within(from..from + size, next + part * stride + segment::HEADER);
    }
    if let Some(trailer) = trailer {
        wire::patch(out, envelope, &trailer);
    }
    if parts == 1 {
        return Some(next);
    }
    for part in 0..parts {
        let begin = next + part * stride;
        let size = if part + 1 == parts { last } else { MAX_PAYLOAD };
        let end = begin + segment::HEADER + size;
        let trailer = segment::seal_plain_segment(out, begin, end, false);
        if part + 1 == parts {
            out.put_slice(&trailer);
        } else {
            wire::patch(out, end, &trailer);
        }
    }
    None
}
