//! BATCH: several statements that are applied together.

use bytes::{BufMut, BytesMut};

use crate::{
    ProtocolError, ProtocolVersion, QueryParameters, Values,
    wire::{self, Reader},
};

/// How a batch is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchType {
    Logged = 0,
    Unlogged = 1,
    Counter = 2,
}

impl BatchType {
    fn from_byte(byte: u8) -> Result<BatchType, ProtocolError> {
        match byte {
            0 => Ok(BatchType::Logged),
            1 => Ok(BatchType::Unlogged),
            2 => Ok(BatchType::Counter),
            other => Err(ProtocolError::InvalidBatchType(other)),
        }
    }
}

/// A BATCH request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRequest<'a> {
    pub kind: BatchType,
    pub statements: Vec<BatchStatement<'a>>,
    /// Consistency, timestamp and the rest for the whole; its `values` mean nothing here.
    pub parameters: QueryParameters<'a>,
}

/// One statement of a batch with its values, which are positional: the protocol has no names here
/// (CASSANDRA-10246).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStatement<'a> {
    pub statement: BatchedStatement<'a>,
    pub values: Values,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchedStatement<'a> {
    Query(&'a str),
    /// A prepared statement's id.
    Prepared(&'a [u8]),
}

impl<'a> BatchRequest<'a> {
    pub(crate) fn decode(
        version: ProtocolVersion,
        reader: &mut Reader<'a>,
    ) -> Result<BatchRequest<'a>, ProtocolError> {
        let kind = reader.u8("the type of a batch")?;
        let count = usize::from(reader.u16("the number of statements in a batch")?);
        // A kind, an empty id and no values: five bytes.
        reader.check_count(count, 5, "the statements of a batch")?;
        let mut statements = Vec::with_capacity(count);
        for _ in 0..count {
            let statement = match reader.u8("the kind of a statement in a batch")? {
                0 => BatchedStatement::Query(reader.long_string()?),
                1 => BatchedStatement::Prepared(reader.short_bytes()?),
                other => return Err(ProtocolError::InvalidQueryKind(other)),
            };
            let mut values = Values::none();
            values.decode_into(reader, version, false)?;
            statements.push(BatchStatement { statement, values });
        }
        let mut parameters = QueryParameters::default();
        parameters.decode_into(reader, version)?;
        // Cassandra looks at the type last, so a body that is wrong twice gets the other error.
        Ok(BatchRequest { kind: BatchType::from_byte(kind)?, statements, parameters })
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        out.put_u8(self.kind as u8);
        out.put_u16(wire::count16(self.statements.len(), "a batch")?);
        for BatchStatement { statement, values } in &self.statements {
            match statement {
                BatchedStatement::Query(query) => {
                    out.put_u8(0);
                    wire::put_long_string(out, query)?;
                }
                BatchedStatement::Prepared(id) => {
                    out.put_u8(1);
                    wire::put_short_bytes(out, id)?;
                }
            }
            if values.is_named() {
                return Err(ProtocolError::NamesInBatch);
            }
            values.encode(version, out)?;
        }
        self.parameters.encode(version, out)
    }
}
