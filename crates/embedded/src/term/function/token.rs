//! `token`: where a partition key lies on the ring.

use std::borrow::Cow;

use ilium_cql::murmur3::Token;
use ilium_cql::{CqlType, partition_key};
use ilium_store::{Error, Result};
use smallvec::SmallVec;

use super::factory::{Factory, Make};
use super::registry::Registry;
use super::resolve::Lookup;
use super::{Function, Invocation, Slot};

pub(super) fn add_to(registry: &mut Registry) {
    registry.add_factory(Factory { name: "token", parameters: &[], make: Make::Call(make) });
}

/// Takes the columns of the partition key of the statement's table.
fn make(lookup: &Lookup<'_>) -> Result<Function> {
    let Some(table) = lookup.table else {
        return Err(Error::invalid("No receiver keyspace has been specified for function system.token"));
    };
    let types = table.partition_key().map(|column| column.column_type.clone()).collect();
    Ok(Function::scalar("token", types, CqlType::Bigint, token))
}

fn token<'a>(call: &mut Invocation<'_, 'a>) -> Result<Slot<'a>> {
    let mut components: SmallVec<[&[u8]; 4]> = SmallVec::new();
    for i in 0..call.arguments.len() {
        match call.bytes(i) {
            Some(component) => components.push(component),
            None => return Ok(None),
        }
    }
    let mut key = Vec::new();
    partition_key::encode(&components, &mut key).map_err(|e| Error::invalid(e.to_string()))?;
    Ok(Some(Cow::Owned(Token::of(&key).0.to_be_bytes().to_vec())))
}
