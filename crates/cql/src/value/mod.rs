//! Values in wire form: the bytes a driver sends and receives, which are also the bytes kept.
//!
//! Vocabulary: *wire form* is the native protocol's (v3 and later), big-endian; an *empty* value has no bytes and is
//! not null; a *null* is the absence of a value and has a length of -1 where lengths are written. A *short* tuple has
//! fewer fields than its type declares; those that are missing are null.

pub mod compare;
pub mod decimal;
mod normalize;
pub mod text;
mod validate;
pub mod vint;
pub(crate) mod wire;

pub use compare::compare;
pub use normalize::normalize;
pub use validate::validate;
pub use wire::{
    CollectionBuilder, ListElements, MapEntries, TupleFields, VectorElements, list_elements, map_entries,
    push_bytes, push_vector_element, tuple_fields, vector_elements,
};

/// Bytes or text that are no value of the type, in Cassandra's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    message: Box<str>,
}

impl ValueError {
    pub fn new(message: impl Into<String>) -> ValueError {
        ValueError { message: message.into().into_boxed_str() }
    }

    pub fn message(&self) -> &str {
        &self.message
    }
}
