//! The tables of the keyspace `system_auth`.

use ilium_store::Result;

use super::row::Rows;
use crate::roles::Roles;

pub(super) fn fill(rows: &mut Rows<'_>, roles: &Roles) -> Result<()> {
    match &*rows.table.name {
        "roles" => {
            for (name, role) in roles.iter() {
                let row = rows
                    .row()
                    .text("role", name)
                    .boolean("can_login", role.login)
                    .boolean("is_superuser", role.superuser)
                    .text_or_null("salted_hash", role.hash.as_deref());
                if !role.member_of.is_empty() {
                    row.elements("member_of", &role.member_of)?;
                }
            }
        }
        "role_members" => {
            for (member, role) in roles.iter() {
                for of in &role.member_of {
                    rows.row().text("role", of).text("member", member);
                }
            }
        }
        "role_permissions" => {
            for (name, role) in roles.iter() {
                for (resource, permissions) in &role.permissions {
                    let mut words = permissions.words();
                    words.sort();
                    rows.row()
                        .text("role", name)
                        .text("resource", &resource.name())
                        .elements("permissions", words)?;
                }
            }
        }
        "resource_role_permissons_index" => {
            for (name, role) in roles.iter() {
                for resource in role.permissions.keys() {
                    rows.row().text("resource", &resource.name()).text("role", name);
                }
            }
        }
        "identity_to_role" => {
            for (identity, role) in roles.identities() {
                rows.row().text("identity", identity).text("role", role);
            }
        }
        // Networks and data centres limit nobody here.
        _ => {}
    }
    Ok(())
}
