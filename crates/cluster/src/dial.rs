//! The way to nodes that all links share: how a node is reached, how many connections there may be, and whether one that is
//! silent is alive.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::Options;
use crate::error::ConnectError;

/// How long a new connection may take to be answered, before the node behind it counts as dead. Cassandra answers OPTIONS on
/// the thread that reads from the network, whatever its other threads do, so this is for the network and for pauses.
pub(crate) const PROBE: Duration = Duration::from_secs(2);

/// For so long an answer stands for all links to the node.
const STANDS: Duration = Duration::from_secs(1);

/// Leave to hold one connection to a node, given back when it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

pub(crate) struct Dialler {
    pub options: Options,
    /// The name of the cluster, once it is known: nodes of others are refused.
    pub cluster: OnceLock<String>,
    /// Whether a node was met that may take a certificate for a log-in.
    pub certificates_log_in: AtomicBool,
    /// Whether a node was met that asks nobody to log in and yet takes no connection without a certificate.
    pub certificates_wanted: AtomicBool,
    places: Arc<Semaphore>,
    probes: Mutex<HashMap<SocketAddr, Arc<Probe>>>,
}

/// When a node was last asked whether it is alive, and what came of it. Who asks meanwhile waits for the same answer.
type Probe = tokio::sync::Mutex<Option<(Instant, bool)>>;

impl Dialler {
    pub fn new(options: Options) -> Arc<Dialler> {
        let places = Arc::new(Semaphore::new(options.max_links));
        Arc::new(Dialler {
            options,
            cluster: OnceLock::new(),
            certificates_log_in: AtomicBool::new(false),
            certificates_wanted: AtomicBool::new(false),
            places,
            probes: Mutex::default(),
        })
    }

    /// Whether a node is alive, though a link to it is silent. `ask` opens a connection for OPTIONS alone. A log-in is not
    /// needed for that, nor is a thread for requests: a node whose threads are all held up is busy, not dead. Links to the
    /// same node ask once for all.
    pub async fn is_alive(
        &self,
        address: SocketAddr,
        ask: impl Future<Output = Result<(), ConnectError>>,
    ) -> bool {
        let probe = {
            let mut probes = self.probes.lock();
            // Nodes get other addresses as time goes by.
            let is_used = |probe: &Arc<Probe>| Arc::strong_count(probe) > 1 || stands(probe);
            probes.retain(|known, probe| *known == address || is_used(probe));
            Arc::clone(probes.entry(address).or_default())
        };
        let mut last = probe.lock().await;
        if let Some((at, is_alive)) = *last
            && at.elapsed() < STANDS
        {
            return is_alive;
        }
        let is_alive = matches!(timeout(PROBE, ask).await, Ok(Ok(())));
        tracing::info!(node = %address, is_alive, "a node is in doubt: asked on a connection of its own");
        *last = Some((Instant::now(), is_alive));
        is_alive
    }

    /// Leave for a session's first link, if there is any left.
    pub fn first_permit(&self) -> Option<Permit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Leave for one that adds to those a session has. A quarter is kept for the first ones of others.
    pub fn further_permit(&self) -> Option<Permit> {
        let is_allowed = self.left() > self.options.max_links / 4;
        is_allowed.then(|| self.first_permit()).flatten()
    }

    /// Waits for leave, for who has seen to it that there will be some.
    pub async fn permit_within(&self, limit: Duration) -> Option<Permit> {
        timeout(limit, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()
    }

    /// Whether so many connections are open that those nobody needs now are to go.
    pub fn is_pressed(&self) -> bool {
        self.left() <= self.options.max_links / 2
    }

    /// How many more may be opened.
    pub fn left(&self) -> usize {
        self.places.available_permits()
    }
}

fn stands(probe: &Probe) -> bool {
    probe.try_lock().is_ok_and(|last| last.is_some_and(|(at, _)| at.elapsed() < STANDS))
}
