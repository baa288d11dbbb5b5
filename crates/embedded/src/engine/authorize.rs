//! Whether a principal may run a statement: the one place that decides it, for every API.
//!
//! What each class of statement needs is Cassandra's (`CQLStatement.authorize`), with its messages. What exists is looked
//! at where Cassandra looks at it, so that nobody learns more from a refusal than there.

use std::sync::Arc;

use ilium_cql::ast::{Name, Permission, QualifiedName, Statement};
use ilium_store::{Context, Error, Prepared, Principal, Result};

use super::Inner;
use super::plan::Plan;
use crate::catalog::{Snapshot, Source, TableEntry, Touch, refuse_system_keyspace};
use crate::modify::Modification;
use crate::roles::{Performer, Resource, Rights, keyspace_of, lacks, rights_to_act, unauthorized};

impl Inner {
    /// Refuses a statement that the context's principal may not run.
    #[inline]
    pub(super) fn authorize(
        &self,
        prepared: &Prepared,
        snapshot: &Snapshot,
        context: &Context,
    ) -> Result<()> {
        match &context.principal {
            Principal::Anonymous if !self.login_required => Ok(()),
            Principal::Anonymous => Err(unauthorized("You have not logged in")),
            Principal::System => Ok(()),
            Principal::Role(role) => authorize_role(role.name(), prepared, snapshot, context),
        }
    }
}

fn authorize_role(
    name: &Arc<str>,
    prepared: &Prepared,
    snapshot: &Snapshot,
    context: &Context,
) -> Result<()> {
    let rights = rights_to_act(name, &snapshot.roles)?;
    let asks = Asks { name, rights };
    match prepared.plan.downcast_ref::<Plan>() {
        Some(Plan::Select(plan)) => asks.table(Permission::Select, plan.entry()),
        Some(Plan::Modify(modification)) => asks.modification(modification),
        Some(Plan::Batch(batch)) => {
            batch.modifications.iter().try_for_each(|modification| asks.modification(modification))
        }
        Some(Plan::Truncate(entry)) => asks.table(Permission::Modify, entry),
        Some(Plan::SchemaChange) => {
            let keyspace = prepared.keyspace.as_deref().or(context.keyspace.as_deref());
            let performer = Performer::Role(Arc::clone(name), Arc::clone(rights));
            schema_change(&prepared.statement, keyspace, snapshot, &performer)
        }
        // DESCRIBE is everybody's, as in Cassandra; USE asks for no more than a log-in; statements about roles
        // look for themselves, where they know what they are about.
        Some(Plan::Use(_) | Plan::Describe | Plan::Access) => Ok(()),
        None => Err(Error::internal("a statement of another engine was executed")),
    }
}

/// A role that asks for something.
struct Asks<'a> {
    name: &'a str,
    rights: &'a Rights,
}

impl Asks<'_> {
    #[inline]
    fn table(&self, permission: Permission, entry: &TableEntry) -> Result<()> {
        let (keyspace, table) = (&*entry.table.keyspace, &*entry.table.name);
        let is_system = entry.source == Source::Virtual;
        if self.rights.may_on_table(permission, (keyspace, table), is_system)
            || (is_system && permission == Permission::Select && is_for_everybody(keyspace, table))
        {
            return Ok(());
        }
        Err(lacks(self.name, permission, &Resource::table(keyspace, table)))
    }

    fn modification(&self, modification: &Modification) -> Result<()> {
        self.table(Permission::Modify, &modification.entry)?;
        // Its outcome tells what the row holds.
        if modification.is_conditional() {
            self.table(Permission::Select, &modification.entry)?;
        }
        Ok(())
    }
}

/// Tables that drivers and tools read before anything else (`ClientState.READABLE_SYSTEM_RESOURCES`).
fn is_for_everybody(keyspace: &str, table: &str) -> bool {
    match keyspace {
        "system" => {
            matches!(table, "local" | "peers" | "peers_v2" | "size_estimates" | "table_estimates")
        }
        "system_traces" => matches!(table, "events" | "sessions"),
        "system_schema" | "system_virtual_schema" => true,
        _ => false,
    }
}

/// What a change of the schema needs.
fn schema_change(
    statement: &Statement,
    keyspace: Option<&str>,
    snapshot: &Snapshot,
    performer: &Performer,
) -> Result<()> {
    use Permission as P;
    use Statement as S;
    let on_keyspace = |permission, name: &Name, touch| {
        refuse_system_keyspace(name.as_str(), touch)?;
        performer.must(permission, &Resource::Keyspace(Arc::from(name.as_str())))
    };
    let on_tables = |permission, verb, name: &QualifiedName| {
        let keyspace = keyspace_of(name, keyspace)?;
        refuse_system_keyspace(keyspace, Touch::Within(verb))?;
        performer.must(permission, &Resource::AllTables(Arc::from(keyspace)))
    };
    let on_table = |permission, verb, keyspace: &str, table: &str| {
        refuse_system_keyspace(keyspace, Touch::Table(verb, table))?;
        performer.must(permission, &Resource::table(keyspace, table))
    };
    let must_be_superuser = |verb: &str| match performer.is_superuser() {
        true => Ok(()),
        false => Err(unauthorized(verb)),
    };
    match statement {
        S::CreateKeyspace(_) => performer.must(P::Create, &Resource::AllKeyspaces),
        S::AlterKeyspace(alter) => on_keyspace(P::Alter, &alter.name, Touch::AlterKeyspace),
        S::DropKeyspace { name, .. } => on_keyspace(P::Drop, name, Touch::DropKeyspace),
        S::CreateTable(create) => on_tables(P::Create, "CREATE", &create.name),
        S::AlterTable(alter) => {
            on_table(P::Alter, "ALTER", keyspace_of(&alter.name, keyspace)?, alter.name.name.as_str())
        }
        S::DropTable { name, .. } => {
            on_table(P::Drop, "DROP", keyspace_of(name, keyspace)?, name.name.as_str())
        }
        S::CreateType(create) => on_tables(P::Create, "CREATE", &create.name),
        S::AlterType(alter) => on_tables(P::Alter, "ALTER", &alter.name),
        S::DropType { name, .. } => on_tables(P::Drop, "DROP", name),
        S::CreateIndex(create) => {
            let of_index = create.name.as_ref().and_then(|name| name.keyspace.as_ref()).map(Name::as_str);
            let keyspace = keyspace_of(&create.table, of_index.or(keyspace))?;
            on_table(P::Alter, "ALTER", keyspace, create.table.name.as_str())
        }
        S::DropIndex { name, .. } => {
            let keyspace = keyspace_of(name, keyspace)?;
            match snapshot.index(keyspace, name.name.as_str()) {
                Some((entry, _)) => on_table(P::Alter, "ALTER", keyspace, &entry.table.name),
                None => Ok(()),
            }
        }
        S::CreateView(create) => {
            on_table(P::Alter, "ALTER", keyspace_of(&create.from, keyspace)?, create.from.name.as_str())
        }
        S::CreateFunction(create) => on_functions(&create.name, keyspace, performer),
        S::CreateAggregate(create) => on_functions(&create.name, keyspace, performer),
        S::CreateTrigger { .. } => {
            must_be_superuser("Only superusers are allowed to perform CREATE TRIGGER queries")
        }
        S::DropTrigger { .. } => {
            must_be_superuser("Only superusers are allowed to perfrom DROP TRIGGER queries")
        }
        // There is none to drop or alter, and what is not there needs no permission.
        S::AlterView { .. } | S::DropView { .. } | S::DropFunction { .. } | S::DropAggregate { .. } => Ok(()),
        _ => Err(Error::internal("a statement that changes no schema was authorised as one that does")),
    }
}

/// Functions that are built in are nobody's: whoever makes one in their keyspace is refused later.
fn on_functions(name: &QualifiedName, keyspace: Option<&str>, performer: &Performer) -> Result<()> {
    match keyspace_of(name, keyspace)? {
        "system" => Ok(()),
        keyspace => performer.must(Permission::Create, &Resource::FunctionsIn(Arc::from(keyspace))),
    }
}
