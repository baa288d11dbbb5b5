//! The protocol's tests: what goes in comes out, what a real Cassandra sends is understood, what is damaged is
//! refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers fail the test by panicking; clippy.toml allows it only in the test functions"
)]

mod any_message;
mod compatibility;
mod damage;
mod framing;
mod limits;
mod recorded;
mod round_trip;
