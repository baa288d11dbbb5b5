//! One state of all roles, and what it comes to for each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};

use ilium_cql::ast::Permission;

use super::permission::PermissionSet;
use super::resource::Resource;
use crate::catalog::is_system_keyspace;

/// Roles by name, and the identities of certificates that stand for one. A part of the schema's snapshot: changed in a
/// draft of it, never in place.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    roles: BTreeMap<Arc<str>, Arc<Role>>,
    identities: BTreeMap<Arc<str>, Arc<str>>,
    /// Worked out when first asked for, once a state; one for each role.
    rights: HashMap<Arc<str>, OnceLock<Arc<Rights>>>,
}

/// A role as statements define it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Role {
    pub superuser: bool,
    pub login: bool,
    /// Of the password, with bcrypt: what `salted_hash` shows.
    pub hash: Option<Arc<str>>,
    /// When it was made, in microseconds, so that it is never taken for another of its name; 0 from before this was kept.
    pub made: i64,
    /// The roles that were granted to it.
    pub member_of: BTreeSet<Arc<str>>,
    /// What was granted to itself; no set is empty.
    pub permissions: BTreeMap<Resource, PermissionSet>,
}

impl Debug for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role")
            .field("superuser", &self.superuser)
            .field("login", &self.login)
            .field("hash", &self.hash.as_ref().map(|_| "***"))
            .field("made", &self.made)
            .field("member_of", &self.member_of)
            .field("permissions", &self.permissions)
            .finish()
    }
}

/// What a role may do, through the roles granted to it too.
#[derive(Debug, Default)]
pub struct Rights {
    /// Its own, or one granted to it is.
    pub superuser: bool,
    /// Its own alone.
    pub login: bool,
    /// Itself and all roles granted to it, directly or not.
    pub roles: BTreeSet<Arc<str>>,
    /// On ALL KEYSPACES, which leaves out those of the system.
    everywhere: PermissionSet,
    /// In trees, as roles are granted few: in those a name is found in less than it takes to hash it.
    keyspaces: BTreeMap<Arc<str>, InKeyspace>,
    /// On what is no data.
    others: HashMap<Resource, PermissionSet>,
}

/// Names of what a change wrote or removed, and what therefore has to be stored anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub roles: BTreeSet<Arc<str>>,
    pub identities: BTreeSet<Arc<str>>,
}

impl Touched {
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.identities.is_empty()
    }

    pub fn add(&mut self, other: Touched) {
        self.roles.extend(other.roles);
        self.identities.extend(other.identities);
    }
}

#[derive(Debug, Default)]
struct InKeyspace {
    /// On the keyspace itself.
    whole: PermissionSet,
    all_tables: PermissionSet,
    tables: BTreeMap<Arc<str>, PermissionSet>,
}

impl Roles {
    pub fn new(roles: BTreeMap<Arc<str>, Arc<Role>>, identities: BTreeMap<Arc<str>, Arc<str>>) -> Roles {
        let mut all = Roles { roles, identities, rights: HashMap::new() };
        all.forget_rights();
        all
    }

    pub fn get(&self, name: &str) -> Option<&Role> {
        self.roles.get(name).map(|role| &**role)
    }

    /// In order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Role)> {
        self.roles.iter().map(|(name, role)| (name, &**role))
    }

    /// Identity and role, in order.
    pub fn identities(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.identities.iter()
    }

    pub fn role_of_identity(&self, identity: &str) -> Option<&Arc<str>> {
        self.identities.get(identity)
    }

    /// What the role may do; `None`: there is no such role.
    #[inline]
    pub fn rights(&self, name: &str) -> Option<&Arc<Rights>> {
        Some(self.rights.get(name)?.get_or_init(|| Arc::new(self.work_out(name))))
    }

    /// The role, and those granted to it: directly, or through others as well.
    pub fn granted(&self, name: &str, recursive: bool) -> BTreeSet<Arc<str>> {
        let Some((name, role)) = self.roles.get_key_value(name) else { return BTreeSet::new() };
        let mut found = BTreeSet::from([Arc::clone(name)]);
        if !recursive {
            found.extend(role.member_of.iter().cloned());
            return found;
        }
        let mut unseen = vec![&**role];
        while let Some(role) = unseen.pop() {
            for above in &role.member_of {
                if let Some(next) = self.roles.get(above)
                    && found.insert(Arc::clone(above))
                {
                    unseen.push(next);
                }
            }
        }
        found
    }

    fn work_out(&self, name: &str) -> Rights {
        let mut rights = Rights { roles: self.granted(name, true), ..Rights::default() };
        rights.login = self.get(name).is_some_and(|role| role.login);
        let roles = rights.roles.clone();
        for role in roles.iter().filter_map(|name| self.get(name)) {
            rights.superuser |= role.superuser;
            for (resource, permissions) in &role.permissions {
                let place = rights.place(resource);
                *place = place.with(*permissions);
            }
        }
        rights
    }

    fn forget_rights(&mut self) {
        self.rights = self.roles.keys().map(|name| (Arc::clone(name), OnceLock::new())).collect();
    }

    /// Changes a role, or makes it.
    pub(super) fn edit(&mut self, name: &Arc<str>, edit: impl FnOnce(&mut Role)) {
        edit(Arc::make_mut(self.roles.entry(Arc::clone(name)).or_default()));
        self.forget_rights();
    }

    /// Removes a role with its identities, its part in others, and what was granted on it. Gives what was touched.
    pub(super) fn remove(&mut self, name: &str) -> Touched {
        let mut touched =
            self.revoke_all_on(|resource| matches!(resource, Resource::Role(role) if **role == *name));
        let members = self.roles.iter().filter(|(_, role)| role.member_of.contains(name));
        let members: Vec<Arc<str>> = members.map(|(member, _)| Arc::clone(member)).collect();
        for member in &members {
            if let Some(role) = self.roles.get_mut(member) {
                Arc::make_mut(role).member_of.remove(name);
            }
        }
        touched.roles.extend(members);
        let identities = self.identities.iter().filter(|(_, role)| ***role == *name);
        touched.identities = identities.map(|(identity, _)| Arc::clone(identity)).collect();
        self.identities.retain(|_, role| **role != *name);
        if let Some((name, _)) = self.roles.remove_entry(name) {
            touched.roles.insert(name);
        }
        self.forget_rights();
        touched
    }

    /// Takes back all that was granted on resources that are going away.
    pub(crate) fn revoke_all_on(&mut self, goes: impl Fn(&Resource) -> bool) -> Touched {
        let mut touched = Touched::default();
        for (name, role) in &mut self.roles {
            if role.permissions.keys().any(&goes) {
                Arc::make_mut(role).permissions.retain(|resource, _| !goes(resource));
                touched.roles.insert(Arc::clone(name));
            }
        }
        if !touched.roles.is_empty() {
            self.forget_rights();
        }
        touched
    }

    /// Grants to an existing role; gives what it had not been granted before.
    pub(crate) fn grant(
        &mut self,
        to: &Arc<str>,
        resource: Resource,
        wanted: PermissionSet,
    ) -> PermissionSet {
        let Some(role) = self.get(to) else { return PermissionSet::NONE };
        let had = role.permissions.get(&resource).copied().unwrap_or_default();
        let new = wanted.without(had);
        if !new.is_empty() {
            self.edit(to, |role| role.permissions.extend([(resource, had.with(new))]));
        }
        new
    }

    /// Takes back what was granted to an existing role itself; gives what it had.
    pub(super) fn revoke(
        &mut self,
        from: &Arc<str>,
        resource: &Resource,
        wanted: PermissionSet,
    ) -> PermissionSet {
        let had = self.get(from).and_then(|role| role.permissions.get(resource)).copied().unwrap_or_default();
        let taken = wanted.within(had);
        let left = had.without(taken);
        if !taken.is_empty() {
            self.edit(from, |role| {
                role.permissions.remove(resource);
                if !left.is_empty() {
                    role.permissions.insert(resource.clone(), left);
                }
            });
        }
        taken
    }

    pub(super) fn put_identity(&mut self, identity: &Arc<str>, role: Option<Arc<str>>) {
        match role {
            Some(role) => self.identities.insert(Arc::clone(identity), role),
            None => self.identities.remove(identity),
        };
    }
}

impl Rights {
    fn place(&mut self, resource: &Resource) -> &mut PermissionSet {
        match resource {
            Resource::AllKeyspaces => &mut self.everywhere,
            Resource::Keyspace(keyspace) => {
                &mut self.keyspaces.entry(Arc::clone(keyspace)).or_default().whole
            }
            Resource::AllTables(keyspace) => {
                &mut self.keyspaces.entry(Arc::clone(keyspace)).or_default().all_tables
            }
            Resource::Table { keyspace, table } => {
                let keyspace = self.keyspaces.entry(Arc::clone(keyspace)).or_default();
                keyspace.tables.entry(Arc::clone(table)).or_default()
            }
            other => self.others.entry(other.clone()).or_default(),
        }
    }

    /// Whether it has the permission on a table or a parent of it; `is_system`: of a keyspace of the system. Made for
    /// the path of every request.
    #[inline]
    pub fn may_on_table(
        &self,
        permission: Permission,
        (keyspace, table): (&str, &str),
        is_system: bool,
    ) -> bool {
        if self.superuser {
            return true;
        }
        let granted = self.keyspaces.get(keyspace).is_some_and(|keyspace| {
            keyspace.whole.has(permission)
                || keyspace.all_tables.has(permission)
                || keyspace.tables.get(table).is_some_and(|table| table.has(permission))
        });
        granted || (self.everywhere.has(permission) && !is_system)
    }

    /// Whether it has the permission on the resource or a parent of it.
    pub fn may(&self, permission: Permission, resource: &Resource) -> bool {
        let excepted = resource.data_keyspace().is_some_and(is_system_keyspace);
        self.superuser
            || resource.chain().any(|resource| {
                self.on(&resource).has(permission) && !(excepted && resource == Resource::AllKeyspaces)
            })
    }

    /// What was granted on the resource itself.
    pub fn on(&self, resource: &Resource) -> PermissionSet {
        let keyspace = |name: &Arc<str>| self.keyspaces.get(name);
        match resource {
            Resource::AllKeyspaces => Some(self.everywhere),
            Resource::Keyspace(name) => keyspace(name).map(|keyspace| keyspace.whole),
            Resource::AllTables(name) => keyspace(name).map(|keyspace| keyspace.all_tables),
            Resource::Table { keyspace: name, table } => {
                keyspace(name).and_then(|keyspace| keyspace.tables.get(table).copied())
            }
            other => self.others.get(other).copied(),
        }
        .unwrap_or_default()
    }
}
