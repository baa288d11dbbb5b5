//! What one role, or one address, has under way, and how fast it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Limit;

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Rate { limit: u32, again: Duration },
    InFlight { limit: u32 },
    Bytes { limit: u64 },
}

pub struct Account {
    limit: Limit,
    in_flight: AtomicUsize,
    bytes: AtomicU64,
    rate: Option<Rate>,
    /// Counts the accounts that have something under way.
    active: Option<Arc<AtomicUsize>>,
}

/// Requests per second by the generic cell rate algorithm (ITU-T I.371, annex A): a request stands for the time between two
/// at the full rate, and those that came are due one after the other. One may come while what is due lies no further ahead
/// than a second.
struct Rate {
    /// Times are counted from here, in nanoseconds.
    start: Instant,
    /// What one request stands for.
    each: u64,
    /// When what came so far would be done at the full rate.
    due: AtomicU64,
}

/// How far ahead it may be: a second's requests may come at once.
const BURST: u64 = 1_000_000_000;

impl Account {
    pub fn new(limit: Limit, active: Option<Arc<AtomicUsize>>, now: Instant) -> Account {
        let rate = limit.requests_per_second.map(|rate| Rate {
            start: now,
            each: BURST / u64::from(rate.max(1)),
            due: AtomicU64::new(0),
        });
        Account { limit, in_flight: AtomicUsize::new(0), bytes: AtomicU64::new(0), rate, active }
    }

    /// Counts a request, unless that is too much.
    pub fn begin(&self, bytes: u64, now: Instant) -> Result<(), Over> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        if before == 0
            && let Some(active) = &self.active
        {
            active.fetch_add(1, Ordering::Relaxed);
        }
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let over = match self.limit {
            Limit { in_flight: Some(limit), .. } if before >= limit as usize => {
                Some(Over::InFlight { limit })
            }
            Limit { bytes_in_flight: Some(limit), .. }
                if before > 0 && bytes_before.saturating_add(bytes) > limit =>
            {
                Some(Over::Bytes { limit })
            }
            // Last: one that is refused takes nothing of it.
            _ => self.rate.as_ref().and_then(|rate| {
                let again = rate.take(now).err()?;
                Some(Over::Rate { limit: self.limit.requests_per_second.unwrap_or_default(), again })
            }),
        };
        match over {
            None => Ok(()),
            Some(over) => {
                self.end(bytes);
                Err(over)
            }
        }
    }

    /// Ends a request that began.
    pub fn end(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == 1
            && let Some(active) = &self.active
        {
            active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Has one of those that came count towards the rate no more.
    pub fn give_back(&self) {
        if let Some(rate) = &self.rate {
            rate.give_back();
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether a new account would be no other.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.in_flight() == 0 && self.rate.as_ref().is_none_or(|rate| rate.is_idle(now))
    }
}

impl Rate {
    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes one request, or tells how long there is none.
    fn take(&self, now: Instant) -> Result<(), Duration> {
        let now = self.nanos(now);
        let next = |due: u64| {
            let next = due.max(now).saturating_add(self.each);
            (next <= now.saturating_add(BURST)).then_some(next)
        };
        match self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(due) => {
                let ahead = due.saturating_add(self.each).saturating_sub(now);
                Err(Duration::from_nanos(ahead.saturating_sub(BURST)))
            }
        }
    }

    /// As if one that was taken had not come. What is due by then in the past stands for nothing.
    fn give_back(&self) {
        let before = |due: u64| Some(due.saturating_sub(self.each));
        let _ = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, before);
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.due.load(Ordering::Relaxed) <= self.nanos(now)
    }
}
