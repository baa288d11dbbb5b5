//! Operations on parts of a collection or user-defined type become cells.
//!
//! A list's element has no key of its own: its *position id* is made from the time, so that appends of any order sort
//! as they were made. Prepends count backwards.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

use ilium_cql::CqlType;
use ilium_cql::sort_key;
use ilium_cql::value::{ValueError, list_elements, map_entries, tuple_fields};
use ilium_store::{Error, Result};

use super::cells::{Cells, NewState};
use super::operation::Operation;
use crate::layout::varint;
use crate::term::{Term, Value};

impl<'e> Cells<'e, '_> {
    /// Adds every element of a wire value to what is there.
    pub(super) fn add_elements(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
        match &operation.column_type {
            CqlType::List { .. } => {
                for element in list_elements(bytes).map_err(invalid)? {
                    let element = element.map_err(invalid)?.to_vec();
                    self.push(
                        operation,
                        Some(position_id(self.env.now_micros, false)),
                        NewState::Live(Cow::Owned(element)),
                    );
                }
            }
            CqlType::Set { element: key, .. } => {
                for element in list_elements(bytes).map_err(invalid)? {
                    let (path, value) = key_cell(key, element.map_err(invalid)?, &[])?;
                    self.push(operation, Some(path), NewState::Live(value));
                }
            }
            CqlType::Map { key, .. } => {
                for entry in map_entries(bytes).map_err(invalid)? {
                    let (entry_key, entry_value) = entry.map_err(invalid)?;
                    let (path, value) = key_cell(key, entry_key, entry_value)?;
                    self.push(operation, Some(path), NewState::Live(value));
                }
            }
            CqlType::Udt { definition, .. } => {
                let fields =
                    tuple_fields(bytes).collect::<std::result::Result<Vec<_>, _>>().map_err(invalid)?;
                if fields.len() > definition.fields.len() {
                    return Err(Error::invalid(format!(
                        "UDT value contained too many fields (expected {}, got {})",
                        definition.fields.len(),
                        fields.len()
                    )));
                }
                for (field, value) in (0u16..).zip(fields) {
                    if let Some(value) = value {
                        self.push(
                            operation,
                            Some(field_path(field)),
                            NewState::Live(Cow::Owned(value.to_vec())),
                        );
                    }
                }
            }
            other => return Err(Error::internal(format!("a value of type {other} has no elements"))),
        }
        Ok(())
    }

    pub(super) fn prepend(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
        let elements: Vec<&[u8]> =
            list_elements(bytes).map_err(invalid)?.collect::<std::result::Result<_, _>>().map_err(invalid)?;
        for element in elements.into_iter().rev() {
            self.push(
                operation,
                Some(position_id(self.env.now_micros, true)),
                NewState::Live(Cow::Owned(element.to_vec())),
            );
        }
        Ok(())
    }

    pub(super) fn remove_keys(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
        let key = key_type(&operation.column_type)?;
        for element in list_elements(bytes).map_err(invalid)? {
            let path = key_path(key, element.map_err(invalid)?)?;
            self.push(operation, Some(path), NewState::Tombstone);
        }
        Ok(())
    }

    /// The list's elements by position id: as stored, then as the statement's operations so far have changed them
    /// (`UpdateParameters.getPrefetchedRow`).
    fn list(&self, operation: &Operation) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut list = BTreeMap::new();
        let mut times = HashMap::new();
        if let Some(row) = self.current {
            for element in row.elements(operation.column) {
                let path = row.element_path(element).to_vec();
                times.insert(path.clone(), element.timestamp);
                list.insert(path, row.element_value(element).to_vec());
            }
        }
        for cell in self.out.iter().filter(|cell| cell.column == operation.cell_id) {
            let is_later = |path: &[u8]| times.get(path).is_none_or(|time| *time <= cell.timestamp);
            match (&cell.state, &cell.path) {
                (NewState::CollectionDeleted, _) => list.retain(|path, _| !is_later(path)),
                (NewState::Live(value), Some(path)) if is_later(path) => {
                    list.insert(path.to_vec(), value.to_vec());
                }
                (NewState::Tombstone, Some(path)) if is_later(path) => {
                    list.remove(&**path);
                }
                _ => {}
            }
        }
        list
    }

    pub(super) fn remove_values(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
        let gone: Vec<&[u8]> =
            list_elements(bytes).map_err(invalid)?.collect::<std::result::Result<_, _>>().map_err(invalid)?;
        for (path, value) in self.list(operation) {
            if gone.contains(&&*value) {
                self.push(operation, Some(Cow::Owned(path)), NewState::Tombstone);
            }
        }
        Ok(())
    }

    pub(super) fn put_entry(
        &mut self,
        operation: &'e Operation,
        key: &'e Term,
        value: &'e Term,
    ) -> Result<()> {
        let key_bytes = match key.evaluate(&self.env)? {
            Value::Null => return Err(Error::invalid("Invalid null map key")),
            Value::Unset => return Err(Error::invalid("Invalid unset map key")),
            Value::Bytes(bytes) => bytes,
        };
        let key_type = key_type(&operation.column_type)?;
        match value.evaluate(&self.env)? {
            Value::Unset => Ok(()),
            Value::Null => {
                self.push(operation, Some(key_path(key_type, &key_bytes)?), NewState::Tombstone);
                Ok(())
            }
            Value::Bytes(bytes) => {
                let (path, value) = key_cell(key_type, &key_bytes, &bytes)?;
                self.push(operation, Some(path), NewState::Live(value));
                Ok(())
            }
        }
    }

    pub(super) fn put_at(
        &mut self,
        operation: &'e Operation,
        index: &'e Term,
        value: &'e Term,
    ) -> Result<()> {
        let index = index.evaluate(&self.env)?;
        if index.is_unset() {
            return Err(Error::invalid("Invalid unset value for list index"));
        }
        let path = self.list_position(operation, &index, "set an element on a list which is null")?;
        let state = match value.evaluate(&self.env)? {
            Value::Unset => return Ok(()),
            Value::Null => NewState::Tombstone,
            Value::Bytes(bytes) => NewState::Live(bytes),
        };
        self.push(operation, Some(path), state);
        Ok(())
    }

    pub(super) fn delete_entry(&mut self, operation: &'e Operation, key: &'e Term) -> Result<()> {
        let what =
            if matches!(operation.column_type, CqlType::Set { .. }) { "set element" } else { "map key" };
        match key.evaluate(&self.env)? {
            Value::Null => Err(Error::invalid(format!("Invalid null {what}"))),
            Value::Unset => Err(Error::invalid(format!("Invalid unset {what}"))),
            Value::Bytes(bytes) => {
                let path = key_path(key_type(&operation.column_type)?, &bytes)?;
                self.push(operation, Some(path), NewState::Tombstone);
                Ok(())
            }
        }
    }

    /// The position id of the list's element at an index, as it stands now.
    pub(super) fn list_position(
        &self,
        operation: &Operation,
        index: &Value<'_>,
        attempt: &str,
    ) -> Result<Cow<'e, [u8]>> {
        let Some(bytes) = index.as_bytes() else {
            return Err(Error::invalid("Invalid null value for list index"));
        };
        let index =
            bytes.try_into().map(i32::from_be_bytes).map_err(|_| Error::invalid("Invalid list index"))?;
        let list = self.list(operation);
        if list.is_empty() {
            return Err(Error::invalid(format!("Attempted to {attempt}")));
        }
        let size = list.len();
        let path = usize::try_from(index).ok().and_then(|index| list.into_keys().nth(index));
        path.map(Cow::Owned)
            .ok_or_else(|| Error::invalid(format!("List index {index} out of bound, list has size {size}")))
    }
}

/// A path or a value made here.
type Bytes = Cow<'static, [u8]>;

fn invalid(error: ValueError) -> Error {
    Error::invalid(error.to_string())
}

pub(super) fn field_path(field: u16) -> Cow<'static, [u8]> {
    Cow::Owned(field.to_be_bytes().to_vec())
}

fn key_type(column_type: &CqlType) -> Result<&CqlType> {
    match column_type {
        CqlType::Set { element: key, .. } | CqlType::Map { key, .. } => Ok(key),
        other => Err(Error::internal(format!("a value of type {other} has no keys"))),
    }
}

fn key_path(key_type: &CqlType, key: &[u8]) -> Result<Cow<'static, [u8]>> {
    let mut path = Vec::with_capacity(key.len() + 4);
    sort_key::encode(key_type, key, false, &mut path).map_err(invalid)?;
    Ok(Cow::Owned(path))
}

/// The path of an element and its value, which begins with the key's own bytes where its sort key loses them.
fn key_cell(key_type: &CqlType, key: &[u8], value: &[u8]) -> Result<(Bytes, Bytes)> {
    let path = key_path(key_type, key)?;
    let mut stored = Vec::with_capacity(value.len());
    if sort_key::is_lossy(key_type) {
        varint::push(key.len() as u64, &mut stored);
        stored.extend_from_slice(key);
    }
    stored.extend_from_slice(value);
    Ok((path, Cow::Owned(stored)))
}

/// A list position after (or before) all that were given so far: eight bytes of time and eight that tell processes
/// apart.
fn position_id(now: i64, before: bool) -> Cow<'static, [u8]> {
    static LAST: AtomicI64 = AtomicI64::new(0);
    static PROCESS: LazyLock<[u8; 8]> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        // Without randomness two processes could share it, which matters only if they wrote in one microsecond.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
        bytes
    });
    let next = |last: i64| now.max(last.saturating_add(1));
    let time =
        LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last))).map_or(now, next);
    let time = if before { -time } else { time };
    let mut id = Vec::with_capacity(16);
    id.extend_from_slice(&((time as u64) ^ (1 << 63)).to_be_bytes());
    id.extend_from_slice(&*PROCESS);
    Cow::Owned(id)
}
