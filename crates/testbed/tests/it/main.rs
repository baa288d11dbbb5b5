//! The testbed's own tests, and what holds without Ilium: the cases are well formed and the goldens are true.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod compatibility;
mod goldens;
mod processes;
mod proxy;
mod rest_cases;
mod rings;
