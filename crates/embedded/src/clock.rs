//! The time, injectable: time-to-live and grace are tested without waiting.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub trait Clock: Send + Sync + 'static {
    /// Microseconds since the epoch.
    fn micros(&self) -> i64;

    /// Seconds since the epoch, by which expiry and grace are judged.
    fn seconds(&self) -> i64 {
        self.micros().div_euclid(1_000_000)
    }
}

/// The machine's clock, never going back within this process: a write must not lose to one made before it because the
/// clock was set.
#[derive(Debug, Default)]
pub struct SystemClock {
    last: AtomicI64,
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn micros(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// Stands still until told.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at_seconds(seconds: i64) -> ManualClock {
        ManualClock(AtomicI64::new(seconds * 1_000_000))
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    /// Each call is a microsecond later, as two writes of one client would be.
    fn micros(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
