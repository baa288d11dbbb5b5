//! One side's input: received bytes in, whole envelopes out, whatever the version and compression.

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    Compression, Direction, Envelope, EnvelopeDecoder, FrameError, Header, Limits, ProtocolError,
    ProtocolVersion, SegmentDecoder,
    compression::decompress,
    envelope::{HEADER_LENGTH, ParsedHeader, parse_header},
};

/// Takes envelopes off the front of the buffer that a connection receives into.
#[derive(Debug)]
pub struct FrameReader {
    expected: Direction,
    limits: Limits,
    framing: Framing,
}

#[derive(Debug)]
enum Framing {
    Envelopes { decoder: EnvelopeDecoder, compression: Option<Compression> },
    Segments { decoder: SegmentDecoder, version: ProtocolVersion, content: Content },
}

/// What is left of the last segments.
#[derive(Debug)]
enum Content {
    /// The rest of a self-contained segment, perhaps nothing.
    Whole(Bytes),
    /// The beginning of an envelope that spans several segments, its header included.
    Part { header: Header, total: usize, received: BytesMut },
    /// The same of an envelope that is refused once it has passed.
    Refused { error: FrameError, remaining: u64 },
}

impl FrameReader {
    /// A reader of plain envelopes: every connection begins so. `expected` is the direction of what arrives.
    pub fn new(expected: Direction, limits: Limits) -> FrameReader {
        let decoder = EnvelopeDecoder::new(expected, limits);
        FrameReader { expected, limits, framing: Framing::Envelopes { decoder, compression: None } }
    }

    /// A client calls it when it sends STARTUP: in versions 3 and 4 Cassandra compresses even its answer to that.
    pub fn startup_sent(
        &mut self,
        version: ProtocolVersion,
        compression: Option<Compression>,
    ) -> Result<(), ProtocolError> {
        if version < ProtocolVersion::V5 { self.negotiated(version, compression) } else { Ok(()) }
    }

    /// Changes to what STARTUP negotiated, for all that arrives from now on: segments in version 5, and the
    /// compression. A server calls it when it has decoded STARTUP, a client when it has decoded the answer, be
    /// that READY or AUTHENTICATE.
    pub fn negotiated(
        &mut self,
        version: ProtocolVersion,
        compression: Option<Compression>,
    ) -> Result<(), ProtocolError> {
        if let Some(compression) = compression {
            compression.check_version(version)?;
        }
        self.framing = if version >= ProtocolVersion::V5 {
            let decoder = SegmentDecoder::new(compression.is_some());
            Framing::Segments { decoder, version, content: Content::Whole(Bytes::new()) }
        } else {
            let mut decoder = EnvelopeDecoder::new(self.expected, self.limits);
            decoder.fix_version(version);
            Framing::Envelopes { decoder, compression }
        };
        Ok(())
    }

    /// Changes what is accepted: a server may allow less until a client has logged in.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        if let Framing::Envelopes { decoder, .. } = &mut self.framing {
            decoder.set_limits(limits);
        }
    }

    /// Whether the beginning of an envelope was taken off the input and its rest has not arrived. Bytes that still
    /// are in the input say the same.
    pub fn is_within_envelope(&self) -> bool {
        match &self.framing {
            Framing::Envelopes { decoder, .. } => decoder.is_skipping(),
            Framing::Segments { content, .. } => !matches!(content, Content::Whole(_)),
        }
    }

    /// Bytes kept of an envelope that is arriving, besides those in the input.
    pub fn held(&self) -> usize {
        match &self.framing {
            Framing::Segments { content: Content::Part { received, .. }, .. } => received.len(),
            _ => 0,
        }
    }

    /// Drops the envelope that is arriving: its rest is thrown away as it comes, and [`next`](Self::next) gives `error`
    /// once it has passed. `false` if there is none, or it has to arrive within one segment anyway.
    pub fn give_up(&mut self, input: &BytesMut, error: ProtocolError) -> bool {
        match &mut self.framing {
            Framing::Envelopes { decoder, .. } => decoder.give_up(input, error),
            Framing::Segments { content, .. } => {
                let Content::Part { header, total, received } = content else { return false };
                let error = FrameError { error, stream: Some(header.stream), fatal: false };
                let remaining = total.saturating_sub(received.len()) as u64;
                *content = Content::Refused { error, remaining };
                true
            }
        }
    }

    /// The next envelope, its body plain, or `None` when more bytes must be received first. Call it until it
    /// gives `None` after each read. Errors that are not fatal concern one envelope; the next may be read.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Envelope>, FrameError> {
        match &mut self.framing {
            Framing::Envelopes { decoder, compression } => {
                let Some(envelope) = decoder.decode(input)? else { return Ok(None) };
                let stream = envelope.header.stream;
                decompress(envelope, *compression, self.limits).map(Some).map_err(|error| FrameError {
                    error,
                    stream: Some(stream),
                    fatal: false,
                })
            }
            Framing::Segments { decoder, version, content } => {
                let rules = Rules { expected: self.expected, limits: self.limits, version: *version };
                loop {
                    if let Content::Whole(rest) = content
                        && rest.has_remaining()
                    {
                        return rules.take_whole(rest).map(Some);
                    }
                    let Some(segment) = decoder.decode(input)? else { return Ok(None) };
                    if segment.self_contained {
                        if !matches!(content, Content::Whole(_)) {
                            return Err(unexpected("after a part of one, but is self-contained"));
                        }
                        *content = Content::Whole(segment.payload);
                    } else if let Some(envelope) = rules.add_part(content, segment.payload)? {
                        return Ok(Some(envelope));
                    }
                }
            }
        }
    }
}

fn unexpected(what: &'static str) -> FrameError {
    FrameError { error: ProtocolError::UnexpectedSegment(what), stream: None, fatal: true }
}

/// What envelopes inside segments are held to.
struct Rules {
    expected: Direction,
    limits: Limits,
    version: ProtocolVersion,
}

impl Rules {
    /// Takes the next envelope of a self-contained segment.
    fn take_whole(&self, rest: &mut Bytes) -> Result<Envelope, FrameError> {
        let Some(head) = rest.first_chunk::<HEADER_LENGTH>().copied() else {
            let remaining = rest.len();
            rest.clear();
            let error = ProtocolError::EnvelopeCrossesSegment { needed: HEADER_LENGTH as u64, remaining };
            return Err(FrameError { error, stream: None, fatal: true });
        };
        let (length, parsed) = match parse_header(head, self.expected, Some(self.version)) {
            ParsedHeader::Valid { header, length } => (length, Ok(header)),
            ParsedHeader::Skippable { error, length } => (length, Err(error)),
            ParsedHeader::Fatal(error) => {
                rest.clear();
                return Err(error);
            }
        };
        rest.advance(HEADER_LENGTH);
        let size = length as usize;
        if size > rest.len() {
            let error =
                ProtocolError::EnvelopeCrossesSegment { needed: u64::from(length), remaining: rest.len() };
            rest.clear();
            let stream = parsed.ok().map(|header| header.stream);
            return Err(FrameError { error, stream, fatal: true });
        }
        let body = rest.split_to(size);
        Ok(Envelope { header: parsed?, body })
    }

    /// Adds a segment to an envelope that spans several, and gives the envelope once it is whole.
    fn add_part(&self, content: &mut Content, payload: Bytes) -> Result<Option<Envelope>, FrameError> {
        match content {
            Content::Whole(_) => {
                *content = self.begin(&payload)?;
            }
            Content::Part { received, .. } => received.extend_from_slice(&payload),
            Content::Refused { remaining, .. } => {
                *remaining = remaining.saturating_sub(payload.len() as u64);
            }
        }
        let done = match content {
            Content::Whole(_) => false,
            Content::Part { total, received, .. } => received.len() >= *total,
            Content::Refused { remaining, .. } => *remaining == 0,
        };
        if !done {
            return Ok(None);
        }
        match std::mem::replace(content, Content::Whole(Bytes::new())) {
            Content::Part { header, total, mut received } if received.len() == total => {
                received.advance(HEADER_LENGTH);
                Ok(Some(Envelope { header, body: received.freeze() }))
            }
            Content::Refused { error, .. } => Err(error),
            _ => Err(unexpected("with more bytes than it has")),
        }
    }

    /// Looks at the first segment of an envelope that spans several. What is received is kept, never what is
    /// merely announced, and nothing of an envelope past the limit.
    fn begin(&self, payload: &[u8]) -> Result<Content, FrameError> {
        let Some(head) = payload.first_chunk::<HEADER_LENGTH>().copied() else {
            return Err(unexpected("too short for its header"));
        };
        match parse_header(head, self.expected, Some(self.version)) {
            ParsedHeader::Valid { header, length } => {
                let total = u64::from(length) + HEADER_LENGTH as u64;
                if total > u64::from(self.limits.max_envelope) {
                    let error = ProtocolError::MessageTooBig {
                        length: u64::from(length),
                        limit: u64::from(self.limits.max_envelope),
                    };
                    let error = FrameError { error, stream: Some(header.stream), fatal: false };
                    let remaining = total.saturating_sub(payload.len() as u64);
                    return Ok(Content::Refused { error, remaining });
                }
                let total = HEADER_LENGTH + length as usize;
                Ok(Content::Part { header, total, received: BytesMut::from(payload) })
            }
            // As in Cassandra: the segments that follow cannot be trusted.
            ParsedHeader::Skippable { error, .. } | ParsedHeader::Fatal(error) => {
                Err(FrameError { fatal: true, ..error })
            }
        }
    }
}
