//! Who is connected, for whoever reports it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

/// The connections of a service at this moment.
#[derive(Default)]
pub struct Clients {
    next: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// Messages of those that are gone.
    past_requests: AtomicU64,
}

/// One connection as others see it.
pub struct Client {
    pub address: SocketAddr,
    /// `None`: a plain connection.
    pub tls: Option<TlsSession>,
    requests: AtomicU64,
    session: Mutex<ClientSession>,
    /// By stream.
    running: Mutex<HashMap<i16, Running>>,
}

/// A request that takes its time: it waits for the disk, for others, or has much to do. Plain writes are not among
/// them: each is done with the next sync, and writing it down here would cost it more than it is worth.
#[derive(Debug, Clone)]
pub struct Running {
    /// As the client wrote it.
    pub text: Arc<str>,
    pub since: Instant,
}

/// What a handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// By its registered name, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// Such as `TLSv1.3`.
    pub protocol: String,
    /// Whom the client's certificate, verified, is of; `None`: it showed none.
    pub identity: Option<String>,
}

/// What a client said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSession {
    /// What STARTUP said; empty before it.
    pub options: BTreeMap<String, String>,
    /// 0 before STARTUP.
    pub protocol_version: u8,
    pub keyspace: Option<Arc<str>>,
    /// Whether it may send statements: it has logged in, or need not.
    pub is_ready: bool,
    /// The role that logged in.
    pub role: Option<Arc<str>>,
}

impl Client {
    /// Messages received so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn session(&self) -> ClientSession {
        self.session.lock().clone()
    }

    /// What it asked for and is not answered, by stream.
    pub fn running(&self) -> HashMap<i16, Running> {
        self.running.lock().clone()
    }

    pub(crate) fn begin(&self, stream: i16, text: Arc<str>) {
        self.running.lock().insert(stream, Running { text, since: Instant::now() });
    }

    pub(crate) fn end(&self, stream: i16) {
        self.running.lock().remove(&stream);
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut ClientSession)) {
        change(&mut self.session.lock());
    }
}

impl Clients {
    pub fn list(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }

    /// Messages received so far from all clients, those that are gone included.
    pub fn requests(&self) -> u64 {
        let connected = self.connected.lock();
        let present: u64 = connected.values().map(|client| client.requests()).sum();
        present + self.past_requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connect(&self, address: SocketAddr, tls: Option<TlsSession>) -> (u64, Arc<Client>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client {
            address,
            tls,
            requests: AtomicU64::new(0),
            session: Mutex::default(),
            running: Mutex::default(),
        });
        self.connected.lock().insert(number, Arc::clone(&client));
        (number, client)
    }

    pub(crate) fn disconnect(&self, number: u64) {
        let mut connected = self.connected.lock();
        if let Some(client) = connected.remove(&number) {
            self.past_requests.fetch_add(client.requests(), Ordering::Relaxed);
        }
    }
}
