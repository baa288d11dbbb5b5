//! Limits per role and per client address, and on all requests together.
//!
//! Vocabulary: to *admit* a request is to count it against every limit it falls under; the [`Permit`] it gets counts it
//! until it is dropped. An *account* is what one role, or one address, has under way. The *shared* limit is on requests in
//! flight over all roles; it follows the latency ([`AdaptiveLimit`]) and is fair: where it is reached, a role that has less than
//! an even share under way is admitted all the same, and one that has more is not, so that requests beyond the limit are
//! at most one share for each role that comes new.
//!
//! Nothing waits here: what is past a limit is refused before anything of it is done, with a hint when to come again.

mod account;
mod accounts;
mod aimd;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ilium_store::{Error, Principal, Result};

use account::{Account, Over};
use accounts::Accounts;
pub use aimd::AdaptiveLimit;
use aimd::Aimd;

/// What one account may have. `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// As many may also come at once, after a second without any.
    pub requests_per_second: Option<u32>,
    pub in_flight: Option<u32>,
    /// Bytes of requests that are under way. A single one that is larger is admitted where nothing else is under way.
    pub bytes_in_flight: Option<u64>,
}

impl Limit {
    fn is_none(&self) -> bool {
        *self == Limit::default()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitOptions {
    /// For every role that has none of its own.
    pub each_role: Limit,
    /// By the role's name.
    pub roles: BTreeMap<String, Limit>,
    /// For every client address; of IPv6 the first 64 bits, which one client has for itself.
    pub each_address: Limit,
    /// For all requests in flight.
    pub shared: Option<AdaptiveLimit>,
}

/// Admits requests. One for all APIs of a process.
pub struct Limits {
    roles: Option<Accounts<Arc<str>>>,
    addresses: Option<Accounts<IpAddr>>,
    shared: Option<Shared>,
    refused: AtomicU64,
}

struct Shared {
    adaptive: Aimd,
    in_flight: AtomicUsize,
    /// Roles that have something under way.
    active: Arc<AtomicUsize>,
}

/// A request that was admitted, until it is dropped.
#[must_use = "dropping it ends the request"]
pub struct Permit {
    limits: Arc<Limits>,
    role: Option<Arc<Account>>,
    address: Option<Arc<Account>>,
    bytes: u64,
    admitted: Instant,
    /// Whether it counts among all requests in flight.
    is_shared: bool,
}

/// What counts where no role is known.
const NOBODY: &str = "";

impl Limits {
    /// `None` where nothing is limited.
    pub fn new(options: LimitOptions) -> Option<Arc<Limits>> {
        let LimitOptions { each_role, roles, each_address, shared } = options;
        // Fair shares need to know what each role has under way.
        let counts_roles =
            shared.is_some() || !each_role.is_none() || roles.values().any(|limit| !limit.is_none());
        let shared = shared.map(|options| Shared {
            adaptive: Aimd::new(options),
            in_flight: AtomicUsize::new(0),
            active: Arc::default(),
        });
        let roles = counts_roles.then(|| {
            let own = roles.into_iter().map(|(name, limit)| (Arc::from(name), limit)).collect();
            Accounts::new(each_role, own, shared.as_ref().map(|shared| Arc::clone(&shared.active)))
        });
        let addresses = (!each_address.is_none()).then(|| Accounts::new(each_address, BTreeMap::new(), None));
        if roles.is_none() && addresses.is_none() {
            return None;
        }
        Some(Arc::new(Limits { roles, addresses, shared, refused: AtomicU64::new(0) }))
    }

    /// Admits a request of so many bytes, or says which limit it is past and when to come again
    /// ([`ErrorKind::Overloaded`](ilium_store::ErrorKind::Overloaded) with a `retry_after`). What the server does for
    /// itself is not limited.
    pub fn admit(
        self: &Arc<Self>,
        principal: &Principal,
        address: Option<SocketAddr>,
        bytes: usize,
    ) -> Result<Permit> {
        let admitted = self.admit_at(principal, address, bytes as u64, Instant::now());
        admitted.inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Admits a log-in, before it is known whose it is: it is a request of its address, unless it is
    /// [taken back](Permit::take_back).
    pub fn admit_login(self: &Arc<Self>, address: Option<SocketAddr>) -> Result<Permit> {
        let admitted = self.admit_address(address, 0, Instant::now());
        admitted.inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Counts it against its address alone.
    fn admit_address(
        self: &Arc<Self>,
        address: Option<SocketAddr>,
        bytes: u64,
        now: Instant,
    ) -> Result<Permit> {
        let mut permit = Permit {
            limits: Arc::clone(self),
            role: None,
            address: None,
            bytes,
            admitted: now,
            is_shared: false,
        };
        if let (Some(addresses), Some(address)) = (&self.addresses, address) {
            let ip = network_of(address.ip());
            let account = addresses.of(&ip, now);
            account.begin(bytes, now).map_err(|over| refusal(&format!("address {ip}"), over))?;
            permit.address = Some(account);
        }
        Ok(permit)
    }

    fn admit_at(
        self: &Arc<Self>,
        principal: &Principal,
        address: Option<SocketAddr>,
        bytes: u64,
        now: Instant,
    ) -> Result<Permit> {
        if *principal == Principal::System {
            return self.admit_address(None, bytes, now);
        }
        let mut permit = self.admit_address(address, bytes, now)?;
        if let Some(roles) = &self.roles {
            let name = principal.role_name().map_or(NOBODY, |name| name);
            let account = roles.of(name, now);
            account.begin(bytes, now).map_err(|over| refusal(&shown(name), over))?;
            let own = account.in_flight();
            permit.role = Some(account);
            if let Some(shared) = &self.shared {
                shared.begin(name, own)?;
                permit.is_shared = true;
            }
        }
        Ok(permit)
    }

    /// Roles and addresses that are remembered.
    pub fn accounts(&self) -> usize {
        self.roles.as_ref().map_or(0, Accounts::len) + self.addresses.as_ref().map_or(0, Accounts::len)
    }

    /// Requests refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many requests may be in flight at this moment over all roles; `None`: there is no such limit.
    pub fn shared_limit(&self) -> Option<usize> {
        self.shared.as_ref().map(|shared| shared.adaptive.limit())
    }
}

impl Shared {
    /// Counts a request of a role that has `own` under way, this one among them.
    fn begin(&self, role: &str, own: usize) -> Result<()> {
        let limit = self.adaptive.limit();
        if self.in_flight.fetch_add(1, Ordering::Relaxed) < limit {
            return Ok(());
        }
        let share = (limit / self.active.load(Ordering::Relaxed).max(1)).max(1);
        if own <= share {
            return Ok(());
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        // By then about half of what is under way is answered.
        let again = (self.adaptive.latency() / 2).max(SOON);
        Err(too_much(
            format!(
                "{limit} requests are in flight, as many as this server takes at its present latency, and {} has more \
                 than its share of {share}",
                shown(role)
            ),
            again,
        ))
    }
}

impl Permit {
    /// Ends it, and has it count towards no rate any more.
    pub fn take_back(self) {
        for account in [&self.address, &self.role].into_iter().flatten() {
            account.give_back();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(account) = &self.address {
            account.end(self.bytes);
        }
        if let Some(account) = &self.role {
            account.end(self.bytes);
        }
        if let Some(shared) = self.limits.shared.as_ref().filter(|_| self.is_shared) {
            let in_flight = shared.in_flight.fetch_sub(1, Ordering::Relaxed);
            shared.adaptive.sample(self.admitted.elapsed(), in_flight);
        }
    }
}

/// The least a client is told to wait where nobody knows how long it takes: ten times what a request takes in a cluster
/// that is well.
const SOON: Duration = Duration::from_millis(10);

fn shown(role: &str) -> String {
    match role {
        NOBODY => "who has not logged in".to_owned(),
        name => format!("role {name}"),
    }
}

/// An IPv6 client has 64 bits of addresses to itself (RFC 4291, section 2.5.1).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

fn refusal(who: &str, over: Over) -> Error {
    match over {
        Over::Rate { limit, again } => {
            too_much(format!("{who} sends more than {limit} requests per second, its limit"), again)
        }
        Over::InFlight { limit } => {
            too_much(format!("{who} has {limit} requests in flight, its limit"), SOON)
        }
        Over::Bytes { limit } => {
            too_much(format!("{who} has requests of {limit} bytes in flight, its limit"), SOON)
        }
    }
}

fn too_much(what: String, again: Duration) -> Error {
    let millis = again.as_micros().div_ceil(1000).max(1);
    let mut error = Error::overloaded(format!("{what}; nothing was done, try again in {millis} ms"));
    error.retry_after = Some(again);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_store::{ErrorKind, Role};

    fn role(name: &str) -> Principal {
        Principal::Role(Role::new(name, []))
    }

    fn from(address: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(address.parse().unwrap(), 1))
    }

    fn refused(limits: &Arc<Limits>, who: &Principal, address: &str, bytes: usize) -> Error {
        let error = limits.admit(who, from(address), bytes).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert!(error.retry_after.is_some() && error.message.contains("try again in"), "{error}");
        error
    }

    #[test]
    fn nothing_configured_is_no_limits_at_all() {
        assert!(Limits::new(LimitOptions::default()).is_none());
    }

    #[test]
    fn a_role_past_its_rate_is_told_when_to_come_again_and_others_are_not_touched() {
        let each_role = Limit { requests_per_second: Some(4), ..Limit::default() };
        let roles = BTreeMap::from([("loader".to_owned(), Limit::default())]);
        let limits = Limits::new(LimitOptions { each_role, roles, ..LimitOptions::default() }).unwrap();
        let start = Instant::now();
        let at = |who: &str, millis| {
            limits.admit_at(&role(who), None, 0, start + Duration::from_millis(millis)).map(drop)
        };
        // Four at once, then one each 250 ms.
        for _ in 0..4 {
            at("ada", 0).unwrap();
        }
        let error = at("ada", 0).unwrap_err();
        assert!(error.message.contains("role ada sends more than 4 requests per second"), "{error}");
        assert_eq!(error.retry_after, Some(Duration::from_millis(250)));
        at("bob", 0).unwrap();
        assert!(at("ada", 249).is_err());
        at("ada", 250).unwrap();
        assert!(at("ada", 250).is_err());
        for _ in 0..4 {
            at("ada", 10_000).unwrap();
        }
        assert!(at("ada", 10_000).is_err());
        for _ in 0..100 {
            at("loader", 0).unwrap();
        }
        for _ in 0..100 {
            limits.admit_at(&Principal::System, None, 0, start).map(drop).unwrap();
        }
    }

    #[test]
    fn requests_and_bytes_in_flight_are_limited_until_permits_are_dropped() {
        let each_role = Limit { in_flight: Some(2), ..Limit::default() };
        let each_address = Limit { bytes_in_flight: Some(100), ..Limit::default() };
        let limits =
            Limits::new(LimitOptions { each_role, each_address, ..LimitOptions::default() }).unwrap();
        let (ada, bob) = (role("ada"), role("bob"));
        let one = limits.admit(&ada, from("10.0.0.1"), 60).unwrap();
        let error = refused(&limits, &bob, "10.0.0.1", 60);
        assert!(error.message.contains("address 10.0.0.1 has requests of 100 bytes in flight"), "{error}");
        let two = limits.admit(&ada, from("10.0.0.2"), 60).unwrap();
        let error = refused(&limits, &ada, "10.0.0.3", 1);
        assert!(error.message.contains("role ada has 2 requests in flight"), "{error}");
        drop(one);
        drop(limits.admit(&ada, from("10.0.0.1"), 60).unwrap());
        drop(two);
        // One larger than the limit, alone.
        let large = limits.admit(&bob, from("10.0.0.1"), 1000).unwrap();
        refused(&limits, &bob, "10.0.0.1", 1);
        drop(large);
        drop(limits.admit(&bob, from("10.0.0.1"), 1).unwrap());
        assert_eq!(limits.refused(), 3);
    }

    #[test]
    fn addresses_of_one_network_are_one_client_in_ipv6() {
        let each_address = Limit { in_flight: Some(1), ..Limit::default() };
        let limits = Limits::new(LimitOptions { each_address, ..LimitOptions::default() }).unwrap();
        let ada = role("ada");
        let _one = limits.admit(&ada, from("2001:db8::1"), 0).unwrap();
        refused(&limits, &ada, "2001:db8::ffff", 0);
        let _other = limits.admit(&ada, from("2001:db8:0:1::1"), 0).unwrap();
        let _v4 = limits.admit(&ada, from("::ffff:10.0.0.1"), 0).unwrap();
        refused(&limits, &ada, "10.0.0.1", 0);
    }

    #[test]
    fn where_the_shared_limit_is_reached_each_role_keeps_an_even_share() {
        let shared = Some(AdaptiveLimit { min: 12, max: 12, target: Duration::from_secs(1) });
        let limits = Limits::new(LimitOptions { shared, ..LimitOptions::default() }).unwrap();
        let take = |who: &Principal| limits.admit(who, None, 0);
        let (greedy, modest, third) = (role("greedy"), role("modest"), role("third"));
        let mut greedy_has: Vec<_> = (0..12).map(|_| take(&greedy).unwrap()).collect();
        let error = take(&greedy).err().unwrap();
        assert!(error.message.contains("role greedy has more than its share of 12"), "{error}");
        // Another comes: it gets its half at once, the first one gets none back until it is below its own.
        let modest_has: Vec<_> = (0..6).map(|_| take(&modest).unwrap()).collect();
        assert!(take(&modest).is_err());
        greedy_has.truncate(7);
        assert!(take(&greedy).is_err());
        let third_has: Vec<_> = (0..4).map(|_| take(&third).unwrap()).collect();
        assert!(take(&third).is_err() && take(&modest).is_err());
        drop((modest_has, third_has));
        // Alone again, it has all of it.
        greedy_has.extend((0..5).map(|_| take(&greedy).unwrap()));
        assert!(take(&greedy).is_err());
        drop(greedy_has);
        assert_eq!(limits.shared.as_ref().unwrap().in_flight.load(Ordering::Relaxed), 0);
        assert_eq!(limits.shared.as_ref().unwrap().active.load(Ordering::Relaxed), 0);
    }
}
