//! Roles, users, permissions and identities.

use ilium_cql::ast::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select as one_of, subsequence};

use super::*;

fn role() -> BoxedStrategy<RoleName> {
    prop_oneof![name().prop_map(|name| name.text), text()].prop_map(|text| RoleName { text }).boxed()
}

/// Options of which none conflicts with another.
fn options() -> BoxedStrategy<Vec<RoleOption>> {
    let strings = || some(text(), 1);
    let password =
        prop_oneof![text().prop_map(RoleOption::Password), text().prop_map(RoleOption::HashedPassword),];
    let map = proptest::collection::btree_map(text(), text(), 0..3)
        .prop_map(|map| RoleOption::Options(map.into_iter().collect()));
    let to = prop_oneof![
        Just(RoleOption::AccessToAllDatacenters),
        strings().prop_map(RoleOption::AccessToDatacenters),
    ];
    let from =
        prop_oneof![Just(RoleOption::AccessFromAllCidrs), strings().prop_map(RoleOption::AccessFromCidrs)];
    let login = any::<bool>().prop_map(RoleOption::Login);
    let superuser = any::<bool>().prop_map(RoleOption::SuperUser);
    (password, superuser, login, map, to, from)
        .prop_flat_map(|(a, b, c, d, e, f)| subsequence(vec![a, b, c, d, e, f], 0..=6))
        .boxed()
}

fn user_password() -> BoxedStrategy<Option<RoleOption>> {
    let password =
        prop_oneof![text().prop_map(RoleOption::Password), text().prop_map(RoleOption::HashedPassword),];
    of(password).boxed()
}

/// AUTHORIZE, which every resource has, and others.
fn permissions() -> BoxedStrategy<Permissions> {
    use Permission as P;
    let others = vec![P::Create, P::Alter, P::Drop, P::Select, P::Modify, P::Describe, P::Execute, P::Unmask];
    let mixed = subsequence(others, 0..4).prop_map(|mut permissions| {
        permissions.push(P::Authorize);
        Permissions::Some(permissions)
    });
    prop_oneof![Just(Permissions::All), mixed].boxed()
}

fn resource() -> BoxedStrategy<Resource> {
    let all = [Resource::AllKeyspaces, Resource::AllRoles, Resource::AllFunctions, Resource::AllMBeans];
    let function = (name(), name(), some(type_name(), 0)).prop_map(|(keyspace, name, arguments)| {
        Resource::Function { name: QualifiedName { keyspace: Some(keyspace), name }, arguments }
    });
    prop_oneof![
        one_of(all.to_vec()),
        name().prop_map(Resource::Keyspace),
        name().prop_map(Resource::AllTables),
        name().prop_map(Resource::AllFunctionsIn),
        qualified().prop_map(Resource::Table),
        role().prop_map(Resource::Role),
        function,
        "[a-z]{1,4}:[a-z]{1,3}=[a-z*]{1,3}".prop_map(Resource::MBean),
        "[a-z]{1,4}:[a-z]{1,3}=[a-z]{1,3},\\*".prop_map(Resource::MBeans),
    ]
    .boxed()
}

pub fn statement() -> BoxedStrategy<Statement> {
    let flag = || any::<bool>();
    prop_oneof![
        (role(), flag(), options()).prop_map(|(name, if_not_exists, options)| {
            Statement::CreateRole(CreateRole { name, if_not_exists, options })
        }),
        (role(), flag(), options()).prop_map(|(name, if_exists, options)| {
            Statement::AlterRole(AlterRole { name, if_exists, options })
        }),
        (role(), flag()).prop_map(|(name, if_exists)| Statement::DropRole { name, if_exists }),
        (role(), flag(), user_password(), flag()).prop_map(|(name, if_not_exists, password, superuser)| {
            Statement::CreateUser(CreateUser { name, if_not_exists, password, superuser })
        }),
        (role(), flag(), user_password(), of(flag())).prop_map(|(name, if_exists, password, superuser)| {
            Statement::AlterUser(AlterUser { name, if_exists, password, superuser })
        }),
        (role(), flag()).prop_map(|(name, if_exists)| Statement::DropUser { name, if_exists }),
        (role(), role()).prop_map(|(role, to)| Statement::GrantRole { role, to }),
        (role(), role()).prop_map(|(role, from)| Statement::RevokeRole { role, from }),
        (permissions(), resource(), role()).prop_map(|(permissions, resource, to)| Statement::Grant {
            permissions,
            resource,
            to
        }),
        (permissions(), resource(), role()).prop_map(|(permissions, resource, from)| Statement::Revoke {
            permissions,
            resource,
            from
        }),
        (of(role()), flag()).prop_map(|(of, no_recursive)| Statement::ListRoles { of, no_recursive }),
        Just(Statement::ListUsers),
        (permissions(), of(resource()), of(role()), flag()).prop_map(
            |(permissions, resource, of, no_recursive)| {
                Statement::ListPermissions(ListPermissions { permissions, resource, of, no_recursive })
            }
        ),
        (text(), role(), flag()).prop_map(|(identity, role, if_not_exists)| Statement::AddIdentity {
            identity,
            role,
            if_not_exists
        }),
        (text(), flag()).prop_map(|(identity, if_exists)| Statement::DropIdentity { identity, if_exists }),
    ]
    .boxed()
}
