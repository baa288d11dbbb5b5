//! The testbed's own tests.

mod processes;
