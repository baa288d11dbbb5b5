//! Roles, users, permissions.

use super::{Name, QualifiedName, TypeName};

/// A role's name: unlike other identifiers it may be a string literal, and is case-sensitive then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleName {
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateRole {
    pub name: RoleName,
    pub if_not_exists: bool,
    pub options: Vec<RoleOption>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterRole {
    pub name: RoleName,
    pub if_exists: bool,
    pub options: Vec<RoleOption>,
}

#[derive(Clone, PartialEq)]
pub enum RoleOption {
    Password(String),
    HashedPassword(String),
    SuperUser(bool),
    Login(bool),
    Options(Vec<(String, String)>),
    AccessToAllDatacenters,
    AccessToDatacenters(Vec<String>),
    AccessFromAllCidrs,
    AccessFromCidrs(Vec<String>),
}

/// A password must never reach a log, so it is not shown here either.
impl std::fmt::Debug for RoleOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RoleOption::Password(_) => f.write_str("Password(***)"),
            RoleOption::HashedPassword(_) => f.write_str("HashedPassword(***)"),
            RoleOption::SuperUser(on) => f.debug_tuple("SuperUser").field(on).finish(),
            RoleOption::Login(on) => f.debug_tuple("Login").field(on).finish(),
            RoleOption::Options(_) => f.write_str("Options(***)"),
            RoleOption::AccessToAllDatacenters => f.write_str("AccessToAllDatacenters"),
            RoleOption::AccessToDatacenters(d) => f.debug_tuple("AccessToDatacenters").field(d).finish(),
            RoleOption::AccessFromAllCidrs => f.write_str("AccessFromAllCidrs"),
            RoleOption::AccessFromCidrs(c) => f.debug_tuple("AccessFromCidrs").field(c).finish(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateUser {
    pub name: RoleName,
    pub if_not_exists: bool,
    /// PASSWORD or HASHED PASSWORD only.
    pub password: Option<RoleOption>,
    pub superuser: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterUser {
    pub name: RoleName,
    pub if_exists: bool,
    pub password: Option<RoleOption>,
    pub superuser: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    Create,
    Alter,
    Drop,
    Select,
    Modify,
    Authorize,
    Describe,
    Execute,
    Unmask,
    SelectMasked,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Permissions {
    All,
    Some(Vec<Permission>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    AllKeyspaces,
    Keyspace(Name),
    /// `ALL TABLES IN KEYSPACE k`.
    AllTables(Name),
    Table(QualifiedName),
    AllRoles,
    Role(RoleName),
    AllFunctions,
    AllFunctionsIn(Name),
    Function {
        name: QualifiedName,
        arguments: Vec<TypeName>,
    },
    AllMBeans,
    MBean(String),
    MBeans(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListPermissions {
    pub permissions: Permissions,
    pub resource: Option<Resource>,
    pub of: Option<RoleName>,
    pub no_recursive: bool,
}
