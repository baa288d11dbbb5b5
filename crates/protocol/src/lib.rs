//! Cassandra's native protocol, versions 3, 4 and 5, both sides of it. No I/O and no runtime: bytes in, messages
//! out, and back.
//!
//! # Vocabulary
//! A *message* is a `Request` or a `Response`. An *envelope* is its nine-byte header and its body (what versions 3
//! and 4 call a frame). A *segment* is the outer framing of version 5.
//!
//! # A server's connection
//! ```
//! use bytes::BytesMut;
//! use ilium_protocol::*;
//!
//! fn serve(input: &mut BytesMut, reader: &mut FrameReader, writer: &mut FrameWriter) -> Result<bool, ProtocolError> {
//!     loop {
//!         let envelope = match reader.next(input) {
//!             Ok(Some(envelope)) => envelope,
//!             Ok(None) => return Ok(true), // receive more into `input`
//!             Err(failure) => {
//!                 let error = Response::Error(ErrorResponse::from_protocol_error(&failure.error));
//!                 match (failure.stream, failure.error) {
//!                     (None, _) => {}
//!                     (Some(stream), ProtocolError::UnsupportedVersion(claimed)) => {
//!                         writer.refuse_version(claimed, stream)?;
//!                     }
//!                     (Some(stream), _) => writer.response(stream, &ResponseExtras::default(), &error)?,
//!                 }
//!                 if failure.fatal {
//!                     return Ok(false); // send what is written, then close
//!                 }
//!                 continue;
//!             }
//!         };
//!         let stream = envelope.header.stream;
//!         let (_extras, request) = Request::decode(&envelope)?; // borrows from the envelope
//!         match request {
//!             Request::Startup(startup) => {
//!                 let version = envelope.header.version;
//!                 let compression = startup.compression(version)?;
//!                 writer.set_version(version);
//!                 writer.response(stream, &ResponseExtras::default(), &Response::Ready)?;
//!                 reader.negotiated(version, compression)?;
//!                 writer.negotiated(version, compression)?;
//!             }
//!             _ => {
//!                 let nothing = Response::Result(QueryResult::Void);
//!                 writer.response(stream, &ResponseExtras::default(), &nothing)?;
//!             }
//!         }
//!     }
//! }
//!
//! let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
//! let mut writer = FrameWriter::new(ProtocolVersion::V5);
//! let mut client = FrameWriter::new(ProtocolVersion::V5);
//! let startup = Startup { options: vec![("CQL_VERSION", "3.0.0")] };
//! client.request(0, &RequestExtras::default(), &Request::Startup(startup))?;
//! serve(client.ready()?, &mut reader, &mut writer)?;
//! assert_eq!(writer.ready()?.len(), 9); // READY; all that was written goes out at once
//! # Ok::<(), ProtocolError>(())
//! ```
//! A client does the same with the directions exchanged: `FrameReader::new(Direction::Response, Limits::CLIENT)`,
//! `FrameWriter::request`, `Response::decode`; it calls `FrameReader::startup_sent` when it sends STARTUP, and
//! `negotiated` on both when the answer is there.
//!
//! # The parts
//! - `FrameReader` and `FrameWriter` hide version and compression; `EnvelopeDecoder`, `SegmentDecoder`,
//!   `encode_segment` and `decompress` are the layers beneath, for a proxy that wants them.
//! - `Envelope` is a message undecoded: a forwarder changes `header.stream` and gives it to `FrameWriter::envelope`.
//! - `Request`, `Response` and what they hold borrow from the envelope's body; the same types are encoded.
//!   `Values` (bound values) share the body's memory and need no lifetime.
//! - `Rows::cells` is a buffer of cells in wire form: `put_bytes` appends one. `EncodedColumns` keeps the wire form
//!   of the metadata for responses that repeat it.
//! - `class_name` and `parse_class_name` turn types into Java class names and back.
//! - `ProtocolError::code` says which ERROR answers it; `FrameWriter::refuse_version` answers a version not spoken.
//!
//! # What holds
//! Whatever bytes arrive, decoding ends in a message or an error: no panic, no allocation larger than what was
//! received justifies (a compressed body is refused when it claims more than its size can hold), no recursion
//! without bound. Bytes after the end of a message are ignored, as the specification demands.

mod batch;
mod class_name;
mod column_type;
mod compression;
mod consistency;
mod crc;
mod envelope;
mod error;
mod error_code;
mod error_response;
mod event;
mod frame_reader;
mod frame_writer;
mod metadata;
mod parameters;
mod request;
mod response;
mod result;
mod segment;
mod values;
mod version;
mod wire;

pub use batch::{BatchRequest, BatchStatement, BatchType, BatchedStatement};
pub use class_name::{class_name, parse_class_name};
pub use compression::{Compression, decompress};
pub use consistency::Consistency;
pub use envelope::{EVENT_STREAM, Envelope, EnvelopeDecoder, Flags, HEADER_LENGTH, Header, Limits};
pub use error::{FrameError, ProtocolError};
pub use error_code::{ErrorCode, FailureReason, WriteType};
pub use error_response::{ErrorDetail, ErrorResponse, Failures};
pub use event::{ChangeType, Event, EventType, NodeStatus, SchemaChange, SchemaTarget, TopologyChange};
pub use frame_reader::FrameReader;
pub use frame_writer::FrameWriter;
pub use metadata::{BindMetadata, ColumnList, ColumnSpec, EncodedColumns, RowsMetadata};
pub use parameters::QueryParameters;
pub use request::{ExecuteRequest, PrepareRequest, QueryRequest, Request, RequestExtras, Startup};
pub use response::{Response, ResponseExtras, Supported};
pub use result::{Cells, Prepared, QueryResult, Rows};
pub use segment::{MAX_PAYLOAD, Segment, SegmentDecoder, encode_segment};
pub use values::{Value, Values, ValuesBuilder};
pub use version::{Direction, Opcode, ProtocolVersion};
pub use wire::{Payload, put_bytes};
