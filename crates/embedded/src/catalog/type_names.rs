//! Types as a statement writes them become types as the schema has them.
//!
//! Vocabulary: a *written* type still has the names of user-defined types and the places where `frozen` was said; a
//! *resolved* one has their definitions. What may contain what is Cassandra's rule (`CQL3Type.Raw.prepare`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use ilium_cql::ast::TypeName;
use ilium_cql::types::MAX_DEPTH;
use ilium_cql::{CqlType, UserType};
use ilium_store::{Error, Result};

/// Where written types are looked up: the keyspace of the statement and its user-defined types.
#[derive(Clone, Copy)]
pub struct TypeScope<'a> {
    pub keyspace: &'a str,
    pub types: &'a BTreeMap<Arc<str>, Arc<UserType>>,
}

impl TypeScope<'_> {
    pub fn resolve(&self, written: &TypeName) -> Result<CqlType> {
        let resolved = self.resolve_at(written, false, 0)?;
        if resolved.depth() > MAX_DEPTH {
            return Err(too_deep(written));
        }
        Ok(resolved)
    }

    /// `frozen`: what surrounds the type freezes it too.
    fn resolve_at(&self, written: &TypeName, frozen: bool, depth: usize) -> Result<CqlType> {
        if depth > MAX_DEPTH {
            return Err(too_deep(written));
        }
        let inner = |part: &TypeName, frozen| self.resolve_at(part, frozen, depth + 1);
        Ok(match written {
            TypeName::Native(name) => {
                CqlType::native(name).ok_or_else(|| Error::invalid(format!("Unknown type {name}")))?
            }
            TypeName::Frozen(part) => {
                if !can_be_frozen(part) {
                    // Cassandra finds it while it parses.
                    return Err(Error::syntax(format!(
                        "frozen<> is only allowed on collections, tuples, and user-defined types (got {})",
                        written_text(part, false)
                    )));
                }
                self.resolve_at(part, true, depth + 1)?
            }
            TypeName::List(element) => {
                self.check_element(written, element, frozen)?;
                CqlType::List { element: Arc::new(inner(element, frozen)?), frozen }
            }
            TypeName::Set(element) => {
                self.check_element(written, element, frozen)?;
                if is_native(element, "duration") {
                    return Err(Error::invalid(format!(
                        "Durations are not allowed inside sets: {}",
                        written_text(written, frozen)
                    )));
                }
                CqlType::Set { element: Arc::new(inner(element, frozen)?), frozen }
            }
            TypeName::Map(key, value) => {
                self.check_element(written, value, frozen)?;
                self.check_element(written, key, frozen)?;
                if is_native(key, "duration") {
                    return Err(Error::invalid(format!(
                        "Durations are not allowed as map keys: {}",
                        written_text(written, frozen)
                    )));
                }
                let value = Arc::new(inner(value, frozen)?);
                CqlType::Map { key: Arc::new(inner(key, frozen)?), value, frozen }
            }
            TypeName::Tuple(fields) => {
                if fields.iter().any(|field| is_native(field, "counter")) {
                    return Err(Error::invalid("Counters are not allowed inside tuples"));
                }
                CqlType::Tuple(fields.iter().map(|field| inner(field, true)).collect::<Result<_>>()?)
            }
            TypeName::Vector(element, dimension) => {
                if *dimension == 0 {
                    return Err(Error::invalid("vectors may only have positive dimensions; given 0"));
                }
                CqlType::Vector { element: Arc::new(inner(element, false)?), dimension: *dimension }
            }
            TypeName::User(name) => {
                if let Some(other) = name.keyspace.as_ref().filter(|k| k.as_str() != self.keyspace) {
                    return Err(Error::invalid(format!(
                        "Statement on keyspace {} cannot refer to a user type in keyspace {}; user types can only be \
                         used in the keyspace they are defined in",
                        self.keyspace,
                        other.as_str()
                    )));
                }
                let definition = self.types.get(name.name.as_str()).ok_or_else(|| {
                    Error::invalid(format!("Unknown type {}.{}", self.keyspace, name.name.as_str()))
                })?;
                CqlType::Udt { definition: Arc::clone(definition), frozen }
            }
            TypeName::Custom(class) => native_class(class).ok_or_else(|| {
                // Classes of Cassandra's own exist; any other would have to be on its class path.
                if class.starts_with("org.apache.cassandra.") || !class.contains('.') {
                    return Error::config(format!("the custom type '{class}' is not supported by Ilium yet"));
                }
                Error::syntax(format!(
                    "Error setting type {class}: Unable to find abstract-type class '{class}'"
                ))
            })?,
        })
    }

    /// What no collection may hold.
    fn check_element(&self, collection: &TypeName, element: &TypeName, frozen: bool) -> Result<()> {
        let whole = || written_text(collection, frozen);
        if is_native(element, "counter") {
            return Err(Error::invalid(format!("Counters are not allowed inside collections: {}", whole())));
        }
        if frozen {
            return Ok(());
        }
        match element {
            TypeName::List(_) | TypeName::Set(_) | TypeName::Map(..) => Err(Error::invalid(format!(
                "Non-frozen collections are not allowed inside collections: {}",
                whole()
            ))),
            TypeName::User(_) => Err(Error::invalid(format!(
                "Non-frozen UDTs are not allowed inside collections: {}",
                whole()
            ))),
            _ => Ok(()),
        }
    }
}

/// The native type that a Java class of Cassandra's stands for, its package left out or not.
fn native_class(class: &str) -> Option<CqlType> {
    const PACKAGE: &str = "org.apache.cassandra.db.marshal.";
    Some(match class.strip_prefix(PACKAGE).unwrap_or(class) {
        "AsciiType" => CqlType::Ascii,
        "BooleanType" => CqlType::Boolean,
        "BytesType" => CqlType::Blob,
        "ByteType" => CqlType::Tinyint,
        "CounterColumnType" => CqlType::Counter,
        "DecimalType" => CqlType::Decimal,
        "DoubleType" => CqlType::Double,
        "DurationType" => CqlType::Duration,
        "EmptyType" => CqlType::Empty,
        "FloatType" => CqlType::Float,
        "InetAddressType" => CqlType::Inet,
        "Int32Type" => CqlType::Int,
        "IntegerType" => CqlType::Varint,
        "LongType" => CqlType::Bigint,
        "ShortType" => CqlType::Smallint,
        "SimpleDateType" => CqlType::Date,
        "TimestampType" => CqlType::Timestamp,
        "TimeType" => CqlType::Time,
        "TimeUUIDType" => CqlType::Timeuuid,
        "UTF8Type" => CqlType::Text,
        "UUIDType" => CqlType::Uuid,
        _ => return None,
    })
}

fn too_deep(written: &TypeName) -> Error {
    let shown: String = written_text(written, false).chars().take(60).collect();
    Error::invalid(format!("type {shown}... is nested deeper than {MAX_DEPTH} levels"))
}

pub fn is_native(written: &TypeName, name: &str) -> bool {
    matches!(written, TypeName::Native(native) if native == name)
}

fn can_be_frozen(written: &TypeName) -> bool {
    !matches!(written, TypeName::Native(_) | TypeName::Custom(_))
}

/// As Cassandra's messages show a written type: what a surrounding `frozen` freezes says so itself.
pub fn written_text(written: &TypeName, frozen: bool) -> String {
    let mut out = String::new();
    write_text(&mut out, written, frozen, 0);
    out
}

fn write_text(out: &mut String, written: &TypeName, frozen: bool, depth: usize) {
    if depth > MAX_DEPTH {
        return out.push_str("...");
    }
    let named = |out: &mut String, constructor: &str, parts: &[&TypeName]| {
        out.push_str(if frozen { "frozen<" } else { "" });
        let _ = write!(out, "{constructor}<");
        for (i, part) in parts.iter().enumerate() {
            out.push_str(if i > 0 { ", " } else { "" });
            write_text(out, part, frozen, depth + 1);
        }
        out.push_str(if frozen { ">>" } else { ">" });
    };
    match written {
        TypeName::Native(name) => out.push_str(name),
        TypeName::Frozen(part) => write_text(out, part, true, depth + 1),
        TypeName::List(element) => named(out, "list", &[element]),
        TypeName::Set(element) => named(out, "set", &[element]),
        TypeName::Map(key, value) => named(out, "map", &[key, value]),
        TypeName::Tuple(fields) => {
            out.push_str("tuple<");
            for (i, field) in fields.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_text(out, field, true, depth + 1);
            }
            out.push('>');
        }
        TypeName::Vector(element, dimension) => {
            out.push_str("vector<");
            write_text(out, element, false, depth + 1);
            let _ = write!(out, ", {dimension}>");
        }
        TypeName::User(name) => {
            out.push_str(if frozen { "frozen<" } else { "" });
            if let Some(keyspace) = &name.keyspace {
                let _ = write!(out, "{}.", keyspace.as_str());
            }
            out.push_str(name.name.as_str());
            out.push_str(if frozen { ">" } else { "" });
        }
        TypeName::Custom(class) => {
            let _ = write!(out, "'{class}'");
        }
    }
}

/// The type with every user-defined type in it as the tuple of its fields: what is remembered of a dropped column,
/// whose types may go away (`AbstractType.expandUserTypes`).
pub fn expand_user_types(ty: &CqlType) -> CqlType {
    let expand = |part: &Arc<CqlType>| Arc::new(expand_user_types(part));
    match ty {
        CqlType::List { element, frozen } => CqlType::List { element: expand(element), frozen: *frozen },
        CqlType::Set { element, frozen } => CqlType::Set { element: expand(element), frozen: *frozen },
        CqlType::Map { key, value, frozen } => {
            CqlType::Map { key: expand(key), value: expand(value), frozen: *frozen }
        }
        CqlType::Tuple(fields) => CqlType::Tuple(fields.iter().map(expand_user_types).collect()),
        CqlType::Udt { definition, .. } => {
            CqlType::Tuple(definition.fields.iter().map(|(_, field)| expand_user_types(field)).collect())
        }
        CqlType::Vector { element, dimension } => {
            CqlType::Vector { element: expand(element), dimension: *dimension }
        }
        other => other.clone(),
    }
}

/// The type with the definition of one user-defined type replaced wherever it occurs.
pub fn with_updated_user_type(ty: &CqlType, updated: &Arc<UserType>) -> CqlType {
    if !ty.references_user_type(&updated.name) {
        return ty.clone();
    }
    let update = |part: &Arc<CqlType>| Arc::new(with_updated_user_type(part, updated));
    match ty {
        CqlType::List { element, frozen } => CqlType::List { element: update(element), frozen: *frozen },
        CqlType::Set { element, frozen } => CqlType::Set { element: update(element), frozen: *frozen },
        CqlType::Map { key, value, frozen } => {
            CqlType::Map { key: update(key), value: update(value), frozen: *frozen }
        }
        CqlType::Tuple(fields) => {
            CqlType::Tuple(fields.iter().map(|field| with_updated_user_type(field, updated)).collect())
        }
        CqlType::Udt { definition, frozen } if definition.name == updated.name => {
            CqlType::Udt { definition: Arc::clone(updated), frozen: *frozen }
        }
        CqlType::Udt { definition, frozen } => {
            CqlType::Udt { definition: Arc::new(updated_definition(definition, updated)), frozen: *frozen }
        }
        CqlType::Vector { element, dimension } => {
            CqlType::Vector { element: update(element), dimension: *dimension }
        }
        other => other.clone(),
    }
}

/// A definition whose fields use another one that changed.
pub fn updated_definition(definition: &UserType, updated: &Arc<UserType>) -> UserType {
    UserType {
        keyspace: Arc::clone(&definition.keyspace),
        name: Arc::clone(&definition.name),
        fields: definition
            .fields
            .iter()
            .map(|(name, field)| (Arc::clone(name), with_updated_user_type(field, updated)))
            .collect(),
    }
}
