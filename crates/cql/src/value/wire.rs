//! Readers and writers of composed values. Readers borrow from the bytes and trust no length in them.

use super::{ValueError, vint};
use crate::types::CqlType;

fn ends_early(kind: &str) -> ValueError {
    ValueError::new(format!("Not enough bytes to read a {kind}"))
}

/// Takes a big-endian i32 off the front.
pub(crate) fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(i32::from_be_bytes(*head))
}

/// Takes an i32 length and that many bytes off the front: the inner `None` is a null.
pub(crate) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let mut after = *rest;
    let Ok(len) = usize::try_from(take_i32(&mut after)?) else {
        *rest = after;
        return Some(None);
    };
    let (bytes, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(Some(bytes))
}

/// Takes an element of a vector off the front: of a `fixed` length, or of the length a vint says.
pub(crate) fn take_vector_element<'a>(fixed: Option<usize>, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = match fixed {
        Some(len) => (len, *rest),
        None => {
            let (len, after) = vint::read_unsigned(rest)?;
            // Cassandra steps over the shortest form of a length whatever form it read, so no other is valid.
            if rest.len() - after.len() != vint::unsigned_len(len) {
                return None;
            }
            (usize::try_from(len).ok()?, after)
        }
    };
    let (element, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(element)
}

/// The elements of a list or set. After an error it yields nothing more.
#[derive(Debug, Clone)]
pub struct ListElements<'a> {
    rest: &'a [u8],
    left: u32,
    kind: &'static str,
    failed: bool,
}

/// The elements of a serialised list or set, in the order they have there.
pub fn list_elements(bytes: &[u8]) -> Result<ListElements<'_>, ValueError> {
    ListElements::open(bytes, "list")
}

impl<'a> ListElements<'a> {
    pub(crate) fn open(bytes: &'a [u8], kind: &'static str) -> Result<Self, ValueError> {
        let mut rest = bytes;
        let count = take_i32(&mut rest).ok_or_else(|| ends_early(kind))?;
        let left = u32::try_from(count)
            .map_err(|_| ValueError::new(format!("The data cannot be deserialized as a {kind}")))?;
        Ok(ListElements { rest, left, kind, failed: false })
    }

    /// How many elements the value says remain; not to be trusted for an allocation before they were read.
    pub fn remaining(&self) -> usize {
        self.left as usize
    }

    /// The next element, where a null is one: bound lists of `IN` values may hold them.
    pub fn next_nullable(&mut self) -> Option<Result<Option<&'a [u8]>, ValueError>> {
        if self.failed {
            return None;
        }
        if self.left == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.failed = true;
            return Some(Err(ValueError::new(format!(
                "Unexpected extraneous bytes after {} value",
                self.kind
            ))));
        }
        self.left -= 1;
        match take_bytes(&mut self.rest) {
            Some(element) => Some(Ok(element)),
            None => {
                self.failed = true;
                Some(Err(ends_early(self.kind)))
            }
        }
    }
}

impl<'a> Iterator for ListElements<'a> {
    type Item = Result<&'a [u8], ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.next_nullable()? {
            Ok(Some(element)) => Ok(element),
            Ok(None) => {
                self.failed = true;
                Err(ValueError::new("Null value read when not allowed"))
            }
            Err(e) => Err(e),
        })
    }
}

/// The entries of a map.
#[derive(Debug, Clone)]
pub struct MapEntries<'a> {
    halves: ListElements<'a>,
    left: u32,
}

/// The keys and values of a serialised map, in the order they have there.
pub fn map_entries(bytes: &[u8]) -> Result<MapEntries<'_>, ValueError> {
    let mut halves = ListElements::open(bytes, "map")?;
    let left = halves.left;
    // Counted here in pairs: the doubled count may not fit.
    halves.left = 0;
    Ok(MapEntries { halves, left })
}

impl<'a> MapEntries<'a> {
    /// How many entries the value says remain; not to be trusted for an allocation before they were read.
    pub fn remaining(&self) -> usize {
        self.left as usize
    }
}

impl<'a> Iterator for MapEntries<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left > 0 && !self.halves.failed {
            self.left -= 1;
            self.halves.left = 2;
        }
        let key = match self.halves.next()? {
            Ok(key) => key,
            Err(e) => return Some(Err(e)),
        };
        Some(self.halves.next()?.map(|value| (key, value)))
    }
}

/// The fields of a tuple or user-defined type that are there; those a short value leaves out are null.
#[derive(Debug, Clone)]
pub struct TupleFields<'a> {
    rest: &'a [u8],
    next: usize,
}

/// The fields of a serialised tuple or user-defined type, in order; `None` is a null.
pub fn tuple_fields(bytes: &[u8]) -> TupleFields<'_> {
    TupleFields { rest: bytes, next: 0 }
}

impl<'a> Iterator for TupleFields<'a> {
    type Item = Result<Option<&'a [u8]>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let i = self.next;
        self.next += 1;
        if let Some(field) = take_bytes(&mut self.rest) {
            return Some(Ok(field));
        }
        let what = if self.rest.len() < 4 { "size of " } else { "" };
        self.rest = &[];
        Some(Err(ValueError::new(format!("Not enough bytes to read {what}{i}th component"))))
    }
}

/// The elements of a vector.
#[derive(Debug, Clone)]
pub struct VectorElements<'a> {
    rest: &'a [u8],
    left: u32,
    /// The length of every element; where `None`, a vint says it.
    fixed: Option<usize>,
    ty: &'a CqlType,
}

/// The elements of a serialised vector of type `ty`.
pub fn vector_elements<'a>(ty: &'a CqlType, bytes: &'a [u8]) -> Result<VectorElements<'a>, ValueError> {
    let CqlType::Vector { element, dimension } = ty else {
        return Err(ValueError::new(format!("{ty} is not a vector")));
    };
    if bytes.is_empty() {
        return Err(ValueError::new("Invalid empty vector value"));
    }
    Ok(VectorElements { rest: bytes, left: *dimension, fixed: element.fixed_len(), ty })
}

impl<'a> Iterator for VectorElements<'a> {
    type Item = Result<&'a [u8], ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.rest.is_empty() {
                return None;
            }
            let extra = self.rest.len();
            self.rest = &[];
            return Some(Err(ValueError::new(format!(
                "Unexpected {extra} extraneous bytes after {} value",
                self.ty
            ))));
        }
        self.left -= 1;
        if let Some(element) = take_vector_element(self.fixed, &mut self.rest) {
            return Some(Ok(element));
        }
        self.left = 0;
        self.rest = &[];
        Some(Err(ValueError::new(format!("Not enough bytes to read a {}", self.ty))))
    }
}

/// Appends a value with its i32 length, or the length -1 for null: an element of a collection or a field of a tuple.
pub fn push_bytes(out: &mut Vec<u8>, value: Option<&[u8]>) -> Result<(), ValueError> {
    let Some(bytes) = value else {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    };
    let len = i32::try_from(bytes.len())
        .map_err(|_| ValueError::new(format!("a value of {} bytes is longer than 2 GiB", bytes.len())))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends an element of a vector whose elements have the type `element`.
pub fn push_vector_element(out: &mut Vec<u8>, element: &CqlType, bytes: &[u8]) -> Result<(), ValueError> {
    match element.fixed_len() {
        Some(len) if len != bytes.len() => {
            return Err(ValueError::new(format!("Expected exactly {len} bytes, but was {}", bytes.len())));
        }
        Some(_) => {}
        None => vint::write_unsigned(bytes.len() as u64, out),
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Writes a list, set or map at the end of a buffer; its count is filled in at the end.
#[derive(Debug)]
pub struct CollectionBuilder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: usize,
}

impl<'a> CollectionBuilder<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        CollectionBuilder { out, start, count: 0 }
    }

    /// Adds an element of a list or set. Sets are added in order, without duplicates.
    pub fn push(&mut self, element: &[u8]) -> Result<(), ValueError> {
        self.count += 1;
        push_bytes(self.out, Some(element))
    }

    /// Adds an entry of a map. They are added in the order of their keys, without duplicates.
    pub fn push_entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), ValueError> {
        self.count += 1;
        push_bytes(self.out, Some(key))?;
        push_bytes(self.out, Some(value))
    }

    /// Adds an element that `write` appends to the buffer itself.
    pub fn push_with<E: From<ValueError>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.count += 1;
        push_written(self.out, write)
    }

    /// Adds an entry whose key and value `write_key` and `write_value` append to the buffer themselves.
    pub fn push_entry_with<E: From<ValueError>>(
        &mut self,
        write_key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        write_value: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.count += 1;
        push_written(self.out, write_key)?;
        push_written(self.out, write_value)
    }

    pub fn finish(self) -> Result<(), ValueError> {
        let count = i32::try_from(self.count)
            .map_err(|_| ValueError::new("a collection holds more than 2^31 - 1 elements"))?;
        if let Some(slot) = self.out.get_mut(self.start..self.start + 4) {
            slot.copy_from_slice(&count.to_be_bytes());
        }
        Ok(())
    }
}

/// Appends what `write` appends, with its i32 length before it.
pub(crate) fn push_written<E: From<ValueError>>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let written = out.len() - start - 4;
    let len = i32::try_from(written)
        .map_err(|_| ValueError::new(format!("a value of {written} bytes is longer than 2 GiB")))?;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}
