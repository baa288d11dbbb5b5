//! Responses: what a server sends, decoded as a view of the envelope's body.

use bytes::{BufMut, BytesMut};

use crate::{
    Envelope, ErrorResponse, Event, Flags, Opcode, ProtocolError, ProtocolVersion, QueryResult,
    wire::{self, Payload, Reader},
};

/// A response, borrowing its texts, ids and cells from the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response<'a> {
    Error(ErrorResponse<'a>),
    Ready,
    /// The class name of the authenticator.
    Authenticate(&'a str),
    Supported(Supported<'a>),
    Result(QueryResult<'a>),
    Event(Event<'a>),
    /// A SASL token; `None` is a null.
    AuthChallenge(Option<&'a [u8]>),
    AuthSuccess(Option<&'a [u8]>),
}

/// The options a server supports, each with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supported<'a> {
    pub options: Vec<(&'a str, Vec<&'a str>)>,
}

/// What may precede any response in its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseExtras<'a> {
    /// The id of the trace, a time-based UUID, where the request asked for one.
    pub tracing_id: Option<[u8; 16]>,
    /// Version 4 and later; left out for version 3, as Cassandra does.
    pub warnings: Vec<&'a str>,
    /// Version 4 and later.
    pub payload: Payload<'a>,
}

impl<'a> Response<'a> {
    /// Decodes the body of a response. The body must not be compressed (see `decompress`).
    pub fn decode(envelope: &'a Envelope) -> Result<(ResponseExtras<'a>, Response<'a>), ProtocolError> {
        let header = envelope.header;
        let mut reader = Reader::new(&envelope.body);
        let extras = ResponseExtras::decode(header.flags, header.version, &mut reader)?;
        let response = Response::decode_message(header.opcode, header.version, &mut reader)?;
        Ok((extras, response))
    }

    fn decode_message(
        opcode: Opcode,
        version: ProtocolVersion,
        reader: &mut Reader<'a>,
    ) -> Result<Response<'a>, ProtocolError> {
        Ok(match opcode {
            Opcode::Result => Response::Result(QueryResult::decode(reader, version)?),
            Opcode::Error => Response::Error(ErrorResponse::decode(reader, version)?),
            Opcode::Ready => Response::Ready,
            Opcode::Authenticate => Response::Authenticate(reader.string()?),
            Opcode::Supported => {
                let count = reader.u16("the number of supported options")?;
                reader.check_count(usize::from(count), 4, "supported options")?;
                let options = (0..count)
                    .map(|_| Ok((reader.string()?, reader.string_list()?)))
                    .collect::<Result<_, ProtocolError>>()?;
                Response::Supported(Supported { options })
            }
            Opcode::Event => Response::Event(Event::decode(reader)?),
            Opcode::AuthChallenge => Response::AuthChallenge(reader.bytes()?),
            Opcode::AuthSuccess => Response::AuthSuccess(reader.bytes()?),
            request => return Err(ProtocolError::UnexpectedMessage(request, "a response")),
        })
    }

    pub fn opcode(&self) -> Opcode {
        match self {
            Response::Error(_) => Opcode::Error,
            Response::Ready => Opcode::Ready,
            Response::Authenticate(_) => Opcode::Authenticate,
            Response::Supported(_) => Opcode::Supported,
            Response::Result(_) => Opcode::Result,
            Response::Event(_) => Opcode::Event,
            Response::AuthChallenge(_) => Opcode::AuthChallenge,
            Response::AuthSuccess(_) => Opcode::AuthSuccess,
        }
    }

    pub(crate) fn encode_message(
        &self,
        version: ProtocolVersion,
        out: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        match self {
            Response::Result(result) => result.encode(version, out),
            Response::Error(error) => error.encode(version, out),
            Response::Ready => Ok(()),
            Response::Authenticate(class) => wire::put_string(out, class),
            Response::Supported(supported) => {
                out.put_u16(wire::count16(supported.options.len(), "supported options")?);
                for (name, values) in &supported.options {
                    wire::put_string(out, name)?;
                    wire::put_string_list(out, values.iter().copied())?;
                }
                Ok(())
            }
            Response::Event(event) => event.encode(version, out),
            Response::AuthChallenge(token) | Response::AuthSuccess(token) => wire::put_bytes(out, *token),
        }
    }
}

impl<'a> ResponseExtras<'a> {
    fn decode(
        flags: Flags,
        version: ProtocolVersion,
        reader: &mut Reader<'a>,
    ) -> Result<ResponseExtras<'a>, ProtocolError> {
        let mut extras = ResponseExtras::default();
        if flags.contains(Flags::TRACING) {
            extras.tracing_id = Some(reader.uuid()?);
        }
        if flags.contains(Flags::WARNING) {
            extras.warnings = reader.string_list()?;
        }
        if flags.contains(Flags::CUSTOM_PAYLOAD) {
            if version < ProtocolVersion::V4 {
                return Err(ProtocolError::PayloadBeforeV4);
            }
            extras.payload = reader.bytes_map()?;
        }
        Ok(extras)
    }

    pub(crate) fn flags(&self, version: ProtocolVersion) -> Flags {
        let mut flags = Flags::NONE;
        if self.tracing_id.is_some() {
            flags = flags.with(Flags::TRACING);
        }
        if !self.warnings.is_empty() && version >= ProtocolVersion::V4 {
            flags = flags.with(Flags::WARNING);
        }
        if !self.payload.is_empty() {
            flags = flags.with(Flags::CUSTOM_PAYLOAD);
        }
        flags
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        if let Some(id) = self.tracing_id {
            out.put_slice(&id);
        }
        if !self.warnings.is_empty() && version >= ProtocolVersion::V4 {
            let warnings = self.warnings.iter().map(|warning| wire::clip_to_string(warning));
            wire::put_string_list(out, warnings)?;
        }
        if !self.payload.is_empty() {
            if version < ProtocolVersion::V4 {
                return Err(ProtocolError::PayloadBeforeV4);
            }
            wire::put_bytes_map(out, &self.payload)?;
        }
        Ok(())
    }
}
