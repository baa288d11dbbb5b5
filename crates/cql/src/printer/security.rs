//! Roles, users, permissions and identities.

use std::fmt::{self, Display, Formatter};

use super::ddl::write_map;
use super::name::QualifiedFunctionName;
use super::{Joined, commas, if_exists, if_not_exists, quote_string, when, write_commas};
use crate::ast::{
    AlterUser, CreateUser, ListPermissions, Permission, Permissions, Resource, RoleOption, Statement,
};

/// Writes a statement about who may do what; nothing for any other.
pub(super) fn write(f: &mut Formatter<'_>, statement: &Statement) -> fmt::Result {
    match statement {
        Statement::CreateRole(role) => {
            write!(f, "CREATE ROLE {}{}", if_not_exists(role.if_not_exists), role.name)?;
            write_options(f, &role.options)
        }
        Statement::AlterRole(role) => {
            write!(f, "ALTER ROLE {}{}", if_exists(role.if_exists), role.name)?;
            write_options(f, &role.options)
        }
        Statement::DropRole { name, if_exists: e } => write!(f, "DROP ROLE {}{name}", if_exists(*e)),
        Statement::CreateUser(user) => user.fmt(f),
        Statement::AlterUser(user) => user.fmt(f),
        Statement::DropUser { name, if_exists: e } => write!(f, "DROP USER {}{name}", if_exists(*e)),
        Statement::GrantRole { role, to } => write!(f, "GRANT {role} TO {to}"),
        Statement::RevokeRole { role, from } => write!(f, "REVOKE {role} FROM {from}"),
        Statement::Grant { permissions, resource, to } => {
            write!(f, "GRANT {permissions} ON {resource} TO {to}")
        }
        Statement::Revoke { permissions, resource, from } => {
            write!(f, "REVOKE {permissions} ON {resource} FROM {from}")
        }
        Statement::ListRoles { of, no_recursive } => {
            f.write_str("LIST ROLES")?;
            of.iter().try_for_each(|role| write!(f, " OF {role}"))?;
            f.write_str(when(*no_recursive, " NORECURSIVE"))
        }
        Statement::ListUsers => f.write_str("LIST USERS"),
        Statement::ListPermissions(list) => list.fmt(f),
        Statement::AddIdentity { identity, role, if_not_exists: e } => {
            let (identity, role) = (quote_string(identity), quote_string(&role.text));
            write!(f, "ADD IDENTITY {}{identity} TO ROLE {role}", if_not_exists(*e))
        }
        Statement::DropIdentity { identity, if_exists: e } => {
            write!(f, "DROP IDENTITY {}{}", if_exists(*e), quote_string(identity))
        }
        _ => Ok(()),
    }
}

fn write_options(f: &mut Formatter<'_>, options: &[RoleOption]) -> fmt::Result {
    if options.is_empty() {
        return Ok(());
    }
    write!(f, " WITH {}", Joined(options, " AND "))
}

impl Display for RoleOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            RoleOption::Password(text) => write!(f, "PASSWORD = {}", quote_string(text)),
            RoleOption::HashedPassword(text) => write!(f, "HASHED PASSWORD = {}", quote_string(text)),
            RoleOption::SuperUser(on) => write!(f, "SUPERUSER = {on}"),
            RoleOption::Login(on) => write!(f, "LOGIN = {on}"),
            RoleOption::Options(entries) => {
                f.write_str("OPTIONS = ")?;
                write_map(f, entries)
            }
            RoleOption::AccessToAllDatacenters => f.write_str("ACCESS TO ALL DATACENTERS"),
            RoleOption::AccessToDatacenters(names) => {
                f.write_str("ACCESS TO DATACENTERS ")?;
                write_strings(f, names)
            }
            RoleOption::AccessFromAllCidrs => f.write_str("ACCESS FROM ALL CIDRS"),
            RoleOption::AccessFromCidrs(names) => {
                f.write_str("ACCESS FROM CIDRS ")?;
                write_strings(f, names)
            }
        }
    }
}

fn write_strings(f: &mut Formatter<'_>, strings: &[String]) -> fmt::Result {
    f.write_str("{")?;
    write_commas(f, strings, |f, text| f.write_str(&quote_string(text)))?;
    f.write_str("}")
}

impl Display for CreateUser {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE USER {}{}", if_not_exists(self.if_not_exists), self.name)?;
        write_user_password(f, self.password.as_ref())?;
        f.write_str(when(self.superuser, " SUPERUSER"))
    }
}

impl Display for AlterUser {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER USER {}{}", if_exists(self.if_exists), self.name)?;
        write_user_password(f, self.password.as_ref())?;
        f.write_str(match self.superuser {
            Some(true) => " SUPERUSER",
            Some(false) => " NOSUPERUSER",
            None => "",
        })
    }
}

/// A user's password has no `=`, unlike a role's.
fn write_user_password(f: &mut Formatter<'_>, password: Option<&RoleOption>) -> fmt::Result {
    match password {
        Some(RoleOption::Password(text)) => write!(f, " WITH PASSWORD {}", quote_string(text)),
        Some(RoleOption::HashedPassword(text)) => write!(f, " WITH HASHED PASSWORD {}", quote_string(text)),
        _ => Ok(()),
    }
}

impl Display for Permissions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Permissions::All => f.write_str("ALL PERMISSIONS"),
            Permissions::Some(permissions) => commas(permissions).fmt(f),
        }
    }
}

impl Display for Permission {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Permission::Create => "CREATE",
            Permission::Alter => "ALTER",
            Permission::Drop => "DROP",
            Permission::Select => "SELECT",
            Permission::Modify => "MODIFY",
            Permission::Authorize => "AUTHORIZE",
            Permission::Describe => "DESCRIBE",
            Permission::Execute => "EXECUTE",
            Permission::Unmask => "UNMASK",
            Permission::SelectMasked => "SELECT_MASKED",
        })
    }
}

impl Display for Resource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Resource::AllKeyspaces => f.write_str("ALL KEYSPACES"),
            Resource::Keyspace(name) => write!(f, "KEYSPACE {name}"),
            Resource::AllTables(keyspace) => write!(f, "ALL TABLES IN KEYSPACE {keyspace}"),
            Resource::Table(name) => write!(f, "TABLE {name}"),
            Resource::AllRoles => f.write_str("ALL ROLES"),
            Resource::Role(name) => write!(f, "ROLE {name}"),
            Resource::AllFunctions => f.write_str("ALL FUNCTIONS"),
            Resource::AllFunctionsIn(keyspace) => write!(f, "ALL FUNCTIONS IN KEYSPACE {keyspace}"),
            Resource::Function { name, arguments } => {
                write!(f, "FUNCTION {}({})", QualifiedFunctionName(name), commas(arguments))
            }
            Resource::AllMBeans => f.write_str("ALL MBEANS"),
            Resource::MBean(name) => write!(f, "MBEAN {}", quote_string(name)),
            Resource::MBeans(pattern) => write!(f, "MBEANS {}", quote_string(pattern)),
        }
    }
}

impl Display for ListPermissions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "LIST {}", self.permissions)?;
        self.resource.iter().try_for_each(|resource| write!(f, " ON {resource}"))?;
        self.of.iter().try_for_each(|role| write!(f, " OF {role}"))?;
        f.write_str(when(self.no_recursive, " NORECURSIVE"))
    }
}
