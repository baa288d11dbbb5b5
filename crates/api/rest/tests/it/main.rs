//! The REST API over an engine in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod any_request;
mod conditional;
mod documents;
mod driver;
mod rows;
mod schemas;
mod streams;
mod values;
