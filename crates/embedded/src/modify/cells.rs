//! Operations become cells.

use std::borrow::Cow;
use std::collections::HashMap;

use ilium_store::{Error, Result};

use super::elements::field_path;
use super::operation::{Action, Operation};
use crate::layout::live_row::LiveRow;
use crate::layout::record::{Cell, CellState, Expiry};
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

    pub(super) fn push(&mut self, operation: &Operation, path: Option<Cow<'e, [u8]>>, state: NewState<'e>) {
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
