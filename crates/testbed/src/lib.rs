//! Dev only: what tests need and do not make themselves.
//!
//! - *Components*: a real Apache Cassandra or a ring of them ([`cassandra`]) and the built binary ([`ilium`]), as processes that never
//!   outlive the test ([`guarded`]).
//! - A [`proxy`] between two of them that delays, drops, cuts and refuses on request.
//! - A [`collector`] of traces that keeps what it is sent.
//! - *Cases*: files of CQL statements that are sent to both and whose answers must agree ([`cases`]).
//! - *REST cases*: files of requests, the answers they must get and what CQL must then read ([`rest_cases`]).
//! - Tables of who may do what ([`access`]), tried on both.
//! - The *generator*, which makes up statements and compares the answers ([`generator`]).
//! - The *client* that sends them ([`wire`], [`value`]) is small, blocking, and made apart from the crates it tests,
//!   so that no mistake can hide by being on both sides.

pub mod access;
pub mod cases;
pub mod cassandra;
pub mod collector;
pub mod folders;
pub mod generator;
pub mod guarded;
pub mod http;
pub mod ilium;
pub mod killing;
pub mod loopback;
pub mod obtained;
pub mod proxy;
pub mod requirement;
pub mod rest_cases;
pub mod value;
pub mod wire;

pub use cassandra::{Cassandra, Ring, RingOptions};
pub use ilium::Ilium;
pub use requirement::require;
