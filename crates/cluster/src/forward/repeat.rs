//! A request whose link is gone: whether it may be sent again.

use std::net::SocketAddr;

use ilium_protocol::{BatchType, BatchedStatement, Consistency, Envelope, QueryParameters, Request};
use ilium_store::{Effect, Error, WriteType};

use super::{Forwarded, Kind, TRIES};
use crate::error::unreachable;
use crate::exchange::Flushes;
use crate::link::Lost;
use crate::{effect, in_doubt};

impl Forwarded {
    /// Its link is gone: it is sent to another node where that does no harm, else the client hears that nobody knows.
    pub fn lost(mut self, how: Lost, node: SocketAddr, flushes: &mut Flushes) {
        let circumstances = self.circumstances();
        self.has_left |= how == Lost::Sent;
        if self.tried.len() < TRIES && (how == Lost::Unsent || circumstances.may_repeat()) {
            if let Some(link) = self.dispatch(&mut Some(flushes)) {
                link.wake();
            }
            return;
        }
        let error = match self.has_left {
            false => unreachable("the connections to its nodes were lost before it was sent"),
            true => circumstances.timed_out(in_doubt::not_repeated(circumstances.effect, node)),
        };
        self.end(Err(error), Some(node), flushes);
    }

    /// What the client hears of a write that left for a node, where no other takes it or the other says that it did nothing: to
    /// say so of all would be wrong.
    pub(super) fn in_doubt(&self) -> Option<Error> {
        let circumstances = self.has_left.then(|| self.circumstances())?;
        (!circumstances.changes_nothing()).then(|| circumstances.timed_out(in_doubt::no_other_did("a node")))
    }

    /// What decides whether it may be sent twice, and what to say if it may not.
    fn circumstances(&self) -> Circumstances {
        let request = Envelope { header: self.header(), body: self.frame.body.clone() };
        let decoded = Request::decode(&request);
        let of_text = |text: &str, parameters: &QueryParameters<'_>| {
            let parsed = ilium_cql::parse(text).ok();
            let has_time =
                parameters.timestamp.is_some() || parsed.as_ref().is_some_and(effect::has_timestamp);
            // What our parser does not know is not repeated.
            let effect = parsed.as_ref().map_or(Effect::Write, effect::of);
            let write_type = in_doubt::write_type(parsed.as_ref());
            Circumstances { consistency: parameters.consistency, effect, has_time, write_type }
        };
        match (&decoded, &self.kind) {
            (_, Kind::Prepare | Kind::Use) => Circumstances::harmless(),
            (Ok((_, Request::Query(query))), _) => of_text(query.query, &query.parameters),
            (Ok((_, Request::Execute(execute))), Kind::Execute(statement)) => {
                of_text(&statement.text, &execute.parameters)
            }
            (Ok((_, Request::Batch(batch))), _) => {
                let start = match batch.kind {
                    BatchType::Counter => Effect::Write,
                    BatchType::Logged | BatchType::Unlogged => Effect::IdempotentWrite,
                };
                let all = Circumstances {
                    consistency: batch.parameters.consistency,
                    effect: start,
                    has_time: true,
                    write_type: in_doubt::write_type_of_batch(batch.kind),
                };
                batch.statements.iter().fold(all, |all, entry| {
                    let one = match entry.statement {
                        BatchedStatement::Query(text) => of_text(text, &batch.parameters),
                        BatchedStatement::Prepared(id) => match self.way.cluster.statements.get(id) {
                            Some(statement) => of_text(&statement.text, &batch.parameters),
                            None => of_text("", &batch.parameters),
                        },
                    };
                    Circumstances {
                        effect: effect::together(all.effect, one.effect),
                        has_time: all.has_time && one.has_time,
                        ..all
                    }
                })
            }
            _ => Circumstances { effect: Effect::Write, ..Circumstances::harmless() },
        }
    }
}

/// What a request does, and under what.
struct Circumstances {
    consistency: Consistency,
    effect: Effect,
    /// Whether it says itself when it is: without that a node gives it the time at which it gets to it, and one that was
    /// held up for long would put it after what came later.
    has_time: bool,
    /// What Cassandra calls it.
    write_type: WriteType,
}

impl Circumstances {
    fn harmless() -> Circumstances {
        Circumstances {
            consistency: Consistency::One,
            effect: Effect::Read,
            has_time: false,
            write_type: WriteType::Simple,
        }
    }

    fn changes_nothing(&self) -> bool {
        matches!(self.effect, Effect::Read | Effect::UseKeyspace)
    }

    fn may_repeat(&self) -> bool {
        match self.effect {
            Effect::Read | Effect::UseKeyspace => true,
            Effect::IdempotentWrite => self.has_time,
            _ => false,
        }
    }

    fn timed_out(&self, message: String) -> Error {
        in_doubt::timed_out(self.effect, self.write_type, self.consistency.code(), message)
    }
}
