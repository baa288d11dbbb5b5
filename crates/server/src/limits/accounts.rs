//! Accounts by role or address.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use parking_lot::RwLock;

use super::Limit;
use super::account::Account;

/// Accounts that are kept; past it those that have nothing under way go. Each takes about 150 bytes, so 10 MiB in all.
/// What is under way is bounded by the connections, and what counts for a rate is over within a second.
const KEPT: usize = 65_536;

pub struct Accounts<K> {
    limit: Limit,
    /// Limits of those that have their own.
    own: BTreeMap<K, Limit>,
    /// How many have something under way, where somebody wants to know.
    active: Option<Arc<AtomicUsize>>,
    known: RwLock<HashMap<K, Arc<Account>>>,
}

impl<K: Ord + Hash + Eq> Accounts<K> {
    pub fn new(limit: Limit, own: BTreeMap<K, Limit>, active: Option<Arc<AtomicUsize>>) -> Accounts<K> {
        Accounts { limit, own, active, known: RwLock::default() }
    }

    pub fn len(&self) -> usize {
        self.known.read().len()
    }

    pub fn of<Q>(&self, key: &Q, now: Instant) -> Arc<Account>
    where
        K: Borrow<Q>,
        Q: Ord + Hash + Eq + ?Sized + MakeKey<K>,
    {
        if let Some(account) = self.known.read().get(key) {
            return Arc::clone(account);
        }
        let mut known = self.known.write();
        if known.len() >= KEPT {
            known.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_idle(now));
        }
        let limit = self.own.get(key).copied().unwrap_or(self.limit);
        let make = || Arc::new(Account::new(limit, self.active.clone(), now));
        let account = known.entry(key.make_key()).or_insert_with(make);
        Arc::clone(account)
    }
}

/// Makes the key that is kept from the one that is looked up.
pub trait MakeKey<K> {
    fn make_key(&self) -> K;
}

impl MakeKey<Arc<str>> for str {
    fn make_key(&self) -> Arc<str> {
        Arc::from(self)
    }
}

impl MakeKey<std::net::IpAddr> for std::net::IpAddr {
    fn make_key(&self) -> std::net::IpAddr {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::time::Duration;

    #[test]
    fn idle_accounts_go_when_there_are_too_many_and_those_under_way_stay() {
        let limit = Limit { requests_per_second: Some(1), in_flight: Some(1), ..Limit::default() };
        let accounts = Accounts::<IpAddr>::new(limit, BTreeMap::new(), None);
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let now = Instant::now();
        accounts.of(&address(0), now).begin(0, now).unwrap();
        let many = u32::try_from(KEPT).unwrap();
        for n in 1..many {
            let account = accounts.of(&address(n), now);
            account.begin(0, now).unwrap();
            account.end(0);
        }
        assert_eq!(accounts.known.read().len(), KEPT);
        let later = now + Duration::from_secs(2);
        let _ = accounts.of(&address(many), later);
        assert_eq!(accounts.known.read().len(), 2);
        assert_eq!(accounts.of(&address(0), later).in_flight(), 1);
    }
}
