//! A request's frame and its answer's, for whoever watches.

use ilium_protocol::{Consistency, Envelope, Flags, Header, ProtocolVersion, Request};
use ilium_store::{Frame, Frames};

use crate::route;

#[derive(Debug)]
pub(super) struct Exchanged<'a> {
    pub header: Header,
    pub asked: &'a Frame,
    /// `None`: no node answered.
    pub answer: Option<&'a Frame>,
}

impl Exchanged<'_> {
    fn decoded<T>(&self, of: impl FnOnce(&Request<'_>) -> Option<T>) -> Option<T> {
        let envelope = Envelope { header: self.header, body: self.asked.body.clone() };
        Request::decode(&envelope).ok().and_then(|(_, request)| of(&request))
    }
}

impl Frames for Exchanged<'_> {
    fn payload(&self, key: &str) -> Option<&[u8]> {
        // Version 3 has none, whatever the flag says.
        let has_payloads = self.header.version >= ProtocolVersion::V4;
        has_payloads.then(|| route::payload(self.asked.flags, &self.asked.body, key)).flatten()
    }

    fn consistency(&self) -> Option<&'static str> {
        self.decoded(|request| match request {
            Request::Query(query) => Some(query.parameters.consistency),
            Request::Execute(execute) => Some(execute.parameters.consistency),
            Request::Batch(batch) => Some(batch.parameters.consistency),
            _ => None,
        })
        .map(Consistency::name)
    }

    fn batch_size(&self) -> Option<usize> {
        self.decoded(|request| match request {
            Request::Batch(batch) => Some(batch.statements.len()),
            _ => None,
        })
    }

    fn tracing_id(&self) -> Option<[u8; 16]> {
        let answer = self.answer.filter(|answer| Flags::from_bits(answer.flags).contains(Flags::TRACING))?;
        answer.body.first_chunk().copied()
    }
}
