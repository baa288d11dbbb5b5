//! The console's pages over the embedded engine, asked for as a browser asks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its own functions, too"
)]

mod browsing;
mod escaping;
mod login;
mod site;
mod statements;
