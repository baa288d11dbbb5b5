//! A client's request from its sending to its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ilium_cql::identifier::quote_if_needed;
use ilium_protocol::{Envelope, ErrorDetail, Flags, Header, Opcode, ProtocolVersion, QueryResult, Response};
use ilium_store::{Error, Frame, Seen};
use smallvec::SmallVec;

use super::exchanged::Exchanged;
use super::{Forwarded, Kind, PREPARED_AGAIN, SCHEMA_CHANGE, SET_KEYSPACE, TRIES, Way, header};
use crate::error::{of_response, unreachable};
use crate::exchange::{Exchange, Flushes};
use crate::link::Link;
use crate::route;
use crate::session::{Session, SessionKey};

impl Forwarded {
    pub(super) fn new(
        way: &Arc<Way>,
        session: Arc<Session>,
        stream: i16,
        frame: Frame,
        kind: Kind,
    ) -> Forwarded {
        if let Some(watcher) = way.cluster.watcher.get() {
            watcher.begins();
        }
        Forwarded {
            way: Arc::clone(way),
            session,
            stream,
            frame,
            kind,
            tried: SmallVec::new(),
            has_left: false,
            prepared_again: 0,
            begun: Instant::now(),
            stands_apart: false,
        }
    }

    /// Ends it: the client gets its answer, and whoever watches is told.
    pub(super) fn end(self, answer: Result<Frame, Error>, node: Option<SocketAddr>, flushes: &mut Flushes) {
        if let Some(watcher) = self.way.cluster.watcher.get() {
            let refusal = answer.as_ref().ok().and_then(|frame| refusal(self.way.version, frame));
            let prepared = match &self.kind {
                Kind::Execute(statement) => Some(statement),
                Kind::Batch(first) => first.as_ref(),
                Kind::Query | Kind::Prepare | Kind::Use => None,
            };
            let text = match &self.kind {
                Kind::Execute(_) | Kind::Batch(_) => prepared.map(|known| &*known.text),
                Kind::Query | Kind::Prepare | Kind::Use => route::text(self.frame.flags, &self.frame.body),
            };
            let keyspace = prepared.map_or(&self.session.key.keyspace, |known| &known.keyspace);
            watcher.ends(&Seen {
                caller: &self.way.caller,
                opcode: self.frame.opcode,
                text,
                shown: prepared.map(|known| &known.shown),
                node,
                took: flushes.now.saturating_duration_since(self.begun),
                error: answer.as_ref().err().or(refusal.as_ref()),
                keyspace: keyspace.as_deref(),
                frames: &Exchanged {
                    header: self.header(),
                    asked: &self.frame,
                    answer: answer.as_ref().ok(),
                },
            });
        }
        self.way.give(self.stream, answer, flushes);
    }

    pub(super) fn end_at_once(self, answer: Result<Frame, Error>, node: Option<SocketAddr>) {
        let mut flushes = Flushes::default();
        self.end(answer, node, &mut flushes);
        flushes.flush();
    }

    /// Writes it to a link, which is given to be woken. Where none takes it the client is told; `flushes` is for callers
    /// that tell several at once.
    pub(super) fn dispatch(mut self, flushes: &mut Option<&mut Flushes>) -> Option<Arc<Link>> {
        let way = Arc::clone(&self.way);
        let session = Arc::clone(&self.session);
        let mut error = None;
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
                error = Some(Error::overloaded(
                    "every connection to the cluster has as many requests under way as it may; send fewer at once",
                ));
            }
            if !is_new {
                break;
            }
        }
        let error = match self.in_doubt() {
            Some(unknown) => unknown,
            None => error.unwrap_or_else(|| unreachable("no node of the cluster can be reached")),
        };
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
            Kind::Execute(statement) => {
                let key = statement.key.as_ref()?;
                let token = route::token(self.way.version, *flags, body, key)?;
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
                    Kind::Use => *self.way.session.lock() = Arc::clone(&self.session),
                    _ if is_result(&envelope, SET_KEYSPACE) => {
                        tokio::spawn(self.follow(envelope, Arc::clone(link)));
                        return;
                    }
                    _ if is_result(&envelope, SCHEMA_CHANGE) => {
                        // Other nodes are asked next: the client must find everywhere what it was told is done.
                        let link = Arc::clone(link);
                        tokio::spawn(async move {
                            self.way.cluster.settle(&link).await;
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

    /// A statement that was not seen to be a `USE` changed the keyspace of a link that others share: the link is taken out,
    /// and the client goes on in the session of that keyspace.
    async fn follow(self, envelope: Envelope, link: Arc<Link>) {
        link.leave(self.way.cluster.options.silence);
        let chosen = match Response::decode(&envelope) {
            Ok((_, Response::Result(QueryResult::SetKeyspace(keyspace)))) => {
                Some(quote_if_needed(keyspace).into())
            }
            _ => None,
        };
        let key = SessionKey { keyspace: chosen, ..self.session.key.clone() };
        match self.way.cluster.open_session(key).await {
            Ok(session) => {
                *self.way.session.lock() = session;
                self.end_at_once(Ok(frame_of(envelope)), Some(link.address));
            }
            Err(error) => self.end_at_once(Err(error), Some(link.address)),
        }
    }

    /// An ERROR: the client's affair, but for what only we can mend, or know better.
    fn failed(self, envelope: Envelope, link: &Arc<Link>, flushes: &mut Flushes) {
        let (missing, doubt) = match Response::decode(&envelope) {
            Ok((_, Response::Error(error))) => match error.detail {
                ErrorDetail::Unprepared { id } if self.prepared_again < PREPARED_AGAIN => {
                    (self.way.cluster.statements.get(id), None)
                }
                // It was not done, and another node will.
                ErrorDetail::IsBootstrapping if self.tried.len() < TRIES => {
                    if let Some(link) = self.dispatch(&mut Some(flushes)) {
                        link.wake();
                    }
                    return;
                }
                // This node has done nothing; another that it left for before may have.
                ErrorDetail::Unavailable { .. } | ErrorDetail::Overloaded | ErrorDetail::IsBootstrapping => {
                    (None, self.in_doubt())
                }
                _ => (None, None),
            },
            _ => (None, None),
        };
        match missing {
            None => self.end(doubt.map_or_else(|| Ok(frame_of(envelope)), Err), Some(link.address), flushes),
            Some(statement) => {
                let link = Arc::clone(link);
                tokio::spawn(self.prepare_again(statement, link, envelope));
            }
        }
    }

    pub(super) fn header(&self) -> Header {
        header(self.way.version, self.stream, &self.frame)
    }
}

/// Whether a RESULT is of this kind.
pub(crate) fn is_result(envelope: &Envelope, kind: [u8; 4]) -> bool {
    if envelope.header.flags == Flags::NONE {
        return envelope.body.starts_with(&kind);
    }
    // Something precedes the message: warnings, the id of a trace, a payload.
    match Response::decode(envelope) {
        Ok((_, Response::Result(QueryResult::SchemaChange(_)))) => kind == SCHEMA_CHANGE,
        Ok((_, Response::Result(QueryResult::SetKeyspace(_)))) => kind == SET_KEYSPACE,
        _ => false,
    }
}

/// What an ERROR says.
pub(crate) fn refusal(version: ProtocolVersion, frame: &Frame) -> Option<Error> {
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

pub(super) fn frame_of(envelope: Envelope) -> Frame {
    let Envelope { header, body } = envelope;
    Frame { version: header.version.number(), flags: header.flags.bits(), opcode: header.opcode.byte(), body }
}
