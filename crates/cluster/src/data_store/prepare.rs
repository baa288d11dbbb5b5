//! Having statements prepared: once for all that print alike.

use std::sync::{Arc, OnceLock};

use ilium_cql::ast::Statement;
use ilium_store::{Effect, Prepared, Principal, Result};
use quick_cache::sync::Cache;

use super::ask::{Asked, Message};
use super::plan::{Plan, Planned, described};
use super::{Inner, capabilities};
use crate::effect;

/// What texts were prepared, found by keyspace and text.
pub(super) struct Plans(Cache<PlanKey, Arc<Prepared>>);

type PlanKey = (Option<Arc<str>>, Box<str>);

impl Plans {
    pub fn new(limit: usize) -> Plans {
        Plans(Cache::new(limit))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Inner {
    pub async fn prepare(
        &self,
        statement: Arc<Statement>,
        keyspace: Option<Arc<str>>,
    ) -> Result<Arc<Prepared>> {
        let schema = self.snapshot.schema();
        capabilities::check(&statement, &capabilities::of(&self.cluster, &schema))?;
        if !is_prepared(&statement) {
            let plan = match &*statement {
                Statement::Use { keyspace } => Plan::Use(keyspace.as_str().into()),
                other => Plan::Text { text: other.to_string(), keyspace: keyspace.clone() },
            };
            return Ok(Arc::new(Prepared {
                effect: effect::of(&statement),
                keyspace,
                binds: Vec::new(),
                partition_key_binds: Vec::new(),
                rows: None,
                schema_version: schema.version,
                warnings: Vec::new(),
                plan: Box::new(plan),
                shown: OnceLock::new(),
                statement,
            }));
        }
        let key = (keyspace, statement.to_string().into_boxed_str());
        // Those that ask for the same at once wait for the first.
        let known = self.plans.0.get_value_or_guard_async(&key).await;
        let guard = match known {
            Ok(prepared) if prepared.schema_version == schema.version => return Ok(prepared),
            Ok(_) => None,
            Err(guard) => Some(guard),
        };
        let prepared = Arc::new(self.ask_to_prepare(statement, &key, schema.version).await?);
        match guard {
            // It was forgotten meanwhile: it is used all the same.
            Some(guard) => drop(guard.insert(Arc::clone(&prepared))),
            None => self.plans.0.insert(key, Arc::clone(&prepared)),
        }
        Ok(prepared)
    }

    /// The gateway's own role prepares: it needs no permission on the table, and finds out nothing that is told to others.
    async fn ask_to_prepare(
        &self,
        statement: Arc<Statement>,
        (keyspace, text): &PlanKey,
        schema_version: [u8; 16],
    ) -> Result<Prepared> {
        let has_timestamp = effect::has_timestamp(&statement);
        let planned = Planned::new(text, keyspace.clone(), self.cluster.facts.newest, has_timestamp);
        let session = self.session(&Principal::System, planned.connection_keyspace()).await?;
        let asked = Asked {
            cluster: &self.cluster,
            session: &session,
            message: Message::Prepare(&planned),
            route: None,
            effect: Effect::Read,
            may_repeat: true,
            speculate_after: None,
            context: &ilium_store::Context::new(Principal::System),
        };
        let reply = asked.reply().await?;
        let (handle, binds, partition_key_binds, warnings) = described(&reply.envelope)?;
        let rows = handle.rows.clone();
        planned.set_handle(handle);
        Ok(Prepared {
            effect: effect::of(&statement),
            statement,
            keyspace: keyspace.clone(),
            binds,
            partition_key_binds,
            rows,
            schema_version,
            warnings,
            plan: Box::new(Plan::Statement(Arc::new(planned))),
            shown: OnceLock::new(),
        })
    }
}

fn is_prepared(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Select(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Batch(_)
    )
}
