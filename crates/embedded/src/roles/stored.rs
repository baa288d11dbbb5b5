//! Roles as they are kept: one value a role, one an identity, beside the schema under number 0 of the store.
//!
//! ```text
//! key:   [0, u32 BE] "role/" length u16 BE, name           value: [revision u64 BE] {"superuser": ..., "granted": ..., "made": ...}
//!        [0, u32 BE] "identity/" length u16 BE, identity          [revision u64 BE] {"role": ...}
//! ```
//! The length before a name keeps any key from being the beginning of another: a role's name may hold any byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ilium_store::{Error, Result};
use serde_json::{Map, Value, json};

use super::permission::PermissionSet;
use super::resource::Resource;
use super::state::{Role, Roles, Touched};

pub const ROLE: &[u8] = b"role/";
pub const IDENTITY: &[u8] = b"identity/";

/// The longest name that has a key.
pub const LONGEST_NAME: usize = u16::MAX as usize;

/// A key, short of the number, and its value; `None`: it goes.
pub type Change = (Vec<u8>, Option<Value>);

/// What has to be written for a change to be kept.
pub fn changes<'a>(roles: &'a Roles, touched: &'a Touched) -> impl Iterator<Item = Change> + 'a {
    let changed = touched.roles.iter().map(|name| (key(ROLE, name), roles.get(name).map(role_value)));
    let identities = touched.identities.iter().map(|identity| {
        let role = roles.role_of_identity(identity);
        (key(IDENTITY, identity), role.map(|role| json!({ "role": &**role })))
    });
    changed.chain(identities)
}

fn key(kind: &[u8], name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    [kind, &length.to_be_bytes(), name.as_bytes()].concat()
}

/// The name in a key, past its kind.
fn name_of(rest: &[u8]) -> Option<Arc<str>> {
    let (_, name) = rest.split_first_chunk::<2>()?;
    std::str::from_utf8(name).ok().map(Arc::from)
}

fn role_value(role: &Role) -> Value {
    let words = |permissions: &PermissionSet| Value::from(permissions.words());
    let granted: Map<String, Value> =
        role.permissions.iter().map(|(resource, set)| (resource.name(), words(set))).collect();
    let mut value = json!({
        "superuser": role.superuser,
        "login": role.login,
        "hash": role.hash.as_deref(),
        "member_of": role.member_of.iter().map(|name| &**name).collect::<Vec<_>>(),
        "granted": granted,
    });
    if role.made != 0
        && let Some(value) = value.as_object_mut()
    {
        value.insert("made".to_owned(), role.made.into());
    }
    value
}

/// Gathers the stored values.
#[derive(Debug, Default)]
pub struct Reader {
    roles: BTreeMap<Arc<str>, Arc<Role>>,
    identities: BTreeMap<Arc<str>, Arc<str>>,
}

impl Reader {
    /// Takes a value if it is of a role or an identity; `key` is short of the number.
    pub fn take(&mut self, key: &[u8], value: &Value) -> Result<bool> {
        let damaged = || {
            let name = String::from_utf8_lossy(key).into_owned();
            Error::corrupt(format!("the stored roles are damaged: their value '{name}' makes no sense"))
        };
        if let Some(rest) = key.strip_prefix(ROLE) {
            let name = name_of(rest).ok_or_else(damaged)?;
            self.roles.insert(name, Arc::new(read_role(value).ok_or_else(damaged)?));
        } else if let Some(rest) = key.strip_prefix(IDENTITY) {
            let identity = name_of(rest).ok_or_else(damaged)?;
            let role = value.get("role").and_then(Value::as_str).ok_or_else(damaged)?;
            self.identities.insert(identity, Arc::from(role));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub fn finish(self) -> Roles {
        Roles::new(self.roles, self.identities)
    }
}

fn read_role(value: &Value) -> Option<Role> {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    let texts = |list: &Value| -> Option<Vec<String>> {
        list.as_array()?.iter().map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let mut permissions = BTreeMap::new();
    for (resource, words) in value.get("granted")?.as_object()? {
        let set = texts(words)?
            .iter()
            .try_fold(PermissionSet::NONE, |set, word| Some(set.with(PermissionSet::from_word(word)?)))?;
        permissions.insert(Resource::from_name(resource)?, set);
    }
    let member_of: BTreeSet<Arc<str>> = texts(value.get("member_of")?)?.into_iter().map(Arc::from).collect();
    Some(Role {
        superuser: flag("superuser")?,
        login: flag("login")?,
        hash: value.get("hash").and_then(Value::as_str).map(Arc::from),
        made: value.get("made").map_or(Some(0), Value::as_i64)?,
        member_of,
        permissions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version wrote it, which every later one must read.
    const ADA: &str = r#"{"superuser":false,"login":true,"hash":"$2a$10$x","member_of":["readers"],
        "granted":{"data/k/t":["SELECT","SELECT_MASKED"],"roles":["CREATE"]}}"#;

    fn read(entries: &[(&[u8], &str)]) -> Result<Roles> {
        let mut reader = Reader::default();
        for (key, value) in entries {
            assert!(reader.take(key, &serde_json::from_str(value).unwrap())?, "{key:?} was passed over");
        }
        Ok(reader.finish())
    }

    #[test]
    fn what_the_first_version_stored_is_read_and_written_as_it_was() {
        let stored: [(&[u8], &str); 2] =
            [(b"role/\x00\x03ada", ADA), (b"identity/\x00\x02id", r#"{"role":"ada"}"#)];
        let roles = read(&stored).unwrap();
        let ada = roles.get("ada").unwrap();
        assert!(ada.login && !ada.superuser && ada.hash.as_deref() == Some("$2a$10$x"));
        assert_eq!(ada.permissions[&Resource::table("k", "t")].words(), ["SELECT", "SELECT_MASKED"]);
        assert_eq!(roles.role_of_identity("id").map(|role| &**role), Some("ada"));
        let touched =
            Touched { roles: ["ada".into()].into(), identities: ["id".into(), "gone".into()].into() };
        let written: Vec<Change> = changes(&roles, &touched).collect();
        let value = |text: &str| Some(serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(
            written,
            [
                (b"role/\x00\x03ada".to_vec(), value(ADA)),
                (b"identity/\x00\x04gone".to_vec(), None),
                (b"identity/\x00\x02id".to_vec(), value(r#"{"role":"ada"}"#)),
            ]
        );
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named() {
        for (key, value) in [
            (&b"role/\x00\x03ada"[..], "{}"),
            (b"role/\x00\x03ada", &ADA.replace("SELECT_MASKED", "LEVITATE")),
            (b"role/\x00\x03ada", &ADA.replace("data/k/t", "nonsense")),
            (b"role/\x00\x03ada", &ADA.replacen('{', r#"{"made":"today","#, 1)),
            (b"role/", ADA),
            (b"identity/\x00\x02id", "{}"),
        ] {
            let error = read(&[(key, value)]).unwrap_err();
            assert_eq!(error.kind, ilium_store::ErrorKind::Corrupt, "{error}");
        }
    }
}
