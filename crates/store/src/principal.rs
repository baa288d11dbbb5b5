//! Who a request is from.

use std::sync::Arc;

/// The identity a request carries from the first byte to the engine's permission check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// No authentication is configured: may do everything, as Cassandra's `AllowAllAuthenticator` user may.
    Anonymous,
    /// A role that logged in.
    Role(Arc<str>),
    /// The server itself: start-up files, maintenance.
    System,
}
