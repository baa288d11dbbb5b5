//! Requests: what a client sends, decoded as a view of the envelope's body.

use bytes::{BufMut, BytesMut};

use crate::{
    BatchRequest, Compression, Envelope, Flags, Opcode, ProtocolError, ProtocolVersion, QueryParameters,
    event::EventType,
    wire::{self, Payload, Reader},
};

/// A request, borrowing its texts and ids from the body.
#[derive(Debug, Clone, PartialEq)]
pub enum Request<'a> {
    Startup(Startup<'a>),
    /// A SASL token; `None` where the client sent a null.
    AuthResponse(Option<&'a [u8]>),
    Options,
    Query(QueryRequest<'a>),
    Prepare(PrepareRequest<'a>),
    Execute(ExecuteRequest<'a>),
    Batch(BatchRequest<'a>),
    Register(Vec<EventType>),
}

/// What may precede any request in its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestExtras<'a> {
    /// The client asks for a trace; only QUERY, PREPARE, EXECUTE and BATCH are traced.
    pub tracing: bool,
    /// Version 4 and later.
    pub payload: Payload<'a>,
}

/// The options of STARTUP, in the order sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup<'a> {
    pub options: Vec<(&'a str, &'a str)>,
}

impl<'a> Startup<'a> {
    /// The value of an option, whose name may be written in any case.
    pub fn option(&self, name: &str) -> Option<&'a str> {
        // The last one holds, as in the map Cassandra reads them into.
        self.options.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Checks CQL_VERSION as Cassandra does: it must be there and be 3.0.0 or later.
    pub fn check_cql_version(&self) -> Result<(), ProtocolError> {
        let version = self.option("CQL_VERSION").ok_or(ProtocolError::MissingCqlVersion)?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(3..) => Ok(()),
            _ => Err(ProtocolError::UnsupportedCqlVersion(wire::clip_to_string(version).into())),
        }
    }

    /// The compression asked for, checked against the version.
    pub fn compression(&self, version: ProtocolVersion) -> Result<Option<Compression>, ProtocolError> {
        let Some(name) = self.option("COMPRESSION") else { return Ok(None) };
        let compression = Compression::from_name(name)?;
        compression.check_version(version)?;
        Ok(Some(compression))
    }

    /// Whether the client prefers an OVERLOADED error to waiting.
    pub fn throws_on_overload(&self) -> bool {
        self.option("THROW_ON_OVERLOAD") == Some("1")
    }
}

/// A statement's text and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRequest<'a> {
    pub query: &'a str,
    pub parameters: QueryParameters<'a>,
}

/// A statement to prepare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareRequest<'a> {
    pub query: &'a str,
    /// The keyspace for names without one (version 5).
    pub keyspace: Option<&'a str>,
}

/// A prepared statement to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteRequest<'a> {
    pub id: &'a [u8],
    /// The id of the result columns the client knows: always there in version 5, absent before.
    pub result_metadata_id: Option<&'a [u8]>,
    pub parameters: QueryParameters<'a>,
}

impl<'a> Request<'a> {
    /// Decodes the body of a request. The body must not be compressed (see `decompress`).
    pub fn decode(envelope: &'a Envelope) -> Result<(RequestExtras<'a>, Request<'a>), ProtocolError> {
        let header = envelope.header;
        let version = header.version;
        let mut reader = Reader::new(&envelope.body);
        let mut extras =
            RequestExtras { tracing: header.flags.contains(Flags::TRACING), payload: Payload::new() };
        if header.flags.contains(Flags::CUSTOM_PAYLOAD) {
            if version < ProtocolVersion::V4 {
                return Err(ProtocolError::PayloadBeforeV4);
            }
            extras.payload = reader.bytes_map()?;
        }
        let reader = &mut reader;
        let request = match header.opcode {
            // The two that count go straight into the result: a large struct that is moved right after it was
            // written in parts stalls the processor.
            Opcode::Execute => {
                let mut execute = ExecuteRequest::decode_ids(version, reader)?;
                execute.parameters.decode_into(reader, version)?;
                check_page_size(&execute.parameters)?;
                return Ok((extras, Request::Execute(execute)));
            }
            Opcode::Query => {
                let query = reader.long_string()?;
                let mut query = QueryRequest { query, parameters: QueryParameters::default() };
                query.parameters.decode_into(reader, version)?;
                check_page_size(&query.parameters)?;
                return Ok((extras, Request::Query(query)));
            }
            Opcode::Batch => Request::Batch(BatchRequest::decode(version, reader)?),
            Opcode::Prepare => Request::Prepare(PrepareRequest::decode(version, reader)?),
            Opcode::Startup => Request::Startup(Startup::decode(reader)?),
            Opcode::Options => Request::Options,
            Opcode::AuthResponse => Request::AuthResponse(reader.bytes()?),
            Opcode::Register => {
                let names = reader.string_list()?;
                Request::Register(names.into_iter().map(EventType::from_name).collect::<Result<_, _>>()?)
            }
            response => return Err(ProtocolError::UnexpectedMessage(response, "a request")),
        };
        Ok((extras, request))
    }

    pub fn opcode(&self) -> Opcode {
        match self {
            Request::Startup(_) => Opcode::Startup,
            Request::AuthResponse(_) => Opcode::AuthResponse,
            Request::Options => Opcode::Options,
            Request::Query(_) => Opcode::Query,
            Request::Prepare(_) => Opcode::Prepare,
            Request::Execute(_) => Opcode::Execute,
            Request::Batch(_) => Opcode::Batch,
            Request::Register(_) => Opcode::Register,
        }
    }

    /// Appends the message, without what may precede it. On an error something may have been appended; a
    /// `FrameWriter` takes that back.
    pub(crate) fn encode_message(
        &self,
        version: ProtocolVersion,
        out: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        match self {
            Request::Startup(startup) => startup.encode(out),
            Request::AuthResponse(token) => wire::put_bytes(out, *token),
            Request::Options => Ok(()),
            Request::Query(query) => {
                check_page_size(&query.parameters)?;
                wire::put_long_string(out, query.query)?;
                query.parameters.encode(version, out)
            }
            Request::Prepare(prepare) => prepare.encode(version, out),
            Request::Execute(execute) => execute.encode(version, out),
            Request::Batch(batch) => batch.encode(version, out),
            Request::Register(types) => wire::put_string_list(out, types.iter().map(|event| event.name())),
        }
    }
}

impl RequestExtras<'_> {
    pub(crate) fn flags(&self) -> Flags {
        let mut flags = Flags::NONE;
        if self.tracing {
            flags = flags.with(Flags::TRACING);
        }
        if !self.payload.is_empty() {
            flags = flags.with(Flags::CUSTOM_PAYLOAD);
        }
        flags
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        if self.payload.is_empty() {
            return Ok(());
        }
        if version < ProtocolVersion::V4 {
            return Err(ProtocolError::PayloadBeforeV4);
        }
        wire::put_bytes_map(out, &self.payload)
    }
}

/// Cassandra refuses it when it runs a QUERY or EXECUTE, before anything else of the statement is looked at.
fn check_page_size(parameters: &QueryParameters<'_>) -> Result<(), ProtocolError> {
    if parameters.page_size == Some(0) { Err(ProtocolError::ZeroPageSize) } else { Ok(()) }
}

impl<'a> Startup<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Startup<'a>, ProtocolError> {
        let count = reader.u16("the number of STARTUP options")?;
        reader.check_count(usize::from(count), 4, "STARTUP options")?;
        let options =
            (0..count).map(|_| Ok((reader.string()?, reader.string()?))).collect::<Result<_, _>>()?;
        Ok(Startup { options })
    }

    fn encode(&self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        out.put_u16(wire::count16(self.options.len(), "STARTUP options")?);
        for (name, value) in &self.options {
            wire::put_string(out, name)?;
            wire::put_string(out, value)?;
        }
        Ok(())
    }
}

impl<'a> PrepareRequest<'a> {
    const WITH_KEYSPACE: u32 = 0x01;

    fn decode(
        version: ProtocolVersion,
        reader: &mut Reader<'a>,
    ) -> Result<PrepareRequest<'a>, ProtocolError> {
        let query = reader.long_string()?;
        let mut keyspace = None;
        if version >= ProtocolVersion::V5 {
            let flags = reader.i32("the flags of PREPARE")?.cast_unsigned();
            if flags & PrepareRequest::WITH_KEYSPACE != 0 {
                keyspace = Some(reader.string()?);
            }
        }
        Ok(PrepareRequest { query, keyspace })
    }

    fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        wire::put_long_string(out, self.query)?;
        if version >= ProtocolVersion::V5 {
            out.put_u32(if self.keyspace.is_some() { PrepareRequest::WITH_KEYSPACE } else { 0 });
            return self.keyspace.map_or(Ok(()), |keyspace| wire::put_string(out, keyspace));
        }
        match self.keyspace {
            None => Ok(()),
            Some(_) => Err(ProtocolError::NeedsVersion {
                what: "a keyspace in PREPARE",
                needed: ProtocolVersion::V5,
                version,
            }),
        }
    }
}

impl<'a> ExecuteRequest<'a> {
    #[inline]
    fn decode_ids(
        version: ProtocolVersion,
        reader: &mut Reader<'a>,
    ) -> Result<ExecuteRequest<'a>, ProtocolError> {
        let id = reader.short_bytes()?;
        let result_metadata_id =
            if version >= ProtocolVersion::V5 { Some(reader.short_bytes()?) } else { None };
        Ok(ExecuteRequest { id, result_metadata_id, parameters: QueryParameters::default() })
    }

    fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        check_page_size(&self.parameters)?;
        wire::put_short_bytes(out, self.id)?;
        if version >= ProtocolVersion::V5 {
            // A client that knows no columns sends an empty id, which matches none.
            wire::put_short_bytes(out, self.result_metadata_id.unwrap_or_default())?;
        }
        self.parameters.encode(version, out)
    }
}
