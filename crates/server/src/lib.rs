//! Puts APIs on the network: listeners, TLS, admission of connections, and the drain at the end.
//!
//! Vocabulary: to *drain* is to take no more requests, answer those that were taken, and close.

mod listener;
mod tls;

pub use listener::{CqlListener, ListenError, ListenOptions};
pub use tls::{TlsError, TlsFiles, server_config};
