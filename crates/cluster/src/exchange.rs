//! One request on its way to the cluster and back, and what becomes of it when the way breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ilium_protocol::Envelope;
use ilium_store::Answers;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::forward::Forwarded;
use crate::link::{Link, Lost};

/// Who waits for an answer.
pub(crate) enum Exchange {
    /// This process itself.
    Own(oneshot::Sender<Result<Envelope, Lost>>),
    /// A client.
    Client(Forwarded),
}

impl Exchange {
    /// Whether it begins a segment, because its node may find that it cannot read it. Cassandra closes a connection on which
    /// it cannot read a second message in a row of the same segment (`CQLMessageHandler.processRequest`).
    pub fn stands_apart(&self) -> bool {
        matches!(self, Exchange::Client(forwarded) if forwarded.stands_apart)
    }

    pub fn answered(self, envelope: Envelope, link: &Arc<Link>, flushes: &mut Flushes) {
        match self {
            // Whoever asked may have given up.
            Exchange::Own(asker) => drop(asker.send(Ok(envelope))),
            Exchange::Client(forwarded) => forwarded.answered(envelope, link, flushes),
        }
    }

    pub fn lost(self, how: Lost, node: SocketAddr, flushes: &mut Flushes) {
        match self {
            Exchange::Own(asker) => drop(asker.send(Err(how))),
            Exchange::Client(forwarded) => forwarded.lost(how, node, flushes),
        }
    }
}

/// The clients that were given answers and have not been told to let them out.
pub(crate) struct Flushes {
    clients: SmallVec<[Arc<dyn Answers>; 8]>,
    /// When the answers came: one look at the clock for all that came together.
    pub now: Instant,
}

impl Default for Flushes {
    fn default() -> Flushes {
        Flushes { clients: SmallVec::new(), now: Instant::now() }
    }
}

impl Flushes {
    pub fn add(&mut self, answers: &Arc<dyn Answers>) {
        // The last first: answers of one client often come in a row.
        if !self.clients.iter().rev().any(|other| Arc::ptr_eq(other, answers)) {
            self.clients.push(Arc::clone(answers));
        }
    }

    pub fn flush(self) {
        for answers in self.clients {
            answers.flush();
        }
    }
}
