//! A cluster as this process knows it: its ring, its sessions, the statements prepared through it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use ilium_cql::schema::{Schema, UuidBytes};
use ilium_protocol::ProtocolVersion;
use ilium_store::{ClusterEvent, ClusterListener, Error, ErrorKind, Watcher};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::control::{self, Control};
use crate::data_store::Snapshot;
use crate::error::{ConnectError, unreachable};
use crate::forward::Preparing;
use crate::gateways::Gateways;
use crate::link::Link;
use crate::login::Logins;
use crate::prepared::Statements;
use crate::ring::{Home, Node, Place, Replication, Ring};
use crate::session::{Session, SessionKey};
use crate::upstream::Stats;
use crate::{Credentials, Options};

/// How long a node is waited for before the next is dialled, too: a log-in takes a healthy one about 100 ms, most of it for the
/// password's hash.
const HEAD_START: Duration = Duration::from_millis(500);

/// Log-ins that ask the cluster at a time; others wait. Each costs a node the hash of a password, some 50 ms of a core.
const LOG_INS: usize = 16;

/// What was learned when the cluster was first reached, and does not change while it is served.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The newest version of the protocol it speaks; it speaks all before it, too.
    pub newest: ProtocolVersion,
    /// The newest version of the language.
    pub cql_version: String,
    pub asks_for_login: bool,
    pub cluster_name: String,
    pub home: Home,
}

/// A running cluster.
pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) facts: Facts,
    pub(crate) statements: Statements,
    pub(crate) preparing: Preparing,
    pub(crate) logins: Logins,
    pub(crate) gateways: Gateways,
    pub(crate) watcher: OnceLock<Arc<dyn Watcher>>,
    started: Instant,
    /// Whose turn it is to be dialled first.
    turn: AtomicUsize,
    /// Places for log-ins that ask the cluster at a time.
    pub(crate) dialling: Semaphore,
    ring: RwLock<Arc<Ring>>,
    /// Places are given once; a node that comes back has the one it had.
    places: Mutex<HashMap<UuidBytes, Place>>,
    sessions: Mutex<HashMap<SessionKey, Arc<Session>>>,
    listeners: RwLock<Vec<ClusterListener>>,
    control: RwLock<Option<Arc<Control>>>,
    /// Of the schema, where statements of our own are run.
    snapshot: OnceLock<Weak<Snapshot>>,
}

impl Cluster {
    /// Finds the cluster by its contact points, learns its ring, and watches it from then on.
    pub async fn connect(options: Options) -> Result<Arc<Cluster>, ConnectError> {
        let first = control::first_contact(&options).await?;
        let cluster = Arc::new(Cluster {
            statements: Statements::new(options.max_prepared_statements, options.max_prepared_text),
            preparing: Preparing::default(),
            logins: Logins::new(options.login_validity),
            gateways: Gateways::default(),
            watcher: OnceLock::new(),
            facts: first.facts.clone(),
            options,
            started: Instant::now(),
            turn: AtomicUsize::new(0),
            dialling: Semaphore::new(LOG_INS),
            ring: RwLock::default(),
            places: Mutex::default(),
            sessions: Mutex::default(),
            listeners: RwLock::default(),
            control: RwLock::new(None),
            snapshot: OnceLock::new(),
        });
        control::take_over(&cluster, first).await?;
        // A limit of no session at all is the only thing that can be wrong here.
        let session = cluster.session(cluster.own_key()).map_err(|_| ConnectError::NoNode)?;
        session.reach_out(&cluster.ring());
        tokio::spawn(expire(Arc::downgrade(&cluster)));
        Ok(cluster)
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read())
    }

    pub(crate) fn with_ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        look(&self.ring.read())
    }

    /// Takes up what was learned of the ring.
    pub(crate) fn set_ring(&self, nodes: Vec<Node>, keyspaces: &BTreeMap<Arc<str>, Replication>) {
        let mut places = self.places.lock();
        let nodes = nodes.into_iter().map(|mut node| {
            let next = places.len() as Place;
            node.place = *places.entry(node.host_id).or_insert(next);
            Arc::new(node)
        });
        let nodes = nodes.collect();
        drop(places);
        *self.ring.write() = Arc::new(Ring::new(nodes, &self.facts.home, keyspaces));
    }

    pub(crate) fn control(&self) -> Option<Arc<Control>> {
        self.control.read().clone()
    }

    pub(crate) fn set_control(&self, control: Option<Arc<Control>>) {
        *self.control.write() = control;
    }

    /// The session of the gateway itself.
    pub(crate) fn own_key(&self) -> SessionKey {
        let role = self.options.user.clone().filter(|_| self.facts.asks_for_login);
        SessionKey { role, version: self.facts.newest.number(), keyspace: None }
    }

    /// The session for a key; it may not have a link yet.
    pub(crate) fn session(self: &Arc<Self>, key: SessionKey) -> Result<Arc<Session>, Error> {
        let version = ProtocolVersion::from_number(key.version)
            .map_err(|error| Error::new(ErrorKind::Protocol, error.to_string()))?;
        let mut sessions = self.sessions.lock();
        if let Some(session) = sessions.get(&key) {
            session.touch(self.now());
            return Ok(Arc::clone(session));
        }
        while sessions.len() >= self.options.max_sessions {
            // One that nobody holds: its clients are gone. The gateway's own is always needed.
            let own = self.own_key();
            let is_idle = |(key, session): &(&SessionKey, &Arc<Session>)| {
                **key != own && Arc::strong_count(session) == 1
            };
            let idle = sessions.iter().filter(is_idle);
            let Some(oldest) =
                idle.min_by_key(|(_, session)| session.last_used()).map(|(key, _)| key.clone())
            else {
                return Err(Error::overloaded(format!(
                    "{} roles and keyspaces are in use at once, the limit of this gateway",
                    self.options.max_sessions
                )));
            };
            if let Some(session) = sessions.remove(&oldest) {
                session.retire(self.options.silence);
            }
        }
        let session = Session::new(key.clone(), version, self);
        session.touch(self.now());
        sessions.insert(key, Arc::clone(&session));
        Ok(session)
    }

    /// The session for a key, with a link that is open. The first is waited for; the others are opened meanwhile.
    pub(crate) async fn open_session(self: &Arc<Self>, key: SessionKey) -> Result<Arc<Session>, Error> {
        let known = self.sessions.lock().get(&key).filter(|session| session.is_open()).cloned();
        let session = match known {
            Some(session) => {
                session.touch(self.now());
                session
            }
            None => {
                let (place, link) = self.try_key(&key).await?;
                let session = self.session(key);
                let session = session.inspect_err(|_| link.close())?;
                session.add(place, link);
                session
            }
        };
        session.reach_out(&self.ring());
        Ok(session)
    }

    /// A first link for a key, in no session that is kept: a password or a keyspace may be wrong.
    pub(crate) async fn try_key(self: &Arc<Self>, key: &SessionKey) -> Result<(Place, Arc<Link>), Error> {
        let version = ProtocolVersion::from_number(key.version)
            .map_err(|error| Error::new(ErrorKind::Protocol, error.to_string()))?;
        let trial = Session::new(key.clone(), version, self);
        self.open_link(&trial).await.map_err(ConnectError::into_error)
    }

    /// A link of a session to the first node that answers, the nearest first. A node that takes its time is not waited for
    /// alone.
    async fn open_link(self: &Arc<Self>, session: &Arc<Session>) -> Result<(Place, Arc<Link>), ConnectError> {
        let ring = self.ring();
        let mut nodes = ring.nodes.clone();
        // Not all log-ins at the same one.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len().max(1);
        nodes.rotate_left(turn);
        let gone = self.own_session().map(|own| own.unreachable()).unwrap_or_default();
        nodes.sort_by_key(|node| (gone.contains(&node.place), ring.distance(node.place)));
        let mut nodes = nodes.into_iter();
        let mut opening = JoinSet::new();
        let mut last = ConnectError::NoNode;
        loop {
            if let Some(node) = nodes.next() {
                let (session, cluster) = (Arc::clone(session), Arc::clone(self));
                opening.spawn(async move { (node.place, session.open(&node, &cluster).await) });
            }
            let answered = match nodes.len() {
                0 => opening.join_next().await,
                _ => match timeout(HEAD_START, opening.join_next()).await {
                    Ok(answered) => answered,
                    Err(_) => continue,
                },
            };
            match answered {
                None => return Err(last),
                Some(Err(_)) => {}
                Some(Ok((place, Ok(link)))) => return Ok((place, link)),
                Some(Ok((_, Err(refusal)))) if refusal.is_final() => return Err(refusal),
                Some(Ok((_, Err(error)))) => {
                    tracing::debug!(%error, "a node cannot be reached");
                    last = error;
                }
            }
        }
    }

    fn own_session(&self) -> Option<Arc<Session>> {
        self.sessions.lock().get(&self.own_key()).cloned()
    }

    pub(crate) fn key_of(&self, role: Option<Credentials>, version: u8) -> SessionKey {
        SessionKey { role: role.filter(|_| self.facts.asks_for_login), version, keyspace: None }
    }

    /// The nodes that the gateway's own session has links to.
    pub(crate) fn connected(&self) -> BTreeSet<UuidBytes> {
        let session = self.own_session();
        let places: Vec<Place> = session.iter().flat_map(|s| s.loads()).map(|(place, ..)| place).collect();
        let ring = self.ring();
        ring.nodes.iter().filter(|node| places.contains(&node.place)).map(|node| node.host_id).collect()
    }

    /// The nodes that requests may go to: those near that no link was refused by, whether or not one is open yet.
    pub(crate) fn askable(&self) -> BTreeSet<UuidBytes> {
        let session = self.own_session();
        let gone: Vec<Place> = session.iter().flat_map(|session| session.unreachable()).collect();
        let ring = self.ring();
        let may_be_asked = |node: &&Arc<Node>| ring.distance(node.place) < 2 && !gone.contains(&node.place);
        ring.nodes.iter().filter(may_be_asked).map(|node| node.host_id).collect()
    }

    /// Whether the cluster can be asked; else why not.
    pub fn check(&self) -> Result<String, Error> {
        let reachable = self.own_session().map(|session| session.loads().len());
        let nodes = self.ring().nodes.len();
        match reachable {
            Some(reachable @ 1..) => Ok(format!(
                "{reachable} of {nodes} nodes of the cluster {} are connected",
                self.facts.cluster_name
            )),
            _ => Err(unreachable(&format!("none of the {nodes} nodes of the cluster can be reached"))),
        }
    }

    /// Names the snapshot that follows the schema, once.
    pub(crate) fn set_snapshot(&self, snapshot: &Arc<Snapshot>) {
        let _ = self.snapshot.set(Arc::downgrade(snapshot));
    }

    /// The schema, where somebody follows it.
    pub(crate) fn schema(&self) -> Option<Arc<Schema>> {
        self.snapshot.get().and_then(Weak::upgrade).map(|snapshot| snapshot.schema())
    }

    /// After a change of the schema: whoever is told that it is done must find it everywhere, on every node and in every
    /// API here. It is done: what fails here is told to nobody. `changed` is the link it was done by.
    pub(crate) async fn settle(&self, changed: &Arc<Link>) {
        if !self.agree(changed).await {
            tracing::warn!("the cluster's nodes do not agree on the schema yet");
        }
        if let Some(snapshot) = self.snapshot.get().and_then(Weak::upgrade)
            && let Err(error) = snapshot.refresh(self).await
        {
            tracing::warn!(%error, "the cluster's schema cannot be read");
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
        let loads = sessions.iter().flat_map(|session| session.loads());
        let (links, in_flight) = loads.fold((0, 0), |(links, load), (_, more, on)| (links + more, load + on));
        Stats {
            nodes: self.ring().nodes.len(),
            connected: self.connected().len(),
            sessions: sessions.len(),
            links,
            in_flight,
            prepared: self.statements.len(),
        }
    }

    pub(crate) fn tell(&self, event: &ClusterEvent) {
        for listener in self.listeners.read().iter() {
            listener(event);
        }
    }

    pub(crate) fn add_listener(&self, listener: ClusterListener) {
        self.listeners.write().push(listener);
    }

    /// Milliseconds since it was connected.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Closes sessions that nobody used for a while. The gateway's own stays.
    fn expire_sessions(&self) {
        let own = self.own_key();
        let idle = u64::try_from(self.options.session_idle.as_millis()).unwrap_or(u64::MAX);
        let now = self.now();
        let mut sessions = self.sessions.lock();
        for session in sessions.values().filter(|session| Arc::strong_count(session) > 1) {
            session.touch(now);
        }
        sessions.retain(|key, session| {
            let stays = *key == own || now.saturating_sub(session.last_used()) < idle;
            if !stays {
                session.retire(self.options.silence);
            }
            stays
        });
    }

    /// Gives sessions that lack links to near nodes another try: a node that came back is used again.
    pub(crate) fn reach_out(&self) {
        let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
        let ring = self.ring();
        for session in sessions {
            session.reach_out(&ring);
        }
    }
}

/// How often idle sessions are looked for, and nodes without links tried again.
const UPKEEP: Duration = Duration::from_secs(1);

async fn expire(cluster: std::sync::Weak<Cluster>) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        let Some(cluster) = cluster.upgrade() else { return };
        cluster.expire_sessions();
        cluster.reach_out();
    }
}
