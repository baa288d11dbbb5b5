//! While no node can be reached: that is noticed early, whoever wants a connection hears it at once, and one at a time tries
//! whether it is still so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ilium_store::Error;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::Cluster;
use crate::error::unreachable;

/// How long one that tries is given, and how long after its beginning the next may. A log-in takes a healthy node 100 ms.
const TRY: Duration = Duration::from_secs(1);

/// What is known of it.
#[derive(Default)]
pub(super) struct Loss {
    /// A gateway that just starts has no connection yet and is not cut off.
    was_connected: AtomicBool,
    is_lost: AtomicBool,
    tried: Mutex<Option<Instant>>,
}

impl Cluster {
    /// Looks whether the gateway's own session has no link left. (One that is refused has a cluster that answers.)
    pub(super) fn look_for_loss(&self) {
        let Some(own) = self.own_session() else { return };
        if own.is_open() {
            self.loss.was_connected.store(true, Ordering::Relaxed);
        }
        let is_lost = self.loss.was_connected.load(Ordering::Relaxed) && !own.is_open() && !own.is_refused();
        self.loss.is_lost.store(is_lost, Ordering::Relaxed);
    }

    /// Whether no node can be reached, as of the last look.
    pub(super) fn is_lost(&self) -> bool {
        self.loss.is_lost.load(Ordering::Relaxed) && self.own_session().is_some_and(|own| !own.is_open())
    }

    /// What those hear who want a connection then.
    pub(super) fn lost(&self) -> Error {
        unreachable(&format!("none of the {} nodes of the cluster can be reached", self.ring().nodes.len()))
    }

    /// Waits for a connection that is wanted; while the cluster is lost not for long, and most do not try at all. `opening` is
    /// told whether it is such a try.
    pub(super) async fn unless_lost<T>(
        &self,
        opening: impl AsyncFnOnce(bool) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !self.is_lost() {
            return opening(false).await;
        }
        {
            let mut tried = self.loss.tried.lock();
            if tried.is_some_and(|at| at.elapsed() < TRY) {
                return Err(self.lost());
            }
            *tried = Some(Instant::now());
        }
        timeout(TRY, opening(true)).await.unwrap_or_else(|_| Err(self.lost()))
    }

    /// A node has spoken, be it to refuse somebody: if the gateway itself has no link, it need not wait any longer before it
    /// tries again.
    pub(crate) fn is_found(&self) {
        self.loss.is_lost.store(false, Ordering::Relaxed);
        if let Some(own) = self.own_session().filter(|own| !own.is_open()) {
            own.hurry(&self.ring());
        }
    }

    /// A connection to this node was lost or could not be made. The gateway's own may be as dead, which it notices only when
    /// it is asked something.
    pub(crate) fn doubt(&self, address: SocketAddr) {
        if let Some(own) = self.own_session() {
            own.doubt(address);
        }
    }
}
