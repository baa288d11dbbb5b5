//! CREATE, ALTER and DROP KEYSPACE.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::ast::{AlterKeyspace, CreateKeyspace, Name, Property};
use ilium_cql::schema::Keyspace;
use ilium_store::{Error, ErrorKind, Result, SchemaChange, SchemaChangeKind, SchemaTarget};

use super::draft::Draft;
use super::names::{is_system_keyspace, validate_keyspace_name};
use super::properties::Properties;
use super::replication::{replicas, replication_of};

const KNOWN: [&str; 2] = ["durable_writes", "replication"];

/// Reads the options, and refuses replication without a class (`KeyspaceAttributes.validate`).
fn options(written: &[Property]) -> Result<Properties<'_>> {
    let properties = Properties::read(written, &KNOWN)?;
    match properties.map("replication")? {
        Some(map) if !map.iter().any(|(name, _)| name == "class") => {
            Err(Error::config("Missing replication strategy class"))
        }
        _ => Ok(properties),
    }
}

pub fn create(
    draft: &mut Draft,
    statement: &CreateKeyspace,
    datacenter: &str,
) -> Result<Option<SchemaChange>> {
    let name = statement.name.as_str();
    validate_keyspace_name(name, Error::invalid)?;
    let properties = options(&statement.options)?;
    let Some(replication) = properties.map("replication")? else {
        return Err(Error::invalid("Missing mandatory option 'replication'"));
    };
    if let Some(existing) = draft.keyspace(name) {
        if statement.if_not_exists {
            return Ok(None);
        }
        let keyspace = Arc::clone(&existing.name);
        let kind = ErrorKind::AlreadyExists { keyspace, table: Arc::from("") };
        return Err(Error::new(kind, format!("Cannot add existing keyspace \"{name}\"")));
    }
    let durable_writes = properties.boolean("durable_writes")?.unwrap_or(true);
    let replication = replication_of(name, replication, &BTreeMap::new(), datacenter)?;
    draft.warnings.extend(replication.warnings);
    let name: Arc<str> = Arc::from(name);
    draft.put_keyspace(Keyspace {
        name: Arc::clone(&name),
        durable_writes,
        replication: replication.map,
        is_virtual: false,
        tables: BTreeMap::new(),
        types: BTreeMap::new(),
    });
    Ok(Some(SchemaChange { kind: SchemaChangeKind::Created, keyspace: name, target: SchemaTarget::Keyspace }))
}

pub fn alter(draft: &mut Draft, statement: &AlterKeyspace, datacenter: &str) -> Result<Option<SchemaChange>> {
    let name = statement.name.as_str();
    let properties = options(&statement.options)?;
    let Some(before) = draft.keyspace(name) else {
        return missing(&statement.name, statement.if_exists);
    };
    let mut after = Keyspace::clone(before);
    let previous = before.replication.clone();
    if let Some(durable_writes) = properties.boolean("durable_writes")? {
        after.durable_writes = durable_writes;
    }
    let written = properties.map("replication")?;
    // What stays as it is is checked and warned of again, as Cassandra does.
    let unchanged: Vec<_> = previous.clone().into_iter().collect();
    if written.is_some() || !is_system_keyspace(name) {
        let replication = replication_of(name, written.unwrap_or(&unchanged), &previous, datacenter)?;
        after.replication = replication.map;
        if !is_system_keyspace(name) {
            draft.warnings.extend(replication.warnings);
        }
    }
    if draft.keyspace(name).is_some_and(|before| **before == after) {
        return Ok(None);
    }
    if replicas(&previous) < replicas(&after.replication) {
        draft.warnings.push(
            "When increasing replication factor you need to run a full (-full) repair to distribute the data.".into(),
        );
    }
    let keyspace = Arc::clone(&after.name);
    draft.put_keyspace(after);
    Ok(Some(SchemaChange { kind: SchemaChangeKind::Updated, keyspace, target: SchemaTarget::Keyspace }))
}

pub fn drop(draft: &mut Draft, name: &Name, if_exists: bool) -> Result<Option<SchemaChange>> {
    let Some(keyspace) = draft.keyspace(name.as_str()).map(|keyspace| Arc::clone(&keyspace.name)) else {
        return missing(name, if_exists);
    };
    draft.drop_keyspace(&keyspace);
    Ok(Some(SchemaChange { kind: SchemaChangeKind::Dropped, keyspace, target: SchemaTarget::Keyspace }))
}

fn missing(name: &Name, if_exists: bool) -> Result<Option<SchemaChange>> {
    match if_exists {
        true => Ok(None),
        false => Err(Error::invalid(format!("Keyspace '{}' doesn't exist", name.as_str()))),
    }
}
