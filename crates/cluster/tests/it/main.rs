//! The cluster store against what it is read from: the embedded engine's own system tables, and a real Cassandra.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic: that is how they fail"
)]

mod described;
mod forwarded;
mod schema;
mod statements;
