//! Forwarding: a client's frame to the node it belongs to, and the answer back.
//!
//! A frame is sent as the client wrote it. What is read of it: the text of a QUERY as far as tells whether it is a `USE`,
//! the text of a PREPARE, to prepare it again where a node forgets it, and of an EXECUTE or BATCH the id and the values
//! that make the partition key.

mod forwarded;
mod prepare;
mod repeat;

use std::sync::Arc;
use std::time::Instant;

use ilium_cql::ast::Statement as Parsed;
use ilium_cql::identifier::quote_if_needed;
use ilium_protocol::{Envelope, Flags, Header, Opcode, ProtocolVersion, QueryParameters, Request};
use ilium_store::{Answers, Caller, Channel, Error, Frame};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::cluster::Cluster;
use crate::exchange::Flushes;
use crate::gateways::RingQuestion;
use crate::link::Link;
use crate::prepared::Statement;
use crate::ring::Place;
use crate::route;
use crate::session::Session;

/// Nodes a request is sent to at most, where it may be sent again.
const TRIES: usize = 3;

/// Times a request has its statements prepared again. A batch may hold many that a node has forgotten.
const PREPARED_AGAIN: u8 = 64;

/// `<kind>` of a RESULT that reports a change of the schema (native protocol v5, section 4.2.5).
const SCHEMA_CHANGE: [u8; 4] = [0, 0, 0, 5];

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
    /// The client's.
    stream: i16,
    frame: Frame,
    kind: Kind,
    /// Nodes it was sent to.
    tried: SmallVec<[Place; TRIES]>,
    prepared_again: u8,
    begun: Instant,
}

enum Kind {
    Query,
    /// In this keyspace, unless the request names another.
    Prepare(Option<Arc<str>>),
    /// `None`: this process does not know the statement; the node may.
    Execute(Option<Arc<Statement>>),
    /// Its first statement, where that is prepared and known: a batch goes where that belongs.
    Batch(Option<Arc<Statement>>),
    /// It is sent in this session, which becomes the client's if it succeeds.
    Use(Arc<Session>),
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
        let kind = match Opcode::from_byte(frame.opcode) {
            Ok(Opcode::Execute) => {
                let id = route::executed(flags, body);
                let statement = id.and_then(|id| way.cluster.statements.get(id));
                if let Some(question) = statement.as_ref().and_then(|statement| statement.question.as_ref())
                    && way.cluster.gateways.are_known()
                {
                    way.begin_ring_answer(stream, frame, question.clone());
                    return;
                }
                Kind::Execute(statement)
            }
            Ok(Opcode::Query) => {
                let text = route::text(flags, body);
                if let Some(keyspace) = text.and_then(used_keyspace) {
                    way.begin_use(stream, frame, keyspace);
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
            _ => Kind::Prepare(way.session.lock().key.keyspace.clone()),
        };
        let changed = match &kind {
            Kind::Execute(Some(statement)) if statement.has_changed() => Some(Arc::clone(statement)),
            _ => None,
        };
        let mut forwarded = Forwarded::new(way, stream, frame, kind);
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

/// The keyspace that a text chooses, in CQL's own spelling.
fn used_keyspace(text: &str) -> Option<Arc<str>> {
    let start = text.trim_start();
    let is_use = start.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("use"));
    // Behind a comment may be anything.
    if !is_use && !start.starts_with(['/', '-']) {
        return None;
    }
    match ilium_cql::parse(text) {
        Ok(Parsed::Use { keyspace }) => Some(quote_if_needed(keyspace.as_str()).into()),
        _ => None,
    }
}

impl Way {
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

    /// Answers what the client asks of the ring: it is to see the gateways, not the nodes.
    fn begin_ring_answer(self: &Arc<Self>, stream: i16, frame: Frame, question: RingQuestion) {
        let way = Arc::clone(self);
        tokio::spawn(async move {
            let request = Envelope { header: header(way.version, stream, &frame), body: frame.body };
            let parameters = match Request::decode(&request) {
                Ok((_, Request::Query(query))) => query.parameters,
                Ok((_, Request::Execute(execute))) => execute.parameters,
                _ => QueryParameters::default(),
            };
            let answer = way.cluster.answer_of_ring(&question, way.version, &parameters).await;
            way.give_at_once(stream, answer);
        });
    }

    /// `USE`: the client goes on in the session of that keyspace, once the cluster has said that there is one.
    fn begin_use(self: &Arc<Self>, stream: i16, frame: Frame, keyspace: Arc<str>) {
        let way = Arc::clone(self);
        tokio::spawn(async move {
            let mut key = way.session().key.clone();
            key.keyspace = Some(keyspace);
            match way.cluster.open_session(key).await {
                Err(error) => way.give_at_once(stream, Err(error)),
                Ok(session) => {
                    let forwarded = Forwarded::new(&way, stream, frame, Kind::Use(session));
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
