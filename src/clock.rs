//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since the epoch, by which tokens end.
pub fn now() -> u64 {
    since_epoch().as_secs()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens end by the time of day, also after a restart, and spans of several machines are laid side by side by it"
)]
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
