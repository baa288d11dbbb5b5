//! The links that speak for one role in one version of the protocol and one keyspace.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ilium_protocol::ProtocolVersion;
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::Credentials;
use crate::cluster::Cluster;
use crate::error::ConnectError;
use crate::link::{Link, Purpose, retire};
use crate::ring::{Node, Place, Ring};

/// Requests that wait on every link to a node before another is opened: enough that their answers come in batches.
const CROWDED: usize = 64;

/// How long a node that could not be reached is left alone: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// And one that refused the role or the keyspace.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

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
    cluster: Weak<Cluster>,
    /// By the node's place.
    lines: RwLock<Vec<Line>>,
    turn: AtomicUsize,
    /// Milliseconds after the cluster was connected at which it was last used.
    used: AtomicU64,
    closed: AtomicBool,
}

/// The links to one node.
#[derive(Default)]
struct Line {
    links: SmallVec<[Arc<Link>; 2]>,
    is_opening: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Session {
    pub fn new(key: SessionKey, version: ProtocolVersion, cluster: &Arc<Cluster>) -> Arc<Session> {
        Arc::new(Session {
            key,
            version,
            cluster: Arc::downgrade(cluster),
            lines: RwLock::default(),
            turn: AtomicUsize::new(0),
            used: AtomicU64::new(0),
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
        drop(lines);
        if found.is_none() {
            // None that is near can be reached.
            missing.extend(ring.nodes.iter().map(|node| node.place));
        }
        for place in missing {
            self.grow(ring, place);
        }
        found
    }

    /// Adds a link that was opened for it; one too many is closed: each log-in opens one.
    pub fn add(&self, place: Place, link: Arc<Link>) {
        let limit = self.cluster.upgrade().map_or(0, |cluster| cluster.options.links_per_node);
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

    /// Opens a link to each node of the own data centre that has none; to all others, too, while there is none at all.
    pub fn reach_out(self: &Arc<Self>, ring: &Ring) {
        let is_cut_off = !self.is_open();
        for node in ring.nodes.iter().filter(|node| is_cut_off || ring.distance(node.place) < 2) {
            if self.links_to(node.place) == 0 {
                self.grow(ring, node.place);
            }
        }
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
        let Some(cluster) = self.cluster.upgrade() else { return };
        let Some(node) = ring.nodes.iter().find(|node| node.place == place).cloned() else { return };
        let mut lines = self.lines.write();
        let may = with_line(&mut lines, place, |line| {
            line.links.retain(|link| !link.is_closed());
            let rests = line.not_before.is_some_and(|not_before| Instant::now() < not_before);
            let may = !line.is_opening && !rests && line.links.len() < cluster.options.links_per_node;
            line.is_opening |= may;
            may
        });
        drop(lines);
        if !may {
            return;
        }
        let session = Arc::clone(self);
        tokio::spawn(async move {
            let opened = session.open(&node, &cluster).await;
            let mut lines = session.lines.write();
            with_line(&mut lines, place, |line| {
                line.is_opening = false;
                if let Err(error) = &opened {
                    // A refusal is no outage: the role or the keyspace is gone, or the password is another.
                    let pause = match error {
                        ConnectError::Refused { .. } => REFUSED_PAUSE,
                        _ => FIRST_PAUSE.saturating_mul(1 << line.failures.min(10)).min(LONGEST_PAUSE),
                    };
                    line.failures += 1;
                    line.not_before = Instant::now().checked_add(pause);
                }
            });
            drop(lines);
            match opened {
                Ok(link) => session.add(place, link),
                Err(error) => tracing::debug!(%error, "a node cannot be reached"),
            }
        });
    }

    /// A new link to a node, which is not added yet.
    pub async fn open(&self, node: &Node, cluster: &Cluster) -> Result<Arc<Link>, ConnectError> {
        let purpose = Purpose {
            version: self.version,
            credentials: self.key.role.as_ref(),
            keyspace: self.key.keyspace.as_deref(),
            events: None,
        };
        Link::open(node.address, purpose, &cluster.options).await
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
