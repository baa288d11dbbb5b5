//! The schema: its current state, its changes, and how it is kept.
//!
//! Vocabulary: a [`Snapshot`] is one immutable state; an [`entry::TableEntry`] is a table with its numbers.

pub mod entry;
mod snapshot;

pub use entry::{IndexEntry, Source, TableEntry};
pub use snapshot::Snapshot;
