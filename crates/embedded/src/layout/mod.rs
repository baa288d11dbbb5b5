//! How rows lie in the key-value store, and how they are read back.
//!
//! Vocabulary: an *entry* is one key with its value; a *record* is that value; a *delta* is a record that says only
//! what one write changed. Deltas of one entry are merged by rules of time stamps (`merge`), so a write reads nothing.

pub mod index_key;
pub mod indexed;
pub mod key;
pub mod live_row;
pub mod merge;
pub mod policy;
mod purge;
pub mod raw;
pub mod record;
pub mod remains;
pub mod scan;
mod settled;
mod tombstones;
pub mod varint;
