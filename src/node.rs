//! What the engine's system tables report of the server around it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use ilium_embedded::system::{Live, live};
use ilium_native::Service;

/// The running server. It is there before the service whose clients it reports.
#[derive(Clone)]
pub struct Node {
    address: SocketAddr,
    started: i64,
    /// Weak: the service holds the engine, which holds this.
    service: Arc<OnceLock<Weak<Service>>>,
}

impl Node {
    #[expect(clippy::disallowed_methods, reason = "when the process started, for `system_views`")]
    pub fn at(address: SocketAddr) -> Node {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        Node { address, started, service: Arc::default() }
    }

    /// Names the service, once.
    pub fn serves(&self, service: &Arc<Service>) {
        let _ = self.service.set(Arc::downgrade(service));
    }
}

impl Live for Node {
    fn cql_address(&self) -> SocketAddr {
        self.address
    }

    fn started(&self) -> i64 {
        self.started
    }

    fn clients(&self) -> Vec<live::Client> {
        let Some(service) = self.service.get().and_then(Weak::upgrade) else { return Vec::new() };
        service.clients().list().iter().map(|client| reported(client)).collect()
    }
}

fn reported(client: &ilium_native::Client) -> live::Client {
    let session = client.session();
    live::Client {
        address: client.address,
        stage: if session.protocol_version == 0 { "startup" } else { "ready" }.to_owned(),
        options: session.options,
        keyspace: session.keyspace.map(|name| name.to_string()),
        protocol_version: i32::from(session.protocol_version),
        requests: client.requests(),
        user: "anonymous".to_owned(),
        tls: client.tls.as_ref().map(|tls| (tls.cipher_suite.clone(), tls.protocol.clone())),
    }
}
