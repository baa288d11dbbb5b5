//! What CQL text means, before any name is looked up.
//!
//! Vocabulary: a [`Name`] is an identifier after case folding; an [`Expr`] is anything that has a value, whether
//! the grammar calls it a term or a selector; a statement that changes the schema is DDL, one that changes or
//! reads rows is DML. Two trees are equal when they mean the same: spans take no part in comparison, which is
//! what makes `parse(print(tree)) == tree` a property worth testing.

mod ddl;
mod dml;
mod expr;
mod security;
mod walk;

pub use ddl::*;
pub use dml::*;
pub use expr::*;
pub use security::*;

/// Where in the statement's text (byte offsets, end exclusive) a node came from. Always equal to any other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}
impl Eq for Span {}
impl std::hash::Hash for Span {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

/// An identifier: lower-cased unless it was quoted, quotes removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

impl Name {
    /// A name that did not come from text.
    pub fn new(text: impl Into<String>) -> Name {
        Name { text: text.into(), span: Span::default() }
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// `name` or `keyspace.name`: a table, index, type, view, function or aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    pub keyspace: Option<Name>,
    pub name: Name,
}

/// One CQL statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    Select(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    Batch(Batch),
    Truncate { table: QualifiedName },
    Use { keyspace: Name },

    CreateKeyspace(CreateKeyspace),
    AlterKeyspace(AlterKeyspace),
    DropKeyspace { name: Name, if_exists: bool },
    CreateTable(CreateTable),
    AlterTable(AlterTable),
    DropTable { name: QualifiedName, if_exists: bool },
    CreateType(CreateType),
    AlterType(AlterType),
    DropType { name: QualifiedName, if_exists: bool },
    CreateIndex(CreateIndex),
    DropIndex { name: QualifiedName, if_exists: bool },
    CreateView(CreateView),
    AlterView { name: QualifiedName, if_exists: bool, options: Vec<Property> },
    DropView { name: QualifiedName, if_exists: bool },
    CreateFunction(CreateFunction),
    DropFunction { name: QualifiedName, arguments: Option<Vec<TypeName>>, if_exists: bool },
    CreateAggregate(CreateAggregate),
    DropAggregate { name: QualifiedName, arguments: Option<Vec<TypeName>>, if_exists: bool },
    CreateTrigger { name: Name, table: QualifiedName, class: String, if_not_exists: bool },
    DropTrigger { name: Name, table: QualifiedName, if_exists: bool },

    CreateRole(CreateRole),
    AlterRole(AlterRole),
    DropRole { name: RoleName, if_exists: bool },
    CreateUser(CreateUser),
    AlterUser(AlterUser),
    DropUser { name: RoleName, if_exists: bool },
    GrantRole { role: RoleName, to: RoleName },
    RevokeRole { role: RoleName, from: RoleName },
    Grant { permissions: Permissions, resource: Resource, to: RoleName },
    Revoke { permissions: Permissions, resource: Resource, from: RoleName },
    ListRoles { of: Option<RoleName>, no_recursive: bool },
    ListUsers,
    ListPermissions(ListPermissions),
    AddIdentity { identity: String, role: RoleName, if_not_exists: bool },
    DropIdentity { identity: String, if_exists: bool },

    Describe(Describe),
}
