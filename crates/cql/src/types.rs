//! CQL types as a schema and a driver see them.
//!
//! Vocabulary: a *native* type has a name alone; a *multi-cell* type (a collection or user-defined type that is
//! not `frozen`) is stored as one cell an element; a frozen one is a single value. Tuples and vectors are always
//! frozen, as in Cassandra (`TupleType`, `VectorType`).

use std::sync::Arc;

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
    List { element: Arc<CqlType>, frozen: bool },
    Set { element: Arc<CqlType>, frozen: bool },
    Map { key: Arc<CqlType>, value: Arc<CqlType>, frozen: bool },
    Tuple(Arc<[CqlType]>),
    Udt { definition: Arc<UserType>, frozen: bool },
    Vector { element: Arc<CqlType>, dimension: u32 },
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
}
