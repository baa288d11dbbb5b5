//! The links that speak for one role in one version of the protocol and one keyspace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ilium_protocol::ProtocolVersion;
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::Credentials;
use crate::dial::Dialler;
use crate::error::ConnectError;
use crate::link::{Link, Purpose, retire};
use crate::ring::{Node, Place, Ring};

/// Requests that wait on every link to a node before another is opened: enough that their answers come in batches.
const CROWDED: usize = 64;

/// How long a node that could not be reached is left alone: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long no node is asked again once one refused the role or the keyspace: at first, twice as long each time, and at most.
/// That is no outage: the role or the keyspace is gone, or the password is another. Whoever audits log-ins sees each try; and
/// clients that stay wait at most so long once the cause is mended.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// For whom a session speaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey {
    /// `None`: the cluster asks nobody to log in.
    pub role: Option<Credentials>,
    pub version: u8,
    /// In CQL's own spelling, quoted where it must be.
    pub keyspace: Option<Arc<str>>,
}

pub(crate) struct Session {
    pub key: SessionKey,
    pub version: ProtocolVersion,
    dialler: Arc<Dialler>,
    /// By the node's place.
    lines: RwLock<Vec<Line>>,
    /// Requests that asked for a link so far.
    turn: AtomicUsize,
    /// Milliseconds after the cluster was connected at which it was last used.
    used: AtomicU64,
    /// And at which it was last seen to be asked for something, with how many requests there were by then.
    asked: AtomicU64,
    turns_seen: AtomicUsize,
    refusal: Mutex<Refusal>,
    closed: AtomicBool,
}

/// That the cluster refused the role or the keyspace, and nobody was let in since.
#[derive(Default)]
struct Refusal {
    times: u32,
    not_before: Option<Instant>,
}

/// The links to one node.
#[derive(Default)]
struct Line {
    links: SmallVec<[Arc<Link>; 2]>,
    is_opening: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Line {
    /// Whether one more is wanted and there is no reason to wait.
    fn may_grow(&self, limit: usize) -> bool {
        let open = self.links.iter().filter(|link| !link.is_closed()).count();
        let rests = || self.not_before.is_some_and(|not_before| Instant::now() < not_before);
        !self.is_opening && open < limit && !rests()
    }
}

impl Session {
    /// `now` is in milliseconds after the cluster was connected.
    pub fn new(key: SessionKey, version: ProtocolVersion, dialler: &Arc<Dialler>, now: u64) -> Arc<Session> {
        Arc::new(Session {
            key,
            version,
            dialler: Arc::clone(dialler),
            lines: RwLock::default(),
            turn: AtomicUsize::new(0),
            used: AtomicU64::new(now),
            asked: AtomicU64::new(now),
            turns_seen: AtomicUsize::new(0),
            refusal: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// A link for a request: to one of these nodes if it can be, else to the nearest that has one; not to one of `tried`
    /// unless there is no other. Links that are missing, or too few, are opened meanwhile.
    pub fn pick(
        self: &Arc<Self>,
        ring: &Ring,
        preferred: &[Place],
        tried: &[Place],
    ) -> Option<(Place, Arc<Link>)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut missing = SmallVec::<[Place; 4]>::new();
        let limit = self.dialler.options.links_per_node;
        let lines = self.lines.read();
        let among_preferred = best(&lines, ring, preferred.iter().copied(), turn, tried, &mut missing);
        // A near node that must ask a far replica is better than a far one, and any other than one that failed already.
        let is_good = |(place, _): &(Place, Arc<Link>)| ring.distance(*place) < 2 && !tried.contains(place);
        let found = among_preferred.filter(is_good).or_else(|| {
            let all = ring.nodes.iter().map(|node| node.place);
            best(&lines, ring, all, turn, tried, &mut missing)
        });
        if let Some((place, link)) = &found
            && link.load() > CROWDED
        {
            missing.push(*place);
        }
        if found.is_none() {
            // None that is near can be reached.
            missing.extend(ring.nodes.iter().map(|node| node.place));
        }
        // While a node is down every request comes by here: the lock for writing is for those that may do something.
        missing.retain(|place| lines.get(*place as usize).is_none_or(|line| line.may_grow(limit)));
        drop(lines);
        for place in missing {
            self.grow(ring, place);
        }
        found
    }

    /// Adds a link that was opened for it; one too many is closed: each log-in opens one.
    pub fn add(&self, place: Place, link: Arc<Link>) {
        let limit = self.dialler.options.links_per_node;
        *self.refusal.lock() = Refusal::default();
        let mut lines = self.lines.write();
        if self.closed.load(Ordering::Relaxed) {
            drop(lines);
            link.close();
            return;
        }
        let one_too_many = with_line(&mut lines, place, |line| {
            line.links.retain(|link| !link.is_closed());
            line.failures = 0;
            line.not_before = None;
            if line.links.len() >= limit {
                return Some(link);
            }
            line.links.push(link);
            None
        });
        drop(lines);
        if let Some(link) = one_too_many {
            link.close();
        }
    }

    /// Opens a link to each node of the own data centre that has none; to all others, too, while there is none at all. Not
    /// for a role or a keyspace that was refused: only requests, and log-ins, try that again.
    pub fn reach_out(self: &Arc<Self>, ring: &Ring) {
        if self.is_refused() {
            return;
        }
        let is_cut_off = !self.is_open();
        for node in ring.nodes.iter().filter(|node| is_cut_off || ring.distance(node.place) < 2) {
            if self.links_to(node.place) == 0 {
                self.grow(ring, node.place);
            }
        }
    }

    /// The same, at once, though nodes that could not be reached are to be left alone.
    pub fn hurry(self: &Arc<Self>, ring: &Ring) {
        self.lines.write().iter_mut().for_each(|line| line.not_before = None);
        self.reach_out(ring);
    }

    /// Has links to a node prove that it is alive, on which nothing waits: an idle one is seen to be dead only much later.
    pub fn doubt(&self, address: SocketAddr) {
        let idle: Vec<Arc<Link>> = {
            let lines = self.lines.read();
            let links = lines.iter().flat_map(|line| &line.links);
            let idle = links.filter(|link| link.address == address && !link.is_closed() && link.load() == 0);
            idle.cloned().collect()
        };
        for link in idle {
            let dialler = Arc::clone(&self.dialler);
            tokio::spawn(async move { link.end_if_dead(&dialler).await });
        }
    }

    /// Whether the last word of the cluster was that it knows no such role or keyspace.
    pub fn is_refused(&self) -> bool {
        self.refused_times() > 0
    }

    /// How often in a row.
    pub fn refused_times(&self) -> u32 {
        self.refusal.lock().times
    }

    /// How long ago, in milliseconds, it was last seen to be asked for something.
    pub fn idle_for(&self, now: u64) -> u64 {
        let turn = self.turn.load(Ordering::Relaxed);
        if self.turns_seen.swap(turn, Ordering::Relaxed) != turn {
            self.asked.store(now, Ordering::Relaxed);
        }
        now.saturating_sub(self.asked.load(Ordering::Relaxed))
    }

    /// Closes links that nothing waits on, but for one. How many.
    pub fn shrink(&self) -> usize {
        let mut lines = self.lines.write();
        let open = lines.iter().flat_map(|line| &line.links).filter(|link| !link.is_closed()).count();
        // Not all sessions the one to the same node.
        let kept = self.turn.load(Ordering::Relaxed) % open.max(1);
        let mut spare = SmallVec::<[Arc<Link>; 8]>::new();
        let mut number = 0;
        for line in lines.iter_mut() {
            line.links.retain(|link| {
                let is_open = !link.is_closed();
                let goes = is_open && number != kept && link.load() == 0;
                number += usize::from(is_open);
                if goes {
                    spare.push(Arc::clone(link));
                }
                !goes
            });
        }
        drop(lines);
        spare.iter().for_each(|link| link.leave(self.dialler.options.silence));
        spare.len()
    }

    fn links_to(&self, place: Place) -> usize {
        let lines = self.lines.read();
        lines.get(place as usize).map_or(0, |line| line.links.iter().filter(|link| !link.is_closed()).count())
    }

    /// Whether any node can be asked.
    pub fn is_open(&self) -> bool {
        self.lines.read().iter().any(|line| line.links.iter().any(|link| !link.is_closed()))
    }

    /// Links that are open, and requests that wait on them, by node.
    pub fn loads(&self) -> Vec<(Place, usize, usize)> {
        let lines = self.lines.read();
        let places = lines.iter().enumerate().map(|(place, line)| {
            let open = line.links.iter().filter(|link| !link.is_closed());
            let (count, load) = open.fold((0, 0), |(count, load), link| (count + 1, load + link.load()));
            (place as Place, count, load)
        });
        places.filter(|(_, count, _)| *count > 0).collect()
    }

    /// A link to each node that has one, the nearest first.
    pub fn one_link_each(&self, ring: &Ring) -> Vec<Arc<Link>> {
        let lines = self.lines.read();
        let open = lines.iter().enumerate().filter_map(|(place, line)| {
            let link = line.links.iter().find(|link| !link.is_closed())?;
            Some((ring.distance(place as Place), Arc::clone(link)))
        });
        let mut open: Vec<(u8, Arc<Link>)> = open.collect();
        open.sort_by_key(|(distance, _)| *distance);
        open.into_iter().map(|(_, link)| link).collect()
    }

    /// Nodes that have no link, and refused the last.
    pub fn unreachable(&self) -> Vec<Place> {
        let lines = self.lines.read();
        let gone = |line: &Line| line.failures > 0 && line.links.iter().all(|link| link.is_closed());
        lines.iter().enumerate().filter(|(_, line)| gone(line)).map(|(place, _)| place as Place).collect()
    }

    pub fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Ends its links once what waits on them is answered.
    pub fn retire(&self, patience: Duration) {
        let mut lines = self.lines.write();
        self.closed.store(true, Ordering::Relaxed);
        let links: Vec<Arc<Link>> = lines.drain(..).flat_map(|line| line.links).collect();
        drop(lines);
        for link in links {
            tokio::spawn(retire(link, patience));
        }
    }

    /// Opens one more link to a node, if it may have more and is not to be left alone.
    fn grow(self: &Arc<Self>, ring: &Ring, place: Place) {
        let Some(node) = ring.nodes.iter().find(|node| node.place == place).cloned() else { return };
        if self.refusal.lock().not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return;
        }
        let permit = match self.is_open() {
            true => self.dialler.further_permit(),
            false => self.dialler.first_permit(),
        };
        let Some(permit) = permit else {
            tracing::debug!(node = %node.address, "no more connections to nodes may be opened");
            // Or each request would come by here.
            with_line(&mut self.lines.write(), place, |line| {
                line.not_before = Instant::now().checked_add(FIRST_PAUSE);
            });
            return;
        };
        let limit = self.dialler.options.links_per_node;
        let may = with_line(&mut self.lines.write(), place, |line| {
            line.links.retain(|link| !link.is_closed());
            let may = line.may_grow(limit);
            line.is_opening |= may;
            may
        });
        if !may {
            return;
        }
        // A node that hangs is no reason to keep the session.
        let (session, dialler, key) = (Arc::downgrade(self), Arc::clone(&self.dialler), self.key.clone());
        let version = self.version;
        tokio::spawn(async move {
            let opened = key.open(version, &node, &dialler).await;
            match (session.upgrade(), opened) {
                (Some(session), Ok(link)) => {
                    link.hold(permit);
                    with_line(&mut session.lines.write(), place, |line| line.is_opening = false);
                    session.add(place, link);
                }
                (Some(session), Err(error)) => session.missed(place, &error),
                (None, Ok(link)) => link.close(),
                (None, Err(_)) => {}
            }
        });
    }

    /// A link could not be opened: the node is left alone for a while, or all are.
    fn missed(&self, place: Place, error: &ConnectError) {
        tracing::debug!(%error, "a node cannot be reached");
        // While another node lets it in, it is this one that does not know the keyspace yet, say.
        if error.is_final() && !self.is_open() {
            let mut refusal = self.refusal.lock();
            let pause = REFUSED_PAUSE.saturating_mul(1 << refusal.times.min(10)).min(LONGEST_REFUSED_PAUSE);
            refusal.times += 1;
            refusal.not_before = Instant::now().checked_add(pause);
        }
        with_line(&mut self.lines.write(), place, |line| {
            let pause = FIRST_PAUSE.saturating_mul(1 << line.failures.min(10)).min(LONGEST_PAUSE);
            line.is_opening = false;
            line.failures += 1;
            line.not_before = Instant::now().checked_add(pause);
        });
    }
}

impl SessionKey {
    /// A link that speaks for this role in this keyspace, in no session yet.
    pub async fn open(
        &self,
        version: ProtocolVersion,
        node: &Node,
        dialler: &Arc<Dialler>,
    ) -> Result<Arc<Link>, ConnectError> {
        let purpose = Purpose {
            version,
            credentials: self.role.as_ref(),
            keyspace: self.keyspace.as_deref(),
            events: None,
        };
        Link::open(dialler, node.address, purpose).await
    }
}

fn with_line<T>(lines: &mut Vec<Line>, place: Place, change: impl FnOnce(&mut Line) -> T) -> T {
    let at = place as usize;
    if lines.len() <= at {
        lines.resize_with(at + 1, Line::default);
    }
    match lines.get_mut(at) {
        Some(line) => change(line),
        None => change(&mut Line::default()),
    }
}

/// Whether it was tried, how far it is, how many requests wait: less is better.
type Rank = (bool, u8, usize);

/// The nearest, then the least busy; the turn decides between equals.
fn best(
    lines: &[Line],
    ring: &Ring,
    places: impl ExactSizeIterator<Item = Place> + Clone,
    turn: usize,
    tried: &[Place],
    missing: &mut SmallVec<[Place; 4]>,
) -> Option<(Place, Arc<Link>)> {
    let count = places.len();
    if count == 0 {
        return None;
    }
    let mut found: Option<(Rank, Place, &Arc<Link>)> = None;
    for place in places.clone().cycle_from(turn % count).take(count) {
        let distance = ring.distance(place);
        let open = lines.get(place as usize).and_then(|line| {
            line.links.iter().filter(|link| !link.is_closed()).min_by_key(|link| link.load())
        });
        let Some(link) = open else {
            if distance < 2 && !missing.contains(&place) {
                missing.push(place);
            }
            continue;
        };
        let rank = (tried.contains(&place), distance, link.load());
        if found.as_ref().is_none_or(|(best, ..)| rank < *best) {
            found = Some((rank, place, link));
        }
    }
    found.map(|(_, place, link)| (place, Arc::clone(link)))
}

/// An iterator that begins at another element and goes round.
trait CycleFrom: Iterator + Sized + Clone {
    fn cycle_from(self, start: usize) -> std::iter::Skip<std::iter::Cycle<Self>> {
        self.cycle().skip(start)
    }
}

impl<I: Iterator + Clone> CycleFrom for I {}
