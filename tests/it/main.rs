//! Tests of the whole: the built binary with real clients, and the house rules.

mod layering;
mod up;
