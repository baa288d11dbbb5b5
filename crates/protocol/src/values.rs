//! Bound values: the wire form of a list of values with the place of each, so that decoding copies nothing.

use std::fmt;

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

/// The values bound to one statement, positional or named.
///
/// A clone shares the bytes. Decoded values share the memory of the buffer they were received in and keep it
/// alive: copy what is to be kept for long.
#[derive(Clone, Default)]
pub struct Values {
    /// Each value as [value], preceded by its name as [string] where they are named.
    wire: Bytes,
    /// Where each value, or its name, begins in `wire`, which is at most a frame and so under 4 GiB. The lengths are
    /// left in `wire`: this struct is moved with every request that is decoded, and small is fast.
    starts: SmallVec<[u32; INLINE]>,
    named: bool,
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
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// `None` past the last value.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        self.starts.get(index).map(|start| self.value(*start))
    }

    /// The value at `index` sharing this list's memory; `None` for null, unset and past the last.
    pub fn shared(&self, index: usize) -> Option<Bytes> {
        match self.get(index)? {
            Value::Bytes(bytes) => Some(self.wire.slice_ref(bytes)),
            Value::Null | Value::Unset => None,
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value<'_>> {
        self.starts.iter().map(|start| self.value(*start))
    }

    /// The value that begins at `start`. Decoding or building made sure that it is there.
    #[inline]
    fn value(&self, start: u32) -> Value<'_> {
        let mut rest = self.wire.get(start as usize..).unwrap_or_default();
        if self.named {
            rest = split_name(rest).map_or(&[], |(_, rest)| rest);
        }
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Value::Null };
        match i32::from_be_bytes(*length) {
            UNSET => Value::Unset,
            length => match usize::try_from(length) {
                Ok(length) => Value::Bytes(rest.get(..length).unwrap_or_default()),
                Err(_) => Value::Null,
            },
        }
    }

    /// The buffer that [`places`](Values::places) points into, for a caller that keeps both and copies nothing.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// Each value's offset in [`wire`](Values::wire) and its length: -1 for null, -2 for unset.
    pub fn places(&self) -> impl ExactSizeIterator<Item = (u32, i32)> {
        self.iter().map(|value| match value {
            Value::Null => (0, NULL),
            Value::Unset => (0, UNSET),
            // Every value is a part of `wire`, which is under 4 GiB; its length came from an i32.
            Value::Bytes(bytes) => {
                ((bytes.as_ptr() as usize - self.wire.as_ptr() as usize) as u32, bytes.len() as i32)
            }
        })
    }

    /// Whether each value has a name.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The name of the value at `index`; `None` where values are positional.
    pub fn name(&self, index: usize) -> Option<&str> {
        if !self.named {
            return None;
        }
        let start = *self.starts.get(index)?;
        let (name, _) = split_name(self.wire.get(start as usize..)?)?;
        // Names were validated when they were read or pushed.
        str::from_utf8(name).ok()
    }

    /// The value with this name, exactly as written.
    pub fn named(&self, name: &str) -> Option<Value<'_>> {
        let index = (0..self.len()).find(|index| self.name(*index) == Some(name))?;
        self.get(index)
    }

    /// Decodes into empty values, in place for the reason `Request::decode` gives.
    #[inline]
    pub(crate) fn decode_into(
        &mut self,
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
        named: bool,
    ) -> Result<(), ProtocolError> {
        let count = usize::from(reader.u16("the number of values")?);
        reader.check_count(count, if named { 6 } else { 4 }, "values")?;
        let earlier = reader.rest();
        self.starts.reserve(count);
        let mut odd_null = false;
        for _ in 0..count {
            self.starts.push((earlier.len() - reader.remaining()) as u32);
            if named {
                reader.string()?;
            }
            let length = reader.i32("the length of a value")?;
            match usize::try_from(length) {
                Ok(size) => {
                    reader.value(length, size)?;
                }
                Err(_) if length == NULL => {}
                // Before version 4 every negative length is null (`CBUtil.readBoundValue`).
                Err(_) if version < ProtocolVersion::V4 => odd_null = true,
                Err(_) if length == UNSET => self.any_unset = true,
                Err(_) => return Err(ProtocolError::InvalidValueLength(length)),
            }
        }
        self.named = named && count > 0;
        self.wire = reader.shared_since(earlier);
        if odd_null {
            *self = self.without_unset()?;
        }
        Ok(())
    }

    /// The same with a plain null for each negative length, which would mean something else in version 4.
    #[cold]
    fn without_unset(&self) -> Result<Values, ProtocolError> {
        let mut builder = ValuesBuilder::new();
        for (index, value) in self.iter().enumerate() {
            let value = if value == Value::Unset { Value::Null } else { value };
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

/// The bytes of a [string] and what follows it.
fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
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
    starts: SmallVec<[u32; INLINE]>,
    named: bool,
    any_unset: bool,
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
        if self.named {
            return Err(ProtocolError::MixedNames);
        }
        self.add(None, value)
    }

    /// Adds a named value. The first value decides whether the list has names.
    pub fn push_named(&mut self, name: &str, value: Value<'_>) -> Result<(), ProtocolError> {
        if !self.named && !self.starts.is_empty() {
            return Err(ProtocolError::MixedNames);
        }
        self.add(Some(name), value)?;
        self.named = true;
        Ok(())
    }

    fn add(&mut self, name: Option<&str>, value: Value<'_>) -> Result<(), ProtocolError> {
        let before = self.wire.len();
        self.put(name, value).inspect_err(|_| self.wire.truncate(before))?;
        self.any_unset |= value == Value::Unset;
        self.starts.push(wire::count32(before, "a list of values")?.unsigned_abs());
        Ok(())
    }

    fn put(&mut self, name: Option<&str>, value: Value<'_>) -> Result<(), ProtocolError> {
        if let Some(name) = name {
            wire::put_string(&mut self.wire, name)?;
        }
        match value {
            Value::Null => self.wire.put_i32(NULL),
            Value::Unset => self.wire.put_i32(UNSET),
            Value::Bytes(bytes) => wire::put_bytes(&mut self.wire, Some(bytes))?,
        }
        // What follows must be addressable.
        wire::count32(self.wire.len(), "a list of values").map(|_| ())
    }

    pub fn finish(self) -> Values {
        Values { wire: self.wire.freeze(), starts: self.starts, named: self.named, any_unset: self.any_unset }
    }
}
