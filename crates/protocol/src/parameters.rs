//! What QUERY, EXECUTE and BATCH carry beside the statement: consistency, values, paging, timestamps.

use bytes::{BufMut, BytesMut};

use crate::{
    Consistency, ProtocolError, ProtocolVersion, Values,
    wire::{self, Reader},
};

const VALUES: u32 = 0x0001;
const SKIP_METADATA: u32 = 0x0002;
const PAGE_SIZE: u32 = 0x0004;
const PAGING_STATE: u32 = 0x0008;
const SERIAL_CONSISTENCY: u32 = 0x0010;
const DEFAULT_TIMESTAMP: u32 = 0x0020;
const NAMES_FOR_VALUES: u32 = 0x0040;
const KEYSPACE: u32 = 0x0080;
const NOW_IN_SECONDS: u32 = 0x0100;

/// The options of a request. What is `None` was not sent: the server's default holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryParameters<'a> {
    pub consistency: Consistency,
    /// Empty in a BATCH, whose statements have their own.
    pub values: Values,
    /// The client knows the columns from PREPARE and wants the rows alone.
    pub skip_metadata: bool,
    /// Rows a page; negative means no paging, as in Cassandra. Never zero in a QUERY or EXECUTE.
    pub page_size: Option<i32>,
    /// Opaque; what an earlier page gave.
    pub paging_state: Option<&'a [u8]>,
    pub serial_consistency: Option<Consistency>,
    /// Microseconds since 1970; never `i64::MIN`.
    pub timestamp: Option<i64>,
    /// For this request alone (version 5).
    pub keyspace: Option<&'a str>,
    /// Seconds since 1970 that stand for now, for tests of expiry (version 5). The wire holds an unsigned 32-bit
    /// number here.
    pub now_in_seconds: Option<u32>,
}

impl Default for QueryParameters<'_> {
    /// ONE, as `new` makes it: what decoding starts from.
    fn default() -> Self {
        QueryParameters::new(Consistency::One)
    }
}

impl<'a> QueryParameters<'a> {
    /// Parameters without values or options.
    pub fn new(consistency: Consistency) -> QueryParameters<'a> {
        QueryParameters {
            consistency,
            values: Values::none(),
            skip_metadata: false,
            page_size: None,
            paging_state: None,
            serial_consistency: None,
            timestamp: None,
            keyspace: None,
            now_in_seconds: None,
        }
    }

    #[must_use]
    pub fn with_values(mut self, values: Values) -> QueryParameters<'a> {
        self.values = values;
        self
    }

    /// Decodes into new parameters, in place for the reason `Request::decode` gives.
    #[inline]
    pub(crate) fn decode_into(
        &mut self,
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<(), ProtocolError> {
        self.consistency = reader.consistency()?;
        let flags = if version >= ProtocolVersion::V5 {
            reader.i32("the flags of a query")?.cast_unsigned()
        } else {
            u32::from(reader.u8("the flags of a query")?)
        };
        if flags & VALUES != 0 {
            self.values.decode_into(reader, version, flags & NAMES_FOR_VALUES != 0)?;
        }
        self.skip_metadata = flags & SKIP_METADATA != 0;
        if flags & PAGE_SIZE != 0 {
            self.page_size = Some(reader.i32("a page size")?);
        }
        if flags & PAGING_STATE != 0 {
            self.paging_state = reader.bytes()?;
        }
        if flags & SERIAL_CONSISTENCY != 0 {
            self.serial_consistency = Some(reader.consistency()?);
        }
        if flags & DEFAULT_TIMESTAMP != 0 {
            let timestamp = reader.i64("a default timestamp")?;
            if timestamp == i64::MIN {
                return Err(ProtocolError::TimestampOutOfBounds);
            }
            self.timestamp = Some(timestamp);
        }
        // The specification has this from version 5 on; Cassandra reads the bit in version 4 too, and a keyspace
        // that is sent must not be overlooked.
        if flags & KEYSPACE != 0 {
            self.keyspace = Some(reader.string()?);
        }
        if flags & NOW_IN_SECONDS != 0 {
            self.now_in_seconds = Some(reader.i32("the current time")?.cast_unsigned());
        }
        Ok(())
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let set = |flag: u32, present: bool| if present { flag } else { 0 };
        let flags = set(VALUES, !self.values.is_empty())
            | set(NAMES_FOR_VALUES, self.values.is_named())
            | set(SKIP_METADATA, self.skip_metadata)
            | set(PAGE_SIZE, self.page_size.is_some())
            | set(PAGING_STATE, self.paging_state.is_some())
            | set(SERIAL_CONSISTENCY, self.serial_consistency.is_some())
            | set(DEFAULT_TIMESTAMP, self.timestamp.is_some())
            | set(KEYSPACE, self.keyspace.is_some())
            | set(NOW_IN_SECONDS, self.now_in_seconds.is_some());
        out.put_u16(self.consistency.code());
        if version >= ProtocolVersion::V5 {
            out.put_u32(flags);
        } else {
            if flags & (KEYSPACE | NOW_IN_SECONDS) != 0 {
                let what = if flags & KEYSPACE != 0 {
                    "a keyspace in a request"
                } else {
                    "the current time in a request"
                };
                return Err(ProtocolError::NeedsVersion { what, needed: ProtocolVersion::V5, version });
            }
            // Bits from 0x80 up were just refused.
            out.put_u8(flags as u8);
        }
        if !self.values.is_empty() {
            self.values.encode(version, out)?;
        }
        if let Some(page_size) = self.page_size {
            out.put_i32(page_size);
        }
        if let Some(state) = self.paging_state {
            wire::put_bytes(out, Some(state))?;
        }
        if let Some(serial) = self.serial_consistency {
            out.put_u16(serial.code());
        }
        if let Some(timestamp) = self.timestamp {
            if timestamp == i64::MIN {
                return Err(ProtocolError::TimestampOutOfBounds);
            }
            out.put_i64(timestamp);
        }
        if let Some(keyspace) = self.keyspace {
            wire::put_string(out, keyspace)?;
        }
        if let Some(now) = self.now_in_seconds {
            out.put_u32(now);
        }
        Ok(())
    }
}
