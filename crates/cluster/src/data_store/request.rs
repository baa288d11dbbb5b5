//! What of a context and of bound values goes into a request.

use std::sync::Arc;

use ilium_cql::{Token, partition_key};
use ilium_protocol::{Consistency, ProtocolVersion, QueryParameters, Value, Values, ValuesBuilder};
use ilium_store::{Bind, Binds, Context, Error, ErrorKind, Prepared, Result, SerialConsistency};
use smallvec::SmallVec;

/// The keyspace and the token of the partition that a request is about.
pub(super) type Route = (Arc<str>, Token);

/// Refuses what a version of the protocol cannot say.
pub(super) fn check(context: &Context, binds: &Binds, version: ProtocolVersion) -> Result<()> {
    let missing = |what: &str| {
        Err(Error::new(
            ErrorKind::Protocol,
            format!("the cluster speaks version {version} of the protocol, which knows no {what}"),
        ))
    };
    if version < ProtocolVersion::V5 && context.now_in_seconds.is_some() {
        return missing("time of its own for a request");
    }
    let mut all = (0..binds.len()).filter_map(|index| binds.get(index));
    if version < ProtocolVersion::V4 && all.any(|bind| bind == Bind::Unset) {
        return missing("values that are not set");
    }
    Ok(())
}

/// All of the context but its page.
pub(super) fn parameters<'c>(context: &Context, keyspace: Option<&'c str>) -> Result<QueryParameters<'c>> {
    let level = Consistency::from_code(context.consistency as u16);
    let level = level.map_err(|error| Error::new(ErrorKind::Protocol, error.to_string()))?;
    let mut parameters = QueryParameters::new(level);
    parameters.serial_consistency = Some(match context.serial_consistency {
        SerialConsistency::Serial => Consistency::Serial,
        SerialConsistency::LocalSerial => Consistency::LocalSerial,
    });
    parameters.timestamp = context.timestamp;
    parameters.now_in_seconds = context.now_in_seconds.map(i32::cast_unsigned);
    parameters.keyspace = keyspace;
    Ok(parameters)
}

pub(super) fn bound(binds: &Binds, context: &Context) -> Result<QueryParameters<'static>> {
    Ok(parameters(context, None)?.with_values(values(binds)?))
}

/// The bytes of the values as they are, each behind its length.
pub(super) fn values(binds: &Binds) -> Result<Values> {
    let each = || (0..binds.len()).filter_map(|index| binds.get(index));
    let length = |bind: Bind<'_>| match bind {
        Bind::Value(bytes) => bytes.len() + 4,
        Bind::Null | Bind::Unset => 4,
    };
    let mut builder = ValuesBuilder::with_capacity(each().map(length).sum());
    for bind in each() {
        let value = match bind {
            Bind::Null => Value::Null,
            Bind::Unset => Value::Unset,
            Bind::Value(bytes) => Value::Bytes(bytes),
        };
        builder.push(value).map_err(|error| Error::invalid(error.to_string()))?;
    }
    Ok(builder.finish())
}

/// `None`: its values do not say which partition it is about.
pub(super) fn route(prepared: &Prepared, binds: &Binds) -> Option<Route> {
    let first = prepared.binds.first()?;
    let component = |marker: &u16| match binds.get(usize::from(*marker))? {
        Bind::Value(bytes) => Some(bytes),
        Bind::Null | Bind::Unset => None,
    };
    let token = match prepared.partition_key_binds.as_slice() {
        [] => return None,
        [only] => Token::of(component(only)?),
        several => {
            let components: SmallVec<[&[u8]; 4]> = several.iter().map(component).collect::<Option<_>>()?;
            let mut key = Vec::new();
            partition_key::encode(&components, &mut key).ok()?;
            Token::of(&key)
        }
    };
    Some((Arc::clone(&first.keyspace), token))
}
