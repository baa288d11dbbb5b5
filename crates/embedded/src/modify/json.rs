//! INSERT ... JSON: one text that holds a value for each column.

use std::borrow::Cow;

use ilium_cql::json;
use ilium_store::{Binds, Error, Result};
use serde_json::Value as Json;

use super::operation::{Action, Operation};
use crate::catalog::entry::TableEntry;
use crate::term::{Env, Term, Value};

pub struct JsonInsert {
    text: Text,
    /// `DEFAULT UNSET`: columns the text does not name are left as they are; else they become null.
    default_unset: bool,
}

enum Text {
    Marker(Term),
    /// It was written in the statement: what it says, a value for each of the table's columns.
    Written(Vec<Value<'static>>),
}

impl JsonInsert {
    /// Takes a written text apart, so that one that is wrong is refused when it is prepared.
    pub fn plan(entry: &TableEntry, text: Term, default_unset: bool) -> Result<JsonInsert> {
        if text.as_bind().is_some() {
            return Ok(JsonInsert { text: Text::Marker(text), default_unset });
        }
        let binds = Binds::default();
        let env = Env { binds: &binds, row: None, aggregates: &[], now_micros: 0 };
        let values = values(entry, &text, default_unset, &env)?;
        Ok(JsonInsert { text: Text::Written(values), default_unset })
    }

    /// Every column that is not of the key is set.
    pub fn operations(entry: &TableEntry) -> Vec<Operation> {
        let table = &entry.table;
        let columns = table.columns.iter().zip(&entry.cell_ids).enumerate().skip(entry.key_len());
        columns
            .map(|(column, (definition, cell_id))| Operation {
                column,
                cell_id: *cell_id,
                is_static: definition.kind == ilium_cql::schema::ColumnKind::Static,
                column_type: definition.column_type.clone(),
                action: Action::SetFromJson,
            })
            .collect()
    }

    /// The value of each of the table's columns.
    pub fn evaluate(&self, entry: &TableEntry, env: &Env<'_>) -> Result<Vec<Value<'static>>> {
        match &self.text {
            Text::Written(values) => Ok(values.clone()),
            Text::Marker(text) => values(entry, text, self.default_unset, env),
        }
    }
}

fn values(
    entry: &TableEntry,
    text: &Term,
    default_unset: bool,
    env: &Env<'_>,
) -> Result<Vec<Value<'static>>> {
    let text = match text.evaluate(env)? {
        Value::Bytes(bytes) => bytes,
        Value::Null => return Err(Error::invalid("Got null for INSERT JSON values")),
        Value::Unset => return Err(Error::invalid("Got unset value for INSERT JSON values")),
    };
    let shown = String::from_utf8_lossy(&text);
    let not_a_map = |why: &dyn std::fmt::Display| {
        Error::invalid(format!("Could not decode JSON string as a map: {why}. (String was: {shown})"))
    };
    let mut fields = match serde_json::from_slice::<Json>(&text).map_err(|error| not_a_map(&error))? {
        Json::Object(fields) => fields,
        Json::Null => return Err(Error::invalid("Got null for INSERT JSON values")),
        _ => return Err(not_a_map(&"it is no JSON object")),
    };
    let mut values = Vec::with_capacity(entry.table.columns.len());
    for column in &entry.table.columns {
        let value = match take_field(&mut fields, &column.name) {
            None if default_unset => Value::Unset,
            None | Some(Json::Null) => Value::Null,
            Some(value) => {
                let bytes = json::from_json(&column.column_type, &value).map_err(|error| {
                    Error::invalid(format!("Error decoding JSON value for {}: {error}", column.name))
                })?;
                bytes.map_or(Value::Null, |bytes| Value::Bytes(Cow::Owned(bytes)))
            }
        };
        values.push(value);
    }
    if let Some(name) = fields.keys().next() {
        return Err(Error::invalid(format!("JSON values map contains unrecognized column: {name}")));
    }
    Ok(values)
}

/// A column's field: names are folded to lower case unless they stand in quotes of their own
/// (`JsonUtils.handleCaseSensitivity`).
fn take_field(fields: &mut serde_json::Map<String, Json>, column: &str) -> Option<Json> {
    let found =
        fields.keys().find(|name| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(exact) => exact == column,
            None => name.to_lowercase() == column,
        });
    let name = found.cloned()?;
    fields.remove(&name)
}
