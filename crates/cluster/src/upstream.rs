//! The cluster as the APIs see it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ilium_protocol::ProtocolVersion;
use ilium_store::{
    Answer, Answers, Caller, Channel, ClusterListener, Error, ErrorKind, Forward, Login, Principal, Result,
    Watcher,
};

use crate::cluster::{Cluster, Stats};
use crate::control::{self, addresses_of};
use crate::forward::ClientChannel;
use crate::login::credentials_of;
use crate::{ConnectError, Credentials, Options};

/// How often names of peers are looked up: Kubernetes lets DNS answers live for 5 s at the least (CoreDNS's `ttl`).
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// A running cluster, behind every seam that APIs know.
#[derive(Clone)]
pub struct Upstream(Arc<Cluster>);

impl Upstream {
    /// Finds the cluster by its contact points and watches it from then on.
    pub async fn connect(options: Options) -> std::result::Result<Upstream, ConnectError> {
        control::connect(options).await.map(Upstream)
    }

    /// From now on clients that ask for the ring see gateways instead of nodes: this one, which they reach at `own`, and
    /// those that `peers` (`HOST` or `HOST:PORT`) stand for. A name may stand for several addresses, and for others later:
    /// it is looked up again every few seconds.
    pub async fn appear_as(&self, own: SocketAddr, peers: Vec<String>) {
        let (found, failures) = addresses_of(&peers).await;
        for failure in failures {
            tracing::warn!(%failure, "a peer has no address");
        }
        self.0.gateways.set(own, found);
        if peers.is_empty() {
            return;
        }
        let cluster = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_UP_EVERY).await;
                let (found, failures) = addresses_of(&peers).await;
                let Some(cluster) = cluster.upgrade() else { return };
                if failures.is_empty() {
                    for event in cluster.gateways.set(own, found) {
                        cluster.tell(&event);
                    }
                }
            }
        });
    }

    /// Whether the cluster can be asked, and a sentence that says so; else why not.
    pub fn check(&self) -> Result<String> {
        self.0.check()
    }

    /// Goes on as the gateway's own role with another password, if the cluster takes it. Connections that are open stay: the
    /// cluster looks at a password when they are opened.
    pub async fn change_password(&self, password: &str) -> Result<()> {
        self.0.change_password(password).await
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.0.facts.cluster_name
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.0
    }

    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl Forward for Upstream {
    fn versions(&self) -> Vec<u8> {
        let spoken = ProtocolVersion::ALL.into_iter().filter(|version| *version <= self.0.facts.newest);
        spoken.map(ProtocolVersion::number).collect()
    }

    fn cql_version(&self) -> String {
        self.0.facts.cql_version.clone()
    }

    fn open(&self, caller: Caller, answers: Arc<dyn Answers>) -> Answer<Box<dyn Channel>> {
        let cluster = Arc::clone(&self.0);
        let version = match ProtocolVersion::from_number(caller.version) {
            Ok(version) => version,
            Err(error) => return Answer::Ready(Err(Error::new(ErrorKind::Protocol, error.to_string()))),
        };
        let key = match cluster.key_for(&caller.principal, version) {
            Ok(key) => key,
            Err(error) => return Answer::Ready(Err(error)),
        };
        Answer::Later(Box::pin(async move {
            let session = cluster.open_session(key).await?;
            let channel = ClientChannel::new(cluster, session, version, caller, answers);
            Ok(Box::new(channel) as Box<dyn Channel>)
        }))
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        // There is one.
        let _ = self.0.watcher.set(watcher);
    }

    fn listen(&self, listener: ClusterListener) {
        self.0.add_listener(listener);
    }
}

impl Login for Upstream {
    fn is_required(&self) -> bool {
        self.0.facts.asks_for_login
    }

    fn with_password(&self, name: &str, password: &str, _from: Option<SocketAddr>) -> Answer<Principal> {
        let (cluster, credentials) = (Arc::clone(&self.0), Credentials::new(name, password));
        Answer::Later(Box::pin(async move { cluster.log_in(credentials).await }))
    }

    fn with_certificate(&self, role: &str) -> Answer<Principal> {
        let (cluster, credentials) = (Arc::clone(&self.0), Credentials::by_certificate(role));
        Answer::Later(Box::pin(async move { cluster.log_in(credentials).await }))
    }

    fn with_identity(&self, identity: &str) -> Answer<Principal> {
        let message = format!("no role is known here for the certificate of {identity}");
        Answer::Ready(Err(Error::new(ErrorKind::BadCredentials, message)))
    }

    fn check_again(&self, principal: &Principal) -> Answer<()> {
        let cluster = Arc::clone(&self.0);
        match credentials_of(principal) {
            None => Answer::Ready(match self.is_required() {
                false => Ok(()),
                true => Err(Error::new(ErrorKind::BadCredentials, "this token is of nobody; log in for one")),
            }),
            Some(Err(error)) => Answer::Ready(Err(error)),
            Some(Ok(credentials)) => {
                Answer::Later(Box::pin(async move { cluster.log_in(credentials).await.map(|_| ()) }))
            }
        }
    }
}
