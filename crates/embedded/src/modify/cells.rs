//! Operations become cells.
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

use super::operation::{Action, Operation};
use crate::layout::live_row::LiveRow;
use crate::layout::record::{Cell, CellState, Expiry};
use crate::layout::varint;
use crate::term::{Env, Term, Value, function};

/// What all cells of one statement share.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Microseconds.
    pub timestamp: i64,
    pub expiry: Option<Expiry>,
    /// The second of writing, which tombstones keep.
    pub at: u32,
}

/// A cell about to be written.
#[derive(Debug, Clone)]
pub struct NewCell<'e> {
    pub column: u16,
    pub timestamp: i64,
    pub path: Option<Cow<'e, [u8]>>,
    pub state: NewState<'e>,
}

#[derive(Debug, Clone)]
pub enum NewState<'e> {
    CollectionDeleted,
    Tombstone,
    Live(Cow<'e, [u8]>),
    Counter([u8; 8]),
}

impl NewCell<'_> {
    /// As it is stored.
    pub fn stored(&self, stamp: &Stamp) -> Cell<'_> {
        let state = match &self.state {
            NewState::CollectionDeleted => CellState::CollectionDeleted { at: stamp.at },
            NewState::Tombstone => CellState::Tombstone { at: stamp.at },
            NewState::Live(value) => CellState::Live { value, expiry: stamp.expiry },
            NewState::Counter(value) => CellState::Counter { value },
        };
        Cell { column: self.column, timestamp: self.timestamp, path: self.path.as_deref(), state }
    }
}

/// A counter's sum and its write time.
#[derive(Debug, Clone, Copy)]
pub struct Sum {
    value: i64,
    timestamp: i64,
}

/// Gathers the cells of one row or one static row.
pub struct Cells<'e, 's> {
    pub stamp: &'s Stamp,
    pub env: Env<'e>,
    /// What is stored, for operations that must know.
    pub current: Option<&'s LiveRow>,
    /// What earlier statements of the same batch made of this row's counters, by cell id.
    pub counted: Option<&'s mut HashMap<u16, Sum>>,
    pub out: Vec<NewCell<'e>>,
}

impl<'e> Cells<'e, '_> {
    /// Evaluates one operation. `json`: the value for [`Action::SetFromJson`].
    pub fn apply(&mut self, operation: &'e Operation, json: Option<Value<'e>>) -> Result<()> {
        match &operation.action {
            Action::Set(term) => {
                let value = term.evaluate(&self.env)?;
                self.set(operation, value);
                Ok(())
            }
            Action::Replace(term) => {
                let value = term.evaluate(&self.env)?;
                self.replace(operation, value)
            }
            Action::SetFromJson => match json {
                None | Some(Value::Unset) => Ok(()),
                Some(value) if operation.column_type.is_multi_cell() => self.replace(operation, value),
                Some(value) => {
                    self.set(operation, value);
                    Ok(())
                }
            },
            Action::Append(term) => match term.evaluate(&self.env)? {
                Value::Bytes(bytes) => self.add_elements(operation, &bytes),
                Value::Null | Value::Unset => Ok(()),
            },
            Action::Prepend(term) => match term.evaluate(&self.env)? {
                Value::Bytes(bytes) => self.prepend(operation, &bytes),
                Value::Null | Value::Unset => Ok(()),
            },
            Action::RemoveKeys(term) => match term.evaluate(&self.env)? {
                Value::Bytes(bytes) => self.remove_keys(operation, &bytes),
                Value::Null | Value::Unset => Ok(()),
            },
            Action::RemoveValues(term) => match term.evaluate(&self.env)? {
                Value::Bytes(bytes) => self.remove_values(operation, &bytes),
                Value::Null | Value::Unset => Ok(()),
            },
            Action::PutEntry { key, value } => self.put_entry(operation, key, value),
            Action::PutAt { index, value } => self.put_at(operation, index, value),
            Action::PutField { field, value } => {
                let state = match value.evaluate(&self.env)? {
                    Value::Unset => return Ok(()),
                    Value::Null => NewState::Tombstone,
                    Value::Bytes(bytes) => NewState::Live(bytes),
                };
                self.push(operation, Some(field_path(*field)), state);
                Ok(())
            }
            Action::Delete => {
                let multi = operation.column_type.is_multi_cell();
                let state = if multi { NewState::CollectionDeleted } else { NewState::Tombstone };
                self.push(operation, None, state);
                Ok(())
            }
            Action::DeleteEntry(key) => self.delete_entry(operation, key),
            Action::DeleteAt(index) => {
                let index = index.evaluate(&self.env)?;
                if index.is_unset() {
                    return Ok(());
                }
                let path =
                    self.list_position(operation, &index, "delete an element from a list which is null")?;
                self.push(operation, Some(path), NewState::Tombstone);
                Ok(())
            }
            Action::DeleteField(field) => {
                self.push(operation, Some(field_path(*field)), NewState::Tombstone);
                Ok(())
            }
            Action::Count { by, negative } => self.count(operation, by, *negative),
            Action::Sum(term) => self.sum(operation, term),
            Action::AppendText(term) => self.append_text(operation, term),
        }
    }

    fn push(&mut self, operation: &Operation, path: Option<Cow<'e, [u8]>>, state: NewState<'e>) {
        let timestamp = self.stamp.timestamp;
        self.out.push(NewCell { column: operation.cell_id, timestamp, path, state });
    }

    fn set(&mut self, operation: &Operation, value: Value<'e>) {
        let state = match value {
            Value::Unset => return,
            Value::Null => NewState::Tombstone,
            Value::Bytes(bytes) => NewState::Live(bytes),
        };
        self.push(operation, None, state);
    }

    fn replace(&mut self, operation: &Operation, value: Value<'e>) -> Result<()> {
        if value.is_unset() {
            return Ok(());
        }
        // A microsecond earlier, so that it does not hide the elements written with it
        // (`UpdateParameters.setComplexDeletionTimeForOverwrite`), null among what may be written.
        self.push(operation, None, NewState::CollectionDeleted);
        if let Some(deletion) = self.out.last_mut() {
            deletion.timestamp = deletion.timestamp.saturating_sub(1);
        }
        match value {
            Value::Bytes(bytes) => self.add_elements(operation, &bytes),
            Value::Null | Value::Unset => Ok(()),
        }
    }

    /// Adds every element of a wire value to what is there.
    fn add_elements(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
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

    fn prepend(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
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

    fn remove_keys(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
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

    fn remove_values(&mut self, operation: &Operation, bytes: &[u8]) -> Result<()> {
        let gone: Vec<&[u8]> =
            list_elements(bytes).map_err(invalid)?.collect::<std::result::Result<_, _>>().map_err(invalid)?;
        for (path, value) in self.list(operation) {
            if gone.contains(&&*value) {
                self.push(operation, Some(Cow::Owned(path)), NewState::Tombstone);
            }
        }
        Ok(())
    }

    fn put_entry(&mut self, operation: &'e Operation, key: &'e Term, value: &'e Term) -> Result<()> {
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

    fn put_at(&mut self, operation: &'e Operation, index: &'e Term, value: &'e Term) -> Result<()> {
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

    fn delete_entry(&mut self, operation: &'e Operation, key: &'e Term) -> Result<()> {
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
    fn list_position(
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

    fn count(&mut self, operation: &'e Operation, by: &'e Term, negative: bool) -> Result<()> {
        let by = match by.evaluate(&self.env)? {
            Value::Unset => return Ok(()),
            Value::Null => return Err(Error::invalid("Invalid null value for counter increment")),
            Value::Bytes(bytes) => int8(&bytes)?,
        };
        let by = if negative {
            by.checked_neg().ok_or_else(|| {
                Error::invalid(format!(
                    "The negation of {by} overflows supported counter precision (signed 8 bytes integer)"
                ))
            })?
        } else {
            by
        };
        let earlier = self.counted.as_ref().and_then(|counted| counted.get(&operation.cell_id).copied());
        let stored = match (earlier, self.current) {
            (Some(sum), _) => Some(sum),
            (None, Some(row)) => match (row.value(operation.column), row.write_time(operation.column)) {
                (Some(value), Some(timestamp)) => Some(Sum { value: int8(value)?, timestamp }),
                _ => None,
            },
            (None, None) => None,
        };
        let timestamp = self.stamp.timestamp;
        let sum = match stored {
            None => Sum { value: by, timestamp },
            // Cassandra's counter shards add up in Java longs, which wrap. They also add up whatever the clients'
            // clocks say, so a sum is always later than the one it was made from.
            Some(stored) => Sum {
                value: stored.value.wrapping_add(by),
                timestamp: timestamp.max(stored.timestamp.saturating_add(1)),
            },
        };
        if let Some(counted) = &mut self.counted {
            counted.insert(operation.cell_id, sum);
        }
        let state = NewState::Counter(sum.value.to_be_bytes());
        self.out.push(NewCell { column: operation.cell_id, timestamp: sum.timestamp, path: None, state });
        Ok(())
    }

    /// A number grows; of nothing stored nothing is made (`Constants.Adder`).
    fn sum(&mut self, operation: &'e Operation, term: &'e Term) -> Result<()> {
        let Value::Bytes(more) = term.evaluate(&self.env)? else { return Ok(()) };
        let Some(stored) = self.value(operation) else { return Ok(()) };
        if let Some(sum) = function::sum(&operation.column_type, stored, &more)? {
            self.push(operation, None, NewState::Live(Cow::Owned(sum)));
        }
        Ok(())
    }

    fn append_text(&mut self, operation: &'e Operation, term: &'e Term) -> Result<()> {
        let Value::Bytes(more) = term.evaluate(&self.env)? else { return Ok(()) };
        let Some(stored) = self.value(operation) else { return Ok(()) };
        let text = [stored, &more].concat();
        self.push(operation, None, NewState::Live(Cow::Owned(text)));
        Ok(())
    }

    /// What the column has by now: as stored, or as the statement has changed it so far.
    fn value(&self, operation: &Operation) -> Option<&[u8]> {
        match self.out.iter().rev().find(|cell| cell.column == operation.cell_id) {
            Some(NewCell { state: NewState::Live(value), .. }) => Some(value),
            Some(_) => None,
            None => self.current?.value(operation.column),
        }
    }
}

fn int8(bytes: &[u8]) -> Result<i64> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::invalid(format!("Expected 8 or 0 byte long ({})", bytes.len())))?;
    Ok(i64::from_be_bytes(bytes))
}

/// A path or a value made here.
type Bytes = Cow<'static, [u8]>;

fn invalid(error: ValueError) -> Error {
    Error::invalid(error.to_string())
}

fn field_path(field: u16) -> Cow<'static, [u8]> {
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
