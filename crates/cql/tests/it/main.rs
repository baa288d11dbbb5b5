//! Tests of the language crate as its users see it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, also in the functions it shares with others"
)]

mod cassandra_tables;
mod parse;
mod parse_limits;
mod print;
mod statements;
mod values;
