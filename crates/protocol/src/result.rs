//! RESULT messages: nothing, rows, a keyspace, a prepared statement, a change of schema.

use bytes::{BufMut, BytesMut};

use crate::{
    ProtocolError, ProtocolVersion,
    event::SchemaChange,
    metadata::{BindMetadata, RowsMetadata},
    wire::{self, Reader},
};

const VOID: i32 = 1;
const ROWS: i32 = 2;
const SET_KEYSPACE: i32 = 3;
const PREPARED: i32 = 4;
const SCHEMA_CHANGE: i32 = 5;

/// What a request gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryResult<'a> {
    Void,
    Rows(Rows<'a>),
    SetKeyspace(&'a str),
    Prepared(Prepared<'a>),
    SchemaChange(SchemaChange<'a>),
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<'a> {
    pub metadata: RowsMetadata<'a>,
    pub row_count: u32,
    /// The cells of all rows one after the other, each [bytes] (see `put_bytes`). Encoding copies it as it is.
    pub cells: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Walks the cells, row by row. A decoder checks no cell before.
    pub fn cells(&self) -> Cells<'a> {
        let left = u64::from(self.row_count) * self.metadata.columns.count() as u64;
        Cells { left, rest: self.cells }
    }
}

/// An iterator over the cells of some rows; `None` inside is a null. It ends after the first error.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    left: u64,
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Option<&'a [u8]>, ProtocolError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let cell = self.cell();
        if cell.is_err() {
            self.left = 0;
        }
        Some(cell)
    }
}

impl<'a> Cells<'a> {
    #[inline]
    fn cell(&mut self) -> Result<Option<&'a [u8]>, ProtocolError> {
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(ProtocolError::Truncated { what: "a cell", needed: 4, remaining: self.rest.len() });
        };
        let length = i32::from_be_bytes(*length);
        let Ok(size) = usize::try_from(length) else {
            self.rest = rest;
            return Ok(None);
        };
        let Some((cell, rest)) = rest.split_at_checked(size) else {
            return Err(ProtocolError::ValueTooLong { length, remaining: rest.len() });
        };
        self.rest = rest;
        Ok(Some(cell))
    }
}

/// The answer to PREPARE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared<'a> {
    pub id: &'a [u8],
    /// The id of the result's columns: always there in version 5, absent before.
    pub result_metadata_id: Option<&'a [u8]>,
    pub bind: BindMetadata<'a>,
    pub result: RowsMetadata<'a>,
}

impl<'a> QueryResult<'a> {
    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        match self {
            QueryResult::Void => {
                out.put_i32(VOID);
                Ok(())
            }
            QueryResult::Rows(rows) => {
                out.put_i32(ROWS);
                rows.metadata.encode(version, out)?;
                out.put_u32(wire::count32(rows.row_count as usize, "the rows of a page")?.unsigned_abs());
                out.put_slice(rows.cells);
                Ok(())
            }
            QueryResult::SetKeyspace(keyspace) => {
                out.put_i32(SET_KEYSPACE);
                wire::put_string(out, keyspace)
            }
            QueryResult::Prepared(prepared) => {
                out.put_i32(PREPARED);
                wire::put_short_bytes(out, prepared.id)?;
                if version >= ProtocolVersion::V5 {
                    wire::put_short_bytes(out, prepared.result_metadata_id.unwrap_or_default())?;
                }
                prepared.bind.encode(version, out)?;
                prepared.result.encode(version, out)
            }
            QueryResult::SchemaChange(change) => {
                out.put_i32(SCHEMA_CHANGE);
                change.encode(version, out)
            }
        }
    }

    pub(crate) fn decode(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<QueryResult<'a>, ProtocolError> {
        Ok(match reader.i32("the kind of a result")? {
            VOID => QueryResult::Void,
            ROWS => {
                let metadata = RowsMetadata::decode(reader, version)?;
                let row_count = reader.i32("the number of rows")?;
                let row_count =
                    u32::try_from(row_count).map_err(|_| ProtocolError::InvalidCount(row_count))?;
                // A cell has four bytes at least. Of no columns there would be as many rows as somebody says.
                let least = metadata.columns.count().max(1).saturating_mul(4);
                reader.check_count(row_count as usize, least, "the rows of a page")?;
                QueryResult::Rows(Rows { metadata, row_count, cells: reader.rest() })
            }
            SET_KEYSPACE => QueryResult::SetKeyspace(reader.string()?),
            PREPARED => {
                let id = reader.short_bytes()?;
                let result_metadata_id =
                    if version >= ProtocolVersion::V5 { Some(reader.short_bytes()?) } else { None };
                let bind = BindMetadata::decode(reader, version)?;
                let result = RowsMetadata::decode(reader, version)?;
                QueryResult::Prepared(Prepared { id, result_metadata_id, bind, result })
            }
            SCHEMA_CHANGE => QueryResult::SchemaChange(SchemaChange::decode(reader)?),
            other => return Err(ProtocolError::UnknownResultKind(other)),
        })
    }
}
