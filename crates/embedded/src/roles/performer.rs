//! Who performs a statement, and what that allows.

use std::sync::Arc;

use ilium_cql::ast::Permission;
use ilium_store::{Error, ErrorKind, Principal, Result};

use super::resource::Resource;
use super::state::{Rights, Roles};

/// A principal, looked up.
#[derive(Debug, Clone)]
pub enum Performer {
    /// There is no authentication: may do everything but what needs a role of one's own.
    Anonymous,
    /// The server itself.
    System,
    Role(Arc<str>, Arc<Rights>),
}

pub fn unauthorized(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unauthorized, message)
}

impl Performer {
    /// Refuses who has no role any more or may not log in any more, and who is anonymous where one must log in.
    pub fn of(principal: &Principal, roles: &Roles, login_required: bool) -> Result<Performer> {
        match principal {
            Principal::System => Ok(Performer::System),
            Principal::Anonymous if login_required => Err(unauthorized("You have not logged in")),
            Principal::Anonymous => Ok(Performer::Anonymous),
            Principal::Role(role) => {
                let name = role.name();
                Ok(Performer::Role(Arc::clone(name), Arc::clone(rights_to_act(name, roles)?)))
            }
        }
    }

    pub fn is_anonymous(&self) -> bool {
        matches!(self, Performer::Anonymous)
    }

    pub fn is_superuser(&self) -> bool {
        match self {
            Performer::Anonymous => false,
            Performer::System => true,
            Performer::Role(_, rights) => rights.superuser,
        }
    }

    /// The role's name; none for the server itself.
    pub fn role(&self) -> Option<&Arc<str>> {
        match self {
            Performer::Role(name, _) => Some(name),
            _ => None,
        }
    }

    /// As messages name it.
    pub fn name(&self) -> &str {
        match self {
            Performer::Anonymous => "anonymous",
            Performer::System => "system",
            Performer::Role(name, _) => name,
        }
    }

    pub fn may(&self, permission: Permission, resource: &Resource) -> bool {
        match self {
            Performer::Anonymous | Performer::System => true,
            Performer::Role(_, rights) => rights.may(permission, resource),
        }
    }

    /// Refuses without the permission on the resource or a parent of it.
    pub fn must(&self, permission: Permission, resource: &Resource) -> Result<()> {
        match self.may(permission, resource) {
            true => Ok(()),
            false => Err(lacks(self.name(), permission, resource)),
        }
    }

    /// Whether it is the role, or was granted it.
    pub fn has_role(&self, role: &str) -> bool {
        matches!(self, Performer::Role(_, rights) if rights.roles.contains(role))
    }
}

/// What the role of a connection may do: as long as it is there and may log in.
#[inline]
pub fn rights_to_act<'r>(name: &str, roles: &'r Roles) -> Result<&'r Arc<Rights>> {
    match roles.rights(name) {
        Some(rights) if rights.login => Ok(rights),
        Some(_) => Err(unauthorized(format!("{name} is not permitted to log in"))),
        None => Err(unauthorized(format!("the role {name} does not exist any more; log in as another"))),
    }
}

/// `ClientState.ensurePermissionOnResourceChain`.
#[cold]
pub fn lacks(name: &str, permission: Permission, resource: &Resource) -> Error {
    unauthorized(format!("User {name} has no {permission} permission on {resource} or any of its parents"))
}
