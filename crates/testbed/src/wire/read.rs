//! Reading the protocol's notations from a body.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};

use crate::value::Type;

/// A body and how far it was read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).context("a body ends too early")?;
        self.bytes = rest;
        Ok(taken)
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn short(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn int(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// An int that counts something.
    pub(super) fn count(&mut self) -> Result<usize> {
        usize::try_from(self.int()?).context("a negative count")
    }

    pub(super) fn string(&mut self) -> Result<String> {
        let length = self.short()?.into();
        Ok(String::from_utf8(self.take(length)?.to_vec())?)
    }

    pub(super) fn strings(&mut self) -> Result<Vec<String>> {
        (0..self.short()?).map(|_| self.string()).collect()
    }

    pub(super) fn bytes(&mut self) -> Result<Option<Vec<u8>>> {
        match usize::try_from(self.int()?) {
            Ok(length) => Ok(Some(self.take(length)?.to_vec())),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn short_bytes(&mut self) -> Result<Vec<u8>> {
        let length = self.short()?.into();
        Ok(self.take(length)?.to_vec())
    }

    pub(super) fn inet_address(&mut self) -> Result<IpAddr> {
        match self.byte()? {
            4 => Ok(IpAddr::from(self.array::<4>()?)),
            16 => Ok(IpAddr::from(self.array::<16>()?)),
            other => bail!("an address of {other} bytes"),
        }
    }

    /// A type: the specification's [option].
    pub(super) fn kind(&mut self) -> Result<Type> {
        Ok(match self.short()? {
            0x0000 => Type::custom(&self.string()?),
            0x0001 => Type::Ascii,
            0x0002 => Type::Bigint,
            0x0003 => Type::Blob,
            0x0004 => Type::Boolean,
            0x0005 => Type::Counter,
            0x0006 => Type::Decimal,
            0x0007 => Type::Double,
            0x0008 => Type::Float,
            0x0009 => Type::Int,
            0x000B => Type::Timestamp,
            0x000C => Type::Uuid,
            0x000D => Type::Text,
            0x000E => Type::Varint,
            0x000F => Type::Timeuuid,
            0x0010 => Type::Inet,
            0x0011 => Type::Date,
            0x0012 => Type::Time,
            0x0013 => Type::Smallint,
            0x0014 => Type::Tinyint,
            0x0015 => Type::Duration,
            0x0020 => Type::List(Box::new(self.kind()?)),
            0x0021 => Type::Map(Box::new(self.kind()?), Box::new(self.kind()?)),
            0x0022 => Type::Set(Box::new(self.kind()?)),
            0x0030 => {
                let keyspace = self.string()?;
                let name = self.string()?;
                let fields: Result<_> =
                    (0..self.short()?).map(|_| Ok((self.string()?, self.kind()?))).collect();
                Type::Udt { keyspace, name, fields: fields? }
            }
            0x0031 => Type::Tuple((0..self.short()?).map(|_| self.kind()).collect::<Result<_>>()?),
            other => bail!("a type of the unknown code {other:#06x}"),
        })
    }
}
