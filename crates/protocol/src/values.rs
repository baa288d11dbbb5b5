//! Bound values: the wire form of a list of values with the place of each, so that decoding copies nothing.

use std::{fmt, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::{
    ProtocolError, ProtocolVersion,
    wire::{self, Reader},
};

/// The length field of a null.
const NULL: i32 = -1;
/// The length field of a value that is not set (version 4 and later).
const UNSET: i32 = -2;

/// Most statements bind no more than this many values; more go to the heap.
const INLINE: usize = 8;

/// One bound value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    /// Leaves what is stored as it is.
    Unset,
    /// The value in its type's wire form.
    Bytes(&'a [u8]),
}

/// A range of the wire form. The wire form is at most a frame, which is under 4 GiB.
#[derive(Clone, Copy)]
struct Slot {
    start: u32,
    /// `NULL`, `UNSET`, or the number of bytes at `start`.
    length: i32,
}

/// The values bound to one statement, positional or named.
///
/// A clone shares the bytes. Decoded values share the memory of the buffer they were received in and keep it
/// alive: copy what is to be kept for long.
#[derive(Clone, Default)]
pub struct Values {
    /// Each value as [value], preceded by its name as [string] where they are named.
    wire: Bytes,
    slots: SmallVec<[Slot; INLINE]>,
    names: Option<Arc<[Slot]>>,
    any_unset: bool,
}

impl Values {
    /// No values.
    pub fn none() -> Values {
        Values::default()
    }

    /// Copies positional values; `None` is null.
    pub fn positional<'v>(
        values: impl IntoIterator<Item = Option<&'v [u8]>>,
    ) -> Result<Values, ProtocolError> {
        let mut builder = ValuesBuilder::new();
        for value in values {
            builder.push(value.map_or(Value::Null, Value::Bytes))?;
        }
        Ok(builder.finish())
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// `None` past the last value.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        self.slots.get(index).map(|slot| self.value(*slot))
    }

    /// The buffer that [`places`](Values::places) points into, for a caller that keeps both without copying.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// Each value's offset in [`wire`](Values::wire) and its length: -1 for null, -2 for unset.
    pub fn places(&self) -> impl ExactSizeIterator<Item = (u32, i32)> {
        self.slots.iter().map(|slot| (slot.start, slot.length))
    }

    /// The value at `index` sharing this list's memory; `None` for null, unset and past the last.
    pub fn shared(&self, index: usize) -> Option<Bytes> {
        match self.get(index)? {
            Value::Bytes(bytes) => Some(self.wire.slice_ref(bytes)),
            Value::Null | Value::Unset => None,
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value<'_>> {
        self.slots.iter().map(|slot| self.value(*slot))
    }

    #[inline]
    fn value(&self, slot: Slot) -> Value<'_> {
        match usize::try_from(slot.length) {
            Ok(length) => {
                let start = slot.start as usize;
                Value::Bytes(self.wire.get(start..start + length).unwrap_or_default())
            }
            Err(_) if slot.length == UNSET => Value::Unset,
            Err(_) => Value::Null,
        }
    }

    /// Whether each value has a name.
    pub fn is_named(&self) -> bool {
        self.names.is_some()
    }

    /// The name of the value at `index`; `None` where values are positional.
    pub fn name(&self, index: usize) -> Option<&str> {
        let slot = self.names.as_ref()?.get(index)?;
        let start = slot.start as usize;
        let length = usize::try_from(slot.length).ok()?;
        // Names were validated when they were read or pushed.
        str::from_utf8(self.wire.get(start..start + length)?).ok()
    }

    /// The value with this name, exactly as written.
    pub fn named(&self, name: &str) -> Option<Value<'_>> {
        let index = (0..self.len()).find(|index| self.name(*index) == Some(name))?;
        self.get(index)
    }

    #[inline]
    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
        named: bool,
    ) -> Result<Values, ProtocolError> {
        let count = usize::from(reader.u16("the number of values")?);
        reader.check_count(count, if named { 6 } else { 4 }, "values")?;
        let earlier = reader.rest();
        let mut slots = SmallVec::with_capacity(count);
        let mut names = Vec::with_capacity(if named { count } else { 0 });
        let mut any_unset = false;
        let mut odd_null = false;
        let at = |reader: &Reader<'_>| (earlier.len() - reader.remaining()) as u32;
        for _ in 0..count {
            if named {
                let start = at(reader) + 2;
                let name = reader.string()?;
                // A [string] has at most 65,535 bytes.
                names.push(Slot { start, length: name.len() as i32 });
            }
            let length = reader.i32("the length of a value")?;
            let start = at(reader);
            match usize::try_from(length) {
                Ok(size) => {
                    reader.value(length, size)?;
                    slots.push(Slot { start, length });
                }
                // Before version 4 every negative length is null (`CBUtil.readBoundValue`).
                Err(_) if length == NULL || version < ProtocolVersion::V4 => {
                    odd_null |= length != NULL;
                    slots.push(Slot { start, length: NULL });
                }
                Err(_) if length == UNSET => {
                    any_unset = true;
                    slots.push(Slot { start, length });
                }
                Err(_) => return Err(ProtocolError::InvalidValueLength(length)),
            }
        }
        let names = if names.is_empty() { None } else { Some(Arc::from(names)) };
        let values = Values { wire: reader.shared_since(earlier), slots, names, any_unset };
        // Encoded again in version 4, an odd null could mean something else.
        if odd_null { values.rewritten() } else { Ok(values) }
    }

    #[cold]
    fn rewritten(&self) -> Result<Values, ProtocolError> {
        let mut builder = ValuesBuilder::new();
        for (index, value) in self.iter().enumerate() {
            match self.name(index) {
                Some(name) => builder.push_named(name, value)?,
                None => builder.push(value)?,
            }
        }
        Ok(builder.finish())
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        if self.any_unset && version < ProtocolVersion::V4 {
            return Err(ProtocolError::NeedsVersion {
                what: "a value that is not set",
                needed: ProtocolVersion::V4,
                version,
            });
        }
        out.put_u16(wire::count16(self.len(), "a list of values")?);
        out.put_slice(&self.wire);
        Ok(())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_named() {
            return f.debug_map().entries((0..self.len()).map(|i| (self.name(i), self.get(i)))).finish();
        }
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Equal where the values, and the names if any, are.
impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        self.len() == other.len() && self.is_named() == other.is_named() && self.wire == other.wire
    }
}

impl Eq for Values {}

/// Makes a list of values, copying each once.
#[derive(Debug, Default)]
pub struct ValuesBuilder {
    wire: BytesMut,
    slots: SmallVec<[Slot; INLINE]>,
    names: Vec<Slot>,
    any_unset: bool,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.start, self.length)
    }
}

impl ValuesBuilder {
    pub fn new() -> ValuesBuilder {
        ValuesBuilder::default()
    }

    /// Reserves for `bytes` bytes of values, their four-byte lengths included.
    pub fn with_capacity(bytes: usize) -> ValuesBuilder {
        ValuesBuilder { wire: BytesMut::with_capacity(bytes), ..ValuesBuilder::default() }
    }

    /// Adds a positional value.
    pub fn push(&mut self, value: Value<'_>) -> Result<(), ProtocolError> {
        let start = self.wire.len() + 4;
        let length = match value {
            Value::Null => NULL,
            Value::Unset => UNSET,
            Value::Bytes(bytes) => wire::count32(bytes.len(), "a value")?,
        };
        let slot = Slot { start: self.offset(start)?, length };
        self.wire.put_i32(length);
        if let Value::Bytes(bytes) = value {
            self.wire.put_slice(bytes);
        }
        self.any_unset |= value == Value::Unset;
        self.slots.push(slot);
        Ok(())
    }

    /// Adds a named value. A list has names throughout or not at all.
    pub fn push_named(&mut self, name: &str, value: Value<'_>) -> Result<(), ProtocolError> {
        let before = self.wire.len();
        let start = self.offset(before + 2)?;
        wire::put_string(&mut self.wire, name)?;
        self.push(value).inspect_err(|_| self.wire.truncate(before))?;
        // It fits: `put_string` took it.
        self.names.push(Slot { start, length: name.len() as i32 });
        Ok(())
    }

    fn offset(&self, start: usize) -> Result<u32, ProtocolError> {
        wire::count32(start, "a list of values").map(i32::unsigned_abs)
    }

    pub fn finish(self) -> Values {
        let names = if self.names.is_empty() { None } else { Some(Arc::from(self.names)) };
        Values { wire: self.wire.freeze(), slots: self.slots, names, any_unset: self.any_unset }
    }
}
