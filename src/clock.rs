//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch, by which tokens end.
#[expect(clippy::disallowed_methods, reason = "tokens end by the time of day, also after a restart")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
