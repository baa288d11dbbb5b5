//! What the engine's system tables report of the server around it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use ilium_embedded::system::{Live, live};
use ilium_native::Service;

/// Cassandra's name for what answers clients.
const REQUESTS: &str = "Native-Transport-Requests";

/// The running server. It is there before the service whose clients it reports.
#[derive(Clone)]
pub struct Node {
    address: SocketAddr,
    started: i64,
    settings: BTreeMap<String, String>,
    /// Weak: the service holds the engine, which holds this.
    service: Arc<OnceLock<Weak<Service>>>,
}

impl Node {
    #[expect(clippy::disallowed_methods, reason = "when the process started, for `system_views`")]
    pub fn at(address: SocketAddr, settings: BTreeMap<String, String>) -> Node {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        Node { address, started, settings, service: Arc::default() }
    }

    fn service(&self) -> Option<Arc<Service>> {
        self.service.get().and_then(Weak::upgrade)
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
        let Some(service) = self.service() else { return Vec::new() };
        service.clients().list().iter().map(|client| reported(client)).collect()
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.settings.clone()
    }

    /// One. None waits for a thread: past the limit a request is refused.
    fn thread_pools(&self) -> Vec<live::ThreadPool> {
        let Some(service) = self.service() else { return Vec::new() };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let active = service.requests_waiting();
        vec![live::ThreadPool {
            name: REQUESTS.to_owned(),
            active: count(active),
            limit: count(service.options().max_waiting),
            pending: 0,
            completed: service.clients().requests().saturating_sub(active as u64),
            blocked: 0,
            blocked_ever: 0,
        }]
    }

    fn queries(&self) -> Vec<live::Query> {
        let Some(service) = self.service() else { return Vec::new() };
        let mut queries = Vec::new();
        for client in service.clients().list() {
            for (stream, running) in client.running() {
                queries.push(live::Query {
                    id: format!("{REQUESTS}-{}-{stream}", client.address.port()),
                    // A request begins as soon as it is read.
                    queued_micros: 0,
                    running_micros: u64::try_from(running.since.elapsed().as_micros()).unwrap_or(u64::MAX),
                    text: running.text.to_string(),
                });
            }
        }
        queries
    }

    fn prepared_statements(&self) -> Vec<live::PreparedStatement> {
        let Some(service) = self.service() else { return Vec::new() };
        let statements = service.prepared_statements().into_iter();
        statements
            .map(|statement| live::PreparedStatement {
                id: statement.id,
                keyspace: statement.keyspace.map(|name| name.to_string()),
                text: statement.text.to_string(),
            })
            .collect()
    }
}

fn reported(client: &ilium_native::Client) -> live::Client {
    let session = client.session();
    live::Client {
        address: client.address,
        stage: match (session.protocol_version, session.is_ready) {
            (0, _) => "startup",
            (_, false) => "authenticating",
            (_, true) => "ready",
        }
        .to_owned(),
        options: session.options,
        keyspace: session.keyspace.map(|name| name.to_string()),
        protocol_version: i32::from(session.protocol_version),
        requests: client.requests(),
        user: session.role.as_deref().unwrap_or("anonymous").to_owned(),
        tls: client.tls.as_ref().map(|tls| (tls.cipher_suite.clone(), tls.protocol.clone())),
    }
}
