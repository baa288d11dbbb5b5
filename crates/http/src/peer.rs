//! Who is at the other end of the connection, and what trace it is in.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Extensions;
use ilium_store::Trace;

/// Where a request comes from, in the request's extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// `None`: the request is of this process.
    pub address: Option<SocketAddr>,
    /// Whom its certificate, verified, is of; `None`: it showed none.
    pub identity: Option<Arc<str>>,
    /// The span of the request, where it is recorded.
    pub trace: Trace,
}

impl Peer {
    pub fn of(extensions: &Extensions) -> Peer {
        extensions.get::<Peer>().cloned().unwrap_or_default()
    }
}
