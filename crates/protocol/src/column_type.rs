//! Column types on the wire: an [option] whose number is the type, followed by what it is made of.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use ilium_cql::{CqlType, UserType};

use crate::{
    ProtocolError, ProtocolVersion,
    class_name::{class_name, parse_class_name},
    wire::{self, Reader},
};

/// How deep types may nest in what is decoded. Cassandra has no bound of its own; this is far past any schema seen
/// and keeps the recursion within a small stack.
pub(crate) const MAX_DEPTH: usize = 64;

const CUSTOM: u16 = 0x00;
const LIST: u16 = 0x20;
const MAP: u16 = 0x21;
const SET: u16 = 0x22;
const UDT: u16 = 0x30;
const TUPLE: u16 = 0x31;

/// The number of a type that has one and no parameters, with the first version that knows it.
fn simple_id(ty: &CqlType) -> Option<(u16, ProtocolVersion)> {
    use ProtocolVersion::{V3, V4, V5};
    Some(match ty {
        CqlType::Ascii => (0x01, V3),
        CqlType::Bigint => (0x02, V3),
        CqlType::Blob => (0x03, V3),
        CqlType::Boolean => (0x04, V3),
        CqlType::Counter => (0x05, V3),
        CqlType::Decimal => (0x06, V3),
        CqlType::Double => (0x07, V3),
        CqlType::Float => (0x08, V3),
        CqlType::Int => (0x09, V3),
        // 0x0A is `text`; Cassandra sends 0x0D, `varchar`, for both.
        CqlType::Text => (0x0D, V3),
        CqlType::Timestamp => (0x0B, V3),
        CqlType::Uuid => (0x0C, V3),
        CqlType::Varint => (0x0E, V3),
        CqlType::Timeuuid => (0x0F, V3),
        CqlType::Inet => (0x10, V3),
        CqlType::Date => (0x11, V4),
        CqlType::Time => (0x12, V4),
        CqlType::Smallint => (0x13, V4),
        CqlType::Tinyint => (0x14, V4),
        CqlType::Duration => (0x15, V5),
        _ => return None,
    })
}

pub(crate) fn encode_type(
    ty: &CqlType,
    version: ProtocolVersion,
    out: &mut BytesMut,
) -> Result<(), ProtocolError> {
    match ty {
        CqlType::List { element, .. } => {
            out.put_u16(LIST);
            encode_type(element, version, out)
        }
        CqlType::Set { element, .. } => {
            out.put_u16(SET);
            encode_type(element, version, out)
        }
        CqlType::Map { key, value, .. } => {
            out.put_u16(MAP);
            encode_type(key, version, out)?;
            encode_type(value, version, out)
        }
        CqlType::Udt { definition, .. } => {
            out.put_u16(UDT);
            wire::put_string(out, &definition.keyspace)?;
            wire::put_string(out, &definition.name)?;
            out.put_u16(wire::count16(definition.fields.len(), "the fields of a type")?);
            for (name, ty) in &definition.fields {
                wire::put_string(out, name)?;
                encode_type(ty, version, out)?;
            }
            Ok(())
        }
        CqlType::Tuple(elements) => {
            out.put_u16(TUPLE);
            out.put_u16(wire::count16(elements.len(), "the elements of a tuple")?);
            elements.iter().try_for_each(|ty| encode_type(ty, version, out))
        }
        _ => match simple_id(ty) {
            Some((id, since)) if version >= since => {
                out.put_u16(id);
                Ok(())
            }
            _ => {
                out.put_u16(CUSTOM);
                wire::put_string(out, &class_name(ty))
            }
        },
    }
}

/// The wire does not say whether a collection or a user-defined type is frozen; as in Cassandra what is decoded
/// counts as not frozen, except inside a class name, which does say it.
pub(crate) fn decode_type(reader: &mut Reader<'_>, depth: usize) -> Result<CqlType, ProtocolError> {
    if depth > MAX_DEPTH {
        return Err(ProtocolError::TypeTooDeep(MAX_DEPTH));
    }
    let inner = |reader: &mut Reader<'_>| decode_type(reader, depth + 1);
    Ok(match reader.u16("a column type")? {
        CUSTOM => parse_class_name(reader.string()?),
        0x01 => CqlType::Ascii,
        0x02 => CqlType::Bigint,
        0x03 => CqlType::Blob,
        0x04 => CqlType::Boolean,
        0x05 => CqlType::Counter,
        0x06 => CqlType::Decimal,
        0x07 => CqlType::Double,
        0x08 => CqlType::Float,
        0x09 => CqlType::Int,
        0x0A | 0x0D => CqlType::Text,
        0x0B => CqlType::Timestamp,
        0x0C => CqlType::Uuid,
        0x0E => CqlType::Varint,
        0x0F => CqlType::Timeuuid,
        0x10 => CqlType::Inet,
        0x11 => CqlType::Date,
        0x12 => CqlType::Time,
        0x13 => CqlType::Smallint,
        0x14 => CqlType::Tinyint,
        0x15 => CqlType::Duration,
        LIST => CqlType::List { element: Arc::new(inner(reader)?), frozen: false },
        MAP => {
            let key = Arc::new(inner(reader)?);
            CqlType::Map { key, value: Arc::new(inner(reader)?), frozen: false }
        }
        SET => CqlType::Set { element: Arc::new(inner(reader)?), frozen: false },
        UDT => {
            let keyspace = reader.string()?.into();
            let name = reader.string()?.into();
            let count = usize::from(reader.u16("the number of fields")?);
            reader.check_count(count, 4, "the fields of a type")?;
            let fields = (0..count)
                .map(|_| Ok((reader.string()?.into(), inner(reader)?)))
                .collect::<Result<_, ProtocolError>>()?;
            CqlType::Udt { definition: Arc::new(UserType { keyspace, name, fields }), frozen: false }
        }
        TUPLE => {
            let count = usize::from(reader.u16("the number of elements of a tuple")?);
            reader.check_count(count, 2, "the elements of a tuple")?;
            CqlType::Tuple((0..count).map(|_| inner(reader)).collect::<Result<_, _>>()?)
        }
        other => return Err(ProtocolError::UnknownType(other)),
    })
}
