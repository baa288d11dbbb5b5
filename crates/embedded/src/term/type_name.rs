//! Types as written in a statement, looked up.

use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::TypeName;
use ilium_cql::schema::Schema;
use ilium_cql::types::MAX_DEPTH;
use ilium_store::{Error, Result};

use super::compile::type_text;

/// The type a statement on `keyspace` means by `name` (`CQL3Type.Raw.prepare`).
pub fn resolve_type(name: &TypeName, keyspace: &str, schema: &Schema) -> Result<CqlType> {
    resolve(name, keyspace, schema, MAX_DEPTH)
}

fn resolve(name: &TypeName, keyspace: &str, schema: &Schema, depth: usize) -> Result<CqlType> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Error::invalid(format!("Types may be nested {MAX_DEPTH} deep at most")));
    };
    let inner = |inner: &TypeName| resolve(inner, keyspace, schema, depth);
    match name {
        TypeName::Native(native) => CqlType::native(native)
            .ok_or_else(|| Error::syntax(format!("Unknown type {native}: it is no native type"))),
        TypeName::List(element) => {
            check_part(name, element, keyspace)?;
            Ok(CqlType::List { element: Arc::new(inner(element)?), frozen: false })
        }
        TypeName::Set(element) => {
            check_part(name, element, keyspace)?;
            if is_native(element, "duration") {
                return Err(Error::invalid(format!(
                    "Durations are not allowed inside sets: {}",
                    type_text(name, keyspace)
                )));
            }
            Ok(CqlType::Set { element: Arc::new(inner(element)?), frozen: false })
        }
        TypeName::Map(key, value) => {
            check_part(name, value, keyspace)?;
            check_part(name, key, keyspace)?;
            if is_native(key, "duration") {
                return Err(Error::invalid(format!(
                    "Durations are not allowed as map keys: {}",
                    type_text(name, keyspace)
                )));
            }
            Ok(CqlType::Map { key: Arc::new(inner(key)?), value: Arc::new(inner(value)?), frozen: false })
        }
        TypeName::Tuple(fields) => {
            let fields = fields.iter().map(|field| Ok(inner_frozen(field, &inner)?.freeze()));
            Ok(CqlType::Tuple(fields.collect::<Result<Vec<_>>>()?.into()))
        }
        TypeName::Vector(element, dimension) => Ok(CqlType::Vector {
            element: Arc::new(inner_frozen(element, &inner)?.freeze()),
            dimension: *dimension,
        }),
        TypeName::Frozen(frozen) => {
            let ty = inner_frozen(frozen, &inner)?;
            if !ty.is_freezable() {
                return Err(Error::invalid(format!(
                    "frozen<> is only allowed on collections, tuples, and user-defined types (got {})",
                    type_text(frozen, keyspace)
                )));
            }
            Ok(ty.freeze())
        }
        TypeName::User(user) => {
            let named = user.keyspace.as_ref().map(|keyspace| keyspace.text.as_str());
            if let Some(other) = named.filter(|named| *named != keyspace) {
                return Err(Error::invalid(format!(
                    "Statement on keyspace {keyspace} cannot refer to a user type in keyspace {other}; user types can only be used in the keyspace they are defined in"
                )));
            }
            let definition = schema
                .keyspace(keyspace)
                .and_then(|keyspace| keyspace.types.get(user.name.text.as_str()))
                .ok_or_else(|| Error::invalid(format!("Unknown type {}", type_text(name, keyspace))))?;
            Ok(CqlType::Udt { definition: Arc::clone(definition), frozen: false })
        }
        TypeName::Custom(class) => Ok(CqlType::Custom(class.as_str().into())),
    }
}

/// What lies in something frozen is frozen itself, written so or not.
fn inner_frozen(name: &TypeName, inner: &dyn Fn(&TypeName) -> Result<CqlType>) -> Result<CqlType> {
    match name {
        TypeName::List(element) if is_freezable(element) => inner(&TypeName::List(frozen(element))),
        TypeName::Set(element) if is_freezable(element) => inner(&TypeName::Set(frozen(element))),
        TypeName::Map(key, value) => {
            let part = |part: &TypeName| {
                if is_freezable(part) { frozen(part) } else { Box::new(part.clone()) }
            };
            inner(&TypeName::Map(part(key), part(value)))
        }
        other => inner(other),
    }
}

fn frozen(name: &TypeName) -> Box<TypeName> {
    Box::new(TypeName::Frozen(Box::new(name.clone())))
}

fn is_freezable(name: &TypeName) -> bool {
    !matches!(name, TypeName::Native(_) | TypeName::Custom(_) | TypeName::Frozen(_))
}

fn is_native(name: &TypeName, native: &str) -> bool {
    matches!(name, TypeName::Native(name) if name.eq_ignore_ascii_case(native))
}

fn check_part(whole: &TypeName, part: &TypeName, keyspace: &str) -> Result<()> {
    let what = match part {
        TypeName::List(_) | TypeName::Set(_) | TypeName::Map(..) => "Non-frozen collections",
        TypeName::User(_) => "Non-frozen UDTs",
        _ if is_native(part, "counter") => "Counters",
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("{what} are not allowed inside collections: {}", type_text(whole, keyspace))))
}
