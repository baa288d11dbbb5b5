//! [`DataStore`] in front of a cluster, on the same links as forwarded frames.
//!
//! Vocabulary: a *plan* is a statement as the cluster knows it: one that it prepared, with the *handle* by which it is
//! executed, or a text that is sent as it is. The *snapshot* is the schema as it was last read.
//!
//! The path of a statement: [`prepare`] prints it to its canonical text and has it prepared, once for all that print alike;
//! [`request`] binds the values' bytes; [`ask`] sends it to a node that has the partition; [`answer`] makes rows of what
//! comes back, whose cells stay in the frame they came in. Every statement runs on links of its principal's role: the
//! cluster decides what that may do.

mod answer;
mod ask;
mod capabilities;
mod follow;
mod pages;
mod plan;
mod prepare;
mod request;
mod splits;

use std::sync::Arc;
use std::time::Duration;

use ilium_cql::ast::Statement;
use ilium_cql::schema::Schema;
use ilium_protocol::BatchType;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Effect, Error, ErrorKind,
    Outcome, Prepared, Principal, Result, ResultKind, SchemaListener, Seals, TokenSplit,
};

use self::ask::{Asked, Message};
use self::plan::Plan;
use self::prepare::Plans;
use crate::Upstream;
use crate::cluster::Cluster;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// How statements are run that the callers' requests do not say.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Prepared statements kept, the least used forgotten first: those of a program are hundreds, and one takes some KiB.
    pub max_plans: usize,
    /// After how long a second node is asked for what the first has not answered yet. Only for what gives the same
    /// when it is done twice. `None`: never.
    pub speculate_after: Option<Duration>,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions { max_plans: 10_000, speculate_after: None }
    }
}

/// Statements and schema of a running cluster.
#[derive(Clone)]
pub struct ClusterStore(Arc<Inner>);

struct Inner {
    cluster: Arc<Cluster>,
    options: StoreOptions,
    plans: Plans,
    snapshot: Arc<Snapshot>,
    seals: Arc<dyn Seals>,
}

impl ClusterStore {
    /// Reads the schema, and follows it from then on. `seals` seals page states: of all replicas alike, or a page that one
    /// began cannot be turned on another.
    pub async fn open(
        upstream: &Upstream,
        options: StoreOptions,
        seals: Arc<dyn Seals>,
    ) -> Result<ClusterStore> {
        let cluster = Arc::clone(upstream.cluster());
        let snapshot = follow::begin(&cluster).await?;
        cluster.set_snapshot(&snapshot);
        let plans = Plans::new(options.max_plans);
        Ok(ClusterStore(Arc::new(Inner { cluster, options, plans, snapshot, seals })))
    }

    /// Waits until the snapshot is of the schema that the cluster has now.
    pub async fn refresh(&self) -> Result<()> {
        self.0.snapshot.refresh(|| self.0.cluster.control()).await
    }

    /// How many statements are kept prepared.
    pub fn prepared_count(&self) -> usize {
        self.0.plans.len()
    }
}

impl DataStore for ClusterStore {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        let inner = Arc::clone(&self.0);
        let keyspace = keyspace.map(Arc::from);
        Answer::Later(Box::pin(async move { inner.prepare(statement, keyspace).await }))
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        let (inner, prepared, context) = (Arc::clone(&self.0), Arc::clone(prepared), context.clone());
        Answer::Later(Box::pin(async move { inner.execute(&prepared, binds, context).await }))
    }

    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        let (inner, context) = (Arc::clone(&self.0), context.clone());
        Answer::Later(Box::pin(async move { inner.execute_batch(kind, entries, context).await }))
    }

    fn schema(&self) -> Arc<Schema> {
        self.0.snapshot.schema()
    }

    fn listen(&self, listener: SchemaListener) {
        self.0.snapshot.listen(listener);
    }

    fn capabilities(&self) -> Capabilities {
        capabilities::of(&self.0.cluster, &self.0.snapshot.schema())
    }

    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>> {
        let inner = Arc::clone(&self.0);
        let (keyspace, table) = (keyspace.to_owned(), table.to_owned());
        Answer::Later(Box::pin(async move {
            if inner.snapshot.schema().table(&keyspace, &table).is_none() {
                return Err(Error::invalid(format!("table {keyspace}.{table} does not exist")));
            }
            splits::of(&inner.cluster, &keyspace, &table, at_least).await
        }))
    }
}

impl Inner {
    async fn execute(&self, prepared: &Prepared, binds: Binds, context: Context) -> Result<Outcome> {
        request::check(&context, &binds, self.cluster.facts.newest)?;
        match prepared.plan.downcast_ref::<Plan>() {
            None => Err(Error::internal("a statement of another engine was executed")),
            Some(Plan::Use(keyspace)) => match self.snapshot.schema().keyspace(keyspace) {
                Some(_) => Ok(Outcome::of(ResultKind::SetKeyspace(Arc::clone(keyspace)))),
                None => Err(Error::invalid(format!("Keyspace '{keyspace}' does not exist"))),
            },
            // What comes seldom has a future of its own, so that every statement's need not hold it.
            Some(Plan::Text { text, keyspace }) => {
                Box::pin(self.execute_text(prepared.effect, text, keyspace.as_ref(), &context)).await
            }
            Some(Plan::Statement(statement)) => {
                let session = self.session(&context.principal, statement.connection_keyspace()).await?;
                let may_repeat = may_repeat(prepared.effect, statement.has_timestamp, &context);
                let asked = Asked {
                    cluster: &self.cluster,
                    session: &session,
                    message: Message::Statement {
                        statement,
                        parameters: request::bound(&binds, &context)?,
                        page: None,
                    },
                    route: request::route(prepared, &binds),
                    effect: prepared.effect,
                    may_repeat,
                    speculate_after: self.options.speculate_after.filter(|_| may_repeat),
                    context: &context,
                };
                if prepared.effect == Effect::Read {
                    pages::read(asked, statement, &binds, &*self.seals).await
                } else {
                    let reply = asked.reply().await?;
                    answer::outcome(&reply, None)
                }
            }
        }
    }

    async fn execute_text(
        &self,
        effect: Effect,
        text: &str,
        keyspace: Option<&Arc<str>>,
        context: &Context,
    ) -> Result<Outcome> {
        let keyspace = context.keyspace.as_ref().or(keyspace);
        let session = self.session(&context.principal, keyspace).await?;
        let by_request = keyspace.map(|name| &**name).filter(|_| plan::names_keyspaces(session.version));
        let asked = Asked {
            cluster: &self.cluster,
            session: &session,
            message: Message::Text { text, parameters: request::parameters(context, by_request)? },
            route: None,
            effect,
            may_repeat: effect == Effect::Read,
            speculate_after: None,
            context,
        };
        let reply = asked.reply().await?;
        let outcome = answer::outcome(&reply, None)?;
        if let ResultKind::SchemaChange(_) = &outcome.result {
            self.cluster.settle(&reply.link).await;
        }
        Ok(outcome)
    }

    async fn execute_batch(
        &self,
        kind: BatchKind,
        entries: Vec<BatchEntry>,
        context: Context,
    ) -> Result<Outcome> {
        let mut bound = Vec::with_capacity(entries.len());
        let mut may_repeat = kind != BatchKind::Counter;
        let mut effect = Effect::IdempotentWrite;
        for entry in &entries {
            request::check(&context, &entry.binds, self.cluster.facts.newest)?;
            let Some(Plan::Statement(statement)) = entry.prepared.plan.downcast_ref::<Plan>() else {
                return Err(Error::invalid(
                    "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.",
                ));
            };
            may_repeat &= self::may_repeat(entry.prepared.effect, statement.has_timestamp, &context);
            if entry.prepared.effect == Effect::ConditionalWrite {
                effect = Effect::ConditionalWrite;
            }
            bound.push((Arc::clone(statement), request::values(&entry.binds)?));
        }
        // Before version 5 a name without a keyspace is in the connection's.
        let keyspace = bound.iter().find_map(|(statement, _)| statement.connection_keyspace());
        let session = self.session(&context.principal, keyspace).await?;
        let kind = match kind {
            BatchKind::Logged => BatchType::Logged,
            BatchKind::Unlogged => BatchType::Unlogged,
            BatchKind::Counter => BatchType::Counter,
        };
        let asked = Asked {
            cluster: &self.cluster,
            session: &session,
            message: Message::Batch {
                kind,
                entries: &bound,
                parameters: request::parameters(&context, None)?,
            },
            // A batch goes where its first statement belongs.
            route: entries.first().and_then(|first| request::route(&first.prepared, &first.binds)),
            effect,
            may_repeat,
            speculate_after: None,
            context: &context,
        };
        let reply = asked.reply().await?;
        answer::outcome(&reply, None)
    }

    /// The links of a principal's role.
    async fn session(&self, principal: &Principal, keyspace: Option<&Arc<str>>) -> Result<Arc<Session>> {
        if *principal == Principal::Anonymous && self.cluster.facts.asks_for_login {
            return Err(Error::new(ErrorKind::Unauthorized, "You have not logged in"));
        }
        let mut key = self.cluster.key_for(principal, self.cluster.facts.newest)?;
        // Connections are kept apart by keyspace only where requests cannot name theirs.
        if !plan::names_keyspaces(self.cluster.facts.newest) {
            key.keyspace = keyspace.map(|name| ilium_cql::identifier::quote_if_needed(name).into());
        }
        match self.cluster.open_already(&key) {
            Some(session) => Ok(session),
            // What comes seldom has a future of its own.
            None => Box::pin(self.cluster.open_session(key)).await,
        }
    }
}

/// Whether nothing is changed by doing it twice. A write without a time stamp is given one by the node that gets it: done
/// again, it could cover what others wrote in between.
fn may_repeat(effect: Effect, has_timestamp: bool, context: &Context) -> bool {
    match effect {
        Effect::Read => true,
        Effect::IdempotentWrite => has_timestamp || context.timestamp.is_some(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
