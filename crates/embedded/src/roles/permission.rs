//! Sets of permissions.

use ilium_cql::ast::{Permission, Permissions};

/// All there are, in the order of Cassandra's enum, which is that of its lists.
const ALL: [Permission; 10] = [
    Permission::Create,
    Permission::Alter,
    Permission::Drop,
    Permission::Select,
    Permission::Modify,
    Permission::Authorize,
    Permission::Describe,
    Permission::Execute,
    Permission::Unmask,
    Permission::SelectMasked,
];

/// Some of the permissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionSet(u16);

const fn bit(permission: Permission) -> u16 {
    1 << permission as u16
}

impl PermissionSet {
    pub const NONE: PermissionSet = PermissionSet(0);

    pub const fn of(mut permissions: &[Permission]) -> PermissionSet {
        let mut bits = 0;
        while let [first, rest @ ..] = permissions {
            bits |= bit(*first);
            permissions = rest;
        }
        PermissionSet(bits)
    }

    pub fn all() -> PermissionSet {
        PermissionSet::of(&ALL)
    }

    /// What a statement names; ALL is every one.
    pub fn named(permissions: &Permissions) -> PermissionSet {
        match permissions {
            Permissions::All => PermissionSet::all(),
            Permissions::Some(some) => PermissionSet::of(some),
        }
    }

    /// The permission of this name, as Cassandra writes it.
    pub fn from_word(word: &str) -> Option<PermissionSet> {
        let found = ALL.iter().find(|permission| permission.to_string() == word);
        found.map(|permission| PermissionSet(bit(*permission)))
    }

    #[inline]
    pub fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn with(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(self.0 | other.0)
    }

    #[must_use]
    pub fn without(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(self.0 & !other.0)
    }

    #[must_use]
    pub fn within(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        ALL.into_iter().filter(move |permission| self.has(*permission))
    }

    /// Their names, in order.
    pub fn words(self) -> Vec<String> {
        self.iter().map(|permission| permission.to_string()).collect()
    }
}
