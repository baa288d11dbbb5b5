//! The testbed's own tests, and what holds without Ilium: the cases are well formed and the goldens are true.

mod goldens;
mod processes;
