//! Preparing: what is remembered of it, and doing it again where a node has forgotten.

use std::sync::Arc;

use ilium_cql::identifier::{quote_if_needed, unquoted};
use ilium_protocol::{Envelope, PrepareRequest, ProtocolVersion, QueryResult, Request, Response};

use super::forwarded::frame_of;
use super::{Forwarded, Kind};
use crate::cluster::Cluster;
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
        let cluster = Arc::clone(&self.way.cluster);
        let prepare = cluster.prepare(&self.session, &statement, &link);
        match cluster.preparing.once(&statement, link.address, prepare).await {
            true => {
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
            false => self.end_at_once(Ok(frame_of(refusal)), Some(link.address)),
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

    pub(super) fn remember(&self, envelope: &Envelope) {
        let request = Envelope { header: self.header(), body: self.frame.body.clone() };
        let (Ok((_, Request::Prepare(asked))), Ok((_, Response::Result(QueryResult::Prepared(answer))))) =
            (Request::decode(&request), Response::decode(envelope))
        else {
            return;
        };
        let keyspace = match asked.keyspace {
            Some(keyspace) => Some(quote_if_needed(keyspace).into()),
            None => self.session.key.keyspace.clone(),
        };
        let schema = self.way.cluster.schema();
        let statement = Statement::new(&answer, asked.query, keyspace, schema.as_deref());
        self.way.cluster.statements.keep(statement);
    }
}

impl Cluster {
    /// Prepares a statement on the node of a link; `false` if the node refuses it or gives it another id.
    async fn prepare(
        self: &Arc<Self>,
        session: &Arc<Session>,
        statement: &Statement,
        link: &Arc<Link>,
    ) -> bool {
        let by_version = session.version >= ProtocolVersion::V5;
        let keyspace = statement.keyspace.as_deref().map(unquoted);
        let request = Request::Prepare(PrepareRequest {
            query: &statement.text,
            keyspace: keyspace.as_deref().filter(|_| by_version),
        });
        // The keyspace of a link matters before version 5, and only where a name has none.
        if ask(link, &request, statement).await {
            return true;
        }
        if by_version || session.key.keyspace == statement.keyspace {
            return false;
        }
        let key = SessionKey { keyspace: statement.keyspace.clone(), ..session.key.clone() };
        let ring = self.ring();
        let Some(node) = ring.nodes.iter().find(|node| node.address == link.address) else { return false };
        let Some(permit) = self.dialler.further_permit() else { return false };
        let Ok(passing) = key.open(session.version, node, &self.dialler).await else { return false };
        passing.hold(permit);
        let prepared = ask(&passing, &request, statement).await;
        passing.close();
        prepared
    }
}

/// Whether a node prepares a statement under the id that clients know.
async fn ask(link: &Arc<Link>, request: &Request<'_>, statement: &Statement) -> bool {
    let Ok(answer) = link.ask(request).await else { return false };
    match Response::decode(&answer) {
        Ok((_, Response::Result(QueryResult::Prepared(again)))) if *again.id == *statement.id => {
            statement.prepared_again(&again);
            true
        }
        _ => false,
    }
}
