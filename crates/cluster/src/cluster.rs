//! A cluster as this process knows it: its ring, its sessions, the statements prepared through it.

mod agreement;
mod lost;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use ilium_cql::schema::{Schema, UuidBytes};
use ilium_protocol::ProtocolVersion;
use ilium_store::{ClusterEvent, ClusterListener, Error, ErrorKind, Watcher};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::credentials::Logins;
use crate::dial::{Dialler, Permit};
use crate::error::{ConnectError, unreachable};
use crate::gateways::Gateways;
use crate::link::Link;
use crate::prepared::{Preparing, Statements};
use crate::race;
use crate::ring::{Home, Node, Place, Replication, Ring};
use crate::session::{Session, SessionKey};
use crate::snapshot::Snapshot;
use crate::{Credentials, Options};

use self::lost::Loss;

/// Sessions of which a first link is being opened at a time; others wait. Each costs a node the hash of a password, some
/// 50 ms of a core.
const LOG_INS: usize = 16;

/// A session of which nothing was asked for so long has enough with one link: programs that are at work ask more often.
const IDLE_LINKS: Duration = Duration::from_secs(10);

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

/// What is held for the cluster at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// As the cluster tells.
    pub nodes: usize,
    /// Those that the gateway's own session has links to.
    pub connected: usize,
    pub sessions: usize,
    pub links: usize,
    /// Requests that wait on links.
    pub in_flight: usize,
    /// Statements that are remembered by their id.
    pub prepared: usize,
    /// Log-ins that are remembered.
    pub logins: usize,
}

/// What comes of opening a session.
type Opening = Arc<OnceCell<Result<Arc<Session>, Error>>>;

/// Somebody who waits for a session to be opened. Once it is open, or nobody waits any more, it is forgotten: it holds a
/// password, and whoever asks later is to hear what the cluster says then.
struct Waits<'c> {
    all: &'c Mutex<HashMap<SessionKey, Opening>>,
    key: SessionKey,
    opening: Opening,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let is_known = all.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.opening));
        // The map holds it, and the last who waits.
        let is_over = self.opening.initialized() || Arc::strong_count(&self.opening) == 2;
        if is_known && is_over {
            all.remove(&self.key);
        }
    }
}

/// A running cluster.
pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) facts: Facts,
    /// The gateway's own role, with the password that is good now.
    user: RwLock<Option<Credentials>>,
    pub(crate) statements: Statements,
    pub(crate) preparing: Preparing,
    pub(crate) logins: Logins,
    pub(crate) gateways: Gateways,
    pub(crate) dialler: Arc<Dialler>,
    pub(crate) watcher: OnceLock<Arc<dyn Watcher>>,
    started: Instant,
    /// Whose turn it is to be dialled first.
    turn: AtomicUsize,
    /// Places for sessions of which a first link is being opened.
    log_ins: Semaphore,
    /// Those sessions; who wants the same one waits for the same link.
    opening: Mutex<HashMap<SessionKey, Opening>>,
    ring: RwLock<Arc<Ring>>,
    /// Places are given once; a node that comes back has the one it had.
    places: Mutex<HashMap<UuidBytes, Place>>,
    sessions: Mutex<HashMap<SessionKey, Arc<Session>>>,
    listeners: RwLock<Vec<ClusterListener>>,
    /// The link by which it is watched, while there is one.
    control: RwLock<Option<Arc<Link>>>,
    /// Of the schema, where statements of our own are run.
    snapshot: OnceLock<Weak<Snapshot>>,
    loss: Loss,
}

impl Cluster {
    /// One of which nothing is known yet but these facts.
    pub(crate) fn new(dialler: Arc<Dialler>, facts: Facts) -> Arc<Cluster> {
        let options = dialler.options.clone();
        let _ = dialler.cluster.set(facts.cluster_name.clone());
        Arc::new(Cluster {
            statements: Statements::new(options.max_prepared_statements, options.max_prepared_text),
            preparing: Preparing::default(),
            logins: Logins::new(options.login_validity),
            gateways: Gateways::default(),
            dialler,
            watcher: OnceLock::new(),
            facts,
            user: RwLock::new(options.user.clone()),
            options,
            started: Instant::now(),
            turn: AtomicUsize::new(0),
            log_ins: Semaphore::new(LOG_INS),
            opening: Mutex::default(),
            ring: RwLock::default(),
            places: Mutex::default(),
            sessions: Mutex::default(),
            listeners: RwLock::default(),
            control: RwLock::new(None),
            snapshot: OnceLock::new(),
            loss: Loss::default(),
        })
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

    pub(crate) fn control(&self) -> Option<Arc<Link>> {
        self.control.read().clone()
    }

    pub(crate) fn set_control(&self, control: Option<Arc<Link>>) {
        *self.control.write() = control;
    }

    /// The session of the gateway itself.
    pub(crate) fn own_key(&self) -> SessionKey {
        self.key_of(self.user(), self.facts.newest.number())
    }

    /// What the gateway itself logs in with.
    pub(crate) fn user(&self) -> Option<Credentials> {
        self.user.read().clone()
    }

    pub(crate) fn set_user(&self, user: Option<Credentials>) {
        *self.user.write() = user;
    }

    /// Goes on as the gateway's own role with another password, once the cluster has taken it. It is asked now, whatever it said
    /// of that password before.
    pub(crate) async fn change_password(self: &Arc<Self>, password: &str) -> Result<(), Error> {
        let Some(user) = self.user().filter(|user| !user.is_by_certificate()) else { return Ok(()) };
        let changed = Some(Credentials::new(&user.name, password));
        self.prove(self.key_of(changed.clone(), self.facts.newest.number())).await?;
        self.set_user(changed);
        Ok(())
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
            if !self.close_oldest(&mut sessions, |_| true) {
                return Err(Error::overloaded(format!(
                    "{} roles and keyspaces are in use at once, the limit of this gateway",
                    self.options.max_sessions
                )));
            }
        }
        let session = Session::new(key.clone(), version, &self.dialler, self.now());
        sessions.insert(key, Arc::clone(&session));
        Ok(session)
    }

    /// Closes the session that was not used for longest, of those that nobody holds (its clients are gone) and that are wanted
    /// closed. The gateway's own is always needed. `false`: there is none.
    fn close_oldest(
        &self,
        sessions: &mut HashMap<SessionKey, Arc<Session>>,
        wanted: impl Fn(&Session) -> bool,
    ) -> bool {
        let own = self.own_key();
        let idle = sessions
            .iter()
            .filter(|(key, session)| **key != own && Arc::strong_count(session) == 1 && wanted(session));
        let oldest = idle.min_by_key(|(_, session)| session.last_used()).map(|(key, _)| key.clone());
        let Some(session) = oldest.and_then(|oldest| sessions.remove(&oldest)) else { return false };
        session.retire(self.options.silence);
        true
    }

    /// The session for a key if it has a link that is open.
    pub(crate) fn open_already(&self, key: &SessionKey) -> Option<Arc<Session>> {
        let session = self.sessions.lock().get(key).filter(|session| session.is_open()).cloned()?;
        session.touch(self.now());
        Some(session)
    }

    /// The session for a key, with a link that is open. The first is waited for; the others are opened meanwhile.
    pub(crate) async fn open_session(self: &Arc<Self>, key: SessionKey) -> Result<Arc<Session>, Error> {
        match self.open_already(&key) {
            Some(session) => Ok(session),
            None => self.prove(key).await,
        }
    }

    /// Opens a link for a key, whether or not there are others: so the cluster says what it thinks of the role and the
    /// keyspace now. Once for all that ask at the same time.
    pub(crate) async fn prove(self: &Arc<Self>, key: SessionKey) -> Result<Arc<Session>, Error> {
        let opening = Arc::clone(self.opening.lock().entry(key.clone()).or_default());
        let waits = Waits { all: &self.opening, key, opening };
        self.unless_lost(async |tries| {
            waits.opening.get_or_init(|| self.open_first(waits.key.clone(), tries)).await.clone()
        })
        .await
    }

    /// Opens a first link for a key. A session is kept only once there is one: a password or a keyspace may be wrong.
    /// One that tries whether the cluster is still lost waits for nobody.
    async fn open_first(self: &Arc<Self>, key: SessionKey, tries: bool) -> Result<Arc<Session>, Error> {
        let version = ProtocolVersion::from_number(key.version)
            .map_err(|error| Error::new(ErrorKind::Protocol, error.to_string()))?;
        let _turn = if tries { None } else { Some(self.log_ins.acquire().await) };
        // It may have been lost since.
        if !tries && self.is_lost() {
            return Err(self.lost());
        }
        let permit = self.first_permit().await?;
        let opened = self.open_link(&key, version).await;
        if opened.as_ref().is_err_and(ConnectError::is_final) {
            self.is_found();
        }
        let (place, link) = opened.map_err(ConnectError::into_error)?;
        link.hold(permit);
        if let Some(role) = &key.role {
            self.logins.accept(role.clone());
        }
        let session = self.session(key).inspect_err(|_| link.close())?;
        session.add(place, link);
        session.reach_out(&self.ring());
        self.is_found();
        Ok(session)
    }

    /// Leave for the first link of a session. Where there is none left, what nobody needs now is closed.
    async fn first_permit(&self) -> Result<Permit, Error> {
        if let Some(permit) = self.dialler.first_permit() {
            return Ok(permit);
        }
        let makes_room = self.shrink_idle(Duration::ZERO) > 0
            || self.close_oldest(&mut self.sessions.lock(), Session::is_open);
        let permit = match makes_room {
            true => self.dialler.permit_within(self.options.connect_timeout).await,
            false => None,
        };
        permit.ok_or_else(|| {
            Error::overloaded(format!(
                "{} connections to the cluster are in use at once, the limit of this gateway",
                self.options.max_links
            ))
        })
    }

    /// Has sessions that were asked for nothing for so long keep one link each. How many links are closed.
    fn shrink_idle(&self, idle: Duration) -> usize {
        let (now, own) = (self.now(), self.own_key());
        let others: Vec<Arc<Session>> = {
            let sessions = self.sessions.lock();
            sessions.iter().filter(|(key, _)| **key != own).map(|(_, session)| Arc::clone(session)).collect()
        };
        let is_idle = |session: &&Arc<Session>| u128::from(session.idle_for(now)) >= idle.as_millis();
        others.iter().filter(is_idle).map(|session| session.shrink()).sum()
    }

    /// A link for a key to the first node that answers, the nearest first. A node that takes its time is not waited for
    /// alone.
    async fn open_link(
        &self,
        key: &SessionKey,
        version: ProtocolVersion,
    ) -> Result<(Place, Arc<Link>), ConnectError> {
        let ring = self.ring();
        let mut nodes = ring.nodes.clone();
        // Not all log-ins at the same one.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len().max(1);
        nodes.rotate_left(turn);
        let own = self.own_session();
        let gone = own.as_ref().map(|own| own.unreachable()).unwrap_or_default();
        nodes.sort_by_key(|node| (gone.contains(&node.place), ring.distance(node.place)));
        let dial = |node: Arc<Node>| {
            let (dialler, key, own) = (Arc::clone(&self.dialler), key.clone(), own.clone());
            async move {
                let opened = key.open(version, &node, &dialler).await;
                if let (Err(error), Some(own)) = (&opened, own)
                    && !error.is_final()
                {
                    own.doubt(node.address);
                }
                opened.map(|link| (node.place, link))
            }
        };
        race::first_of(nodes, dial, ConnectError::is_final, ConnectError::NoNode).await
    }

    fn own_session(&self) -> Option<Arc<Session>> {
        self.sessions.lock().get(&self.own_key()).cloned()
    }

    /// A link of the gateway's own to each node that has one, the nearest first.
    pub(crate) fn own_links(&self) -> Vec<Arc<Link>> {
        let ring = self.ring();
        self.own_session().map(|own| own.one_link_each(&ring)).unwrap_or_default()
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
            Some(reachable @ 1..) => Ok(format!("{reachable} of {nodes} nodes are connected")),
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
            logins: self.logins.len(),
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

    /// Closes sessions that nobody used for a while, and those that nobody uses and the cluster refuses. The gateway's own
    /// stays.
    fn expire_sessions(&self) {
        let own = self.own_key();
        let idle = u64::try_from(self.options.session_idle.as_millis()).unwrap_or(u64::MAX);
        let now = self.now();
        let mut sessions = self.sessions.lock();
        sessions.retain(|key, session| {
            let is_held = Arc::strong_count(session) > 1;
            if is_held {
                session.touch(now);
            }
            let is_refused = !is_held && session.is_refused() && !session.is_open();
            let stays = *key == own || now.saturating_sub(session.last_used()) < idle && !is_refused;
            if !stays {
                session.retire(self.options.silence);
            }
            stays
        });
    }

    /// Gives sessions that lack links to near nodes another try: a node that came back is used again. Those of which nothing
    /// is asked have enough with one, and give others back where connections are scarce.
    pub(crate) fn reach_out(&self) {
        if self.dialler.is_pressed() {
            self.shrink_idle(IDLE_LINKS);
        }
        let (now, own) = (self.now(), self.own_key());
        let sessions: Vec<(bool, Arc<Session>)> = {
            let sessions = self.sessions.lock();
            sessions.iter().map(|(key, session)| (*key == own, Arc::clone(session))).collect()
        };
        let ring = self.ring();
        for (is_own, session) in sessions {
            let rests = u128::from(session.idle_for(now)) >= IDLE_LINKS.as_millis() && session.is_open();
            if is_own || !rests {
                session.reach_out(&ring);
            }
        }
    }
}

/// How often idle sessions are looked for, and nodes without links tried again.
const UPKEEP: Duration = Duration::from_secs(1);

/// Looks after the sessions as long as somebody serves the cluster.
pub(crate) async fn keep_up(cluster: Weak<Cluster>) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        let Some(cluster) = cluster.upgrade() else { return };
        cluster.expire_sessions();
        cluster.look_for_loss();
        cluster.reach_out();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
