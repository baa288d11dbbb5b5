//! The columns of a result and the markers of a prepared statement.

use std::{borrow::Cow, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use ilium_cql::CqlType;

use crate::{
    ProtocolError, ProtocolVersion,
    column_type::{decode_type, encode_type},
    wire::{self, Reader},
};

const GLOBAL_TABLE_SPEC: i32 = 0x0001;
const HAS_MORE_PAGES: i32 = 0x0002;
const NO_METADATA: i32 = 0x0004;
const METADATA_CHANGED: i32 = 0x0008;

/// A column of a result, or a bind marker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnSpec {
    pub keyspace: Arc<str>,
    pub table: Arc<str>,
    pub name: Arc<str>,
    pub ty: CqlType,
}

/// A list of columns in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnList<'a> {
    /// Left out: only how many there are.
    Omitted(u32),
    Specs(Cow<'a, [ColumnSpec]>),
    /// For encoding only: the wire form, made once and used by many responses.
    Encoded(&'a EncodedColumns),
}

impl<'a> ColumnList<'a> {
    pub fn specs(specs: &'a [ColumnSpec]) -> ColumnList<'a> {
        ColumnList::Specs(Cow::Borrowed(specs))
    }

    pub fn count(&self) -> usize {
        match self {
            ColumnList::Omitted(count) => *count as usize,
            ColumnList::Specs(specs) => specs.len(),
            ColumnList::Encoded(encoded) => encoded.count as usize,
        }
    }

    /// The columns, where they are there and not encoded.
    pub fn as_specs(&self) -> Option<&[ColumnSpec]> {
        match self {
            ColumnList::Specs(specs) => Some(specs),
            ColumnList::Omitted(_) | ColumnList::Encoded(_) => None,
        }
    }

    fn flags(&self) -> i32 {
        let global = match self {
            ColumnList::Omitted(_) => return NO_METADATA,
            ColumnList::Specs(specs) => in_one_table(specs),
            ColumnList::Encoded(encoded) => encoded.in_one_table,
        };
        if global { GLOBAL_TABLE_SPEC } else { 0 }
    }

    fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        match self {
            ColumnList::Omitted(_) => Ok(()),
            ColumnList::Specs(specs) => encode_columns(specs, version, out),
            ColumnList::Encoded(encoded) if encoded.version == version => {
                out.put_slice(&encoded.bytes);
                Ok(())
            }
            ColumnList::Encoded(encoded) => {
                Err(ProtocolError::MetadataOfOtherVersion { encoded: encoded.version, version })
            }
        }
    }
}

/// The wire form of a list of columns for one version. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedColumns {
    version: ProtocolVersion,
    count: u32,
    in_one_table: bool,
    bytes: Bytes,
}

impl EncodedColumns {
    pub fn new(columns: &[ColumnSpec], version: ProtocolVersion) -> Result<EncodedColumns, ProtocolError> {
        let count = wire::count32(columns.len(), "a list of columns")?.unsigned_abs();
        let mut bytes = BytesMut::new();
        encode_columns(columns, version, &mut bytes)?;
        Ok(EncodedColumns { version, count, in_one_table: in_one_table(columns), bytes: bytes.freeze() })
    }

    pub fn version(&self) -> ProtocolVersion {
        self.version
    }
}

/// Whether the table is sent once for all columns (`ColumnSpecification.allInSameTable`).
fn in_one_table(columns: &[ColumnSpec]) -> bool {
    columns.split_first().is_some_and(|(first, rest)| {
        rest.iter().all(|column| column.keyspace == first.keyspace && column.table == first.table)
    })
}

fn encode_columns(
    columns: &[ColumnSpec],
    version: ProtocolVersion,
    out: &mut BytesMut,
) -> Result<(), ProtocolError> {
    let global = in_one_table(columns);
    if let Some(first) = columns.first()
        && global
    {
        wire::put_string(out, &first.keyspace)?;
        wire::put_string(out, &first.table)?;
    }
    for column in columns {
        if !global {
            wire::put_string(out, &column.keyspace)?;
            wire::put_string(out, &column.table)?;
        }
        wire::put_string(out, &column.name)?;
        encode_type(&column.ty, version, out)?;
    }
    Ok(())
}

fn decode_columns(
    reader: &mut Reader<'_>,
    count: u32,
    global: bool,
) -> Result<Vec<ColumnSpec>, ProtocolError> {
    let count = count as usize;
    // A name of no bytes and a type's number: four bytes.
    reader.check_count(count, 4, "column specifications")?;
    let mut table: Option<(Arc<str>, Arc<str>)> = None;
    if global {
        table = Some((reader.string()?.into(), reader.string()?.into()));
    }
    let mut columns = Vec::new();
    for _ in 0..count {
        let (keyspace, table) = match &table {
            Some((keyspace, table)) => (Arc::clone(keyspace), Arc::clone(table)),
            None => (reader.string()?.into(), reader.string()?.into()),
        };
        columns.push(ColumnSpec {
            keyspace,
            table,
            name: reader.string()?.into(),
            ty: decode_type(reader, 0)?,
        });
    }
    Ok(columns)
}

fn decode_count(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, ProtocolError> {
    let count = reader.i32(what)?;
    u32::try_from(count).map_err(|_| ProtocolError::InvalidCount(count))
}

/// What a result says of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsMetadata<'a> {
    pub columns: ColumnList<'a>,
    /// Where the next page begins; `None` on the last.
    pub paging_state: Option<&'a [u8]>,
    /// The id of the columns, where they differ from what the client knows (version 5; ignored before).
    pub new_metadata_id: Option<&'a [u8]>,
}

impl<'a> RowsMetadata<'a> {
    /// The metadata of a single page.
    pub fn new(columns: ColumnList<'a>) -> RowsMetadata<'a> {
        RowsMetadata { columns, paging_state: None, new_metadata_id: None }
    }

    /// What Cassandra sends for a prepared statement that returns no rows.
    pub fn none() -> RowsMetadata<'a> {
        RowsMetadata::new(ColumnList::Omitted(0))
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let new_id = self.new_metadata_id.filter(|_| version >= ProtocolVersion::V5);
        let flags = self.columns.flags()
            | if self.paging_state.is_some() { HAS_MORE_PAGES } else { 0 }
            | if new_id.is_some() { METADATA_CHANGED } else { 0 };
        out.put_i32(flags);
        out.put_i32(wire::count32(self.columns.count(), "a list of columns")?);
        if let Some(state) = self.paging_state {
            wire::put_bytes(out, Some(state))?;
        }
        if let Some(id) = new_id {
            wire::put_short_bytes(out, id)?;
        }
        self.columns.encode(version, out)
    }

    pub(crate) fn decode(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<RowsMetadata<'a>, ProtocolError> {
        let flags = reader.i32("the flags of a result")?;
        let count = decode_count(reader, "the number of columns")?;
        let paging_state = if flags & HAS_MORE_PAGES != 0 { reader.bytes()? } else { None };
        let changed = flags & METADATA_CHANGED != 0 && version >= ProtocolVersion::V5;
        let new_metadata_id = if changed { Some(reader.short_bytes()?) } else { None };
        let columns = if flags & NO_METADATA != 0 {
            ColumnList::Omitted(count)
        } else {
            ColumnList::Specs(decode_columns(reader, count, flags & GLOBAL_TABLE_SPEC != 0)?.into())
        };
        Ok(RowsMetadata { columns, paging_state, new_metadata_id })
    }
}

/// What a prepared statement binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMetadata<'a> {
    /// A marker each. Never `Omitted`.
    pub columns: ColumnList<'a>,
    /// Where the components of the partition key are among the markers, in the order of the key; empty where some
    /// are not bound. Version 4 and later.
    pub partition_key: Cow<'a, [u16]>,
}

impl<'a> BindMetadata<'a> {
    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let flags = self.columns.flags() & GLOBAL_TABLE_SPEC;
        let count = if matches!(self.columns, ColumnList::Omitted(_)) { 0 } else { self.columns.count() };
        out.put_i32(flags);
        out.put_i32(wire::count32(count, "a list of bind markers")?);
        if version >= ProtocolVersion::V4 {
            // They mean nothing where the statement touches several tables.
            let indexes = if flags == 0 { &[] } else { self.partition_key.as_ref() };
            out.put_i32(wire::count32(indexes.len(), "the partition key's markers")?);
            for index in indexes {
                out.put_u16(*index);
            }
        }
        self.columns.encode(version, out)
    }

    pub(crate) fn decode(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<BindMetadata<'a>, ProtocolError> {
        let flags = reader.i32("the flags of a prepared statement")?;
        let count = decode_count(reader, "the number of bind markers")?;
        let mut partition_key = Vec::new();
        if version >= ProtocolVersion::V4 {
            let indexes = decode_count(reader, "the number of partition key markers")?;
            reader.check_count(indexes as usize, 2, "partition key markers")?;
            partition_key =
                (0..indexes).map(|_| reader.u16("a partition key marker")).collect::<Result<_, _>>()?;
        }
        let columns = decode_columns(reader, count, flags & GLOBAL_TABLE_SPEC != 0)?;
        Ok(BindMetadata { columns: ColumnList::Specs(columns.into()), partition_key: partition_key.into() })
    }
}
