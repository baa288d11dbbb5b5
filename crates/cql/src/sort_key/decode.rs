//! Components back to values.

use super::{EMPTY, END, NULL, VALUE, number};
use crate::types::CqlType;
use crate::value::wire::push_written;
use crate::value::{CollectionBuilder, ValueError, compare, push_bytes, vint};

/// Takes the first component off `key` and gives its value in wire form: the original bytes unless the encoding lost
/// them (see the module), and then a value that compares as equal.
pub fn decode(ty: &CqlType, reversed: bool, key: &mut &[u8]) -> Result<Vec<u8>, ValueError> {
    let mut out = Vec::new();
    decode_into(ty, reversed, key, &mut out)?;
    Ok(out)
}

/// As `decode`, appending the value to `out`. After an error `out` may hold part of a value.
pub fn decode_into(
    ty: &CqlType,
    reversed: bool,
    key: &mut &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let mut input = Input { rest: key, invert: if reversed { 0xff } else { 0 } };
    component(ty, &mut input, out)?;
    *key = input.rest;
    Ok(())
}

/// A key being read, every byte inverted on the way where it is reversed.
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
    pub(super) invert: u8,
}

impl Input<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first ^ self.invert)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(head.map(|byte| byte ^ self.invert))
    }

    /// Appends the next `len` bytes to `out`.
    pub(super) fn copy(&mut self, len: usize, out: &mut Vec<u8>) -> Option<()> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        match self.invert {
            0 => out.extend_from_slice(bytes),
            invert => out.extend(bytes.iter().map(|byte| byte ^ invert)),
        }
        Some(())
    }

    /// The next byte without taking it.
    fn peek(&self) -> Option<u8> {
        self.rest.first().map(|byte| byte ^ self.invert)
    }

    /// Appends escaped bytes to `out`, up to and without their end.
    fn unescape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        loop {
            let run = find(self.invert, self.rest)?;
            self.copy(run, out)?;
            match self.array()? {
                [0x00, 0x01] => return Some(()),
                [0x00, 0xff] => out.push(0),
                _ => return None,
            }
        }
    }
}

/// Where `byte` is first. Eight bytes at a time: texts are the commonest keys, and most hold none.
fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let (chunks, tail) = bytes.as_chunks::<8>();
    for (i, chunk) in chunks.iter().enumerate() {
        // A byte that was `byte` is zero now, and borrows its high bit in the subtraction.
        let zeroed = u64::from_le_bytes(*chunk) ^ u64::from_ne_bytes([byte; 8]);
        let found = zeroed.wrapping_sub(ONES) & !zeroed & HIGHS;
        if found != 0 {
            return Some(i * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let at = tail.iter().position(|found| *found == byte)?;
    Some(chunks.len() * 8 + at)
}

fn damaged(ty: &CqlType) -> ValueError {
    ValueError::new(format!("a stored key does not hold a {ty} where its table has one"))
}

fn component(ty: &CqlType, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    match input.byte().ok_or_else(|| damaged(ty))? {
        EMPTY => Ok(()),
        marker => match ty {
            CqlType::List { .. }
            | CqlType::Set { .. }
            | CqlType::Map { .. }
            | CqlType::Tuple(_)
            | CqlType::Udt { .. }
            | CqlType::Vector { .. }
                if marker == VALUE =>
            {
                composed(ty, input, out)
            }
            _ => scalar(ty, marker, input, out).ok_or_else(|| damaged(ty)),
        },
    }
}

fn scalar(ty: &CqlType, marker: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<()> {
    match (ty, marker) {
        (CqlType::Decimal, _) => return number::decode_decimal(marker, input, out),
        (CqlType::Boolean, number::FALSE) => out.push(0),
        (CqlType::Boolean, number::TRUE) => out.push(1),
        (_, marker) if marker != VALUE => return None,
        (CqlType::Varint, _) => return number::decode_varint(input, out),
        (CqlType::Int, _) => {
            out.extend_from_slice(&(u32::from_be_bytes(input.array()?) ^ (1 << 31)).to_be_bytes());
        }
        (CqlType::Bigint | CqlType::Counter | CqlType::Timestamp, _) => {
            out.extend_from_slice(&(u64::from_be_bytes(input.array()?) ^ (1 << 63)).to_be_bytes());
        }
        (CqlType::Smallint, _) => {
            out.extend_from_slice(&(u16::from_be_bytes(input.array()?) ^ (1 << 15)).to_be_bytes());
        }
        (CqlType::Tinyint, _) => out.push(input.byte()? ^ 0x80),
        (CqlType::Date, _) => input.copy(4, out)?,
        (CqlType::Time, _) => input.copy(8, out)?,
        (CqlType::Float, _) => {
            let rank = u32::from_be_bytes(input.array()?);
            let bits = if rank >> 31 == 1 { rank ^ (1 << 31) } else { !rank };
            out.extend_from_slice(&bits.to_be_bytes());
        }
        (CqlType::Double, _) => {
            let rank = u64::from_be_bytes(input.array()?);
            let bits = if rank >> 63 == 1 { rank ^ (1 << 63) } else { !rank };
            out.extend_from_slice(&bits.to_be_bytes());
        }
        (CqlType::Uuid, _) => {
            out.extend_from_slice(&compare::uuid_from_rank(u128::from_be_bytes(input.array()?)));
        }
        (CqlType::Timeuuid, _) => {
            out.extend_from_slice(&compare::timeuuid_from_rank(u128::from_be_bytes(input.array()?)));
        }
        (
            CqlType::Text
            | CqlType::Ascii
            | CqlType::Blob
            | CqlType::Inet
            | CqlType::Duration
            | CqlType::Custom(_),
            _,
        ) => input.unescape(out)?,
        _ => return None,
    }
    Some(())
}

fn composed(ty: &CqlType, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let damaged = || damaged(ty);
    match ty {
        CqlType::List { element, .. } | CqlType::Set { element, .. } => {
            let mut list = CollectionBuilder::new(out);
            while input.peek().ok_or_else(damaged)? != END {
                list.push_with(|out| component(element, input, out))?;
            }
            list.finish()?;
            input.byte().ok_or_else(damaged)?;
        }
        CqlType::Map { key, value, .. } => {
            let mut map = CollectionBuilder::new(out);
            while input.peek().ok_or_else(damaged)? != END {
                let input = std::cell::RefCell::new(&mut *input);
                map.push_entry_with(
                    |out| component(key, &mut input.borrow_mut(), out),
                    |out| component(value, &mut input.borrow_mut(), out),
                )?;
            }
            map.finish()?;
            input.byte().ok_or_else(damaged)?;
        }
        CqlType::Tuple(_) | CqlType::Udt { .. } => {
            let mut fields = ty.parts();
            let start = out.len();
            loop {
                match input.peek().ok_or_else(damaged)? {
                    END => break,
                    NULL => {
                        fields.next().ok_or_else(damaged)?;
                        input.byte();
                        push_bytes(out, None)?;
                    }
                    _ => {
                        let field = fields.next().ok_or_else(damaged)?;
                        push_written(out, |out| component(field, input, out))?;
                    }
                }
            }
            input.byte().ok_or_else(damaged)?;
            // A tuple of nulls alone is not the empty value: one null keeps them apart.
            if out.len() == start {
                push_bytes(out, None)?;
            }
        }
        CqlType::Vector { element, dimension } => {
            let mut part = Vec::new();
            for _ in 0..*dimension {
                part.clear();
                component(element, input, &mut part)?;
                if element.fixed_len().is_none() {
                    vint::write_unsigned(part.len() as u64, out);
                }
                out.extend_from_slice(&part);
            }
        }
        _ => return Err(damaged()),
    }
    Ok(())
}
