//! Tests of the whole: the built binary with real clients, and the house rules.

mod clients;
mod compatibility;
mod kill;
mod layering;
mod readme;
mod real_data;
mod up;
