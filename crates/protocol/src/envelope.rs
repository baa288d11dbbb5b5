//! Envelopes: the nine-byte header and the body that every message has, in every version.
//!
//! Before version 5 an envelope is what the specification calls a frame. In version 5 envelopes travel inside
//! segments (`segment`).

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{Direction, FrameError, Opcode, ProtocolError, ProtocolVersion, wire};

/// The length of a header: version, flags, stream (2), opcode, length of the body (4).
pub const HEADER_LENGTH: usize = 9;

/// Where the length field of a header begins.
pub(crate) const LENGTH_OFFSET: usize = 5;

/// The stream of what a server sends unasked: events.
pub const EVENT_STREAM: i16 = -1;

/// The flags of a header. Unknown bits are kept, and ignored as the specification demands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(u8);

impl Flags {
    pub const NONE: Flags = Flags(0);
    /// The body is compressed (versions 3 and 4; version 5 compresses segments and ignores this).
    pub const COMPRESSED: Flags = Flags(0x01);
    /// A request asks for tracing; a response begins with a tracing id.
    pub const TRACING: Flags = Flags(0x02);
    /// The body carries a custom payload before the message.
    pub const CUSTOM_PAYLOAD: Flags = Flags(0x04);
    /// A response carries warnings.
    pub const WARNING: Flags = Flags(0x08);
    /// The client accepts a version that is still a beta.
    pub const USE_BETA: Flags = Flags(0x10);

    pub fn from_bits(bits: u8) -> Flags {
        Flags(bits)
    }

    pub fn bits(self) -> u8 {
        self.0
    }

    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#04x})", self.0)
    }
}

/// An envelope's header, without the length of the body, which the body knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub version: ProtocolVersion,
    pub flags: Flags,
    pub stream: i16,
    /// It also says the direction.
    pub opcode: Opcode,
}

impl Header {
    /// Appends the header of a body of `length` bytes.
    pub fn encode(&self, length: u32, out: &mut BytesMut) {
        let [s0, s1] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = length.to_be_bytes();
        let version = self.version.number() | self.opcode.direction().version_bit();
        out.put_slice(&[version, self.flags.bits(), s0, s1, self.opcode.byte(), l0, l1, l2, l3]);
    }
}

/// One message, undecoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub header: Header,
    pub body: Bytes,
}

impl Envelope {
    /// Appends the envelope as it is: what a forwarder does, and versions 3 and 4 without compression.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let length = wire::count32(self.body.len(), "a body")?;
        self.header.encode(length.unsigned_abs(), out);
        out.put_slice(&self.body);
        Ok(())
    }
}

/// How much one side accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest envelope in bytes, header included, compressed or not.
    pub max_envelope: u32,
}

impl Limits {
    /// Cassandra's default for what a client may send: `native_transport_max_frame_size`, 16 MiB (`Config.java`),
    /// which in 5.0 is also its `max_mutation_size`, the bound of a version 5 message.
    pub const SERVER: Limits = Limits { max_envelope: 16 * 1024 * 1024 };
    /// The most a client must expect: "a frame is limited to 256MB in length" (specification, section 2.5).
    pub const CLIENT: Limits = Limits { max_envelope: 256 * 1024 * 1024 };
}

/// What the nine bytes of a header say.
pub(crate) enum ParsedHeader {
    Valid {
        header: Header,
        length: u32,
    },
    /// The header names a length, so the body can be skipped and the next envelope read.
    Skippable {
        error: FrameError,
        length: u32,
    },
    Fatal(FrameError),
}

/// Reads a header and checks it against what this side may receive.
pub(crate) fn parse_header(
    bytes: [u8; HEADER_LENGTH],
    expected: Direction,
    connection_version: Option<ProtocolVersion>,
) -> ParsedHeader {
    let [version_byte, flags, s0, s1, opcode, l0, l1, l2, l3] = bytes;
    let stream = i16::from_be_bytes([s0, s1]);
    let length = i32::from_be_bytes([l0, l1, l2, l3]);
    let fail = |error, fatal| FrameError { error, stream: Some(stream), fatal };

    let version = match ProtocolVersion::from_number(version_byte & 0x7f) {
        Ok(version) => version,
        Err(error) => {
            // Versions 1 and 2 have a one-byte stream (and an eight-byte header); an answer on a stream made of
            // that byte and the opcode would never be matched by the client (CASSANDRA-21508).
            let old = version_byte & 0x7f < ProtocolVersion::V3.number();
            let stream = if old { i16::from(s0.cast_signed()) } else { stream };
            return ParsedHeader::Fatal(FrameError { error, stream: Some(stream), fatal: true });
        }
    };
    let Ok(length) = u32::try_from(length) else {
        return ParsedHeader::Fatal(fail(ProtocolError::NegativeLength(length), true));
    };
    if let Some(connection) = connection_version
        && connection != version
    {
        let error = ProtocolError::VersionChanged { got: version, expected: connection };
        return ParsedHeader::Skippable { error: fail(error, false), length };
    }
    let got = Direction::of_version_byte(version_byte);
    match Opcode::from_byte(opcode) {
        Err(error) => ParsedHeader::Skippable { error: fail(error, false), length },
        Ok(opcode) if opcode.direction() != got || got != expected => {
            let error = ProtocolError::WrongDirection { expected, got, opcode };
            ParsedHeader::Skippable { error: fail(error, false), length }
        }
        Ok(opcode) => ParsedHeader::Valid {
            header: Header { version, flags: Flags::from_bits(flags), stream, opcode },
            length,
        },
    }
}

/// Takes whole envelopes off the front of a buffer of received bytes: the framing of versions 3 and 4, and of
/// every version until STARTUP is answered.
#[derive(Debug)]
pub struct EnvelopeDecoder {
    expected: Direction,
    max_envelope: u32,
    connection_version: Option<ProtocolVersion>,
    skipping: Option<Skipping>,
}

/// An envelope that was refused and whose body is still arriving.
#[derive(Debug)]
struct Skipping {
    remaining: u64,
    error: FrameError,
}

impl EnvelopeDecoder {
    /// `expected` is the direction of what arrives: a server expects requests.
    pub fn new(expected: Direction, limits: Limits) -> EnvelopeDecoder {
        EnvelopeDecoder {
            expected,
            max_envelope: limits.max_envelope,
            connection_version: None,
            skipping: None,
        }
    }

    /// From now on refuses envelopes of any other version.
    pub fn fix_version(&mut self, version: ProtocolVersion) {
        self.connection_version = Some(version);
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.max_envelope = limits.max_envelope;
    }

    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping.is_some()
    }

    /// See [`FrameReader::give_up`](crate::FrameReader::give_up).
    pub(crate) fn give_up(&mut self, input: &BytesMut, error: ProtocolError) -> bool {
        let Some(head) = input.first_chunk::<HEADER_LENGTH>().filter(|_| !self.is_skipping()) else {
            return false;
        };
        let ParsedHeader::Valid { header, length } =
            parse_header(*head, self.expected, self.connection_version)
        else {
            return false;
        };
        let remaining = u64::from(length) + HEADER_LENGTH as u64;
        let error = FrameError { error, stream: Some(header.stream), fatal: false };
        self.skipping = Some(Skipping { remaining, error });
        true
    }

    /// The next envelope, or `None` when more bytes must be received first. The body shares the buffer's memory.
    /// Nothing is reserved for a length that the other side merely claims: the caller's reads decide how far the
    /// buffer grows, and an envelope past the limit is dropped as it arrives.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Envelope>, FrameError> {
        if let Some(skipping) = self.skipping.take() {
            return self.skip(input, skipping);
        }
        let Some(first) = input.first().copied() else { return Ok(None) };
        let Some(head) = input.first_chunk::<HEADER_LENGTH>().copied() else {
            // The headers of versions 1 and 2 are shorter: nine bytes may never come.
            let Err(error) = ProtocolVersion::from_number(first & 0x7f) else { return Ok(None) };
            input.clear();
            return Err(FrameError { error, stream: None, fatal: true });
        };
        match parse_header(head, self.expected, self.connection_version) {
            ParsedHeader::Valid { header, length } => {
                let total = u64::from(length) + HEADER_LENGTH as u64;
                if total > u64::from(self.max_envelope) {
                    let error =
                        ProtocolError::FrameTooBig { length: total, limit: u64::from(self.max_envelope) };
                    let error = FrameError { error, stream: Some(header.stream), fatal: false };
                    return self.skip(input, Skipping { remaining: total, error });
                }
                let total = HEADER_LENGTH + length as usize;
                if input.len() < total {
                    return Ok(None);
                }
                let mut body = input.split_to(total);
                body.advance(HEADER_LENGTH);
                Ok(Some(Envelope { header, body: body.freeze() }))
            }
            ParsedHeader::Skippable { error, length } => {
                let remaining = u64::from(length) + HEADER_LENGTH as u64;
                self.skip(input, Skipping { remaining, error })
            }
            ParsedHeader::Fatal(error) => {
                input.clear();
                Err(error)
            }
        }
    }

    fn skip(&mut self, input: &mut BytesMut, skipping: Skipping) -> Result<Option<Envelope>, FrameError> {
        let now = usize::try_from(skipping.remaining).unwrap_or(usize::MAX).min(input.len());
        input.advance(now);
        let remaining = skipping.remaining - now as u64;
        if remaining == 0 {
            return Err(skipping.error);
        }
        self.skipping = Some(Skipping { remaining, error: skipping.error });
        Ok(None)
    }
}

/// Appends an ERROR envelope in the layout of versions 1 and 2, whose header has eight bytes: the stream has one.
pub(crate) fn encode_old_error(claimed: u8, stream: i16, body: &[u8], out: &mut BytesMut) {
    let [_, stream] = stream.to_be_bytes();
    let version = claimed | Direction::Response.version_bit();
    out.put_slice(&[version, Flags::NONE.bits(), stream, Opcode::Error.byte()]);
    out.put_u32(body.len() as u32);
    out.put_slice(body);
}
