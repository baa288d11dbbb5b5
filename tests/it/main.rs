//! Tests of the whole: the built binary with real clients, and the house rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, in its own functions, too, and says what it does"
)]

mod alone;
mod audit;
mod auth;
mod clients;
mod compatibility;
mod console;
mod gateway;
mod http;
mod issuer;
mod kill;
mod layering;
mod page_states;
mod readme;
mod real_data;
mod rest;
mod rest_docs;
mod security;
mod slow_log;
mod system_tables;
mod tls;
mod tokens;
mod traces;
mod up;
