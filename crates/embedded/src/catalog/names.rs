//! Which names keyspaces, tables and indexes may have, and which keyspaces are Cassandra's own.

use ilium_store::{Error, ErrorKind, Result};

/// Characters (`SchemaConstants.NAME_LENGTH`).
const KEYSPACE_NAME_LENGTH: usize = 48;
/// Characters: what a file name leaves beside a table's id (`SchemaConstants.TABLE_NAME_LENGTH`).
const TABLE_NAME_LENGTH: usize = 222;

const LOCAL: [&str; 4] = ["system", "system_schema", "system_views", "system_virtual_schema"];
const REPLICATED: [&str; 3] = ["system_auth", "system_distributed", "system_traces"];

/// A keyspace that every server has of itself and nobody changes (`SchemaConstants.isLocalSystemKeyspace`).
pub fn is_local_system_keyspace(name: &str) -> bool {
    LOCAL.contains(&name.to_lowercase().as_str())
}

/// A keyspace that every cluster has; its replication may be changed (`SchemaConstants.isReplicatedSystemKeyspace`).
pub fn is_replicated_system_keyspace(name: &str) -> bool {
    REPLICATED.contains(&name.to_lowercase().as_str())
}

pub fn is_system_keyspace(name: &str) -> bool {
    is_local_system_keyspace(name) || is_replicated_system_keyspace(name)
}

/// Letters, digits and underscores of ASCII, at least one (`SchemaConstants.isValidCharsName`).
pub fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_word_byte)
}

pub fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub fn validate_keyspace_name(name: &str, error: impl FnOnce(String) -> Error) -> Result<()> {
    if !is_word(name) {
        return Err(error(format!(
            "Keyspace name must not be empty and must contain alphanumeric or underscore characters only (got \
             \"{name}\")"
        )));
    }
    if name.len() > KEYSPACE_NAME_LENGTH {
        return Err(error(format!(
            "Keyspace name must not be more than {KEYSPACE_NAME_LENGTH} characters long (got {} characters for \
             \"{name}\")",
            name.len()
        )));
    }
    Ok(())
}

pub fn validate_table_name(keyspace: &str, name: &str) -> Result<()> {
    if !is_word(name) {
        return Err(Error::config(format!(
            "{keyspace}.{name}: Table name must not be empty or not contain non-alphanumeric-underscore characters \
             (got \"{name}\")"
        )));
    }
    if name.len() > TABLE_NAME_LENGTH {
        return Err(Error::config(format!(
            "{keyspace}.{name}: Table name must not be more than {TABLE_NAME_LENGTH} characters long (got {} \
             characters for \"{name}\")",
            name.len()
        )));
    }
    Ok(())
}

/// What a statement wants of a keyspace, for the refusal of what only Cassandra's own code may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch<'a> {
    /// CREATE KEYSPACE and DROP INDEX, which pass the permission check and are refused on execution.
    Unchecked,
    AlterKeyspace,
    DropKeyspace,
    /// CREATE TABLE, CREATE TYPE and the like, by the verb.
    Within(&'static str),
    /// ALTER TABLE, DROP TABLE, CREATE INDEX and the like, by the verb and the table.
    Table(&'static str, &'a str),
}

/// `ClientState.preventSystemKSSchemaModification` and `AlterSchemaStatement.execute`.
pub fn refuse_system_keyspace(keyspace: &str, touch: Touch<'_>) -> Result<()> {
    if is_local_system_keyspace(keyspace) {
        return Err(match touch {
            Touch::Unchecked => {
                Error::invalid(format!("System keyspace '{keyspace}' is not user-modifiable"))
            }
            _ => Error::new(ErrorKind::Unauthorized, format!("{keyspace} keyspace is not user-modifiable.")),
        });
    }
    if !is_replicated_system_keyspace(keyspace) {
        return Ok(());
    }
    let refused = match touch {
        // Creating one that exists has an error of its own; replication is the operator's to set.
        Touch::Unchecked | Touch::AlterKeyspace => return Ok(()),
        Touch::DropKeyspace => format!("Cannot DROP <keyspace {keyspace}>"),
        Touch::Within(verb) => format!("Cannot {verb} <all tables in {keyspace}>"),
        Touch::Table(verb, table) => format!("Cannot {verb} <table {keyspace}.{table}>"),
    };
    Err(Error::new(ErrorKind::Unauthorized, refused))
}
