//! What stands between one API and its store: limits, metrics, audit, traces, the log of slow statements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Nodes, Requests};
use crate::{Limits, StatementSpans};

/// One API's.
#[derive(Clone, Default)]
pub struct Oversight {
    /// The API's name, as metrics and logs have it.
    pub api: &'static str,
    pub requests: Arc<Requests>,
    /// Of all APIs together. `None`: there is no cluster behind.
    pub nodes: Option<Arc<Nodes>>,
    /// Of all APIs together.
    pub limits: Option<Arc<Limits>>,
    /// `None`: nothing is traced.
    pub spans: Option<StatementSpans>,
    /// Statements that take as long are logged. `None`: none is.
    pub slow: Option<Duration>,
}

impl Oversight {
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        self.slow.is_some_and(|slow| took >= slow)
    }

    /// Counts for the node that answered, if one did.
    pub(crate) fn node_answered(&self, node: Option<SocketAddr>, took: Duration, is_error: bool) {
        if let (Some(nodes), Some(node)) = (&self.nodes, node) {
            nodes.answered(node, took, is_error);
        }
    }
}
