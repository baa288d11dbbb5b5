//! Which rules a statement that changes the schema goes by.

use std::sync::Arc;

use ilium_cql::ast::{CreateIndex, Name, QualifiedName, Statement};
use ilium_store::{Error, Result, SchemaChange, SchemaChangeKind, SchemaTarget};

use super::draft::Draft;
use super::names::{Touch, refuse_system_keyspace, validate_keyspace_name};
use super::uuid::time_uuid;
use super::{alter_table, create_table, indexes, keyspaces, user_types};
use crate::roles::Resource;

/// What a statement is applied under.
pub struct Circumstances<'a> {
    /// The keyspace of unqualified names.
    pub keyspace: Option<&'a str>,
    /// Ours; replication settings may name others.
    pub datacenter: &'a str,
    /// Microseconds since the epoch.
    pub now: i64,
    /// The role that gets all permissions on what is created.
    pub maker: Option<&'a Arc<str>>,
}

impl Circumstances<'_> {
    fn keyspace_of<'a>(&'a self, name: &'a QualifiedName) -> Result<&'a str> {
        let qualifier = name.keyspace.as_ref().map(Name::as_str);
        qualifier.or(self.keyspace).ok_or_else(|| {
            Error::invalid(
                "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename",
            )
        })
    }
}

/// Whether [`apply`] knows the statement.
pub fn is_schema_change(statement: &Statement) -> bool {
    use Statement as S;
    matches!(
        statement,
        S::CreateKeyspace(_)
            | S::AlterKeyspace(_)
            | S::DropKeyspace { .. }
            | S::CreateTable(_)
            | S::AlterTable(_)
            | S::DropTable { .. }
            | S::CreateType(_)
            | S::AlterType(_)
            | S::DropType { .. }
            | S::CreateIndex(_)
            | S::DropIndex { .. }
            | S::CreateView(_)
            | S::AlterView { .. }
            | S::DropView { .. }
            | S::CreateFunction(_)
            | S::DropFunction { .. }
            | S::CreateAggregate(_)
            | S::DropAggregate { .. }
            | S::CreateTrigger { .. }
            | S::DropTrigger { .. }
    )
}

/// Applies a statement to the draft. `None`: there was nothing to do.
pub fn apply(
    draft: &mut Draft,
    statement: &Statement,
    under: &Circumstances<'_>,
) -> Result<Option<SchemaChange>> {
    let change = apply_to_schema(draft, statement, under)?;
    if let (Some(maker), Some(change)) = (under.maker, &change)
        && change.kind == SchemaChangeKind::Created
    {
        // `AlterSchemaStatement.createdResources`; types have no permissions of their own.
        let keyspace = &change.keyspace;
        match (statement, &change.target) {
            (Statement::CreateKeyspace(_), _) => {
                draft.grant_all(maker, Resource::Keyspace(Arc::clone(keyspace)));
                draft.grant_all(maker, Resource::FunctionsIn(Arc::clone(keyspace)));
            }
            (Statement::CreateTable(_), SchemaTarget::Table(name)) => {
                draft.grant_all(maker, Resource::table(keyspace, name));
            }
            _ => {}
        }
    }
    Ok(change)
}

fn apply_to_schema(
    draft: &mut Draft,
    statement: &Statement,
    under: &Circumstances<'_>,
) -> Result<Option<SchemaChange>> {
    match statement {
        Statement::CreateKeyspace(create) => {
            refuse_system_keyspace(create.name.as_str(), Touch::Unchecked)?;
            keyspaces::create(draft, create, under.datacenter)
        }
        Statement::AlterKeyspace(alter) => {
            allowed(alter.name.as_str(), Touch::AlterKeyspace)?;
            keyspaces::alter(draft, alter, under.datacenter)
        }
        Statement::DropKeyspace { name, if_exists } => {
            allowed(name.as_str(), Touch::DropKeyspace)?;
            keyspaces::drop(draft, name, *if_exists)
        }
        Statement::CreateTable(create) => {
            let keyspace = under.keyspace_of(&create.name)?;
            allowed(keyspace, Touch::Within("CREATE"))?;
            create_table::create(draft, create, keyspace, || time_uuid(under.now))
        }
        Statement::AlterTable(alter) => {
            let keyspace = under.keyspace_of(&alter.name)?;
            allowed(keyspace, Touch::Table("ALTER", alter.name.name.as_str()))?;
            alter_table::alter(draft, alter, keyspace, under.now)
        }
        Statement::DropTable { name, if_exists } => {
            let keyspace = under.keyspace_of(name)?;
            allowed(keyspace, Touch::Table("DROP", name.name.as_str()))?;
            alter_table::drop(draft, keyspace, name.name.as_str(), *if_exists)
        }
        Statement::CreateType(create) => {
            let keyspace = under.keyspace_of(&create.name)?;
            allowed(keyspace, Touch::Within("CREATE"))?;
            user_types::create(draft, create, keyspace)
        }
        Statement::AlterType(alter) => {
            let keyspace = under.keyspace_of(&alter.name)?;
            allowed(keyspace, Touch::Within("ALTER"))?;
            user_types::alter(draft, alter, keyspace)
        }
        Statement::DropType { name, if_exists } => {
            let keyspace = under.keyspace_of(name)?;
            allowed(keyspace, Touch::Within("DROP"))?;
            user_types::drop(draft, keyspace, name.name.as_str(), *if_exists)
        }
        Statement::CreateIndex(create) => {
            let keyspace = keyspace_of_index(create, under)?;
            allowed(keyspace, Touch::Table("ALTER", create.table.name.as_str()))?;
            indexes::create(draft, create, keyspace)
        }
        Statement::DropIndex { name, if_exists } => {
            let keyspace = under.keyspace_of(name)?;
            allowed(keyspace, Touch::Unchecked)?;
            indexes::drop(draft, keyspace, name.name.as_str(), *if_exists)
        }
        other => not_yet(other, under),
    }
}

fn allowed(keyspace: &str, touch: Touch<'_>) -> Result<()> {
    refuse_system_keyspace(keyspace, touch)?;
    validate_keyspace_name(keyspace, Error::invalid)
}

/// An index lies where its table is; its own name may say so as well, or first.
fn keyspace_of_index<'a>(create: &'a CreateIndex, under: &'a Circumstances<'_>) -> Result<&'a str> {
    let of_index = create.name.as_ref().and_then(|name| name.keyspace.as_ref());
    match (&create.table.keyspace, of_index) {
        (None, Some(keyspace)) => Ok(keyspace.as_str()),
        (Some(table), Some(index)) if table.as_str() != index.as_str() => Err(Error::invalid(format!(
            "Keyspace name '{}' doesn't match index name '{}.{}'",
            table.as_str(),
            table.as_str(),
            create.table.name.as_str()
        ))),
        _ => under.keyspace_of(&create.table),
    }
}

/// What Cassandra has and this engine does not: nothing of it exists, so that IF EXISTS finds nothing.
fn not_yet(statement: &Statement, under: &Circumstances<'_>) -> Result<Option<SchemaChange>> {
    // Cassandra as it comes refuses these with the same class of error, until its configuration is changed.
    let feature = match statement {
        Statement::DropView { if_exists: true, .. }
        | Statement::AlterView { if_exists: true, .. }
        | Statement::DropFunction { if_exists: true, .. }
        | Statement::DropAggregate { if_exists: true, .. }
        | Statement::DropTrigger { if_exists: true, .. } => return Ok(None),
        Statement::DropView { name, .. } => {
            let keyspace = under.keyspace_of(name)?;
            return Err(Error::invalid(format!(
                "Materialized view '{keyspace}.{}' doesn't exist",
                name.name.as_str()
            )));
        }
        Statement::CreateView(_) | Statement::AlterView { .. } => "materialized views are",
        Statement::CreateFunction(_) | Statement::DropFunction { .. } => "user-defined functions are",
        Statement::CreateAggregate(_) | Statement::DropAggregate { .. } => "user-defined aggregates are",
        Statement::CreateTrigger { .. } | Statement::DropTrigger { .. } => "triggers are",
        _ => return Err(Error::internal("a statement that changes no schema came to the catalog")),
    };
    Err(Error::invalid(format!("{feature} not supported by Ilium yet")))
}
