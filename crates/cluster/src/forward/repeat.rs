//! A request whose link is gone: whether it may be sent again.

use std::net::SocketAddr;

use ilium_protocol::{BatchType, BatchedStatement, Consistency, Envelope, Request};
use ilium_store::{Error, ErrorKind, WriteType};

use super::{Forwarded, Kind, TRIES};
use crate::effect;
use crate::exchange::Flushes;
use crate::link::Lost;
use crate::route;

impl Forwarded {
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
            Kind::Prepare(_) | Kind::Use(_) => true,
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
