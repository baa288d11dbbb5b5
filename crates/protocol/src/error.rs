//! What can be wrong with bytes from the other side, or with a message that is to be encoded.

use crate::{Direction, ErrorCode, Opcode, ProtocolVersion};

/// The most bytes of an undecodable string that a message shows: enough to recognise it, few enough that a
/// hostile string does not come back whole.
const SHOWN_BYTES: usize = 32;

/// A message that cannot be decoded or encoded. The texts are Cassandra's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    #[error("Invalid or unsupported protocol version ({0}); supported versions are (3/v3, 4/v4, 5/v5)")]
    UnsupportedVersion(u8),
    #[error(
        "Invalid message version. Got {got} but previous messages on this connection had version {expected}"
    )]
    VersionChanged { got: ProtocolVersion, expected: ProtocolVersion },
    #[error("Unknown opcode {0}")]
    UnknownOpcode(u8),
    #[error("Wrong protocol direction (expected {expected}, got {got}) for opcode {} ({opcode})", opcode.byte())]
    WrongDirection { expected: Direction, got: Direction, opcode: Opcode },
    #[error("Unexpected message {0}, expecting {1}")]
    UnexpectedMessage(Opcode, &'static str),
    #[error("Invalid value for envelope header body length field: {0}")]
    NegativeLength(i32),
    #[error("Request is too big: length {length} exceeds maximum allowed length {limit}.")]
    FrameTooBig { length: u64, limit: u64 },
    #[error(
        "messages of {limit} bytes are arriving already, the limit of this server; send fewer or smaller ones at once"
    )]
    NoRoom { limit: u64 },
    #[error("CQL Message of size {length} bytes exceeds allowed maximum of {limit} bytes")]
    MessageTooBig { length: u64, limit: u64 },

    #[error(
        "invalid, unrecoverable CRC mismatch detected in frame {part}. Read {read}, Computed {computed}; \
         the connection is of no more use, open a new one"
    )]
    CrcMismatch { part: &'static str, read: u32, computed: u32 },
    #[error(
        "a self-contained segment ends inside an envelope: it needs {needed} bytes, {remaining} are left"
    )]
    EnvelopeCrossesSegment { needed: u64, remaining: usize },
    #[error("a segment of an envelope that spans several arrived {0}")]
    UnexpectedSegment(&'static str),
    #[error("a compressed segment does not decompress to the {expected} bytes its header announces")]
    BadCompressedSegment { expected: usize },

    #[error("a frame with the COMPRESSED flag arrived, but STARTUP chose no compression")]
    CompressionNotNegotiated,
    #[error("Provided frame does not appear to be {0} compressed")]
    NotCompressed(&'static str),
    #[error(
        "a compressed body claims {claimed} bytes, more than {limit}, the most {compressed} bytes can hold"
    )]
    CompressionBomb { claimed: u64, compressed: usize, limit: u64 },
    #[error("Unknown compression algorithm: {0}")]
    UnknownCompression(Box<str>),
    #[error("Snappy compression is not supported in protocol V5")]
    SnappyInV5,

    #[error("Not enough bytes to read {what}: {needed} needed, {remaining} left in the message")]
    Truncated { what: &'static str, needed: usize, remaining: usize },
    #[error("Cannot read value of length {length}, only {remaining} bytes remaining in the message")]
    ValueTooLong { length: i32, remaining: usize },
    #[error("Invalid ByteBuf length {0}")]
    InvalidValueLength(i32),
    #[error("Cannot decode string as UTF8: '{0}'")]
    NotUtf8(Box<str>),
    #[error("Unknown code {0} for a consistency level")]
    UnknownConsistency(u16),
    #[error("Invalid value '{value}' for {kind}")]
    InvalidName { kind: &'static str, value: Box<str> },
    #[error("Invalid IP address of {0} bytes while deserializing inet address; it must be 4 or 16")]
    InvalidAddress(u8),
    #[error("Invalid port {0} while deserializing inet address")]
    InvalidPort(i32),

    #[error("Missing value CQL_VERSION in STARTUP message")]
    MissingCqlVersion,
    #[error("CQL version {0} is not supported by the binary protocol (supported version are >= 3.0.0)")]
    UnsupportedCqlVersion(Box<str>),
    #[error("Received frame with CUSTOM_PAYLOAD flag for native protocol version < 4")]
    PayloadBeforeV4,
    #[error("The page size cannot be 0")]
    ZeroPageSize,
    #[error(
        "Out of bound timestamp, must be in [-9223372036854775807, 9223372036854775807] (got -9223372036854775808)"
    )]
    TimestampOutOfBounds,
    #[error("Invalid query kind in BATCH messages. Must be 0 or 1 but got {0}")]
    InvalidQueryKind(u8),
    #[error("Invalid BATCH message type {0}")]
    InvalidBatchType(u8),
    #[error("Event {event} not valid for protocol version {version}")]
    EventNotInVersion { event: &'static str, version: ProtocolVersion },

    #[error("Unknown kind id {0} in RESULT message")]
    UnknownResultKind(i32),
    #[error("Unknown option id {0}")]
    UnknownType(u16),
    #[error("a column type nests deeper than {0} levels")]
    TypeTooDeep(usize),
    #[error("a result claims {0} columns or rows")]
    InvalidCount(i32),

    #[error("a list of values has names throughout or not at all")]
    MixedNames,
    #[error("the values of a statement in a BATCH have no names (CASSANDRA-10246): bind them by position")]
    NamesInBatch,
    #[error(
        "{what} of {length} bytes or elements does not fit its length field, which holds at most {limit}"
    )]
    TooLong { what: &'static str, length: usize, limit: usize },
    #[error("{what} needs protocol version {needed} or later, this connection speaks {version}")]
    NeedsVersion { what: &'static str, needed: ProtocolVersion, version: ProtocolVersion },
    #[error(
        "column metadata encoded for protocol version {encoded} was used in a message of version {version}"
    )]
    MetadataOfOtherVersion { encoded: ProtocolVersion, version: ProtocolVersion },
}

impl ProtocolError {
    pub(crate) fn invalid_name(kind: &'static str, value: &str) -> ProtocolError {
        let shown: String = value.chars().take(SHOWN_BYTES).collect();
        ProtocolError::InvalidName { kind, value: shown.into() }
    }

    pub(crate) fn not_utf8(bytes: &[u8]) -> ProtocolError {
        use std::fmt::Write;
        let mut shown = String::new();
        for byte in bytes.iter().take(SHOWN_BYTES) {
            // Writing into a String cannot fail.
            let _ = write!(shown, "{byte:02x}");
        }
        if bytes.len() > SHOWN_BYTES {
            shown.push_str("...");
        }
        ProtocolError::NotUtf8(shown.into())
    }

    /// The code of the ERROR message that a server answers with.
    pub fn code(&self) -> ErrorCode {
        match self {
            // Cassandra answers an oversized message with an InvalidRequestException.
            ProtocolError::FrameTooBig { .. } | ProtocolError::MessageTooBig { .. } => ErrorCode::Invalid,
            ProtocolError::NoRoom { .. } => ErrorCode::Overloaded,
            _ => ErrorCode::Protocol,
        }
    }
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct FrameError {
    /// What was wrong.
    #[source]
    pub error: ProtocolError,
    /// The stream to answer on, where it could be read.
    pub stream: Option<i16>,
    /// Whether the bytes that follow cannot be understood either, so that the connection must be closed (after
    /// an answer, if there is a stream). Otherwise the frame was skipped and reading can go on.
    pub fatal: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecodable_string_is_shown_in_part() {
        assert_eq!(
            ProtocolError::not_utf8(&[0xff, 0x00]).to_string(),
            "Cannot decode string as UTF8: 'ff00'"
        );
        assert!(ProtocolError::not_utf8(&[0xff; 10_000]).to_string().len() < 120);
        assert!(ProtocolError::invalid_name("WriteType", &"x".repeat(10_000)).to_string().len() < 120);
    }

    #[test]
    fn an_error_stays_small_since_every_decoder_returns_one() {
        assert!(size_of::<ProtocolError>() <= 40, "{}", size_of::<ProtocolError>());
    }
}
