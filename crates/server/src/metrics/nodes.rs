//! What each node of a cluster answered, whatever API asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::latency::Latency;

/// Each node that answered.
#[derive(Debug, Default)]
pub struct Nodes(RwLock<BTreeMap<SocketAddr, Arc<NodeFigures>>>);

/// One node of the cluster, as its answers show it.
#[derive(Debug, Default)]
pub struct NodeFigures {
    pub latency: Latency,
    errors: AtomicU64,
}

impl NodeFigures {
    /// Statements that failed, for whatever reason.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

impl Nodes {
    /// A node answered a statement.
    pub fn answered(&self, node: SocketAddr, took: Duration, is_error: bool) {
        let figures = self.of(node);
        figures.latency.add(took);
        if is_error {
            figures.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn list(&self) -> Vec<(SocketAddr, Arc<NodeFigures>)> {
        self.0.read().iter().map(|(address, figures)| (*address, Arc::clone(figures))).collect()
    }

    fn of(&self, node: SocketAddr) -> Arc<NodeFigures> {
        if let Some(figures) = self.0.read().get(&node) {
            return Arc::clone(figures);
        }
        Arc::clone(self.0.write().entry(node).or_default())
    }
}
