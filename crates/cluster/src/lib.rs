//! A running Cassandra or ScyllaDB behind the seam.
//!
//! Vocabulary: *upstream* is the cluster; a *source* is a table of the cluster in which its schema is read.

pub mod schema;
