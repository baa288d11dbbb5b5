//! The schema as it is kept: one value a keyspace, one a table, under number 0 of the store.
//!
//! ```text
//! key:   [0, u32 BE] "ring"                        value: [revision u64 BE] {"format": 1, "host_id": ...}
//!        [0, u32 BE] "schema"                             [revision u64 BE] {"version": ..., "next_number": ...}
//!        [0, u32 BE] "keyspace/" name 0x00                [revision u64 BE] {"replication": ..., "types": ...}
//!        [0, u32 BE] "table/" number u32 BE               [revision u64 BE] {"name": ..., "columns": ...}
//! ```
//! and what `roles::stored` keeps beside it.
//!
//! Of two values of one key the store keeps the one with the greater revision. The text is JSON, for people who look
//! into a folder; fields that are not known are passed over, so that an older program of the same format can read
//! what a newer one wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use ilium_cql::schema::{Keyspace, UuidBytes};
use ilium_cql::value::text::{parse_uuid, uuid_to_text};
use ilium_cql::{CqlType, UserType};
use ilium_store::{Error, Result};
use serde_json::{Map, Value, json};

use super::draft::Touched;
use super::entry::TableEntry;
use super::snapshot::Snapshot;
use super::stored_table::{read_table, table_value};
use super::type_names::TypeScope;
use crate::layout::key::CATALOG_NUMBER;
use crate::roles::{self, Roles};
use crate::storage::Batch;

/// The format of what this program writes. A folder with a greater one was written by a newer program.
pub const FORMAT: u64 = 1;

const RING: &[u8] = b"ring";
const SCHEMA: &[u8] = b"schema";
const KEYSPACE: &[u8] = b"keyspace/";
const TABLE: &[u8] = b"table/";

/// Everything that [`read`] found.
pub struct Stored {
    pub host_id: UuidBytes,
    pub schema_version: UuidBytes,
    pub revision: u64,
    pub next_number: u32,
    pub keyspaces: Vec<Keyspace>,
    pub tables: Vec<TableEntry>,
    pub roles: Roles,
}

fn key(parts: &[&[u8]]) -> Vec<u8> {
    let mut key = CATALOG_NUMBER.to_be_bytes().to_vec();
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// A name followed by a byte that no name holds, so that no key is the beginning of another.
fn keyspace_key(name: &str) -> Vec<u8> {
    key(&[KEYSPACE, name.as_bytes(), &[0]])
}

fn table_key(number: u32) -> Vec<u8> {
    key(&[TABLE, &number.to_be_bytes()])
}

fn put(batch: &mut Batch, key: &[u8], revision: u64, value: &Value) {
    let mut bytes = revision.to_be_bytes().to_vec();
    bytes.extend_from_slice(value.to_string().as_bytes());
    batch.put(key, &bytes);
}

/// What a folder holds from its first start on.
pub fn write_ring(batch: &mut Batch, host_id: UuidBytes) {
    put(batch, &key(&[RING]), 0, &json!({ "format": FORMAT, "host_id": uuid_to_text(host_id) }));
}

/// Writes what a change touched; what was dropped goes with all its rows.
pub fn write_change(batch: &mut Batch, snapshot: &Snapshot, touched: &Touched) {
    let revision = snapshot.revision;
    let head = json!({
        "version": uuid_to_text(snapshot.schema.version),
        "next_number": snapshot.next_number,
    });
    put(batch, &key(&[SCHEMA]), revision, &head);
    for name in &touched.dropped_keyspaces {
        batch.drop_prefix(&keyspace_key(name));
    }
    for number in &touched.dropped_tables {
        batch.drop_prefix(&table_key(*number));
        batch.drop_prefix(&number.to_be_bytes());
    }
    for number in &touched.dropped_indexes {
        batch.drop_prefix(&number.to_be_bytes());
    }
    for keyspace in touched.keyspaces.iter().filter_map(|name| snapshot.schema.keyspace(name)) {
        put(batch, &keyspace_key(&keyspace.name), revision, &keyspace_value(keyspace));
    }
    for (name, value) in roles::stored::changes(&snapshot.roles, &touched.roles) {
        let key = key(&[&name]);
        match value {
            Some(value) => put(batch, &key, revision, &value),
            None => batch.drop_prefix(&key),
        }
    }
    for (number, (keyspace, name)) in &touched.tables {
        if let Some(entry) = snapshot.table(keyspace, name) {
            put(batch, &table_key(*number), revision, &table_value(entry));
        }
    }
}

/// Reads every value under number 0; `None`: this folder has never been started.
pub fn read<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Option<Stored>> {
    let (mut ring, mut head) = (None, None);
    let (mut keyspaces, mut tables) = (Vec::new(), Vec::new());
    let mut roles = roles::stored::Reader::default();
    for (key, value) in entries {
        let Some(name) = key.strip_prefix(&CATALOG_NUMBER.to_be_bytes()) else { continue };
        let shown = || String::from_utf8_lossy(name).into_owned();
        let (revision, text) = value.split_first_chunk::<8>().ok_or_else(|| damaged(&shown()))?;
        let revision = u64::from_be_bytes(*revision);
        let json: Value = serde_json::from_slice(text).map_err(|_| damaged(&shown()))?;
        let record = Record { name: shown(), json };
        if name == RING {
            ring = Some(record);
        } else if name == SCHEMA {
            head = Some((revision, record));
        } else if let Some(name) = name.strip_prefix(KEYSPACE) {
            let name = name.strip_suffix(&[0]).and_then(|name| std::str::from_utf8(name).ok());
            keyspaces.push((name.ok_or_else(|| damaged(&record.name))?.to_owned(), record));
        } else if let Some(number) = name.strip_prefix(TABLE) {
            let number = <[u8; 4]>::try_from(number).map_err(|_| damaged(&record.name))?;
            tables.push((u32::from_be_bytes(number), record));
        } else if !roles.take(name, &record.json)? {
            return Err(damaged(&record.name));
        }
    }
    let Some(ring) = ring else {
        return match keyspaces.first() {
            Some((name, _)) => Err(damaged(&format!("ring (keyspace {name} is there without it)"))),
            None => Ok(None),
        };
    };
    let format = ring.json.get("format").and_then(Value::as_u64).ok_or_else(|| damaged(&ring.name))?;
    if format > FORMAT {
        return Err(Error::config(format!(
            "this data folder has format {format}, written by a newer Ilium; this one reads up to {FORMAT}: start it \
             with that program, or another folder with this one"
        )));
    }
    let host_id = ring.uuid("host_id")?;
    let (revision, head) = head.ok_or_else(|| damaged("schema"))?;
    let next_number = head.json.get("next_number").and_then(Value::as_u64);
    let next_number = next_number.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| damaged("schema"))?;

    let keyspaces = keyspaces
        .into_iter()
        .map(|(name, record)| read_keyspace(&name, &record))
        .collect::<Result<Vec<_>>>()?;
    let no_types = BTreeMap::new();
    let mut entries = Vec::with_capacity(tables.len());
    for (number, record) in tables {
        let keyspace = record.text("keyspace")?;
        let types = keyspaces.iter().find(|k| *k.name == *keyspace).map_or(&no_types, |k| &k.types);
        entries.push(read_table(number, &record, TypeScope { keyspace, types })?);
    }
    Ok(Some(Stored {
        host_id,
        schema_version: head.uuid("version")?,
        revision,
        next_number,
        keyspaces,
        tables: entries,
        roles: roles.finish(),
    }))
}

fn damaged(name: &str) -> Error {
    Error::corrupt(format!("the stored schema is damaged: its value '{name}' makes no sense"))
}

/// One stored value, with its key for messages.
pub(super) struct Record {
    name: String,
    pub json: Value,
}

impl Record {
    pub fn damaged(&self) -> Error {
        damaged(&self.name)
    }

    pub fn text<'a>(&'a self, field: &str) -> Result<&'a str> {
        self.text_in(&self.json, field)
    }

    pub fn text_in<'a>(&self, of: &'a Value, field: &str) -> Result<&'a str> {
        of.get(field).and_then(Value::as_str).ok_or_else(|| self.damaged())
    }

    pub fn uuid(&self, field: &str) -> Result<UuidBytes> {
        parse_uuid(self.text(field)?).ok_or_else(|| self.damaged())
    }

    /// The elements of a list; one that is not there is empty.
    pub fn list<'a>(&'a self, of: &'a Value, field: &str) -> Result<&'a [Value]> {
        match of.get(field) {
            None => Ok(&[]),
            Some(Value::Array(elements)) => Ok(elements),
            Some(_) => Err(self.damaged()),
        }
    }

    pub fn text_map(&self, of: &Value) -> Result<BTreeMap<String, String>> {
        let map = of.as_object().ok_or_else(|| self.damaged())?;
        map.iter()
            .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(|| self.damaged())
    }

    /// A type from the text that `system_schema` shows.
    pub fn column_type(&self, text: &str, scope: TypeScope<'_>) -> Result<CqlType> {
        let resolve = |name: &str| scope.types.get(name).cloned();
        CqlType::parse(text, &resolve).map_err(|error| {
            Error::corrupt(format!("the stored schema is damaged: value '{}': {error}", self.name))
        })
    }
}

pub(super) fn text_map_value(map: &BTreeMap<String, String>) -> Value {
    Value::Object(map.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect())
}

fn keyspace_value(keyspace: &Keyspace) -> Value {
    let types: Vec<Value> = types_in_order(&keyspace.types)
        .into_iter()
        .map(|definition| {
            let fields = definition.fields.iter();
            let fields: Map<String, Value> =
                fields.map(|(name, field)| (name.to_string(), field.to_string().into())).collect();
            json!({ "name": &*definition.name, "fields": fields })
        })
        .collect();
    json!({
        "replication": text_map_value(&keyspace.replication),
        "durable_writes": keyspace.durable_writes,
        "types": types,
    })
}

fn read_keyspace(name: &str, record: &Record) -> Result<Keyspace> {
    let name: Arc<str> = Arc::from(name);
    let replication = record.text_map(record.json.get("replication").ok_or_else(|| record.damaged())?)?;
    let mut types: BTreeMap<Arc<str>, Arc<UserType>> = BTreeMap::new();
    // A type comes after those it is made of.
    for stored in record.list(&record.json, "types")? {
        let fields = stored.get("fields").and_then(Value::as_object).ok_or_else(|| record.damaged())?;
        let mut read = Vec::with_capacity(fields.len());
        for (field, text) in fields {
            let text = text.as_str().ok_or_else(|| record.damaged())?;
            let scope = TypeScope { keyspace: &name, types: &types };
            read.push((Arc::from(field.as_str()), record.column_type(text, scope)?));
        }
        let type_name: Arc<str> = Arc::from(record.text_in(stored, "name")?);
        let definition = UserType { keyspace: Arc::clone(&name), name: Arc::clone(&type_name), fields: read };
        types.insert(type_name, Arc::new(definition));
    }
    Ok(Keyspace {
        name,
        durable_writes: record.json.get("durable_writes").and_then(Value::as_bool).unwrap_or(true),
        replication,
        is_virtual: false,
        tables: BTreeMap::new(),
        types,
    })
}

/// User-defined types by name, but each after those it is made of (`Types.sortedStream`): the order in which they can
/// be created.
pub fn types_in_order(types: &BTreeMap<Arc<str>, Arc<UserType>>) -> Vec<&Arc<UserType>> {
    fn add<'a>(
        definition: &'a Arc<UserType>,
        types: &'a BTreeMap<Arc<str>, Arc<UserType>>,
        ordered: &mut Vec<&'a Arc<UserType>>,
    ) {
        if ordered.iter().any(|other| other.name == definition.name) {
            return;
        }
        for (_, field) in &definition.fields {
            for used in types.values().filter(|used| field.references_user_type(&used.name)) {
                add(used, types, ordered);
            }
        }
        ordered.push(definition);
    }
    let mut ordered = Vec::with_capacity(types.len());
    types.values().for_each(|definition| add(definition, types, &mut ordered));
    ordered
}
