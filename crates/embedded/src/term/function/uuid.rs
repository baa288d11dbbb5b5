//! `uuid`: a random one.

use std::borrow::Cow;

use ilium_cql::CqlType;
use ilium_store::{Error, Result};
use ring::rand::{SecureRandom, SystemRandom};

use super::registry::Registry;
use super::{Function, Invocation, Slot};

pub(super) fn add_to(registry: &mut Registry) {
    registry.add(Function::scalar("uuid", Vec::new(), CqlType::Uuid, uuid).impure());
}

fn uuid<'a>(_: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::internal("the operating system gave no random bytes for uuid()"))?;
    // Version 4, variant 1.
    let mut bits = u128::from_be_bytes(bytes);
    bits = bits & !(0xf << 76) | (0x4 << 76);
    bits = bits & !(0x3 << 62) | (0x2 << 62);
    Ok(Some(Cow::Owned(bits.to_be_bytes().to_vec())))
}
