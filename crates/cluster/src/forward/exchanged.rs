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

    fn tracing_id(&self) -> Option<[u8; 16]> {
        let answer = self.answer.filter(|answer| Flags::from_bits(answer.flags).contains(Flags::TRACING))?;
        answer.body.first_chunk().copied()
    }
}
