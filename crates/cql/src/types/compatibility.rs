//! Which type may stand where another is expected: in an assignment, in a function call, and in ALTER.
//!
//! Vocabulary: a type is *compatible* with another when it reads and orders the other's values the same way;
//! *value-compatible* when it reads them sensibly, in whatever order; *serialization-compatible* when its cells have
//! the same layout on disk as well.

use super::CqlType;

/// How well a value of one type fits a place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignment {
    NotAssignable,
    Weak,
    Exact,
}

impl Assignment {
    pub fn is_assignable(self) -> bool {
        self != Assignment::NotAssignable
    }
}

impl CqlType {
    /// Whether a value of this type can be assigned to `receiver` (`AbstractType.testAssignment`). Frozen or not makes
    /// no difference between a frozen value and its receiver.
    pub fn test_assignment(&self, receiver: &CqlType) -> Assignment {
        let frozen_receiver = if self.is_multi_cell() { None } else { Some(receiver.freeze()) };
        let receiver = frozen_receiver.as_ref().unwrap_or(receiver);
        if self == receiver {
            Assignment::Exact
        } else if receiver.is_value_compatible_with(self) {
            Assignment::Weak
        } else {
            Assignment::NotAssignable
        }
    }

    /// Whether this type may replace `previous` where order matters, as in a clustering column.
    pub fn is_compatible_with(&self, previous: &CqlType) -> bool {
        match (self, previous) {
            (CqlType::Text, CqlType::Ascii) => true,
            (CqlType::Blob, CqlType::Ascii | CqlType::Text) => true,
            (
                CqlType::List { element, frozen },
                CqlType::List { element: previous_element, frozen: previous_frozen },
            ) if frozen == previous_frozen => {
                if *frozen {
                    element.is_compatible_with(previous_element)
                } else {
                    element.is_serialization_compatible_with(previous_element)
                }
            }
            (
                CqlType::Set { element, frozen },
                CqlType::Set { element: previous_element, frozen: previous_frozen },
            ) if frozen == previous_frozen => element.is_compatible_with(previous_element),
            (
                CqlType::Map { key, value, frozen },
                CqlType::Map { key: previous_key, value: previous_value, frozen: previous_frozen },
            ) if frozen == previous_frozen => {
                key.is_compatible_with(previous_key)
                    && if *frozen {
                        value.is_compatible_with(previous_value)
                    } else {
                        value.is_serialization_compatible_with(previous_value)
                    }
            }
            _ => match (self.fields(), previous.fields()) {
                (Some(fields), Some(previous_fields)) => {
                    prefix_all(fields, previous_fields, CqlType::is_compatible_with)
                }
                _ => self == previous,
            },
        }
    }

    /// Whether this type reads values of `previous` sensibly, in whatever order.
    pub fn is_value_compatible_with(&self, previous: &CqlType) -> bool {
        match (self, previous) {
            (CqlType::Blob, _) => true,
            (CqlType::Bigint, CqlType::Timestamp) => true,
            (CqlType::Uuid, CqlType::Timeuuid) => true,
            (CqlType::Timestamp | CqlType::Time, CqlType::Bigint) => true,
            (CqlType::Date, CqlType::Int) => true,
            (CqlType::Varint, CqlType::Int | CqlType::Bigint | CqlType::Timestamp) => true,
            (CqlType::List { element, frozen: true }, CqlType::List { element: previous, frozen: true }) => {
                element.is_value_compatible_with(previous)
            }
            (
                CqlType::Map { key, value, frozen: true },
                CqlType::Map { key: previous_key, value: previous_value, frozen: true },
            ) => key.is_compatible_with(previous_key) && value.is_value_compatible_with(previous_value),
            (
                CqlType::Udt { definition, frozen },
                CqlType::Udt { definition: previous, frozen: previous_frozen },
            ) => {
                frozen == previous_frozen
                    && definition.keyspace == previous.keyspace
                    && definition.fields.len() >= previous.fields.len()
                    && definition
                        .fields
                        .iter()
                        .zip(&previous.fields)
                        .all(|((_, ty), (_, previous))| ty.is_compatible_with(previous))
            }
            (CqlType::Udt { .. }, _) => false,
            _ => match (self.fields(), previous.fields()) {
                (Some(fields), Some(previous_fields)) => {
                    prefix_all(fields, previous_fields, CqlType::is_value_compatible_with)
                }
                _ => self.is_compatible_with(previous),
            },
        }
    }

    /// Whether cells written as `previous` can be read as this type from where they are.
    pub fn is_serialization_compatible_with(&self, previous: &CqlType) -> bool {
        if !self.is_value_compatible_with(previous) {
            return false;
        }
        match (self, previous) {
            (CqlType::Blob, other) if other.is_collection() || other.is_udt() => false,
            (CqlType::List { element, .. }, CqlType::List { element: previous, .. }) => {
                element.is_serialization_compatible_with(previous)
            }
            (CqlType::Set { .. }, CqlType::Set { .. }) => true,
            (CqlType::Map { value, .. }, CqlType::Map { value: previous, .. }) => {
                value.is_serialization_compatible_with(previous)
            }
            _ => self.fixed_len() == previous.fixed_len() && self.is_multi_cell() == previous.is_multi_cell(),
        }
    }

    /// The fields of a tuple or user-defined type.
    fn fields(&self) -> Option<Vec<&CqlType>> {
        matches!(self, CqlType::Tuple(_) | CqlType::Udt { .. }).then(|| self.parts().collect())
    }
}

/// Whether `test` holds of each previous field and the one in its place; new fields may follow.
fn prefix_all(fields: Vec<&CqlType>, previous: Vec<&CqlType>, test: fn(&CqlType, &CqlType) -> bool) -> bool {
    fields.len() >= previous.len()
        && fields.into_iter().zip(previous).all(|(ty, previous)| test(ty, previous))
}
