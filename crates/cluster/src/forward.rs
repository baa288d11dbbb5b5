//! Forwarding: a client's frame to the node it belongs to, and the answer back.
//!
//! A frame is sent as the client wrote it. What is read of it: the text of a QUERY as far as tells whether it is a `USE`,
//! the text of a PREPARE, to prepare it again where a node forgets it, and of an EXECUTE or BATCH the id and the values
//! that make the partition key.

mod exchanged;
mod forwarded;
mod prepare;
mod repeat;
mod ring_answer;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use forwarded::{is_result, refusal};

use std::sync::Arc;
use std::time::Instant;

use ilium_protocol::{
    Envelope, ErrorCode, ErrorDetail, ErrorResponse, Flags, Header, Opcode, ProtocolVersion, Request,
    Response,
};
use ilium_store::{Answers, Caller, Channel, Error, ErrorKind, Frame};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::cluster::Cluster;
use crate::exchange::Flushes;
use crate::gateways::RingQuestion;
use crate::link::Link;
use crate::own;
use crate::prepared::{Statement, used_keyspace};
use crate::ring::Place;
use crate::route;
use crate::session::Session;

/// Nodes a request is sent to at most, where it may be sent again.
const TRIES: usize = 3;

/// Times a request has its statements prepared again. A batch may hold many that a node has forgotten.
const PREPARED_AGAIN: u8 = 64;

/// `<kind>` of a RESULT that reports a change of the schema, and of one that reports another keyspace (native protocol v5,
/// section 4.2.5).
pub(crate) const SCHEMA_CHANGE: [u8; 4] = [0, 0, 0, 5];
pub(crate) const SET_KEYSPACE: [u8; 4] = [0, 0, 0, 3];

/// One client's way to the cluster.
pub(crate) struct Way {
    cluster: Arc<Cluster>,
    caller: Caller,
    answers: Arc<dyn Answers>,
    version: ProtocolVersion,
    /// Another once the client has changed its keyspace.
    session: Mutex<Arc<Session>>,
}

/// A client's request under way.
pub(crate) struct Forwarded {
    way: Arc<Way>,
    /// Of the client's keyspace when it was sent: where it is sent again it means the same.
    session: Arc<Session>,
    /// The client's.
    stream: i16,
    frame: Frame,
    kind: Kind,
    /// Nodes it was sent to.
    tried: SmallVec<[Place; TRIES]>,
    /// Whether it left for one of them that did not answer.
    has_left: bool,
    prepared_again: u8,
    begun: Instant,
    /// It brings a page state, which only its node can read.
    pub(crate) stands_apart: bool,
}

enum Kind {
    Query,
    Prepare,
    Execute(Arc<Statement>),
    /// Its first statement, where that is prepared and known: a batch goes where that belongs.
    Batch(Option<Arc<Statement>>),
    /// Its session becomes the client's if it succeeds.
    Use,
}

/// The channel of a client: its way, and the links that have something to let out.
pub(crate) struct ClientChannel {
    way: Arc<Way>,
    touched: SmallVec<[Arc<Link>; 4]>,
}

impl ClientChannel {
    pub fn new(
        cluster: Arc<Cluster>,
        session: Arc<Session>,
        version: ProtocolVersion,
        caller: Caller,
        answers: Arc<dyn Answers>,
    ) -> ClientChannel {
        let way = Way { cluster, caller, answers, version, session: Mutex::new(session) };
        ClientChannel { way: Arc::new(way), touched: SmallVec::new() }
    }
}

impl Channel for ClientChannel {
    fn send(&mut self, stream: i16, frame: Frame) {
        let way = &self.way;
        let (flags, body) = (frame.flags, &frame.body);
        let stands_apart = match way.check(stream, &frame) {
            Ok(has_page_state) => has_page_state,
            Err(error) => {
                way.give_at_once(stream, Err(error));
                return;
            }
        };
        let kind = match Opcode::from_byte(frame.opcode) {
            Ok(Opcode::Execute) => {
                let id = route::executed(flags, body).unwrap_or_default();
                let Some(statement) = way.cluster.statements.get(id) else {
                    way.give_at_once(stream, unprepared(way.version, id));
                    return;
                };
                if let Some(question) = &statement.question
                    && way.cluster.gateways.are_known()
                {
                    way.begin_ring_answer(stream, frame, question.clone());
                    return;
                }
                if let Some(keyspace) = &statement.uses {
                    way.begin_use(stream, frame, Arc::clone(keyspace), stands_apart);
                    return;
                }
                Kind::Execute(statement)
            }
            Ok(Opcode::Query) => {
                let text = route::text(flags, body);
                if let Some(keyspace) = text.and_then(used_keyspace) {
                    way.begin_use(stream, frame, keyspace, stands_apart);
                    return;
                }
                if let Some(question) = text.and_then(|text| way.ring_question(text)) {
                    way.begin_ring_answer(stream, frame, question);
                    return;
                }
                Kind::Query
            }
            Ok(Opcode::Batch) => {
                let id = route::first_of_batch(flags, body);
                Kind::Batch(id.and_then(|id| way.cluster.statements.get(id)))
            }
            _ => Kind::Prepare,
        };
        let changed = match &kind {
            Kind::Execute(statement) if statement.has_changed() => Some(Arc::clone(statement)),
            _ => None,
        };
        let mut forwarded = Forwarded::new(way, way.session(), stream, frame, kind);
        forwarded.stands_apart = stands_apart;
        if let Some(statement) = changed {
            forwarded.want_columns(&statement);
        }
        if let Some(link) = forwarded.dispatch(&mut None)
            && !self.touched.iter().any(|other| Arc::ptr_eq(other, &link))
        {
            self.touched.push(link);
        }
    }

    fn flush(&mut self) {
        for link in self.touched.drain(..) {
            link.wake();
        }
    }
}

/// As Cassandra says it (`PreparedQueryNotFoundException`). A gateway that does not know a statement does not know either
/// where it belongs, whether it may be repeated, or what to audit: the client prepares it again, as after any restart.
fn unprepared(version: ProtocolVersion, id: &[u8]) -> Result<Frame, Error> {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let message = format!(
        "Prepared query with ID {hex} not found (either the query was not prepared on this host (maybe the host has been \
         restarted?) or you have prepared too many queries and it has been evicted from the internal cache)"
    );
    let refusal = ErrorResponse::new(message, ErrorDetail::Unprepared { id });
    own::answer(version, &Response::Error(refusal)).map_err(|error| Error::internal(error.to_string()))
}

impl Way {
    /// Refuses a message that no node could read, and tells whether it has a page state. The links are shared: Cassandra
    /// closes a connection on which a second message in a row makes no sense (`CQLMessageHandler.processRequest`), and all
    /// others' requests with it.
    fn check(&self, stream: i16, frame: &Frame) -> Result<bool, Error> {
        if frame.opcode == Opcode::Execute.byte() && route::is_execute(self.version, frame.flags, &frame.body)
        {
            return Ok(false);
        }
        let request = Envelope { header: header(self.version, stream, frame), body: frame.body.clone() };
        match Request::decode(&request) {
            Ok((_, request)) => Ok(match request {
                Request::Query(query) => query.parameters.paging_state.is_some(),
                Request::Execute(execute) => execute.parameters.paging_state.is_some(),
                Request::Batch(batch) => batch.parameters.paging_state.is_some(),
                _ => false,
            }),
            Err(failure) => {
                let kind = match failure.code() {
                    ErrorCode::Invalid => ErrorKind::Invalid,
                    _ => ErrorKind::Protocol,
                };
                Err(Error::new(kind, failure.to_string()))
            }
        }
    }

    fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.lock())
    }

    fn give(&self, stream: i16, answer: Result<Frame, Error>, flushes: &mut Flushes) {
        self.answers.answer(stream, answer);
        flushes.add(&self.answers);
    }

    fn give_at_once(&self, stream: i16, answer: Result<Frame, Error>) {
        let mut flushes = Flushes::default();
        self.give(stream, answer, &mut flushes);
        flushes.flush();
    }

    fn ring_question(&self, text: &str) -> Option<RingQuestion> {
        if !self.cluster.gateways.are_known() {
            return None;
        }
        RingQuestion::of(text, self.session.lock().key.keyspace.as_deref())
    }

    /// `USE`: the client goes on in the session of that keyspace, once the cluster has said that there is one.
    fn begin_use(self: &Arc<Self>, stream: i16, frame: Frame, keyspace: Arc<str>, stands_apart: bool) {
        let way = Arc::clone(self);
        tokio::spawn(async move {
            let mut key = way.session().key.clone();
            key.keyspace = Some(keyspace);
            match way.cluster.open_session(key).await {
                Err(error) => way.give_at_once(stream, Err(error)),
                Ok(session) => {
                    let mut forwarded = Forwarded::new(&way, session, stream, frame, Kind::Use);
                    forwarded.stands_apart = stands_apart;
                    if let Some(link) = forwarded.dispatch(&mut None) {
                        link.wake();
                    }
                }
            }
        });
    }
}

fn header(version: ProtocolVersion, stream: i16, frame: &Frame) -> Header {
    let flags = Flags::from_bits(frame.flags);
    Header { version, flags, stream, opcode: Opcode::from_byte(frame.opcode).unwrap_or(Opcode::Query) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
