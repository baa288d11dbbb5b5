//! A limit on requests in flight that follows the latency: additive increase, multiplicative decrease (Chiu and Jain,
//! "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989; what TCP does with its window, and
//! `AIMDLimit` of Netflix's concurrency-limits with requests).
//!
//! In windows of a tenth of a second: where requests took longer than the target, in the mean, the limit falls by a tenth;
//! where they did not and at least half of the limit was used, it grows by [`STEP`]. The target is the operator's. A limit
//! that learns from the long run what is slow was tried first (Netflix's `Gradient2Limit`): under an overload that lasts it
//! takes that for normal, and grows.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A limit that adapts: its bounds, and what is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveLimit {
    /// At least 1.
    pub min: usize,
    pub max: usize,
    /// The mean latency past which the limit falls.
    pub target: Duration,
}

/// By how much the limit grows with a window: from 32 to 1,024 in 25 s.
const STEP: f64 = 4.0;
/// What is left of it after a window that was too slow: halved within 0.7 s.
const BACK_OFF: f64 = 0.9;
/// A window lasts so long at least, and has so many requests.
const WINDOW: Duration = Duration::from_millis(100);
const SAMPLES: u64 = 10;
/// Where the limit starts, within its bounds.
const START: usize = 256;

pub struct Aimd {
    options: AdaptiveLimit,
    limit: AtomicUsize,
    /// The last window's mean latency, in nanoseconds.
    latency: AtomicU64,
    /// Of the window that runs: its requests and the sum of their latencies, in nanoseconds.
    count: AtomicU64,
    sum: AtomicU64,
    window: Mutex<Window>,
}

struct Window {
    began: Instant,
    /// The limit before it is rounded.
    limit: f64,
}

impl Aimd {
    pub fn new(options: AdaptiveLimit) -> Aimd {
        let min = options.min.max(1);
        let options = AdaptiveLimit { min, max: options.max.max(min), ..options };
        let start = START.clamp(options.min, options.max);
        Aimd {
            options,
            limit: AtomicUsize::new(start),
            latency: AtomicU64::new(0),
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            window: Mutex::new(Window { began: Instant::now(), limit: start as f64 }),
        }
    }

    /// How many requests may be in flight now.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// What a request took of late.
    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency.load(Ordering::Relaxed))
    }

    /// Takes note of a request that was answered after `took`, while so many were in flight.
    pub fn sample(&self, took: Duration, in_flight: usize) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 < SAMPLES {
            return;
        }
        // Whoever comes while another works it out need not.
        let Some(mut window) = self.window.try_lock() else { return };
        let now = Instant::now();
        if now.saturating_duration_since(window.began) < WINDOW {
            return;
        }
        window.began = now;
        let count = self.count.swap(0, Ordering::Relaxed).max(1);
        let latency = self.sum.swap(0, Ordering::Relaxed) / count;
        self.latency.store(latency, Ordering::Relaxed);
        let limit = window.after(Duration::from_nanos(latency), in_flight, &self.options);
        self.limit.store(limit, Ordering::Relaxed);
    }
}

impl Window {
    /// The limit after one with this mean latency.
    fn after(&mut self, latency: Duration, in_flight: usize, options: &AdaptiveLimit) -> usize {
        if latency > options.target {
            self.limit *= BACK_OFF;
        } else if in_flight as f64 >= self.limit / 2.0 {
            self.limit += STEP;
        }
        self.limit = self.limit.clamp(options.min as f64, options.max as f64);
        self.limit.round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: AdaptiveLimit = AdaptiveLimit { min: 10, max: 1000, target: Duration::from_millis(2) };

    #[test]
    fn the_limit_grows_while_it_is_used_and_answers_are_quick() {
        let mut window = Window { began: Instant::now(), limit: 256.0 };
        let quick = Duration::from_millis(1);
        assert_eq!((0..100).map(|_| window.after(quick, 10, &OPTIONS)).last(), Some(256));
        assert_eq!((0..10).map(|_| window.after(quick, 200, &OPTIONS)).last(), Some(296));
        assert_eq!((0..1000).map(|_| window.after(quick, 1000, &OPTIONS)).last(), Some(1000));
    }

    #[test]
    fn the_limit_finds_what_a_server_takes_however_long_it_is_overloaded_and_comes_back_after_a_stall() {
        // It takes 100 at a time in 1 ms, and is asked for as many as may come: 200 take the target of 2 ms.
        let latency = |limit: usize| Duration::from_millis(1).mul_f64((limit as f64 / 100.0).max(1.0));
        let mut window = Window { began: Instant::now(), limit: 900.0 };
        let mut limit = 900;
        let mut after = |windows: usize, latency: &dyn Fn(usize) -> Duration| {
            (0..windows).for_each(|_| limit = window.after(latency(limit), limit, &OPTIONS));
            limit
        };
        let found = after(10_000, &latency);
        assert!((160..=204).contains(&found), "{found}");
        assert_eq!(after(50, &|_| Duration::from_secs(1)), 10);
        let found = after(100, &latency);
        assert!((160..=204).contains(&found), "{found}");
    }

    #[test]
    fn windows_are_made_of_samples() {
        let aimd = Aimd::new(AdaptiveLimit { min: 1, max: 1 << 20, target: Duration::from_millis(5) });
        assert_eq!((aimd.limit(), aimd.latency()), (256, Duration::ZERO));
        let window = |millis| {
            aimd.window.lock().began -= WINDOW;
            (0..SAMPLES).for_each(|_| aimd.sample(Duration::from_millis(millis), 256));
            (aimd.limit(), aimd.latency().as_millis())
        };
        assert_eq!(window(3), (260, 3));
        assert_eq!(window(6), (234, 6));
        let least = AdaptiveLimit { min: 0, max: 0, target: Duration::ZERO };
        assert_eq!(Aimd::new(least).limit(), 1);
    }
}
