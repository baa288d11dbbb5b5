//! GRANT and REVOKE of permissions.

use std::sync::Arc;

use ilium_cql::ast::{self, Permission, Permissions};
use ilium_store::{Error, Result};

use super::change::{Asked, Changed};
use super::performer::unauthorized;
use super::permission::PermissionSet;
use super::resource::Resource;
use super::state::Roles;
use crate::catalog::is_system_keyspace;
use crate::system::is_virtual_keyspace;

/// What may be granted on keyspaces of the system that are not virtual (`Permission.INVALID_FOR_SYSTEM_KEYSPACES` has
/// the rest).
const ON_SYSTEM: PermissionSet =
    PermissionSet::of(&[Permission::Select, Permission::Describe, Permission::Alter]);

impl Asked<'_> {
    /// Checks GRANT or REVOKE, and gives which permissions are meant of those that apply, and on what.
    pub(super) fn grant(
        &self,
        permissions: &Permissions,
        resource: &ast::Resource,
        other: &str,
        gives: bool,
    ) -> Result<(PermissionSet, Resource)> {
        let resource = Resource::named(resource, self.keyspace)?;
        let permissions = PermissionSet::named(permissions).within(resource.applicable());
        // Before the permission check too, where Cassandra does it: what is built in has no permissions.
        let exists = resource.exists(self.snapshot, self.roles)?;
        self.performer.must(Permission::Authorize, &resource)?;
        permissions.iter().try_for_each(|permission| self.performer.must(permission, &resource))?;
        self.not_anonymous()?;
        if self.roles.get(other).is_none() {
            return Err(Error::invalid(format!("Role {other} doesn't exist")));
        }
        if !exists {
            return Err(Error::invalid(format!("Resource {resource} doesn't exist")));
        }
        let of_system = |keyspace| is_system_keyspace(keyspace) && !is_virtual_keyspace(keyspace);
        if gives
            && resource.data_keyspace().is_some_and(of_system)
            && !permissions.without(ON_SYSTEM).is_empty()
        {
            return Err(unauthorized(
                "Granting permissions on system keyspaces is strictly limited, this operation is not permitted",
            ));
        }
        Ok((permissions, resource))
    }
}

pub(super) fn give(
    roles: &mut Roles,
    permissions: PermissionSet,
    resource: Resource,
    to: &Arc<str>,
    changed: &mut Changed,
) {
    let shown = resource.to_string();
    let new = roles.grant(to, resource, permissions);
    if !new.is_empty() {
        changed.touched.roles.insert(Arc::clone(to));
    }
    let rest = permissions.without(new);
    if !rest.is_empty() {
        let rest = rest.words().join(", ");
        changed.warnings.push(format!("Role '{to}' was already granted {rest} on {shown}"));
    }
}

pub(super) fn take(
    roles: &mut Roles,
    permissions: PermissionSet,
    resource: &Resource,
    from: &Arc<str>,
    changed: &mut Changed,
) {
    let taken = roles.revoke(from, resource, permissions);
    if !taken.is_empty() {
        changed.touched.roles.insert(Arc::clone(from));
    }
    let rest = permissions.without(taken);
    if !rest.is_empty() {
        let rest = rest.words().join(", ");
        changed.warnings.push(format!("Role '{from}' was not granted {rest} on {resource}"));
    }
}
