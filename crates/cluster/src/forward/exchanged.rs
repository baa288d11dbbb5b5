//! A request's frame and its answer's, for whoever watches.

use ilium_protocol::{Envelope, Flags, Header, ProtocolVersion, Request};
use ilium_store::{Asked, Frame, Frames};

use crate::route;

#[derive(Debug)]
pub(super) struct Exchanged<'a> {
    pub header: Header,
    pub asked: &'a Frame,
    /// `None`: no node answered.
    pub answer: Option<&'a Frame>,
}

impl Frames for Exchanged<'_> {
    fn payload(&self, key: &str) -> Option<&[u8]> {
        // Version 3 has none, whatever the flag says.
        let has_payloads = self.header.version >= ProtocolVersion::V4;
        has_payloads.then(|| route::payload(self.asked.flags, &self.asked.body, key)).flatten()
    }

    fn asked(&self) -> Asked {
        let envelope = Envelope { header: self.header, body: self.asked.body.clone() };
        let (level, batch_size) = match Request::decode(&envelope) {
            Ok((_, Request::Query(query))) => (query.parameters.consistency, None),
            Ok((_, Request::Execute(execute))) => (execute.parameters.consistency, None),
            Ok((_, Request::Batch(batch))) => (batch.parameters.consistency, Some(batch.statements.len())),
            _ => return Asked::default(),
        };
        Asked { consistency: Some(level.name()), batch_size }
    }

    fn keyspace(&self) -> Option<String> {
        let envelope = Envelope { header: self.header, body: self.asked.body.clone() };
        let named = match Request::decode(&envelope) {
            Ok((_, Request::Query(query))) => query.parameters.keyspace,
            Ok((_, Request::Batch(batch))) => batch.parameters.keyspace,
            Ok((_, Request::Prepare(prepare))) => prepare.keyspace,
            // An EXECUTE's statement keeps that in which it was prepared.
            _ => None,
        };
        named.map(str::to_owned)
    }

    fn tracing_id(&self) -> Option<[u8; 16]> {
        let answer = self.answer.filter(|answer| Flags::from_bits(answer.flags).contains(Flags::TRACING))?;
        answer.body.first_chunk().copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use ilium_protocol::{
        Consistency, ExecuteRequest, PrepareRequest, QueryParameters, QueryRequest, RequestExtras,
    };

    use super::*;
    use crate::own;

    #[test]
    fn the_keyspace_is_that_which_a_request_names_for_itself() {
        let version = ProtocolVersion::V5;
        let named = |request: &Request<'_>| {
            let asked = own::frame(version, &RequestExtras::default(), request).unwrap();
            let header = Header { version, flags: Flags::NONE, stream: 0, opcode: request.opcode() };
            Exchanged { header, asked: &asked, answer: None }.keyspace()
        };
        let parameters = |keyspace| QueryParameters { keyspace, ..QueryParameters::new(Consistency::One) };
        let query =
            |keyspace| Request::Query(QueryRequest { query: "TRUNCATE t", parameters: parameters(keyspace) });
        assert_eq!(named(&query(Some("Shop"))).as_deref(), Some("Shop"));
        assert_eq!(named(&query(None)), None);
        let prepare = PrepareRequest { query: "TRUNCATE t", keyspace: Some("shop") };
        assert_eq!(named(&Request::Prepare(prepare)).as_deref(), Some("shop"));
        let parameters = parameters(Some("shop"));
        let execute = ExecuteRequest { id: b"the id", result_metadata_id: Some(b"it"), parameters };
        assert_eq!(named(&Request::Execute(execute)), None);
    }
}
