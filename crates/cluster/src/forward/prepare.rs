//! Preparing: what is remembered of it, and doing it again where a node has forgotten.

use std::sync::Arc;

use ilium_cql::identifier::quote_if_needed;
use ilium_protocol::{Envelope, PrepareRequest, ProtocolVersion, QueryResult, Request, Response};
use ilium_store::Error;

use super::forwarded::frame_of;
use super::{Forwarded, Kind, Way};
use crate::error::{ConnectError, unreachable};
use crate::exchange::Exchange;
use crate::link::Link;
use crate::prepared::Statement;
use crate::route;
use crate::session::{Session, SessionKey};

impl Forwarded {
    /// Prepares on the node what it has forgotten, or never knew, and sends the request again.
    pub(super) async fn prepare_again(
        mut self,
        statement: Arc<Statement>,
        link: Arc<Link>,
        refusal: Envelope,
    ) {
        match prepare(&self.way, &statement, &link).await {
            Ok(true) => {
                self.prepared_again += 1;
                self.want_columns(&statement);
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

    /// Has the columns sent along with the rows where the client may hold others.
    pub(super) fn want_columns(&mut self, statement: &Statement) {
        if self.way.version < ProtocolVersion::V5
            && statement.has_changed()
            && matches!(self.kind, Kind::Execute(_))
            && let Some(body) = route::with_columns(self.frame.flags, &self.frame.body)
        {
            self.frame.body = body;
        }
    }

    pub(super) fn remember(&self, of_session: Option<Arc<str>>, envelope: &Envelope) {
        let request = Envelope { header: self.header(), body: self.frame.body.clone() };
        let (Ok((_, Request::Prepare(asked))), Ok((_, Response::Result(QueryResult::Prepared(answer))))) =
            (Request::decode(&request), Response::decode(envelope))
        else {
            return;
        };
        let keyspace = match asked.keyspace {
            Some(keyspace) => Some(quote_if_needed(keyspace).into()),
            None => of_session,
        };
        let schema = self.way.cluster.schema();
        let statement = Statement::new(&answer, asked.query, keyspace, schema.as_deref());
        self.way.cluster.statements.keep(statement);
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
        let key = SessionKey { keyspace: statement.keyspace.clone(), ..session.key.clone() };
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
    match Response::decode(&answer) {
        Ok((_, Response::Result(QueryResult::Prepared(again)))) if *again.id == *statement.id => {
            statement.prepared_again(&again);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A name in CQL's spelling as it is.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}
