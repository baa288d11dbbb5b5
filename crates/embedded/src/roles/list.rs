//! LIST ROLES, LIST USERS and LIST PERMISSIONS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{ListPermissions, Permission, Statement};
use ilium_store::{ColumnSpec, Error, Outcome, Result, ResultKind, Rows, RowsMetadata};

use super::change::Asked;
use super::performer::{Performer, unauthorized};
use super::permission::PermissionSet;
use super::resource::Resource;
use crate::catalog::Snapshot;
use crate::select::metadata_id;

type Row = Vec<Vec<u8>>;

/// Whether the statement is one of those that [`list`] answers.
pub fn is_list(statement: &Statement) -> bool {
    matches!(statement, Statement::ListRoles { .. } | Statement::ListUsers | Statement::ListPermissions(_))
}

/// Answers a LIST statement; `keyspace` is where a table without one is.
pub fn list(
    statement: &Statement,
    snapshot: &Snapshot,
    performer: &Performer,
    keyspace: Option<&str>,
) -> Result<Outcome> {
    let asked = Asked { snapshot, roles: &snapshot.roles, performer, keyspace };
    match statement {
        Statement::ListRoles { of, no_recursive } => {
            let of = of.as_ref().map(|name| name.text.as_str());
            Ok(asked.role_rows(&asked.roles_to_list(of, !no_recursive)?))
        }
        Statement::ListUsers => Ok(asked.user_rows(&asked.roles_to_list(None, false)?)),
        Statement::ListPermissions(list) => asked.permissions(list),
        _ => Err(Error::internal("a statement that lists nothing came to the lists")),
    }
}

fn column(table: &str, name: &str, column_type: CqlType) -> ColumnSpec {
    ColumnSpec {
        keyspace: Arc::from("system_auth"),
        table: Arc::from(table),
        name: Arc::from(name),
        column_type,
    }
}

/// Cassandra gives no result, not an empty one, where there is nothing to list.
fn answer(columns: Vec<ColumnSpec>, rows: impl Iterator<Item = Row>) -> Outcome {
    let mut data = Vec::new();
    let mut count = 0;
    for value in rows.inspect(|_| count += 1).flatten() {
        data.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
        data.extend_from_slice(&value);
    }
    let metadata = Arc::new(RowsMetadata { id: metadata_id(&columns), columns });
    Outcome::of(ResultKind::Rows(Rows { metadata, count, data: data.into(), next: None }))
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

impl Asked<'_> {
    fn roles_to_list(&self, of: Option<&str>, recursive: bool) -> Result<BTreeSet<Arc<str>>> {
        self.not_anonymous()?;
        if let Some(of) = of.filter(|of| self.roles.get(of).is_none()) {
            return Err(Error::invalid(format!("<role {of}> doesn't exist")));
        }
        if self.performer.may(Permission::Describe, &Resource::AllRoles) {
            return Ok(match of {
                None => self.roles.iter().map(|(name, _)| Arc::clone(name)).collect(),
                Some(of) => self.roles.granted(of, recursive),
            });
        }
        match of {
            None => Ok(self.roles.granted(self.performer.name(), recursive)),
            Some(of) if self.performer.has_role(of) => Ok(self.roles.granted(of, recursive)),
            Some(of) => Err(unauthorized(format!("You are not authorized to view roles granted to {of} "))),
        }
    }

    fn role_rows(&self, names: &BTreeSet<Arc<str>>) -> Outcome {
        if names.is_empty() {
            return Outcome::of(ResultKind::Void);
        }
        let texts = Arc::new(CqlType::Text);
        let columns = vec![
            column("roles", "role", CqlType::Text),
            column("roles", "super", CqlType::Boolean),
            column("roles", "login", CqlType::Boolean),
            column("roles", "options", CqlType::Map { key: Arc::clone(&texts), value: texts, frozen: true }),
            column("roles", "datacenters", CqlType::Text),
        ];
        let no_options = 0i32.to_be_bytes().to_vec();
        let rows = names.iter().filter_map(|name| Some((name, self.roles.get(name)?))).map(|(name, role)| {
            let flags = [vec![u8::from(role.superuser)], vec![u8::from(role.login)]];
            [text(name)].into_iter().chain(flags).chain([no_options.clone(), text("ALL")]).collect()
        });
        answer(columns, rows)
    }

    fn user_rows(&self, names: &BTreeSet<Arc<str>>) -> Outcome {
        if names.is_empty() {
            return Outcome::of(ResultKind::Void);
        }
        let columns = vec![
            column("users", "name", CqlType::Text),
            column("users", "super", CqlType::Boolean),
            column("users", "datacenters", CqlType::Text),
        ];
        let rights = names.iter().filter_map(|name| Some((name, self.roles.rights(name)?)));
        let users = rights.filter(|(_, rights)| rights.login);
        let rows =
            users.map(|(name, rights)| vec![text(name), vec![u8::from(rights.superuser)], text("ALL")]);
        answer(columns, rows)
    }

    fn permissions(&self, list: &ListPermissions) -> Result<Outcome> {
        self.not_anonymous()?;
        let resource =
            list.resource.as_ref().map(|resource| Resource::named(resource, self.keyspace)).transpose()?;
        if let Some(resource) = &resource
            && !resource.exists(self.snapshot, self.roles)?
        {
            return Err(Error::invalid(format!("{resource} doesn't exist")));
        }
        let of = list.of.as_ref().map(|of| of.text.as_str());
        if let Some(of) = of.filter(|of| self.roles.get(of).is_none()) {
            return Err(Error::invalid(format!("<role {of}> doesn't exist")));
        }
        self.may_see_permissions(of)?;
        let roles: Vec<Arc<str>> = match of {
            Some(of) => self.roles.granted(of, true).into_iter().collect(),
            None => self.roles.iter().map(|(name, _)| Arc::clone(name)).collect(),
        };
        let wanted = PermissionSet::named(&list.permissions);
        let asked: Option<Vec<Resource>> = resource
            .map(|resource| resource.chain().take(if list.no_recursive { 1 } else { usize::MAX }).collect());
        let mut rows: Vec<Row> = Vec::new();
        for (name, role) in roles.iter().filter_map(|name| Some((name, self.roles.get(name)?))) {
            let granted = role.permissions.iter();
            let shown = granted.filter(|(on, _)| asked.as_ref().is_none_or(|asked| asked.contains(on)));
            let by_name: BTreeMap<String, _> = shown.map(|(on, set)| (on.name(), (on, *set))).collect();
            for (on, set) in by_name.into_values() {
                for permission in set.within(wanted).iter() {
                    let row = [&**name, &**name, &on.to_string(), &permission.to_string()];
                    rows.push(row.map(text).into());
                }
            }
        }
        if rows.is_empty() {
            return Ok(Outcome::of(ResultKind::Void));
        }
        let columns = ["role", "username", "resource", "permission"];
        let columns = columns.map(|name| column("permissions", name, CqlType::Text));
        Ok(answer(columns.into(), rows.into_iter()))
    }

    /// `CassandraAuthorizer.list`.
    fn may_see_permissions(&self, of: Option<&str>) -> Result<()> {
        let may_describe = |resource: &Resource| self.performer.may(Permission::Describe, resource);
        let allowed = self.performer.is_superuser()
            || of.is_some_and(|of| self.performer.has_role(of))
            || may_describe(&Resource::AllRoles)
            || of.is_some_and(|of| may_describe(&Resource::Role(Arc::from(of))));
        match allowed {
            true => Ok(()),
            false => {
                let whose = of.unwrap_or("everyone");
                Err(unauthorized(format!("You are not authorized to view {whose}'s permissions")))
            }
        }
    }
}
