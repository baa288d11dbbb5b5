//! Forwarding: a client's frame to the node it belongs to, and the answer back.
//!
//! A frame is sent as the client wrote it. What is read of it: the text of a QUERY as far as tells whether it is a `USE`,
//! the text of a PREPARE, to prepare it again where a node forgets it, and of an EXECUTE or BATCH the id and the values
//! that make the partition key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ilium_cql::ast::Statement as Parsed;
use ilium_cql::identifier::quote_if_needed;
use ilium_protocol::{
    BatchType, BatchedStatement, Consistency, Envelope, ErrorDetail, Flags, Header, Opcode, PrepareRequest,
    ProtocolVersion, QueryParameters, QueryResult, Request, Response,
};
use ilium_store::{Answers, Caller, Channel, Error, ErrorKind, Frame, Seen, WriteType};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::cluster::Cluster;
use crate::effect;
use crate::error::{ConnectError, of_response, unreachable};
use crate::exchange::{Exchange, Flushes};
use crate::gateways::RingQuestion;
use crate::link::{Link, Lost};
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
    Prepare,
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
            _ => Kind::Prepare,
        };
        let forwarded = Forwarded::new(way, stream, frame, kind);
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

impl Forwarded {
    fn new(way: &Arc<Way>, stream: i16, frame: Frame, kind: Kind) -> Forwarded {
        if let Some(watcher) = way.cluster.watcher.get() {
            watcher.begins();
        }
        Forwarded {
            way: Arc::clone(way),
            stream,
            frame,
            kind,
            tried: SmallVec::new(),
            prepared_again: 0,
            begun: Instant::now(),
        }
    }

    /// Ends it: the client gets its answer, and whoever watches is told.
    fn end(self, answer: Result<Frame, Error>, node: Option<SocketAddr>, flushes: &mut Flushes) {
        if let Some(watcher) = self.way.cluster.watcher.get() {
            let refusal = answer.as_ref().ok().and_then(|frame| refusal(self.way.version, frame));
            let text = match &self.kind {
                Kind::Execute(statement) | Kind::Batch(statement) => {
                    statement.as_ref().map(|known| &*known.text)
                }
                Kind::Query | Kind::Prepare | Kind::Use(_) => route::text(self.frame.flags, &self.frame.body),
            };
            watcher.ends(&Seen {
                caller: &self.way.caller,
                opcode: self.frame.opcode,
                text,
                node,
                took: flushes.now.saturating_duration_since(self.begun),
                error: answer.as_ref().err().or(refusal.as_ref()),
            });
        }
        self.way.give(self.stream, answer, flushes);
    }

    fn end_at_once(self, answer: Result<Frame, Error>, node: Option<SocketAddr>) {
        let mut flushes = Flushes::default();
        self.end(answer, node, &mut flushes);
        flushes.flush();
    }

    /// Writes it to a link, which is given to be woken. Where none takes it the client is told; `flushes` is for callers
    /// that tell several at once.
    fn dispatch(mut self, flushes: &mut Option<&mut Flushes>) -> Option<Arc<Link>> {
        let way = Arc::clone(&self.way);
        let session = match &self.kind {
            Kind::Use(session) => Arc::clone(session),
            _ => way.session(),
        };
        let mut reason = "no node of the cluster can be reached";
        while self.tried.len() < TRIES {
            let picked = way.cluster.with_ring(|ring| {
                let preferred =
                    self.token().map_or(&[][..], |(keyspace, token)| ring.replicas(keyspace, token));
                session.pick(ring, preferred, &self.tried)
            });
            let Some((place, link)) = picked else { break };
            let is_new = !self.tried.contains(&place);
            self.tried.push(place);
            match link.submit(self.frame.clone(), Exchange::Client(self)) {
                Ok(()) => return Some(link),
                Err(Exchange::Client(back)) => self = back,
                Err(Exchange::Own(_)) => return None,
            }
            if !link.is_closed() {
                reason = "every connection to the cluster has as many requests under way as it may";
            }
            if !is_new {
                break;
            }
        }
        let error = unreachable(reason);
        match flushes {
            Some(flushes) => self.end(Err(error), None, flushes),
            None => self.end_at_once(Err(error), None),
        }
        None
    }

    /// The partition it is about, where that is known.
    fn token(&self) -> Option<(&str, ilium_cql::Token)> {
        let Frame { flags, body, .. } = &self.frame;
        match &self.kind {
            Kind::Execute(Some(statement)) => {
                let key = statement.key.as_ref()?;
                let token = route::token(self.way.version, *flags, body, &key.markers)?;
                Some((&key.keyspace, token))
            }
            Kind::Batch(Some(first)) => {
                let key = first.key.as_ref()?;
                Some((&key.keyspace, route::batch_token(*flags, body, &key.markers)?))
            }
            _ => None,
        }
    }

    /// Takes the answer: gives it to the client, or does what must be done before.
    pub fn answered(self, envelope: Envelope, link: &Arc<Link>, flushes: &mut Flushes) {
        let node = link.address;
        match envelope.header.opcode {
            Opcode::Error => self.failed(envelope, link, flushes),
            Opcode::Result => {
                match &self.kind {
                    Kind::Prepare => self.remember(&envelope),
                    Kind::Use(session) => *self.way.session.lock() = Arc::clone(session),
                    _ if is_schema_change(&envelope) => {
                        // Other nodes are asked next: the client must find everywhere what it was told is done.
                        tokio::spawn(async move {
                            self.way.cluster.settle().await;
                            self.end_at_once(Ok(frame_of(envelope)), Some(node));
                        });
                        return;
                    }
                    _ => {}
                }
                self.end(Ok(frame_of(envelope)), Some(node), flushes);
            }
            _ => self.end(Ok(frame_of(envelope)), Some(node), flushes),
        }
    }

    /// An ERROR: the client's affair, but for what only we can mend.
    fn failed(self, envelope: Envelope, link: &Arc<Link>, flushes: &mut Flushes) {
        let missing = match Response::decode(&envelope) {
            Ok((_, Response::Error(error))) => match error.detail {
                ErrorDetail::Unprepared { id } if self.prepared_again < PREPARED_AGAIN => {
                    self.way.cluster.statements.get(id)
                }
                // It was not done, and another node will.
                ErrorDetail::IsBootstrapping if self.tried.len() < TRIES => {
                    if let Some(link) = self.dispatch(&mut Some(flushes)) {
                        link.wake();
                    }
                    return;
                }
                _ => None,
            },
            _ => None,
        };
        match missing {
            None => self.end(Ok(frame_of(envelope)), Some(link.address), flushes),
            Some(statement) => {
                let link = Arc::clone(link);
                tokio::spawn(self.prepare_again(statement, link, envelope));
            }
        }
    }

    /// Prepares on the node what it has forgotten, or never knew, and sends the request again.
    async fn prepare_again(mut self, statement: Arc<Statement>, link: Arc<Link>, refusal: Envelope) {
        match prepare(&self.way, &statement, &link).await {
            Ok(true) => {
                self.prepared_again += 1;
                match link.submit(self.frame.clone(), Exchange::Client(self)) {
                    Ok(()) => link.wake(),
                    Err(Exchange::Client(back)) => {
                        if let Some(link) = back.dispatch(&mut None) {
                            link.wake();
                        }
                    }
                    Err(Exchange::Own(_)) => {}
                }
            }
            // The client prepares again, and hears what is wrong.
            _ => self.end_at_once(Ok(frame_of(refusal)), Some(link.address)),
        }
    }

    fn remember(&self, envelope: &Envelope) {
        let request = Envelope { header: self.header(), body: self.frame.body.clone() };
        let (Ok((_, Request::Prepare(asked))), Ok((_, Response::Result(QueryResult::Prepared(answer))))) =
            (Request::decode(&request), Response::decode(envelope))
        else {
            return;
        };
        let keyspace = match asked.keyspace {
            Some(keyspace) => Some(quote_if_needed(keyspace).into()),
            None => self.way.session().key.keyspace.clone(),
        };
        self.way.cluster.statements.keep(Statement::new(&answer, asked.query, keyspace));
    }

    fn header(&self) -> Header {
        header(self.way.version, self.stream, &self.frame)
    }

    /// Its link is gone: it is sent to another node where that does no harm, else the client hears that nobody knows.
    pub fn lost(self, how: Lost, node: SocketAddr, flushes: &mut Flushes) {
        if self.tried.len() < TRIES && (how == Lost::Unsent || self.may_repeat()) {
            if let Some(link) = self.dispatch(&mut Some(flushes)) {
                link.wake();
            }
            return;
        }
        let consistency = self.consistency();
        let message = format!(
            "the connection to {node} was lost before it answered: the statement may have been done or not, and \
             cannot be repeated safely"
        );
        let kind = ErrorKind::WriteTimeout {
            consistency: consistency.code(),
            received: 0,
            required: 1,
            write_type: WriteType::Simple,
        };
        self.end(Err(Error::new(kind, message)), Some(node), flushes);
    }

    /// Whether it gives the same when it is done twice.
    fn may_repeat(&self) -> bool {
        let text_may_repeat =
            |text: &str| ilium_cql::parse(text).is_ok_and(|parsed| effect::may_repeat(effect::of(&parsed)));
        match &self.kind {
            Kind::Prepare | Kind::Use(_) => true,
            Kind::Execute(statement) => statement.as_ref().is_some_and(|statement| statement.may_repeat()),
            Kind::Query => route::text(self.frame.flags, &self.frame.body).is_some_and(text_may_repeat),
            Kind::Batch(_) => {
                let request = Envelope { header: self.header(), body: self.frame.body.clone() };
                let Ok((_, Request::Batch(batch))) = Request::decode(&request) else { return false };
                batch.kind != BatchType::Counter
                    && batch.statements.iter().all(|entry| match entry.statement {
                        BatchedStatement::Query(text) => text_may_repeat(text),
                        BatchedStatement::Prepared(id) => self
                            .way
                            .cluster
                            .statements
                            .get(id)
                            .is_some_and(|statement| statement.may_repeat()),
                    })
            }
        }
    }

    fn consistency(&self) -> Consistency {
        let request = Envelope { header: self.header(), body: self.frame.body.clone() };
        match Request::decode(&request) {
            Ok((_, Request::Query(query))) => query.parameters.consistency,
            Ok((_, Request::Execute(execute))) => execute.parameters.consistency,
            Ok((_, Request::Batch(batch))) => batch.parameters.consistency,
            _ => Consistency::One,
        }
    }
}

/// Prepares a statement on the node of a link; `false` if the node gives it another id or refuses it.
async fn prepare(way: &Arc<Way>, statement: &Statement, link: &Arc<Link>) -> Result<bool, Error> {
    let by_version = way.version >= ProtocolVersion::V5;
    let session = way.session();
    let keyspace = statement.keyspace.as_deref();
    let unquoted = keyspace.map(unquoted);
    let request = Request::Prepare(PrepareRequest {
        query: &statement.text,
        keyspace: unquoted.as_deref().filter(|_| by_version),
    });
    let answer = if by_version || session.key.keyspace.as_deref() == keyspace {
        link.ask(&request).await
    } else {
        // Before version 5 the keyspace is the connection's.
        let key = crate::session::SessionKey { keyspace: statement.keyspace.clone(), ..session.key.clone() };
        let other = Session::new(key, way.version, &way.cluster);
        let ring = way.cluster.ring();
        let node = ring.nodes.iter().find(|node| node.address == link.address);
        let node = node.ok_or_else(|| unreachable("the node has left the cluster"))?;
        let passing = other.open(node, &way.cluster).await.map_err(ConnectError::into_error)?;
        let answer = passing.ask(&request).await;
        passing.close();
        answer
    };
    let answer = answer.map_err(|_| unreachable("the node is gone"))?;
    let decoded = Response::decode(&answer);
    Ok(
        matches!(decoded, Ok((_, Response::Result(QueryResult::Prepared(again)))) if *again.id == *statement.id),
    )
}

/// A name in CQL's spelling as it is.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

fn header(version: ProtocolVersion, stream: i16, frame: &Frame) -> Header {
    let flags = Flags::from_bits(frame.flags);
    Header { version, flags, stream, opcode: Opcode::from_byte(frame.opcode).unwrap_or(Opcode::Query) }
}

fn is_schema_change(envelope: &Envelope) -> bool {
    if envelope.header.flags == Flags::NONE {
        return envelope.body.starts_with(&SCHEMA_CHANGE);
    }
    // Something precedes the message: warnings, the id of a trace, a payload.
    matches!(Response::decode(envelope), Ok((_, Response::Result(QueryResult::SchemaChange(_)))))
}

/// What an ERROR says.
fn refusal(version: ProtocolVersion, frame: &Frame) -> Option<Error> {
    if frame.opcode != Opcode::Error.byte() {
        return None;
    }
    let header = Header { version, flags: Flags::from_bits(frame.flags), stream: 0, opcode: Opcode::Error };
    let envelope = Envelope { header, body: frame.body.clone() };
    match Response::decode(&envelope) {
        Ok((_, Response::Error(error))) => Some(of_response(&error)),
        _ => None,
    }
}

fn frame_of(envelope: Envelope) -> Frame {
    let Envelope { header, body } = envelope;
    Frame { version: header.version.number(), flags: header.flags.bits(), opcode: header.opcode.byte(), body }
}
