//! The notations of the specification's section 3 ([int], [string], [bytes], ...), read from a body and written
//! to a buffer.

use std::{
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Consistency, ProtocolError};

/// A cursor over a body. Everything it gives is a range of that body.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    body: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a Bytes) -> Reader<'a> {
        Reader { body, rest: body }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The part of the body between an earlier `rest` and here, sharing the body's memory.
    pub(crate) fn shared_since(&self, earlier: &'a [u8]) -> Bytes {
        let length = earlier.len() - self.rest.len();
        self.body.slice_ref(earlier.get(..length).unwrap_or_default())
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ProtocolError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(what, N));
        };
        self.rest = rest;
        Ok(*head)
    }

    #[cold]
    fn truncated(&self, what: &'static str, needed: usize) -> ProtocolError {
        ProtocolError::Truncated { what, needed, remaining: self.rest.len() }
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, ProtocolError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, ProtocolError> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, what: &'static str) -> Result<i32, ProtocolError> {
        self.array(what).map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, ProtocolError> {
        self.array(what).map(i64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], ProtocolError> {
        self.array("a tracing id")
    }

    pub(crate) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.truncated(what, length));
        };
        self.rest = rest;
        Ok(head)
    }

    fn text(&mut self, length: usize, what: &'static str) -> Result<&'a str, ProtocolError> {
        let bytes = self.take(length, what)?;
        str::from_utf8(bytes).map_err(|_| ProtocolError::not_utf8(bytes))
    }

    /// [string]
    pub(crate) fn string(&mut self) -> Result<&'a str, ProtocolError> {
        const WHAT: &str = "an UTF8 serialized string preceded by its 2 bytes length";
        let length = self.u16(WHAT)?;
        self.text(usize::from(length), WHAT)
    }

    /// [long string]
    pub(crate) fn long_string(&mut self) -> Result<&'a str, ProtocolError> {
        const WHAT: &str = "an UTF8 serialized string preceded by its 4 bytes length";
        let length = self.i32(WHAT)?;
        let length = usize::try_from(length).map_err(|_| ProtocolError::InvalidValueLength(length))?;
        self.text(length, WHAT)
    }

    /// [string list]
    pub(crate) fn string_list(&mut self) -> Result<Vec<&'a str>, ProtocolError> {
        let count = self.u16("the length of a string list")?;
        self.check_count(usize::from(count), 2, "a string list")?;
        (0..count).map(|_| self.string()).collect()
    }

    /// Refuses a count that the rest of the body cannot hold, so that a list may be allocated by its count.
    pub(crate) fn check_count(
        &self,
        count: usize,
        least_size: usize,
        what: &'static str,
    ) -> Result<(), ProtocolError> {
        let needed = count.saturating_mul(least_size);
        if needed > self.rest.len() { Err(self.truncated(what, needed)) } else { Ok(()) }
    }

    /// [short bytes]
    pub(crate) fn short_bytes(&mut self) -> Result<&'a [u8], ProtocolError> {
        const WHAT: &str = "a byte array preceded by its 2 bytes length";
        let length = self.u16(WHAT)?;
        self.take(usize::from(length), WHAT)
    }

    /// [bytes]: any negative length is null.
    pub(crate) fn bytes(&mut self) -> Result<Option<&'a [u8]>, ProtocolError> {
        let length = self.i32("the length of a value")?;
        let Ok(size) = usize::try_from(length) else { return Ok(None) };
        self.value(length, size).map(Some)
    }

    /// The `size` bytes of a value whose length field, already read, said `length`.
    pub(crate) fn value(&mut self, length: i32, size: usize) -> Result<&'a [u8], ProtocolError> {
        let Some((head, rest)) = self.rest.split_at_checked(size) else {
            return Err(ProtocolError::ValueTooLong { length, remaining: self.rest.len() });
        };
        self.rest = rest;
        Ok(head)
    }

    /// [bytes map]
    pub(crate) fn bytes_map(&mut self) -> Result<Payload<'a>, ProtocolError> {
        let count = self.u16("the length of a custom payload")?;
        self.check_count(usize::from(count), 6, "a custom payload")?;
        (0..count).map(|_| Ok((self.string()?, self.bytes()?))).collect()
    }

    /// [consistency]
    pub(crate) fn consistency(&mut self) -> Result<Consistency, ProtocolError> {
        Consistency::from_code(self.u16("a consistency level")?)
    }

    /// [inetaddr]
    pub(crate) fn ip(&mut self) -> Result<IpAddr, ProtocolError> {
        match self.u8("the length of an address")? {
            4 => Ok(IpAddr::V4(Ipv4Addr::from(self.array::<4>("an address")?))),
            16 => Ok(IpAddr::V6(Ipv6Addr::from(self.array::<16>("an address")?))),
            other => Err(ProtocolError::InvalidAddress(other)),
        }
    }

    /// [inet]
    pub(crate) fn socket_address(&mut self) -> Result<SocketAddr, ProtocolError> {
        let ip = self.ip()?;
        let port = self.i32("a port")?;
        let port = u16::try_from(port).map_err(|_| ProtocolError::InvalidPort(port))?;
        Ok(SocketAddr::new(ip, port))
    }
}

/// A custom payload: names and opaque values, in the order they were sent.
pub type Payload<'a> = Vec<(&'a str, Option<&'a [u8]>)>;

pub(crate) fn put_string(out: &mut BytesMut, text: &str) -> Result<(), ProtocolError> {
    put_short_bytes_named(out, text.as_bytes(), "a string")
}

pub(crate) fn put_short_bytes(out: &mut BytesMut, bytes: &[u8]) -> Result<(), ProtocolError> {
    put_short_bytes_named(out, bytes, "an id")
}

fn put_short_bytes_named(out: &mut BytesMut, bytes: &[u8], what: &'static str) -> Result<(), ProtocolError> {
    out.put_u16(count16(bytes.len(), what)?);
    out.put_slice(bytes);
    Ok(())
}

/// A length or count as a [short].
pub(crate) fn count16(length: usize, what: &'static str) -> Result<u16, ProtocolError> {
    u16::try_from(length).map_err(|_| ProtocolError::TooLong { what, length, limit: usize::from(u16::MAX) })
}

/// A length or count as an [int].
pub(crate) fn count32(length: usize, what: &'static str) -> Result<i32, ProtocolError> {
    const LIMIT: usize = i32::MAX as usize;
    i32::try_from(length).map_err(|_| ProtocolError::TooLong { what, length, limit: LIMIT })
}

pub(crate) fn put_long_string(out: &mut BytesMut, text: &str) -> Result<(), ProtocolError> {
    out.put_i32(count32(text.len(), "a long string")?);
    out.put_slice(text.as_bytes());
    Ok(())
}

pub(crate) fn put_string_list<'t>(
    out: &mut BytesMut,
    list: impl ExactSizeIterator<Item = &'t str>,
) -> Result<(), ProtocolError> {
    out.put_u16(count16(list.len(), "a string list")?);
    for text in list {
        put_string(out, text)?;
    }
    Ok(())
}

/// Appends one [bytes]: how a cell of a row, a paging state and a token are written.
pub fn put_bytes(out: &mut BytesMut, bytes: Option<&[u8]>) -> Result<(), ProtocolError> {
    match bytes {
        None => out.put_i32(-1),
        Some(bytes) => {
            out.put_i32(count32(bytes.len(), "a value")?);
            out.put_slice(bytes);
        }
    }
    Ok(())
}

pub(crate) fn put_bytes_map(out: &mut BytesMut, map: &Payload<'_>) -> Result<(), ProtocolError> {
    out.put_u16(count16(map.len(), "a custom payload")?);
    for (name, value) in map {
        put_string(out, name)?;
        put_bytes(out, *value)?;
    }
    Ok(())
}

pub(crate) fn put_ip(out: &mut BytesMut, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            out.put_u8(4);
            out.put_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.put_u8(16);
            out.put_slice(&ip.octets());
        }
    }
}

pub(crate) fn put_socket_address(out: &mut BytesMut, address: SocketAddr) {
    put_ip(out, address.ip());
    out.put_i32(i32::from(address.port()));
}

/// Overwrites bytes already in the buffer: a length or checksum known only after what follows it.
pub(crate) fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at.saturating_add(bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

/// The longest prefix of a text that fits a [string] without cutting a character.
pub(crate) fn clip_to_string(text: &str) -> &str {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    text.get(..end).unwrap_or(text)
}

const _: () = assert!(mem::size_of::<usize>() >= 4, "lengths of the protocol are 32 bits");
