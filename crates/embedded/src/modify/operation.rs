//! What a statement does to one column (Cassandra's `Operation` and the `Setter`s, `Adder`s and `Discarder`s behind it).

use ilium_cql::CqlType;
use ilium_cql::ast::{Change, DeleteTarget, Expr, Name};
use ilium_cql::schema::Column;
use ilium_store::{Error, Result};

use crate::term::{Compiler, Receiver, Term};

#[derive(Debug, Clone)]
pub struct Operation {
    /// Index in the table's columns.
    pub column: usize,
    pub cell_id: u16,
    pub is_static: bool,
    pub column_type: CqlType,
    pub action: Action,
}

#[derive(Debug, Clone)]
pub enum Action {
    /// A value that is one cell.
    Set(Term),
    /// A value that is a cell an element: what was there goes.
    Replace(Term),
    /// From the JSON text of the statement.
    SetFromJson,
    Append(Term),
    Prepend(Term),
    /// Takes the values of a list out wherever they stand.
    RemoveValues(Term),
    /// Elements of a set, or keys of a map.
    RemoveKeys(Term),
    /// `m[key] = value`.
    PutEntry {
        key: Term,
        value: Term,
    },
    /// `l[index] = value`.
    PutAt {
        index: Term,
        value: Term,
    },
    PutField {
        field: u16,
        value: Term,
    },
    Delete,
    DeleteEntry(Term),
    DeleteAt(Term),
    DeleteField(u16),
    /// Adds to a counter, or takes from it.
    Count {
        by: Term,
        negative: bool,
    },
    /// `c += value` of a conditional update, on a number: the sum, which reads the column.
    Sum(Term),
    /// The same on a text, which grows.
    AppendText(Term),
}

impl Action {
    /// Whether it depends on what is stored.
    pub fn reads(&self) -> bool {
        matches!(
            self,
            Action::RemoveValues(_)
                | Action::PutAt { .. }
                | Action::DeleteAt(_)
                | Action::Count { .. }
                | Action::Sum(_)
                | Action::AppendText(_)
        )
    }

    /// Whether doing it twice is doing it once.
    pub fn is_idempotent(&self) -> bool {
        match self {
            Action::Set(term)
            | Action::Replace(term)
            | Action::RemoveValues(term)
            | Action::RemoveKeys(term)
            | Action::DeleteEntry(term)
            | Action::PutField { value: term, .. } => term.is_pure(),
            Action::PutEntry { key, value } => key.is_pure() && value.is_pure(),
            Action::Delete | Action::DeleteField(_) | Action::SetFromJson => true,
            Action::Append(_)
            | Action::Prepend(_)
            | Action::PutAt { .. }
            | Action::DeleteAt(_)
            | Action::Count { .. }
            | Action::Sum(_)
            | Action::AppendText(_) => false,
        }
    }

    /// `column = value`.
    pub fn set(compiler: &mut Compiler<'_>, column: &Column, value: &Expr) -> Result<Action> {
        if column.column_type == CqlType::Counter {
            return Err(Error::invalid(format!(
                "Cannot set the value of counter column {} (counters can only be incremented/decremented, not set)",
                column.name
            )));
        }
        let term = compiler.term(value, &receiver(compiler, column))?;
        Ok(if column.column_type.is_multi_cell() { Action::Replace(term) } else { Action::Set(term) })
    }

    pub fn of_change(
        compiler: &mut Compiler<'_>,
        column: &Column,
        change: &Change,
        conditional: bool,
    ) -> Result<Action> {
        match change {
            Change::Set(value) => Action::set(compiler, column, value),
            Change::Add(value) => Action::add(compiler, column, value, conditional),
            Change::Prepend(value) => Action::prepend(compiler, column, value),
            Change::Subtract(value) => Action::subtract(compiler, column, value),
            Change::SetElement { key, value } => Action::put(compiler, column, key, value),
            Change::SetField { field, value } => Action::put_field(compiler, column, field, value),
        }
    }

    fn add(compiler: &mut Compiler<'_>, column: &Column, value: &Expr, conditional: bool) -> Result<Action> {
        let shown = format!("{0} = {0} + {1}", column.name, compiler.text_of(value));
        let to = receiver(compiler, column);
        match &column.column_type {
            CqlType::Tuple(_) | CqlType::Udt { .. } => {
                Err(Error::invalid(format!("Invalid operation ({}) for tuple column {}", shown, column.name)))
            }
            CqlType::List { frozen: true, .. }
            | CqlType::Set { frozen: true, .. }
            | CqlType::Map { frozen: true, .. } => Err(frozen(&shown, column)),
            CqlType::List { .. } | CqlType::Set { .. } => Ok(Action::Append(compiler.term(value, &to)?)),
            CqlType::Map { .. } => match compiler.term(value, &to) {
                Ok(term) => Ok(Action::Append(term)),
                Err(_) => Err(Error::invalid(format!(
                    "Value for a map addition has to be a map, but was: '{}'",
                    compiler.text_of(value)
                ))),
            },
            CqlType::Counter => Ok(Action::Count { by: compiler.term(value, &to)?, negative: false }),
            number_or_text if conditional => {
                if !can_accumulate(number_or_text) {
                    return Err(Error::invalid(format!(
                        "Invalid operation ({}) for non-numeric and non-text type {}",
                        shown, column.name
                    )));
                }
                if matches!(number_or_text, CqlType::Ascii | CqlType::Text) {
                    return Ok(Action::AppendText(compiler.term(value, &to)?));
                }
                Ok(Action::Sum(compiler.term(value, &to)?))
            }
            _ => Err(non_counter(&shown, column)),
        }
    }

    fn subtract(compiler: &mut Compiler<'_>, column: &Column, value: &Expr) -> Result<Action> {
        let shown = format!("{0} = {0} - {1}", column.name, compiler.text_of(value));
        let to = receiver(compiler, column);
        match &column.column_type {
            CqlType::Counter => Ok(Action::Count { by: compiler.term(value, &to)?, negative: true }),
            CqlType::List { frozen: true, .. }
            | CqlType::Set { frozen: true, .. }
            | CqlType::Map { frozen: true, .. } => Err(frozen(&shown, column)),
            CqlType::List { .. } => Ok(Action::RemoveValues(compiler.term(value, &to)?)),
            CqlType::Set { .. } => Ok(Action::RemoveKeys(compiler.term(value, &to)?)),
            CqlType::Map { key, .. } => {
                let keys = CqlType::Set { element: key.clone(), frozen: true };
                let to = Receiver::named(compiler.table(), column.name.clone(), keys);
                match compiler.term(value, &to) {
                    Ok(term) => Ok(Action::RemoveKeys(term)),
                    Err(_) => Err(Error::invalid(format!(
                        "Value for a map substraction has to be a set, but was: '{}'",
                        compiler.text_of(value)
                    ))),
                }
            }
            _ => Err(non_counter(&shown, column)),
        }
    }

    fn prepend(compiler: &mut Compiler<'_>, column: &Column, value: &Expr) -> Result<Action> {
        let shown = format!("{0} = {1} - {0}", column.name, compiler.text_of(value));
        match &column.column_type {
            CqlType::List { frozen: false, .. } => {
                Ok(Action::Prepend(compiler.term(value, &receiver(compiler, column))?))
            }
            CqlType::List { .. } => Err(Error::invalid(format!(
                "Invalid operation ({}) for frozen list column {}",
                shown, column.name
            ))),
            _ => Err(Error::invalid(format!(
                "Invalid operation ({}) for non list column {}",
                shown, column.name
            ))),
        }
    }

    fn put(compiler: &mut Compiler<'_>, column: &Column, key: &Expr, value: &Expr) -> Result<Action> {
        let shown = format!("{}[{}] = {}", column.name, compiler.text_of(key), compiler.text_of(value));
        let to = receiver(compiler, column);
        match &column.column_type {
            CqlType::List { frozen: true, .. }
            | CqlType::Set { frozen: true, .. }
            | CqlType::Map { frozen: true, .. } => Err(frozen(&shown, column)),
            CqlType::List { .. } => Ok(Action::PutAt {
                index: compiler.term(key, &to.index())?,
                value: compiler.term(value, &to.value())?,
            }),
            CqlType::Map { .. } => Ok(Action::PutEntry {
                key: compiler.term(key, &to.key())?,
                value: compiler.term(value, &to.value())?,
            }),
            CqlType::Set { .. } => {
                Err(Error::invalid(format!("Invalid operation ({}) for set column {}", shown, column.name)))
            }
            _ => Err(Error::invalid(format!(
                "Invalid operation ({}) for non collection column {}",
                shown, column.name
            ))),
        }
    }

    fn put_field(compiler: &mut Compiler<'_>, column: &Column, field: &Name, value: &Expr) -> Result<Action> {
        let shown = format!("{}.{} = {}", column.name, field.text, compiler.text_of(value));
        match &column.column_type {
            CqlType::Udt { frozen: true, .. } => Err(Error::invalid(format!(
                "Invalid operation ({}) for frozen UDT column {}",
                shown, column.name
            ))),
            CqlType::Udt { definition, .. } => {
                let position = field_position(column, field)?;
                let to = receiver(compiler, column).field(definition, usize::from(position));
                let to = to.ok_or_else(|| Error::internal("a field that was found is gone"))?;
                Ok(Action::PutField { field: position, value: compiler.term(value, &to)? })
            }
            _ => Err(Error::invalid(format!(
                "Invalid operation ({}) for non-UDT column {}",
                shown, column.name
            ))),
        }
    }

    /// What DELETE names.
    pub fn of_target(compiler: &mut Compiler<'_>, column: &Column, target: &DeleteTarget) -> Result<Action> {
        let to = receiver(compiler, column);
        match target {
            DeleteTarget::Column(_) => Ok(Action::Delete),
            DeleteTarget::Element { key, .. } => match &column.column_type {
                CqlType::List { frozen: false, .. } => Ok(Action::DeleteAt(compiler.term(key, &to.index())?)),
                CqlType::Set { frozen: false, .. } => {
                    Ok(Action::DeleteEntry(compiler.term(key, &to.value())?))
                }
                CqlType::Map { frozen: false, .. } => Ok(Action::DeleteEntry(compiler.term(key, &to.key())?)),
                CqlType::List { .. } | CqlType::Set { .. } | CqlType::Map { .. } => Err(Error::invalid(
                    format!("Invalid deletion operation for frozen collection column {}", column.name),
                )),
                _ => Err(Error::invalid(format!(
                    "Invalid deletion operation for non collection column {}",
                    column.name
                ))),
            },
            DeleteTarget::Field { field, .. } => match &column.column_type {
                CqlType::Udt { frozen: false, .. } => Ok(Action::DeleteField(field_position(column, field)?)),
                CqlType::Udt { .. } => Err(Error::invalid(format!(
                    "Frozen UDT column {} does not support field deletions",
                    column.name
                ))),
                _ => Err(Error::invalid(format!(
                    "Invalid field deletion operation for non-UDT column {}",
                    column.name
                ))),
            },
        }
    }
}

fn receiver(compiler: &Compiler<'_>, column: &Column) -> Receiver {
    Receiver::of(compiler.table(), column)
}

/// Where a field stands in the column's user-defined type.
pub(super) fn field_position(column: &Column, field: &Name) -> Result<u16> {
    let CqlType::Udt { definition, .. } = &column.column_type else {
        return Err(Error::invalid(format!("Column {} is not a user defined type", column.name)));
    };
    let position = definition.fields.iter().position(|(name, _)| **name == *field.text);
    position.and_then(|position| u16::try_from(position).ok()).ok_or_else(|| {
        Error::invalid(format!("UDT column {} does not have a field named {}", column.name, field.text))
    })
}

fn frozen(shown: &str, column: &Column) -> Error {
    Error::invalid(format!("Invalid operation ({shown}) for frozen collection column {}", column.name))
}

fn non_counter(shown: &str, column: &Column) -> Error {
    Error::invalid(format!("Invalid operation ({shown}) for non counter column {}", column.name))
}

/// Cassandra's `NumberType`s and `StringType`s.
fn can_accumulate(column_type: &CqlType) -> bool {
    matches!(
        column_type,
        CqlType::Tinyint
            | CqlType::Smallint
            | CqlType::Int
            | CqlType::Bigint
            | CqlType::Varint
            | CqlType::Float
            | CqlType::Double
            | CqlType::Decimal
            | CqlType::Ascii
            | CqlType::Text
    )
}
