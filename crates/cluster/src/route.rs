//! Where a frame has to go: what its body says of that, read without decoding the rest.
//!
//! A body that ends early or makes no sense has no route; the node it then reaches says what is wrong with it.

use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::{Token, partition_key};
use ilium_protocol::{Flags, ProtocolVersion};
use smallvec::SmallVec;

use crate::prepared::KeyMarkers;

/// `<flags>` of a request's parameters (native protocol v5, section 4.1.4).
const WITH_VALUES: u32 = 0x01;
const SKIP_COLUMNS: u32 = 0x02;
const WITH_PAGE_SIZE: u32 = 0x04;
const WITH_SERIAL: u32 = 0x10;
const WITH_TIME: u32 = 0x20;
const WITH_NAMES: u32 = 0x40;

/// The length of a value that is not set, the least there is from version 4 on (native protocol v5, section 3).
const UNSET: i32 = -2;

/// The largest code of a consistency level, NODE_LOCAL's.
const LAST_CONSISTENCY: usize = 0x0B;

/// Reads fields one after the other.
#[derive(Clone, Copy)]
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)))
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn short_bytes(&mut self) -> Option<&'b [u8]> {
        let length = self.short()?;
        self.take(length)
    }

    /// The inner `None`: null or unset.
    fn value(&mut self) -> Option<Option<&'b [u8]>> {
        match usize::try_from(self.int()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Some(None),
        }
    }

    fn payload(&mut self) -> Option<()> {
        for _ in 0..self.short()? {
            self.short_bytes()?;
            self.value()?;
        }
        Some(())
    }
}

/// What precedes the message itself.
fn message(flags: u8, body: &[u8]) -> Option<Fields<'_>> {
    let mut fields = Fields(body);
    if Flags::from_bits(flags).contains(Flags::CUSTOM_PAYLOAD) {
        fields.payload()?;
    }
    Some(fields)
}

/// The value of a custom payload under this key.
pub(crate) fn payload<'b>(flags: u8, body: &'b [u8], key: &str) -> Option<&'b [u8]> {
    if !Flags::from_bits(flags).contains(Flags::CUSTOM_PAYLOAD) {
        return None;
    }
    let mut fields = Fields(body);
    let mut found = None;
    for _ in 0..fields.short()? {
        let (name, value) = (fields.short_bytes()?, fields.value()?);
        if name == key.as_bytes() {
            found = value;
        }
    }
    found
}

/// The text of a QUERY or PREPARE.
pub(crate) fn text(flags: u8, body: &[u8]) -> Option<&str> {
    let mut fields = message(flags, body)?;
    let length = usize::try_from(fields.int()?).ok()?;
    std::str::from_utf8(fields.take(length)?).ok()
}

/// The id of the statement that an EXECUTE runs.
pub(crate) fn executed(flags: u8, body: &[u8]) -> Option<&[u8]> {
    message(flags, body)?.short_bytes()
}

/// An EXECUTE of version 3 or 4 that asks for the rows' columns, where this one does not.
pub(crate) fn with_columns(flags: u8, body: &[u8]) -> Option<Bytes> {
    let mut fields = message(flags, body)?;
    let _id = fields.short_bytes()?;
    let _consistency = fields.short()?;
    let at = body.len() - fields.0.len();
    if fields.byte()? & SKIP_COLUMNS as u8 == 0 {
        return None;
    }
    let mut asking = body.to_vec();
    *asking.get_mut(at)? &= !(SKIP_COLUMNS as u8);
    Some(asking.into())
}

/// The id of the first prepared statement of a BATCH.
pub(crate) fn first_of_batch(flags: u8, body: &[u8]) -> Option<&[u8]> {
    let mut fields = batch_entries(flags, body)?;
    if fields.byte()? == 1 { fields.short_bytes() } else { None }
}

fn batch_entries(flags: u8, body: &[u8]) -> Option<Fields<'_>> {
    let mut fields = message(flags, body)?;
    let _kind = fields.byte()?;
    let entries = fields.short()?;
    (entries > 0).then_some(fields)
}

/// Whether a body is an EXECUTE to its end, as far as a node must read it: lengths and codes, not values.
pub(crate) fn is_execute(version: ProtocolVersion, flags: u8, body: &[u8]) -> bool {
    walk_execute(version, flags, body).is_some()
}

fn walk_execute(version: ProtocolVersion, flags: u8, body: &[u8]) -> Option<()> {
    // What is rare is left to the decoder, which reads everything.
    if Flags::from_bits(flags).contains(Flags::CUSTOM_PAYLOAD) {
        return None;
    }
    let mut fields = Fields(body);
    fields.short_bytes()?;
    if version >= ProtocolVersion::V5 {
        fields.short_bytes()?;
    }
    fields.short().filter(|level| *level <= LAST_CONSISTENCY)?;
    let parameters = match version {
        ProtocolVersion::V5 => fields.int()?.cast_unsigned(),
        ProtocolVersion::V3 | ProtocolVersion::V4 => u32::from(fields.byte()?),
    };
    if parameters & !(WITH_VALUES | SKIP_COLUMNS | WITH_PAGE_SIZE | WITH_SERIAL | WITH_TIME) != 0 {
        return None;
    }
    if parameters & WITH_VALUES != 0 {
        for _ in 0..fields.short()? {
            let length = fields.int()?;
            match usize::try_from(length) {
                Ok(length) => {
                    fields.take(length)?;
                }
                Err(_) if length < UNSET && version >= ProtocolVersion::V4 => return None,
                Err(_) => {}
            }
        }
    }
    if parameters & WITH_PAGE_SIZE != 0 {
        fields.int().filter(|rows| *rows != 0)?;
    }
    if parameters & WITH_SERIAL != 0 {
        fields.short().filter(|level| *level <= LAST_CONSISTENCY)?;
    }
    if parameters & WITH_TIME != 0 {
        // No time at all in Cassandra's own words, which refuses it as a client's.
        fields.take(8).filter(|time| *time != i64::MIN.to_be_bytes())?;
    }
    Some(())
}

/// The token of the partition that an EXECUTE is about; `key` says which of its values are that.
pub(crate) fn token(version: ProtocolVersion, flags: u8, body: &[u8], key: &KeyMarkers) -> Option<Token> {
    let mut fields = message(flags, body)?;
    let _id = fields.short_bytes()?;
    if version >= ProtocolVersion::V5 {
        let _result_metadata_id = fields.short_bytes()?;
    }
    let _consistency = fields.short()?;
    let parameters = match version {
        ProtocolVersion::V5 => fields.int()?.cast_unsigned(),
        ProtocolVersion::V3 | ProtocolVersion::V4 => u32::from(fields.byte()?),
    };
    if parameters & WITH_VALUES == 0 {
        return None;
    }
    let count = fields.short()?;
    match parameters & WITH_NAMES {
        0 => token_of_values(fields, count, &key.markers),
        _ => token_of_named(fields, count, &key.names),
    }
}

/// The token of the partition that a BATCH's first statement is about.
pub(crate) fn batch_token(flags: u8, body: &[u8], markers: &[u16]) -> Option<Token> {
    let mut fields = batch_entries(flags, body)?;
    let _is_prepared = fields.byte()?;
    let _id = fields.short_bytes()?;
    let count = fields.short()?;
    token_of_values(fields, count, markers)
}

fn token_of_values(mut fields: Fields<'_>, count: usize, markers: &[u16]) -> Option<Token> {
    let last = markers.iter().copied().max()?;
    if usize::from(last) >= count {
        return None;
    }
    if let [only] = markers {
        for _ in 0..*only {
            fields.value()?;
        }
        return Some(Token::of(fields.value()??));
    }
    let mut values: SmallVec<[Option<&[u8]>; 16]> = SmallVec::new();
    for _ in 0..=last {
        values.push(fields.value()?);
    }
    let component = |marker: &u16| *values.get(usize::from(*marker))?;
    token_of_components(markers.iter().map(component).collect::<Option<_>>()?)
}

/// Of a name that comes twice the first counts (`QueryOptions.OptionsWithNames`).
fn token_of_named(mut fields: Fields<'_>, count: usize, names: &[Arc<str>]) -> Option<Token> {
    let mut components: SmallVec<[Option<&[u8]>; 4]> = names.iter().map(|_| None).collect();
    for _ in 0..count {
        let (name, value) = (fields.short_bytes()?, fields.value()?);
        let wanted = components.iter_mut().zip(names).find(|(_, wanted)| wanted.as_bytes() == name);
        if let Some((component @ None, _)) = wanted {
            *component = Some(value?);
        }
    }
    token_of_components(components.into_iter().collect::<Option<_>>()?)
}

fn token_of_components(components: SmallVec<[&[u8]; 4]>) -> Option<Token> {
    if let [only] = components.as_slice() {
        return Some(Token::of(only));
    }
    let mut key = Vec::new();
    partition_key::encode(&components, &mut key).ok()?;
    Some(Token::of(&key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use ilium_protocol::{
        BatchRequest, BatchStatement, BatchType, BatchedStatement, Consistency, Envelope, ExecuteRequest,
        Header, Opcode, QueryParameters, Request, RequestExtras, Value, Values, ValuesBuilder,
    };

    use super::*;
    use crate::own;

    fn values(all: &[&[u8]]) -> Values {
        Values::positional(all.iter().map(|bytes| Some(*bytes))).unwrap()
    }

    /// The values at these places, which are called as letters from `a` on are.
    fn key(markers: &[u16]) -> KeyMarkers {
        let name = |marker: &u16| Arc::from(char::from(b'a' + *marker as u8).to_string());
        let names = markers.iter().map(name).collect();
        KeyMarkers { keyspace: "ks".into(), markers: markers.into(), names }
    }

    #[test]
    fn the_key_is_found_among_values_that_are_bound_by_name() {
        let named = |names: &[(&str, Option<&[u8]>)]| {
            let mut values = ValuesBuilder::new();
            for (name, value) in names {
                values.push_named(name, value.map_or(Value::Null, Value::Bytes)).unwrap();
            }
            let parameters = QueryParameters::new(Consistency::One).with_values(values.finish());
            let execute = ExecuteRequest { id: b"id", result_metadata_id: None, parameters };
            own::frame(ProtocolVersion::V4, &RequestExtras::default(), &Request::Execute(execute)).unwrap()
        };
        let token = |names: &[(&str, Option<&[u8]>)], markers: &[u16]| {
            let frame = named(names);
            for end in 0..frame.body.len() {
                let _ = token(ProtocolVersion::V4, frame.flags, &frame.body[..end], &key(markers));
            }
            token(ProtocolVersion::V4, frame.flags, &frame.body, &key(markers))
        };
        let all: &[(&str, Option<&[u8]>)] =
            &[("c", Some(b"d")), ("a", Some(b"a")), ("b", None), ("a", Some(b"other"))];
        assert_eq!(token(all, &[0]), Some(Token::of(b"a")));
        assert_eq!(token(all, &[2, 0]), Some(Token::of(b"\0\x01d\0\0\x01a\0")));
        assert_eq!(token(all, &[1]), None);
        assert_eq!(token(all, &[3]), None);
    }

    #[test]
    fn the_key_is_found_among_the_values_in_every_version() {
        for version in ProtocolVersion::ALL {
            for payload in [false, true] {
                let mut extras = RequestExtras::default();
                if payload && version >= ProtocolVersion::V4 {
                    extras.payload.push(("who", Some(b"me")));
                }
                let parameters =
                    QueryParameters::new(Consistency::Quorum).with_values(values(&[b"a", b"bc", b"d"]));
                let metadata_id = (version >= ProtocolVersion::V5).then_some(&b"0123"[..]);
                let execute = ExecuteRequest { id: b"id", result_metadata_id: metadata_id, parameters };
                let frame = own::frame(version, &extras, &Request::Execute(execute)).unwrap();
                let token = |markers: &[u16]| token(version, frame.flags, &frame.body, &key(markers));
                assert_eq!(executed(frame.flags, &frame.body), Some(&b"id"[..]));
                let is_there = frame.flags & Flags::CUSTOM_PAYLOAD.bits() != 0;
                assert_eq!(super::payload(frame.flags, &frame.body, "who"), is_there.then_some(&b"me"[..]));
                assert_eq!(super::payload(frame.flags, &frame.body, "whom"), None);
                assert_eq!(token(&[1]), Some(Token::of(b"bc")));
                assert_eq!(token(&[2, 0]), Some(Token::of(b"\0\x01d\0\0\x01a\0")));
                assert_eq!(token(&[3]), None);
                assert_eq!(token(&[]), None);
                let has_payload = !extras.payload.is_empty();
                assert_eq!(is_execute(version, frame.flags, &frame.body), !has_payload);
                for end in 0..frame.body.len() {
                    assert!(!is_execute(version, frame.flags, &frame.body[..end]));
                    let _ = self::token(version, frame.flags, &frame.body[..end], &key(&[2, 0]));
                }
            }
        }
    }

    #[test]
    fn an_execute_that_a_node_could_not_read_is_not_let_through() {
        let (payload, version_4) = (Flags::CUSTOM_PAYLOAD.bits(), ProtocolVersion::V4);
        for (version, flags, body) in [
            // A payload before version 4, and one whose key is no UTF-8.
            (ProtocolVersion::V3, payload, &b"\0\0\0\x02id\0\x01\0"[..]),
            (version_4, payload, b"\0\x01\0\x01\xff\0\0\0\0\0\x02id\0\x01\0"),
            // A value of -3 bytes, and the one time that is none.
            (version_4, 0, b"\0\x02id\0\x01\x01\0\x01\xff\xff\xff\xfd"),
            (version_4, 0, b"\0\x02id\0\x01\x20\x80\0\0\0\0\0\0\0"),
        ] {
            let header =
                Header { version, flags: Flags::from_bits(flags), stream: 1, opcode: Opcode::Execute };
            let envelope = Envelope { header, body: Bytes::copy_from_slice(body) };
            assert!(Request::decode(&envelope).is_err(), "{body:?}");
            assert!(!is_execute(version, flags, body), "{body:?}");
        }
    }

    #[test]
    fn the_columns_that_a_client_does_without_are_asked_for() {
        for version in [ProtocolVersion::V3, ProtocolVersion::V4] {
            let execute = |skips| {
                let mut parameters = QueryParameters::new(Consistency::Quorum).with_values(values(&[b"a"]));
                parameters.skip_metadata = skips;
                let execute = ExecuteRequest { id: b"id", result_metadata_id: None, parameters };
                own::frame(version, &RequestExtras::default(), &Request::Execute(execute)).unwrap()
            };
            let (without, with) = (execute(true), execute(false));
            assert_eq!(with_columns(without.flags, &without.body), Some(with.body.clone()));
            assert_eq!(with_columns(with.flags, &with.body), None);
            for end in 0..without.body.len() {
                let _ = with_columns(without.flags, &without.body[..end]);
            }
        }
    }

    #[test]
    fn a_batch_goes_where_its_first_statement_belongs() {
        let version = ProtocolVersion::V5;
        let entry = |bytes: &[u8]| BatchStatement {
            statement: BatchedStatement::Prepared(b"first"),
            values: values(&[bytes, b"x"]),
        };
        let parameters = QueryParameters::new(Consistency::One);
        let batch =
            BatchRequest { kind: BatchType::Logged, statements: vec![entry(b"k"), entry(b"l")], parameters };
        let frame = own::frame(version, &RequestExtras::default(), &Request::Batch(batch)).unwrap();
        assert_eq!(first_of_batch(frame.flags, &frame.body), Some(&b"first"[..]));
        assert_eq!(batch_token(frame.flags, &frame.body, &[0]), Some(Token::of(b"k")));
    }
}
