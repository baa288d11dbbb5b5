//! Statements about roles, users and identities: who may run them, whether they make sense, what they do.

use std::sync::Arc;

use ilium_cql::ast::{AlterRole, AlterUser, CreateRole, CreateUser, Permission, RoleOption, Statement};
use ilium_store::{Error, Result};

use super::grant;
use super::password;
use super::performer::{Performer, unauthorized};
use super::resource::Resource;
use super::state::{Role, Roles, Touched};
use super::stored::LONGEST_NAME;
use crate::catalog::Snapshot;

/// What a change of roles leads to.
#[derive(Debug, Default)]
pub struct Changed {
    pub touched: Touched,
    pub warnings: Vec<String>,
}

/// A statement under one state of schema and roles.
pub(super) struct Asked<'a> {
    pub snapshot: &'a Snapshot,
    pub roles: &'a Roles,
    pub performer: &'a Performer,
    /// Where a table without a keyspace is.
    pub keyspace: Option<&'a str>,
}

/// Refuses a statement that its performer may not run, or that makes no sense: in Cassandra's order, permission first.
pub fn check(
    statement: &Statement,
    snapshot: &Snapshot,
    performer: &Performer,
    keyspace: Option<&str>,
) -> Result<()> {
    let asked = Asked { snapshot, roles: &snapshot.roles, performer, keyspace };
    match statement {
        Statement::CreateRole(create) => asked.create(&RoleChange::create(create)),
        Statement::CreateUser(create) => asked.create(&RoleChange::create_user(create)),
        Statement::AlterRole(alter) => asked.alter(&RoleChange::alter(alter)),
        Statement::AlterUser(alter) => asked.alter(&RoleChange::alter_user(alter)),
        Statement::DropRole { name, if_exists } | Statement::DropUser { name, if_exists } => {
            asked.drop_role(&name.text, *if_exists)
        }
        Statement::GrantRole { role, to: other } | Statement::RevokeRole { role, from: other } => {
            asked.membership(&role.text, &other.text)
        }
        Statement::Grant { permissions, resource, to } => {
            asked.grant(permissions, resource, &to.text, true).map(drop)
        }
        Statement::Revoke { permissions, resource, from } => {
            asked.grant(permissions, resource, &from.text, false).map(drop)
        }
        Statement::AddIdentity { identity, role, if_not_exists } => {
            asked.add_identity(identity, &role.text, *if_not_exists)
        }
        Statement::DropIdentity { identity, if_exists } => asked.drop_identity(identity, *if_exists),
        _ => Err(not_of_roles()),
    }
}

/// The password that a statement sets, to be hashed before [`apply`].
pub fn new_password(statement: &Statement) -> Option<&str> {
    let find = |options: &'_ [RoleOption]| -> Option<usize> {
        options.iter().position(|option| matches!(option, RoleOption::Password(_)))
    };
    let option = match statement {
        Statement::CreateRole(role) => find(&role.options).and_then(|at| role.options.get(at)),
        Statement::AlterRole(role) => find(&role.options).and_then(|at| role.options.get(at)),
        Statement::CreateUser(user) => user.password.as_ref(),
        Statement::AlterUser(user) => user.password.as_ref(),
        _ => None,
    };
    match option {
        Some(RoleOption::Password(password)) => Some(password),
        _ => None,
    }
}

/// What is not in the statement and sets a role.
#[derive(Debug, Clone)]
pub struct Given {
    /// Of [`new_password`].
    pub hash: Option<Arc<str>>,
    /// In microseconds.
    pub now: i64,
}

/// Does what [`check`] let pass.
pub fn apply(
    roles: &mut Roles,
    statement: &Statement,
    snapshot: &Snapshot,
    performer: &Performer,
    keyspace: Option<&str>,
    given: Given,
) -> Result<Changed> {
    let mut changed = Changed::default();
    match statement {
        Statement::CreateRole(create) => {
            set(roles, &RoleChange::create(create), performer, given, &mut changed)
        }
        Statement::CreateUser(create) => {
            set(roles, &RoleChange::create_user(create), performer, given, &mut changed);
        }
        Statement::AlterRole(alter) => set(roles, &RoleChange::alter(alter), performer, given, &mut changed),
        Statement::AlterUser(alter) => {
            set(roles, &RoleChange::alter_user(alter), performer, given, &mut changed)
        }
        Statement::DropRole { name, .. } | Statement::DropUser { name, .. } => {
            if roles.get(&name.text).is_some() {
                changed.touched = roles.remove(&name.text);
            }
        }
        Statement::GrantRole { role, to } => {
            for (member, of) in [(&to.text, &role.text), (&role.text, &to.text)] {
                if roles.granted(member, true).contains(of.as_str()) {
                    return Err(Error::invalid(format!("{member} is a member of {of}")));
                }
            }
            let (role, to): (Arc<str>, Arc<str>) = (role.text.as_str().into(), to.text.as_str().into());
            roles.edit(&to, |to| to.member_of.extend([role]));
            changed.touched.roles.insert(to);
        }
        Statement::RevokeRole { role, from } => {
            if !roles.granted(&from.text, false).contains(role.text.as_str()) {
                return Err(Error::invalid(format!("{} is not a member of {}", from.text, role.text)));
            }
            let from: Arc<str> = from.text.as_str().into();
            roles.edit(&from, |from| from.member_of.retain(|of| **of != *role.text));
            changed.touched.roles.insert(from);
        }
        Statement::Grant { permissions, resource, to } => {
            let asked = Asked { snapshot, roles, performer, keyspace };
            let (permissions, resource) = asked.grant(permissions, resource, &to.text, true)?;
            grant::give(roles, permissions, resource, &to.text.as_str().into(), &mut changed);
        }
        Statement::Revoke { permissions, resource, from } => {
            let asked = Asked { snapshot, roles, performer, keyspace };
            let (permissions, resource) = asked.grant(permissions, resource, &from.text, false)?;
            grant::take(roles, permissions, &resource, &from.text.as_str().into(), &mut changed);
        }
        Statement::AddIdentity { identity, role, .. } => {
            if roles.role_of_identity(identity).is_none() {
                let identity: Arc<str> = identity.as_str().into();
                roles.put_identity(&identity, Some(role.text.as_str().into()));
                changed.touched.identities.insert(identity);
            }
        }
        Statement::DropIdentity { identity, .. } => {
            let identity: Arc<str> = identity.as_str().into();
            if roles.role_of_identity(&identity).is_some() {
                roles.put_identity(&identity, None);
                changed.touched.identities.insert(identity);
            }
        }
        _ => return Err(not_of_roles()),
    }
    Ok(changed)
}

fn not_of_roles() -> Error {
    Error::internal("a statement that changes no role came to the roles")
}

/// What CREATE and ALTER ROLE and USER have in common.
struct RoleChange<'a> {
    name: &'a str,
    creates: bool,
    /// IF EXISTS, IF NOT EXISTS.
    lenient: bool,
    superuser: Option<bool>,
    login: Option<bool>,
    password: Option<&'a RoleOption>,
    custom: bool,
    /// Which ACCESS is limited, if any is.
    limits: Option<&'static str>,
    /// ACCESS of either kind is said.
    says_datacenters: bool,
    says_cidrs: bool,
}

impl<'a> RoleChange<'a> {
    fn new(name: &'a str, creates: bool, lenient: bool) -> RoleChange<'a> {
        RoleChange {
            name,
            creates,
            lenient,
            superuser: None,
            login: None,
            password: None,
            custom: false,
            limits: None,
            says_datacenters: false,
            says_cidrs: false,
        }
    }

    fn with(mut self, options: &'a [RoleOption]) -> RoleChange<'a> {
        for option in options {
            match option {
                RoleOption::Password(_) | RoleOption::HashedPassword(_) => self.password = Some(option),
                RoleOption::SuperUser(on) => self.superuser = Some(*on),
                RoleOption::Login(on) => self.login = Some(*on),
                RoleOption::Options(_) => self.custom = true,
                RoleOption::AccessToAllDatacenters => self.says_datacenters = true,
                RoleOption::AccessFromAllCidrs => self.says_cidrs = true,
                RoleOption::AccessToDatacenters(_) => {
                    self.says_datacenters = true;
                    self.limits = Some("ACCESS TO DATACENTERS");
                }
                RoleOption::AccessFromCidrs(_) => {
                    self.says_cidrs = true;
                    self.limits = Some("ACCESS FROM CIDRS");
                }
            }
        }
        self
    }

    fn create(role: &'a CreateRole) -> RoleChange<'a> {
        let change = RoleChange::new(&role.name.text, true, role.if_not_exists).with(&role.options);
        RoleChange {
            superuser: Some(change.superuser.unwrap_or(false)),
            login: Some(change.login.unwrap_or(false)),
            ..change
        }
    }

    fn create_user(user: &'a CreateUser) -> RoleChange<'a> {
        RoleChange {
            superuser: Some(user.superuser),
            login: Some(true),
            ..RoleChange::new(&user.name.text, true, user.if_not_exists).with(user.password.as_slice())
        }
    }

    fn alter(role: &'a AlterRole) -> RoleChange<'a> {
        RoleChange::new(&role.name.text, false, role.if_exists).with(&role.options)
    }

    fn alter_user(user: &'a AlterUser) -> RoleChange<'a> {
        RoleChange {
            superuser: user.superuser,
            ..RoleChange::new(&user.name.text, false, user.if_exists).with(user.password.as_slice())
        }
    }

    /// The options it sets, by Cassandra's names.
    fn options(&self) -> impl Iterator<Item = &'static str> {
        let password = self.password.map(|option| match option {
            RoleOption::HashedPassword(_) => "HASHED_PASSWORD",
            _ => "PASSWORD",
        });
        let login = self.login.map(|_| "LOGIN");
        let superuser = self.superuser.map(|_| "SUPERUSER");
        superuser.into_iter().chain(password).chain(login).chain(self.custom.then_some("OPTIONS"))
    }

    /// `RoleOptions.validate`. Without authentication there are no passwords.
    fn validate(&self, performer: &Performer) -> Result<()> {
        let unknown = |option: &str| {
            Error::invalid(format!("org.apache.cassandra.auth.CassandraRoleManager doesn't support {option}"))
        };
        for option in self.options() {
            let known =
                matches!(option, "LOGIN" | "SUPERUSER") || (option != "OPTIONS" && !performer.is_anonymous());
            if !known {
                return Err(unknown(option));
            }
        }
        if let Some(RoleOption::HashedPassword(hash)) = self.password {
            password::check_hash(hash)?;
        }
        Ok(())
    }

    fn validate_access(&self) -> Result<()> {
        match self.limits {
            None => Ok(()),
            Some(limit) => Err(Error::config(format!(
                "{limit} is not supported by Ilium; it listens where --cql says, to all who can reach that"
            ))),
        }
    }
}

/// Makes or changes the role. The creator gets all permissions on it.
fn set(
    roles: &mut Roles,
    change: &RoleChange<'_>,
    performer: &Performer,
    given: Given,
    changed: &mut Changed,
) {
    if change.creates == roles.get(change.name).is_some() {
        return;
    }
    let name: Arc<str> = Arc::from(change.name);
    roles.edit(&name, |role: &mut Role| {
        role.superuser = change.superuser.unwrap_or(role.superuser);
        role.login = change.login.unwrap_or(role.login);
        match change.password {
            Some(RoleOption::HashedPassword(hash)) => role.hash = Some(Arc::from(hash.as_str())),
            Some(_) => role.hash = given.hash,
            None => {}
        }
        if change.creates {
            role.made = given.now;
        }
    });
    if change.creates
        && let Some(creator) = performer.role()
    {
        let resource = Resource::Role(Arc::clone(&name));
        let all = resource.applicable();
        roles.grant(creator, resource, all);
        changed.touched.roles.insert(Arc::clone(creator));
    }
    changed.touched.roles.insert(name);
}

impl Asked<'_> {
    pub(super) fn not_anonymous(&self) -> Result<()> {
        match self.performer {
            Performer::Anonymous => {
                Err(unauthorized("You have to be logged in and not anonymous to perform this request"))
            }
            _ => Ok(()),
        }
    }

    /// `AuthenticationStatement.checkPermission`.
    fn must(&self, permission: Permission, resource: &Resource) -> Result<()> {
        match self.performer.may(permission, resource) {
            true => Ok(()),
            false => Err(unauthorized(format!(
                "User {} does not have sufficient privileges to perform the requested operation",
                self.performer.name()
            ))),
        }
    }

    fn exists(&self, role: &str) -> bool {
        self.roles.get(role).is_some()
    }

    fn is_superuser(&self, role: &str) -> bool {
        self.roles.rights(role).is_some_and(|rights| rights.superuser)
    }

    fn create(&self, change: &RoleChange<'_>) -> Result<()> {
        self.must(Permission::Create, &Resource::AllRoles)?;
        if change.superuser == Some(true) && !self.performer.is_superuser() {
            return Err(unauthorized("Only superusers can create a role with superuser status"));
        }
        change.validate(self.performer)?;
        if change.name.is_empty() {
            return Err(Error::invalid("Role name can't be an empty string"));
        }
        check_length("role", change.name)?;
        change.validate_access()?;
        self.not_anonymous()?;
        if !change.lenient && self.exists(change.name) {
            return Err(Error::invalid(format!("{} already exists", change.name)));
        }
        Ok(())
    }

    fn alter(&self, change: &RoleChange<'_>) -> Result<()> {
        let is_superuser = self.performer.is_superuser();
        if change.superuser.is_some() && self.performer.has_role(change.name) {
            return Err(unauthorized(
                "You aren't allowed to alter your own superuser status or that of a role granted to you",
            ));
        }
        if !is_superuser {
            let refused = [
                (change.superuser.is_some(), "Only superusers are allowed to alter superuser status"),
                (change.says_datacenters, "Only superusers are allowed to alter access to datacenters."),
                (change.says_cidrs, "Only superusers are allowed to alter access from CIDR groups."),
            ];
            if let Some((_, message)) = refused.into_iter().find(|(refused, _)| *refused) {
                return Err(unauthorized(message));
            }
            if self.performer.name() == change.name {
                // A role may change its own password and nothing else.
                let others = change.options().find(|o| !matches!(*o, "PASSWORD" | "HASHED_PASSWORD"));
                if let Some(option) = others {
                    return Err(unauthorized(format!("You aren't allowed to alter {option}")));
                }
            } else {
                self.must(Permission::Alter, &Resource::Role(Arc::from(change.name)))?;
            }
        }
        change.validate(self.performer)?;
        if change.options().next().is_none() && !change.says_datacenters && !change.says_cidrs {
            return Err(Error::invalid("ALTER [ROLE|USER] can't be empty"));
        }
        change.validate_access()?;
        self.not_anonymous()?;
        if !change.lenient && !self.exists(change.name) {
            return Err(Error::invalid(format!("Role {} doesn't exist", change.name)));
        }
        Ok(())
    }

    fn drop_role(&self, name: &str, if_exists: bool) -> Result<()> {
        self.must(Permission::Drop, &Resource::Role(Arc::from(name)))?;
        if self.is_superuser(name) && !self.performer.is_superuser() {
            return Err(unauthorized("Only superusers can drop a role with superuser status"));
        }
        self.not_anonymous()?;
        if !if_exists && !self.exists(name) {
            return Err(Error::invalid(format!("{name} doesn't exist")));
        }
        if self.performer.role().is_some_and(|own| **own == *name) {
            return Err(Error::invalid("Cannot DROP primary role for current login"));
        }
        Ok(())
    }

    fn membership(&self, role: &str, other: &str) -> Result<()> {
        self.must(Permission::Authorize, &Resource::Role(Arc::from(role)))?;
        self.not_anonymous()?;
        match [role, other].into_iter().find(|role| !self.exists(role)) {
            Some(missing) => Err(Error::invalid(format!("{missing} doesn't exist"))),
            None => Ok(()),
        }
    }

    fn add_identity(&self, identity: &str, role: &str, if_not_exists: bool) -> Result<()> {
        self.must(Permission::Create, &Resource::AllRoles)?;
        if !self.performer.is_superuser() && self.roles.get(role).is_some_and(|role| role.superuser) {
            return Err(unauthorized("Only superusers can bind identities to a role with superuser status"));
        }
        self.not_anonymous()?;
        check_length("identity", identity)?;
        if !self.exists(role) {
            return Err(Error::invalid(format!("Can not add identity for non-existent role '{role}'")));
        }
        if !if_not_exists && self.roles.role_of_identity(identity).is_some() {
            return Err(Error::invalid(format!("{identity} already exists")));
        }
        Ok(())
    }

    fn drop_identity(&self, identity: &str, if_exists: bool) -> Result<()> {
        match self.roles.role_of_identity(identity) {
            None => self.must(Permission::Drop, &Resource::AllRoles)?,
            Some(role) => {
                self.must(Permission::Drop, &Resource::Role(Arc::clone(role)))?;
                if self.is_superuser(role) && !self.performer.is_superuser() {
                    return Err(unauthorized(
                        "Only superusers can remove identity bindings from a role with superuser status",
                    ));
                }
            }
        }
        self.not_anonymous()?;
        if !if_exists && self.roles.role_of_identity(identity).is_none() {
            return Err(Error::invalid(format!("identity '{identity}' doesn't exist")));
        }
        Ok(())
    }
}

/// Cassandra refuses keys past this length as well, in other words.
fn check_length(what: &str, name: &str) -> Result<()> {
    match name.len() <= LONGEST_NAME {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "Key length of {} is longer than maximum of {LONGEST_NAME}: the name of this {what} is too long",
            name.len()
        ))),
    }
}
