//! Values of a request on their way into the store.

use std::borrow::Cow;

use bytes::Bytes;
use ilium_cql::CqlType;
use ilium_cql::json::{JsonError, Style, write_json, write_number, write_text};
use ilium_cql::schema::{Column, Table};
use ilium_cql::value::CollectionBuilder;
use ilium_store::{Binds, Slot};
use serde_json::Value;
use smallvec::SmallVec;

use crate::body::Given;

/// The values of a statement's markers, one after the other in one buffer.
pub struct Values {
    buffer: Vec<u8>,
    slots: SmallVec<[Slot; 8]>,
}

/// Room made for values at once: those of most rows fit.
const SMALL: usize = 128;

impl Default for Values {
    fn default() -> Values {
        Values { buffer: Vec::with_capacity(SMALL), slots: SmallVec::new() }
    }
}

impl Values {
    /// A value from JSON; `null` is a null.
    pub fn json(&mut self, ty: &CqlType, value: &Value, style: Style) -> Result<(), JsonError> {
        if value.is_null() {
            self.slots.push(Slot::Null);
            return Ok(());
        }
        self.written(|out| write_json(ty, value, style, out))
    }

    /// A value of a row's body.
    pub fn given(&mut self, ty: &CqlType, value: &Given<'_>, style: Style) -> Result<(), JsonError> {
        match value {
            Given::Text(text) => self.text(ty, text, style),
            Given::Number(text) => self.written(|out| write_number(ty, text, out)),
            Given::Json(value) => self.json(ty, value, style),
        }
    }

    /// A value from a part of a path.
    pub fn text(&mut self, ty: &CqlType, text: &str, style: Style) -> Result<(), JsonError> {
        self.written(|out| write_text(ty, text, style, out))
    }

    /// The list for `IN ?`, of elements that are not null.
    pub fn list(&mut self, element: &CqlType, items: &[Value], style: Style) -> Result<(), JsonError> {
        self.written(|out| {
            let mut list = CollectionBuilder::new(out);
            for item in items {
                list.push_with(|out| write_json(element, item, style, out))?;
            }
            Ok(list.finish()?)
        })
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let offset = self.buffer.len() as u32;
        self.buffer.extend_from_slice(bytes);
        self.slots.push(Slot::Value { offset, length: bytes.len() as u32 });
    }

    fn written(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let offset = self.buffer.len();
        write(&mut self.buffer)?;
        let length = (self.buffer.len() - offset) as u32;
        self.slots.push(Slot::Value { offset: offset as u32, length });
        Ok(())
    }

    pub fn binds(self) -> Binds {
        Binds::new(Bytes::from(self.buffer), self.slots)
    }
}

/// What is wrong with a value, and where: `t.tags[2]`.
pub fn misfit(table: &Table, column: &Column, error: &JsonError) -> String {
    let dot = if error.path.is_empty() || error.path.starts_with('[') { "" } else { "." };
    let mut text = format!(
        "Failed to deserialize field '{}.{}{dot}{}' of type {}, problem: {}",
        table.name, column.name, error.path, column.column_type, error.message
    );
    // A value may have megabytes, and be shown in its message.
    if let Some((end, _)) = text.char_indices().nth(1000) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The beginning of what a caller sent, for a message: a name of a body may have megabytes.
pub fn shown(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}

/// A column by its exact name, and its index in the table.
pub fn column<'t>(table: &'t Table, name: &str) -> Result<(usize, &'t Column), String> {
    match table.columns.iter().enumerate().find(|(_, column)| &*column.name == name) {
        Some(found) => Ok(found),
        None => {
            let known: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
            Err(format!(
                "Unknown field name '{}' (table '{}'); known fields: [{}]",
                shown(name),
                table.name,
                known.join(", ")
            ))
        }
    }
}
