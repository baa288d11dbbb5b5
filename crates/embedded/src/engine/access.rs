//! Statements about roles and permissions: one after the other with changes of the schema, each durable before it is
//! seen.

use std::sync::Arc;

use ilium_store::{Answer, Context, Outcome, Prepared, Result, ResultKind};

use super::{Engine, Inner, finished, in_words};
use crate::roles::{self, Performer, password};

impl Engine {
    pub(super) fn change_access(&self, prepared: Arc<Prepared>, context: &Context) -> Answer<Outcome> {
        let (inner, context) = (Arc::clone(&self.inner), context.clone());
        if roles::is_list(&prepared.statement) {
            return Answer::Ready(inner.list_access(&prepared, &context));
        }
        let work = self.inner.runtime.spawn_blocking(move || inner.apply_access(&prepared, &context));
        Answer::Later(Box::pin(async move { finished(work.await) }))
    }
}

impl Inner {
    fn list_access(&self, prepared: &Prepared, context: &Context) -> Result<Outcome> {
        let snapshot = self.snapshot();
        let performer = Performer::of(&context.principal, &snapshot.roles, self.login_required)?;
        roles::list(&prepared.statement, &snapshot, &performer, keyspace_of(prepared, context))
    }

    fn apply_access(&self, prepared: &Prepared, context: &Context) -> Result<Outcome> {
        let (statement, keyspace) = (&prepared.statement, keyspace_of(prepared, context));
        let performer = |roles: &roles::Roles| Performer::of(&context.principal, roles, self.login_required);
        // Before the password is hashed, which takes a while: others change roles meanwhile, and who may not change
        // any must not have us compute.
        let now = self.snapshot();
        roles::check(statement, &now, &performer(&now.roles)?, keyspace)?;
        let hash = roles::new_password(statement).map(password::hash).transpose()?;
        let given = roles::Given { hash, now: self.write_time() };
        let pending = self.catalog.change_roles(|roles, snapshot| {
            let performer = performer(&snapshot.roles)?;
            roles::check(statement, snapshot, &performer, keyspace)?;
            roles::apply(roles, statement, snapshot, &performer, keyspace, given)
        })?;
        if !pending.batch().is_empty() {
            self.store.commit(pending.batch().clone()).wait().map_err(in_words)?;
        }
        Ok(Outcome { warnings: pending.publish().warnings, ..Outcome::of(ResultKind::Void) })
    }
}

fn keyspace_of<'a>(prepared: &'a Prepared, context: &'a Context) -> Option<&'a str> {
    prepared.keyspace.as_deref().or(context.keyspace.as_deref())
}
