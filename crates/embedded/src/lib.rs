//! Cassandra's data model in this process, on an ordered key-value store of its own.

pub mod catalog;
pub mod clock;
mod engine;
pub mod fault;
pub mod layout;
pub mod modify;
pub mod roles;
pub mod select;
pub mod storage;
pub mod system;
pub mod term;

pub use engine::{Engine, EngineOptions, EngineSnapshot, LoginOptions, OpenError, RawStream, Scrubbed};
