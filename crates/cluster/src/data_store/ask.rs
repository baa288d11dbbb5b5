//! One request to the cluster, until there is an answer: where it goes, what is mended on the way, and when it is given
//! up.
//!
//! It is sent to another node where the first did nothing of it: its link was gone before the request left, or it was
//! still starting. What a node may have done is sent again only if that changes nothing. Everything else is the
//! caller's: the cluster has answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ilium_protocol::{
    BatchRequest, BatchStatement, BatchType, BatchedStatement, Consistency, Envelope, ErrorDetail,
    ExecuteRequest, Opcode, QueryParameters, QueryRequest, Request, RequestExtras, Response, ResponseExtras,
    Values,
};
use ilium_store::{Context, Effect, Error, ErrorKind, Result, WriteType};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::{sleep, timeout_at};

use super::plan::{Handle, Planned};
use super::request::Route;
use crate::cluster::Cluster;
use crate::error::{nonsense, of_response, unexpected};
use crate::in_doubt;
use crate::link::{Link, Lost};
use crate::ring::Place;
use crate::session::Session;

/// Nodes a request is sent to at most.
const TRIES: usize = 3;

/// Times a request has its statements prepared again. A batch may hold many that a node has forgotten.
const PREPARED_AGAIN: u8 = 64;

/// What is asked.
#[derive(Clone)]
pub(super) enum Message<'m> {
    Text {
        text: &'m str,
        parameters: QueryParameters<'m>,
    },
    Prepare(&'m Planned),
    Statement {
        statement: &'m Planned,
        parameters: QueryParameters<'static>,
        /// Where the page begins, as the cluster has it.
        page: Option<Bytes>,
    },
    Batch {
        kind: BatchType,
        entries: &'m [(Arc<Planned>, Values)],
        parameters: QueryParameters<'m>,
    },
}

pub(super) struct Asked<'a> {
    pub cluster: &'a Arc<Cluster>,
    pub session: &'a Arc<Session>,
    pub message: Message<'a>,
    pub route: Option<Route>,
    pub effect: Effect,
    /// Whether doing it twice changes nothing.
    pub may_repeat: bool,
    pub speculate_after: Option<Duration>,
    pub context: &'a Context,
}

/// What a node answered, and by what handle the statement was executed.
pub(super) struct Reply {
    pub envelope: Envelope,
    /// By which it came.
    pub link: Arc<Link>,
    pub handle: Option<Arc<Handle>>,
}

/// What came of all tries of one request.
#[derive(Default)]
struct Tried {
    /// The nodes that were asked.
    places: SmallVec<[Place; TRIES]>,
    /// One whose connection was lost before it answered: it may have done it.
    lost: Option<SocketAddr>,
}

impl Asked<'_> {
    /// The answer, within the time the context gives. An ERROR of the cluster is an error here.
    pub async fn reply(&self) -> Result<Reply> {
        let tried = Mutex::new(Tried::default());
        let reply = self.in_time(&tried).await;
        reply.map_err(|error| match tried.lock().lost {
            // Whoever was asked last has done nothing; who was lost before may have.
            Some(node) if says_nothing_was_done(&error) && self.effect != Effect::Read => {
                self.timed_out(in_doubt::no_other_did(node))
            }
            _ => error,
        })
    }

    async fn in_time(&self, tried: &Mutex<Tried>) -> Result<Reply> {
        let asked = async {
            match self.speculate_after {
                None => self.until_answered(tried).await,
                // What is rare has a future of its own, so that every request's need not hold it.
                Some(pause) => Box::pin(self.first_of_two(pause, tried)).await,
            }
        };
        let Some(deadline) = self.context.deadline else { return asked.await };
        match timeout_at(deadline.into(), asked).await {
            Ok(reply) => reply,
            Err(_) => Err(self.timed_out(
                "Operation timed out: the cluster did not answer in the time this request has; ask for less, or allow \
                 more time"
                    .to_owned(),
            )),
        }
    }

    /// Asks a second node where the first is slow.
    async fn first_of_two(&self, pause: Duration, tried: &Mutex<Tried>) -> Result<Reply> {
        let mut first = std::pin::pin!(self.until_answered(tried));
        tokio::select! {
            reply = &mut first => return reply,
            () = sleep(pause) => {}
        }
        let mut second = std::pin::pin!(self.until_answered(tried));
        // Where one fails the other may not.
        tokio::select! {
            reply = &mut first => match reply {
                Ok(reply) => Ok(reply),
                Err(error) => second.await.map_err(|_| error),
            },
            reply = &mut second => match reply {
                Ok(reply) => Ok(reply),
                Err(_) => first.await,
            },
        }
    }

    async fn until_answered(&self, tried: &Mutex<Tried>) -> Result<Reply> {
        let mut prepared_again = 0;
        let mut tries = 0;
        let mut last = None;
        while tries < TRIES {
            let Some((place, link)) = self.pick(&tried.lock().places) else { break };
            if tries > 0 && tried.lock().places.contains(&place) {
                break;
            }
            tried.lock().places.push(place);
            tries += 1;
            loop {
                let (sent, handle) = self.send(&link).await;
                let envelope = match sent {
                    Ok(envelope) => envelope,
                    Err(Lost::Unsent) => break,
                    Err(Lost::Sent) if self.may_repeat => {
                        tried.lock().lost = Some(link.address);
                        break;
                    }
                    Err(Lost::Sent) => {
                        return Err(self.timed_out(in_doubt::not_repeated(self.effect, link.address)));
                    }
                };
                self.note_trace(&envelope);
                if envelope.header.opcode != Opcode::Error {
                    return Ok(Reply { envelope, link, handle });
                }
                let failed = |error: Error| error.of_node(link.address);
                let decoded = Response::decode(&envelope).map_err(nonsense);
                let (extras, response) = decoded.map_err(failed)?;
                let Response::Error(refusal) = response else {
                    return Err(failed(unexpected(&response, "an error")));
                };
                match refusal.detail {
                    ErrorDetail::Unprepared { id } if prepared_again < PREPARED_AGAIN => {
                        prepared_again += 1;
                        Box::pin(self.prepare_again(id, &link)).await.map_err(failed)?;
                    }
                    ErrorDetail::IsBootstrapping => {
                        last = Some(failed(of_response(&refusal)));
                        break;
                    }
                    _ => {
                        let mut error = failed(of_response(&refusal));
                        error.warnings = extras.warnings.into_iter().map(str::to_owned).collect();
                        return Err(error);
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| self.unavailable()))
    }

    fn note_trace(&self, envelope: &Envelope) {
        if self.context.engine_trace.is_wanted()
            && let Ok((ResponseExtras { tracing_id: Some(id), .. }, _)) = Response::decode(envelope)
        {
            self.context.engine_trace.note(id);
        }
    }

    fn pick(&self, tried: &[Place]) -> Option<(Place, Arc<Link>)> {
        self.cluster.with_ring(|ring| {
            let preferred =
                self.route.as_ref().map_or(&[][..], |(keyspace, token)| ring.replicas(keyspace, *token));
            self.session.pick(ring, preferred, tried)
        })
    }

    async fn send(&self, link: &Link) -> (std::result::Result<Envelope, Lost>, Option<Arc<Handle>>) {
        let extras = RequestExtras { tracing: self.context.engine_trace.is_wanted(), ..Default::default() };
        match &self.message {
            Message::Text { text, parameters } => {
                let query = QueryRequest { query: text, parameters: parameters.clone() };
                (link.ask_with(&extras, &Request::Query(query)).await, None)
            }
            Message::Prepare(planned) => (link.ask(&planned.request()).await, None),
            Message::Statement { statement, parameters, page } => {
                let handle = statement.handle();
                let mut parameters: QueryParameters<'_> = parameters.clone();
                parameters.paging_state = page.as_deref();
                // Only version 5 tells when they are others than we think.
                parameters.skip_metadata = handle.metadata_id.is_some() && handle.rows.is_some();
                let execute = ExecuteRequest {
                    id: &handle.id,
                    result_metadata_id: handle.metadata_id.as_deref(),
                    parameters,
                };
                (link.ask_with(&extras, &Request::Execute(execute)).await, Some(handle))
            }
            Message::Batch { kind, entries, parameters } => {
                let handles: Vec<Arc<Handle>> =
                    entries.iter().map(|(statement, _)| statement.handle()).collect();
                let statements = entries.iter().zip(&handles).map(|((_, values), handle)| BatchStatement {
                    statement: BatchedStatement::Prepared(&handle.id),
                    values: values.clone(),
                });
                let batch = BatchRequest {
                    kind: *kind,
                    statements: statements.collect(),
                    parameters: parameters.clone(),
                };
                (link.ask_with(&extras, &Request::Batch(batch)).await, None)
            }
        }
    }

    /// Has a node prepare what it has forgotten, or never knew.
    async fn prepare_again(&self, id: &[u8], link: &Link) -> Result<()> {
        let planned = match &self.message {
            Message::Statement { statement, .. } => Some(*statement),
            Message::Batch { entries, .. } => entries
                .iter()
                .map(|(statement, _)| &**statement)
                .find(|statement| *statement.handle().id == *id),
            Message::Text { .. } | Message::Prepare(_) => None,
        };
        let Some(planned) = planned else {
            return Err(Error::internal("a node does not know a statement that it was not asked for"));
        };
        let reply = link.ask(&planned.request()).await.map_err(|_| self.unavailable())?;
        if reply.header.opcode == Opcode::Error
            && let Ok((_, Response::Error(refusal))) = Response::decode(&reply)
        {
            // Its table is gone, or is no longer as the statement wants it.
            return Err(of_response(&refusal));
        }
        let handle = Handle::of(&reply)?;
        // The columns we know stay until a node tells others with its rows.
        let known = planned.handle();
        if *known.id != *handle.id || known.metadata_id != handle.metadata_id {
            planned.set_handle(handle);
        }
        Ok(())
    }

    /// No node was there to do anything of it.
    fn unavailable(&self) -> Error {
        let level = self.context.consistency as u16;
        let name = Consistency::from_code(level).map_or("ONE", Consistency::name);
        let kind = ErrorKind::Unavailable { consistency: level, required: 1, alive: 0 };
        let nodes = self.cluster.ring().nodes.len();
        Error::new(
            kind,
            format!(
                "Cannot achieve consistency level {name}: none of the {nodes} nodes of the cluster can be reached"
            ),
        )
    }

    fn timed_out(&self, message: String) -> Error {
        let write_type = match &self.message {
            Message::Batch { kind, .. } => in_doubt::write_type_of_batch(*kind),
            Message::Text { text, .. } => in_doubt::write_type(ilium_cql::parse(text).ok().as_ref()),
            Message::Statement { statement, .. } => {
                in_doubt::write_type(ilium_cql::parse(&statement.text).ok().as_ref())
            }
            Message::Prepare(_) => WriteType::Simple,
        };
        in_doubt::timed_out(self.effect, write_type, self.context.consistency as u16, message)
    }
}

fn says_nothing_was_done(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Unavailable { .. } | ErrorKind::Overloaded | ErrorKind::Bootstrapping)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use ilium_store::Principal;

    use super::*;
    use crate::Options;
    use crate::scripted::{self, NEAR, Says, ScriptedNode, cluster_of, until};
    use crate::session::SessionKey;

    const ONE: &str = "UPDATE t USING TIMESTAMP 1 SET v = 1 WHERE k = 1";
    const SEVERAL: &str =
        "BEGIN UNLOGGED BATCH UPDATE t USING TIMESTAMP 1 SET v = 1 WHERE k = 1; APPLY BATCH";

    /// What is heard of a statement whose first node is lost while it is asked; the next says so, and without one there is none.
    async fn heard(text: &'static str, effect: Effect, next: Option<ErrorDetail<'static>>) -> ErrorKind {
        let is_first = Arc::new(AtomicBool::new(true));
        let script = || {
            let (is_first, next) = (Arc::clone(&is_first), next.clone());
            move |asked: &scripted::Asked| match asked.text == text {
                true if is_first.swap(false, Ordering::SeqCst) => Says::Nothing,
                true => Says::error(asked, "nothing was done", next.clone().unwrap()),
                false => Says::AsUsual,
            }
        };
        let mut nodes = vec![ScriptedNode::start(script()).await];
        if next.is_some() {
            nodes.push(ScriptedNode::start(script()).await);
        }
        let ring: Vec<_> = nodes.iter().map(|node| (node.address, NEAR)).collect();
        let cluster = cluster_of(Options::new(Vec::new()), &ring, false);
        let key = SessionKey { role: None, version: cluster.facts.newest.number(), keyspace: None };
        let session = cluster.open_session(key).await.unwrap();
        until("all nodes have a link", || cluster.stats().links == nodes.len()).await;
        let lose = async {
            let asked =
                |node: &ScriptedNode| node.heard(Opcode::Query).into_iter().find(|asked| asked.text == text);
            until("one is asked", || nodes.iter().any(|node| asked(node).is_some())).await;
            let holds = nodes.iter().find(|node| asked(node).is_some()).unwrap();
            holds.sever(asked(holds).unwrap().connection);
        };
        let context = Context::new(Principal::Anonymous);
        let parameters = QueryParameters::new(Consistency::One);
        let asked = Asked {
            cluster: &cluster,
            session: &session,
            message: Message::Text { text, parameters },
            route: None,
            effect,
            may_repeat: true,
            speculate_after: None,
            context: &context,
        };
        let (reply, ()) = tokio::join!(asked.reply(), lose);
        reply.map(|_| ()).unwrap_err().kind
    }

    #[tokio::test]
    async fn a_write_that_a_lost_node_may_have_done_is_not_said_to_be_undone() {
        let unavailable =
            ErrorDetail::Unavailable { consistency: Consistency::Quorum, required: 2, alive: 1 };
        for next in
            [None, Some(unavailable), Some(ErrorDetail::Overloaded), Some(ErrorDetail::IsBootstrapping)]
        {
            let kind = heard(ONE, Effect::IdempotentWrite, next.clone()).await;
            assert!(matches!(kind, ErrorKind::WriteTimeout { .. }), "{next:?}: {kind:?}");
        }
        let kind = heard(SEVERAL, Effect::IdempotentWrite, None).await;
        assert!(
            matches!(kind, ErrorKind::WriteTimeout { write_type: WriteType::UnloggedBatch, .. }),
            "{kind:?}"
        );
        // What changes nothing can be asked again by who asked.
        let kind = heard(ONE, Effect::Read, Some(ErrorDetail::Overloaded)).await;
        assert!(matches!(kind, ErrorKind::Overloaded), "{kind:?}");
    }
}
