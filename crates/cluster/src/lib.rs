//! A running Cassandra or ScyllaDB behind the seam.
//!
//! Vocabulary: a *node* is a server of the cluster; a [`link`] is one connection to a node, shared by the requests of many
//! clients; a *session* ([`session`]) is the links that speak for one role in one version of the protocol and one keyspace;
//! an *exchange* is one request on its way to the cluster and back. The *control link* ([`control`]) is the one that watches
//! the cluster itself. A *source* is a table of the cluster in which its schema is read ([`schema`]).
//!
//! The path of a client's frame: [`forward`] finds out where it has to go (by its token, if it has one), a session picks a
//! link, the link gives it a stream of its own, writes it, reads the answer and hands it to the client that waits for it.

mod address;
mod cluster;
mod control;
mod credentials;
mod data_store;
mod dial;
mod effect;
mod error;
mod exchange;
mod forward;
mod gateways;
mod in_doubt;
mod link;
mod login;
mod options;
#[cfg(any(test, feature = "fuzzing"))]
pub mod outside;
mod own;
mod prepared;
mod race;
mod ring;
mod route;
pub mod schema;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic: that is how they fail"
)]
mod scripted;
mod session;
mod snapshot;
mod table;
mod tls;
mod upstream;

pub use address::{AddressError, host_and_port};
pub use cluster::Stats;
pub use credentials::Credentials;
pub use data_store::{ClusterStore, StoreOptions};
pub use error::ConnectError;
pub use options::Options;
pub use tls::TlsConfigs;
pub use upstream::Upstream;
