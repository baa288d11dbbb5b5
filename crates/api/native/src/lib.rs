//! The CQL API: Cassandra's native protocol, versions 3 to 5, over any [`ilium_store::DataStore`], or in front
//! of a cluster ([`ilium_store::Forward`]).
//!
//! Vocabulary: a [`Service`] is what all connections share (the store, prepared statements, limits); a *session* is
//! what one connection remembers (keyspace, version, who logged in); a *reply* is an outcome on its way back to a stream
//! id.
//!
//! The path of a request: `connection` reads bytes, `ilium_protocol` makes a message of them, `dispatch` hands it to
//! the store, `reply` encodes what comes back into the connection's output. In front of a cluster `forwarded` hands the
//! message on as it is, and takes the answer.

mod clients;
mod connection;
mod dispatch;
mod errors;
mod events;
mod forwarded;
mod login;
mod options;
mod plans;
mod prepared;
mod reply;
mod session;
mod turn_away;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ilium_store::{DataStore, Error, Forward, Login, Result};

pub use clients::{Client, ClientSession, Clients, Running, TlsSession};
pub use connection::{close_in_order, serve};
pub use options::Options;
pub use turn_away::turn_away;

use crate::dispatch::may_hold_password;
use crate::events::Events;
use crate::prepared::{PreparedStatement, PreparedStatements};

/// What all connections of one listener share.
pub struct Service {
    /// `None`: statements are forwarded.
    store: Option<Arc<dyn DataStore>>,
    /// The cluster that statements are forwarded to.
    forward: Option<Arc<dyn Forward>>,
    login: Arc<dyn Login>,
    options: Options,
    prepared: PreparedStatements,
    events: Events,
    clients: Clients,
    /// Requests that wait for the store, over all connections.
    waiting: AtomicUsize,
    /// Bytes of messages that are arriving, over all connections.
    arriving: AtomicUsize,
    /// Bytes of long requests that a cluster has not answered, over all connections.
    asked: AtomicUsize,
    /// Bytes that a cluster answered and clients have not read, over all connections.
    unread: AtomicUsize,
    /// Connections that the server closed with requests of theirs unread.
    unheard: AtomicU64,
    /// Bytes read from all connections since the start, and written to them; frames as they are on the wire, TLS left aside.
    received: AtomicU64,
    sent: AtomicU64,
}

/// A statement that any connection may execute by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedSummary {
    pub id: [u8; 16],
    /// What unqualified names are in.
    pub keyspace: Option<Arc<str>>,
    pub text: Arc<str>,
}

impl Service {
    /// Statements are run by the store.
    pub fn new(store: Arc<dyn DataStore>, login: Arc<dyn Login>, options: Options) -> Arc<Service> {
        let events = Events::of_store(&*store);
        Service::with(Some(store), None, events, login, options)
    }

    /// Statements are forwarded to a cluster as the clients wrote them.
    pub fn forwarding(forward: Arc<dyn Forward>, login: Arc<dyn Login>, options: Options) -> Arc<Service> {
        let events = Events::of_cluster(&*forward);
        Service::with(None, Some(forward), events, login, options)
    }

    fn with(
        store: Option<Arc<dyn DataStore>>,
        forward: Option<Arc<dyn Forward>>,
        events: Events,
        login: Arc<dyn Login>,
        options: Options,
    ) -> Arc<Service> {
        let prepared = PreparedStatements::new(options.max_prepared_statements, options.max_prepared_text);
        Arc::new(Service {
            store,
            forward,
            login,
            options,
            prepared,
            events,
            clients: Clients::default(),
            waiting: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            unheard: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
    }

    fn store(&self) -> Result<&dyn DataStore> {
        self.store.as_deref().ok_or_else(|| Error::internal("statements are forwarded here, none is run"))
    }

    /// Who is connected at this moment.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The statements that are kept prepared, in no order. Those that may hold a password are left out: their ids are
    /// digests of the whole text, against which guesses could be checked.
    pub fn prepared_statements(&self) -> Vec<PreparedSummary> {
        let summary = |statement: &Arc<PreparedStatement>| PreparedSummary {
            id: statement.id,
            keyspace: statement.prepared.keyspace.clone(),
            text: Arc::clone(&statement.text),
        };
        let listed = |statement: &&Arc<PreparedStatement>| !may_hold_password(&statement.prepared.statement);
        self.prepared.list().iter().filter(listed).map(summary).collect()
    }

    /// How many statements are kept prepared, those included that are not listed.
    pub fn prepared_count(&self) -> usize {
        self.prepared.len()
    }

    /// The limits it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Bytes of messages that are arriving at this moment, short ones not counted.
    pub fn bytes_arriving(&self) -> usize {
        self.arriving.load(Ordering::Relaxed)
    }

    /// Bytes of long requests that a cluster has not answered.
    pub fn bytes_asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Bytes that a cluster answered and clients have not read.
    pub fn bytes_unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// Bytes of frames that came in since the start.
    pub fn bytes_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes of frames that went out since the start.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Connections since the start that were closed for the server's stop while requests of theirs were on the way here.
    pub fn unheard(&self) -> u64 {
        self.unheard.load(Ordering::Relaxed)
    }

    /// Requests that wait for the store or the cluster at this moment.
    pub fn requests_waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}
