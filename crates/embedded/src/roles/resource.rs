//! What permissions are granted on.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use ilium_cql::ast::{self, Permission, QualifiedName};
use ilium_store::{Error, Result};

use super::permission::PermissionSet;
use super::state::Roles;
use crate::catalog::Snapshot;

/// Each has one parent, up to the roots; who has a permission on a parent has it on the child.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    AllKeyspaces,
    Keyspace(Arc<str>),
    /// `ALL TABLES IN KEYSPACE k`.
    AllTables(Arc<str>),
    Table {
        keyspace: Arc<str>,
        table: Arc<str>,
    },
    AllRoles,
    Role(Arc<str>),
    AllFunctions,
    FunctionsIn(Arc<str>),
    /// None exists here: it is named in refusals alone.
    Function {
        keyspace: Arc<str>,
        name: Arc<str>,
        arguments: String,
    },
    AllMBeans,
    /// As [`Resource::Function`]: this is no Java.
    MBean(Arc<str>),
}

const TABLE: PermissionSet = PermissionSet::of(&[
    Permission::Alter,
    Permission::Drop,
    Permission::Select,
    Permission::Modify,
    Permission::Authorize,
    Permission::Unmask,
    Permission::SelectMasked,
]);
const ROLE: PermissionSet =
    PermissionSet::of(&[Permission::Alter, Permission::Drop, Permission::Authorize, Permission::Describe]);
const FUNCTION: PermissionSet =
    PermissionSet::of(&[Permission::Alter, Permission::Drop, Permission::Authorize, Permission::Execute]);
const MBEAN: PermissionSet = PermissionSet::of(&[
    Permission::Authorize,
    Permission::Describe,
    Permission::Execute,
    Permission::Modify,
    Permission::Select,
]);
const CREATE: PermissionSet = PermissionSet::of(&[Permission::Create]);

impl Resource {
    pub fn table(keyspace: &str, table: &str) -> Resource {
        Resource::Table { keyspace: Arc::from(keyspace), table: Arc::from(table) }
    }

    /// What a statement names; `keyspace` is where a table without one is.
    pub fn named(resource: &ast::Resource, keyspace: Option<&str>) -> Result<Resource> {
        let arc = |name: &ast::Name| Arc::from(name.as_str());
        Ok(match resource {
            ast::Resource::AllKeyspaces => Resource::AllKeyspaces,
            ast::Resource::Keyspace(name) => Resource::Keyspace(arc(name)),
            ast::Resource::AllTables(keyspace) => Resource::AllTables(arc(keyspace)),
            ast::Resource::Table(name) => Resource::table(keyspace_of(name, keyspace)?, name.name.as_str()),
            ast::Resource::AllRoles => Resource::AllRoles,
            ast::Resource::Role(name) => Resource::Role(Arc::from(name.text.as_str())),
            ast::Resource::AllFunctions => Resource::AllFunctions,
            ast::Resource::AllFunctionsIn(keyspace) => Resource::FunctionsIn(arc(keyspace)),
            ast::Resource::Function { name, arguments } => Resource::Function {
                keyspace: Arc::from(name.keyspace.as_ref().map_or("", ast::Name::as_str)),
                name: arc(&name.name),
                arguments: arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            },
            ast::Resource::AllMBeans => Resource::AllMBeans,
            ast::Resource::MBean(name) | ast::Resource::MBeans(name) => {
                Resource::MBean(Arc::from(name.as_str()))
            }
        })
    }

    /// By the name it has in `system_auth.role_permissions`; `None` for what cannot be granted on here.
    pub fn from_name(name: &str) -> Option<Resource> {
        let (root, rest) = match name.split_once('/') {
            Some((root, rest)) => (root, Some(rest)),
            None => (name, None),
        };
        match (root, rest) {
            ("data", None) => Some(Resource::AllKeyspaces),
            ("data", Some(rest)) => Some(match rest.split_once('/') {
                None => Resource::Keyspace(Arc::from(rest)),
                Some((keyspace, "*")) => Resource::AllTables(Arc::from(keyspace)),
                Some((keyspace, table)) => Resource::table(keyspace, table),
            }),
            ("roles", None) => Some(Resource::AllRoles),
            ("roles", Some(role)) => Some(Resource::Role(Arc::from(role))),
            ("functions", None) => Some(Resource::AllFunctions),
            ("functions", Some(keyspace)) if !keyspace.contains('/') => {
                Some(Resource::FunctionsIn(Arc::from(keyspace)))
            }
            ("mbean", None) => Some(Resource::AllMBeans),
            _ => None,
        }
    }

    /// As `system_auth.role_permissions` names it, and as lists are ordered.
    pub fn name(&self) -> String {
        match self {
            Resource::AllKeyspaces => "data".to_owned(),
            Resource::Keyspace(keyspace) => format!("data/{keyspace}"),
            Resource::AllTables(keyspace) => format!("data/{keyspace}/*"),
            Resource::Table { keyspace, table } => format!("data/{keyspace}/{table}"),
            Resource::AllRoles => "roles".to_owned(),
            Resource::Role(role) => format!("roles/{role}"),
            Resource::AllFunctions => "functions".to_owned(),
            Resource::FunctionsIn(keyspace) => format!("functions/{keyspace}"),
            Resource::Function { keyspace, name, arguments } => {
                format!("functions/{keyspace}/{name}[{arguments}]")
            }
            Resource::AllMBeans => "mbean".to_owned(),
            Resource::MBean(name) => format!("mbean/{name}"),
        }
    }

    pub fn parent(&self) -> Option<Resource> {
        match self {
            Resource::AllKeyspaces | Resource::AllRoles | Resource::AllFunctions | Resource::AllMBeans => {
                None
            }
            Resource::Keyspace(_) => Some(Resource::AllKeyspaces),
            Resource::AllTables(keyspace) => Some(Resource::Keyspace(Arc::clone(keyspace))),
            Resource::Table { keyspace, .. } => Some(Resource::AllTables(Arc::clone(keyspace))),
            Resource::Role(_) => Some(Resource::AllRoles),
            Resource::FunctionsIn(_) => Some(Resource::AllFunctions),
            Resource::Function { keyspace, .. } => Some(Resource::FunctionsIn(Arc::clone(keyspace))),
            Resource::MBean(_) => Some(Resource::AllMBeans),
        }
    }

    /// Itself, then its parents up to the root.
    pub fn chain(&self) -> impl Iterator<Item = Resource> {
        std::iter::successors(Some(self.clone()), Resource::parent)
    }

    /// The permissions that can be granted on it.
    pub fn applicable(&self) -> PermissionSet {
        match self {
            Resource::Table { .. } => TABLE,
            Resource::AllKeyspaces | Resource::Keyspace(_) | Resource::AllTables(_) => TABLE.with(CREATE),
            Resource::Role(_) => ROLE,
            Resource::AllRoles => ROLE.with(CREATE),
            Resource::Function { .. } => FUNCTION,
            Resource::AllFunctions | Resource::FunctionsIn(_) => FUNCTION.with(CREATE),
            Resource::AllMBeans | Resource::MBean(_) => MBEAN,
        }
    }

    /// The keyspace of data; `None` for all keyspaces and for what is no data.
    pub fn data_keyspace(&self) -> Option<&str> {
        match self {
            Resource::Keyspace(keyspace)
            | Resource::AllTables(keyspace)
            | Resource::Table { keyspace, .. } => Some(keyspace),
            _ => None,
        }
    }

    pub fn exists(&self, snapshot: &Snapshot, roles: &Roles) -> Result<bool> {
        Ok(match self {
            Resource::AllKeyspaces | Resource::AllRoles | Resource::AllFunctions | Resource::AllMBeans => {
                true
            }
            Resource::Keyspace(keyspace) | Resource::AllTables(keyspace) => {
                snapshot.schema.keyspace(keyspace).is_some()
            }
            Resource::Table { keyspace, table } => snapshot.table(keyspace, table).is_some(),
            Resource::Role(role) => roles.get(role).is_some(),
            Resource::FunctionsIn(keyspace) => {
                refuse_built_in(keyspace)?;
                snapshot.schema.keyspace(keyspace).is_some()
            }
            Resource::Function { keyspace, .. } => {
                refuse_built_in(keyspace)?;
                false
            }
            Resource::MBean(_) => false,
        })
    }
}

fn refuse_built_in(keyspace: &str) -> Result<()> {
    match keyspace {
        "system" => Err(Error::invalid("Altering permissions on builtin functions is not supported")),
        _ => Ok(()),
    }
}

/// The keyspace a name is in.
pub fn keyspace_of<'a>(name: &'a QualifiedName, keyspace: Option<&'a str>) -> Result<&'a str> {
    let qualifier = name.keyspace.as_ref().map(ast::Name::as_str);
    qualifier.or(keyspace).ok_or_else(|| {
        Error::invalid(
            "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename",
        )
    })
}

/// As messages and LIST PERMISSIONS show it.
impl Display for Resource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Resource::AllKeyspaces => f.write_str("<all keyspaces>"),
            Resource::Keyspace(keyspace) => write!(f, "<keyspace {keyspace}>"),
            Resource::AllTables(keyspace) => write!(f, "<all tables in {keyspace}>"),
            Resource::Table { keyspace, table } => write!(f, "<table {keyspace}.{table}>"),
            Resource::AllRoles => f.write_str("<all roles>"),
            Resource::Role(role) => write!(f, "<role {role}>"),
            Resource::AllFunctions => f.write_str("<all functions>"),
            Resource::FunctionsIn(keyspace) => write!(f, "<all functions in {keyspace}>"),
            Resource::Function { keyspace, name, arguments } => {
                write!(f, "<function {keyspace}.{name}({arguments})>")
            }
            Resource::AllMBeans => f.write_str("<all mbeans>"),
            Resource::MBean(name) => write!(f, "<mbean {name}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_found_by_its_name_again() {
        for resource in [
            Resource::AllKeyspaces,
            Resource::Keyspace("k".into()),
            Resource::AllTables("k".into()),
            Resource::table("k", "t"),
            Resource::AllRoles,
            Resource::Role("a/b".into()),
            Resource::AllFunctions,
            Resource::FunctionsIn("k".into()),
            Resource::AllMBeans,
        ] {
            assert_eq!(Resource::from_name(&resource.name()), Some(resource.clone()), "{resource}");
            assert!(!resource.applicable().is_empty());
        }
        assert_eq!(Resource::from_name("nonsense"), None);
        let chain: Vec<String> = Resource::table("k", "t").chain().map(|r| r.name()).collect();
        assert_eq!(chain, ["data/k/t", "data/k/*", "data/k", "data"]);
    }
}
