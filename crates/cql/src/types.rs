//! CQL types as a schema and a driver see them.
//!
//! Vocabulary: a *native* type has a name alone; a *multi-cell* type (a collection or user-defined type that is
//! not `frozen`) is stored as one cell an element; a frozen one is a single value. Tuples and vectors are always
//! frozen, as in Cassandra (`TupleType`, `VectorType`).

mod compatibility;
mod display;
mod parse;

pub use compatibility::Assignment;
pub use parse::{Resolve, TypeParseError};

use std::sync::Arc;

/// How deep types may nest: far beyond any schema in use, and shallow enough that walking a value of the type by
/// recursion cannot exhaust a thread's stack. The schema refuses what is deeper.
pub const MAX_DEPTH: usize = 64;

/// A resolved CQL type. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CqlType {
    Ascii,
    Bigint,
    Blob,
    Boolean,
    Counter,
    Date,
    Decimal,
    Double,
    Duration,
    Float,
    Inet,
    Int,
    Smallint,
    /// `text`; `varchar` is an alias of it.
    Text,
    Time,
    Timestamp,
    Timeuuid,
    Tinyint,
    Uuid,
    Varint,
    /// `'org.apache.cassandra.db.marshal.EmptyType'`: the value type of dense compact tables.
    Empty,
    List {
        element: Arc<CqlType>,
        frozen: bool,
    },
    Set {
        element: Arc<CqlType>,
        frozen: bool,
    },
    Map {
        key: Arc<CqlType>,
        value: Arc<CqlType>,
        frozen: bool,
    },
    Tuple(Arc<[CqlType]>),
    Udt {
        definition: Arc<UserType>,
        frozen: bool,
    },
    Vector {
        element: Arc<CqlType>,
        dimension: u32,
    },
    /// A Java class name this project does not interpret; values are opaque bytes.
    Custom(Arc<str>),
}

/// A user-defined type as `CREATE TYPE` made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserType {
    pub keyspace: Arc<str>,
    pub name: Arc<str>,
    /// In order of declaration, which is also their order on the wire.
    pub fields: Vec<(Arc<str>, CqlType)>,
}

impl UserType {
    /// The position of a field.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|(field, _)| &**field == name)
    }
}

impl CqlType {
    /// Whether each element is a cell of its own.
    pub fn is_multi_cell(&self) -> bool {
        matches!(
            self,
            CqlType::List { frozen: false, .. }
                | CqlType::Set { frozen: false, .. }
                | CqlType::Map { frozen: false, .. }
                | CqlType::Udt { frozen: false, .. }
        )
    }

    pub fn is_counter(&self) -> bool {
        matches!(self, CqlType::Counter)
    }

    /// A list, set or map, frozen or not.
    pub fn is_collection(&self) -> bool {
        matches!(self, CqlType::List { .. } | CqlType::Set { .. } | CqlType::Map { .. })
    }

    pub fn is_frozen_collection(&self) -> bool {
        self.is_collection() && !self.is_multi_cell()
    }

    pub fn is_udt(&self) -> bool {
        matches!(self, CqlType::Udt { .. })
    }

    pub fn is_tuple(&self) -> bool {
        matches!(self, CqlType::Tuple(_))
    }

    pub fn is_vector(&self) -> bool {
        matches!(self, CqlType::Vector { .. })
    }

    /// Whether arithmetic is defined on it.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            CqlType::Bigint
                | CqlType::Counter
                | CqlType::Decimal
                | CqlType::Double
                | CqlType::Float
                | CqlType::Int
                | CqlType::Smallint
                | CqlType::Tinyint
                | CqlType::Varint
        )
    }

    /// Whether `frozen<>` may be written around it (`CQL3Type.Raw.supportsFreezing`).
    pub fn is_freezable(&self) -> bool {
        self.is_collection() || self.is_udt() || self.is_tuple() || self.is_vector()
    }

    /// The same type as a single value: a collection becomes frozen with its elements, a user-defined type frozen.
    pub fn freeze(&self) -> CqlType {
        match self {
            CqlType::List { element, frozen: false } => {
                CqlType::List { element: Arc::new(element.freeze()), frozen: true }
            }
            CqlType::Set { element, frozen: false } => {
                CqlType::Set { element: Arc::new(element.freeze()), frozen: true }
            }
            CqlType::Map { key, value, frozen: false } => {
                CqlType::Map { key: Arc::new(key.freeze()), value: Arc::new(value.freeze()), frozen: true }
            }
            CqlType::Udt { definition, frozen: false } => {
                CqlType::Udt { definition: Arc::clone(definition), frozen: true }
            }
            other => other.clone(),
        }
    }

    /// The types it is made of: elements, key and value, fields.
    pub fn parts(&self) -> impl Iterator<Item = &CqlType> {
        let mut pair: [Option<&CqlType>; 2] = [None, None];
        let mut tuple: &[CqlType] = &[];
        let mut udt: &[(Arc<str>, CqlType)] = &[];
        match self {
            CqlType::List { element, .. }
            | CqlType::Set { element, .. }
            | CqlType::Vector { element, .. } => {
                pair = [Some(element), None];
            }
            CqlType::Map { key, value, .. } => pair = [Some(key), Some(value)],
            CqlType::Tuple(fields) => tuple = fields,
            CqlType::Udt { definition, .. } => udt = &definition.fields,
            _ => {}
        }
        pair.into_iter().flatten().chain(tuple).chain(udt.iter().map(|(_, ty)| ty))
    }

    /// How many types lie inside one another: 0 for a native type.
    pub fn depth(&self) -> usize {
        self.parts().map(|part| part.depth() + 1).max().unwrap_or(0)
    }

    /// Whether `duration` occurs where it would have to be ordered (`AbstractType.referencesDuration`).
    pub fn references_duration(&self) -> bool {
        match self {
            CqlType::Duration => true,
            // A set or a map key of durations cannot be declared; Cassandra looks at what remains.
            CqlType::Set { .. } => false,
            CqlType::Map { value, .. } => value.references_duration(),
            CqlType::Vector { .. } => false,
            other => other.parts().any(CqlType::references_duration),
        }
    }

    /// Whether the user-defined type of this name is part of it.
    pub fn references_user_type(&self, name: &str) -> bool {
        matches!(self, CqlType::Udt { definition, .. } if &*definition.name == name)
            || self.parts().any(|part| part.references_user_type(name))
    }

    /// The length of every non-empty value in bytes, where Cassandra treats it as fixed
    /// (`AbstractType.valueLengthIfFixed`). `tinyint`, `smallint`, `date`, `time` and `counter` have none there, which
    /// decides how a vector of them is laid out.
    pub fn fixed_len(&self) -> Option<usize> {
        match self {
            CqlType::Boolean => Some(1),
            CqlType::Float | CqlType::Int => Some(4),
            CqlType::Bigint | CqlType::Double | CqlType::Timestamp => Some(8),
            CqlType::Uuid | CqlType::Timeuuid => Some(16),
            CqlType::Empty => Some(0),
            CqlType::Vector { element, dimension } => {
                element.fixed_len()?.checked_mul(usize::try_from(*dimension).ok()?)
            }
            _ => None,
        }
    }

    /// Whether a zero-length value is valid (`AbstractType.allowsEmpty`; `empty` takes nothing else).
    pub fn is_empty_allowed(&self) -> bool {
        !matches!(
            self,
            CqlType::Tinyint
                | CqlType::Smallint
                | CqlType::Date
                | CqlType::Time
                | CqlType::Duration
                | CqlType::List { .. }
                | CqlType::Set { .. }
                | CqlType::Map { .. }
                | CqlType::Vector { .. }
        )
    }

    /// Whether a zero-length value means null in comparisons and functions (`AbstractType.isEmptyValueMeaningless`).
    pub fn is_empty_meaningless(&self) -> bool {
        matches!(
            self,
            CqlType::Bigint
                | CqlType::Boolean
                | CqlType::Counter
                | CqlType::Decimal
                | CqlType::Double
                | CqlType::Float
                | CqlType::Inet
                | CqlType::Int
                | CqlType::Timestamp
                | CqlType::Timeuuid
                | CqlType::Uuid
                | CqlType::Varint
        )
    }
}
