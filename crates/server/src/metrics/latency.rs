//! A histogram that many threads add to without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds: from what a read from memory takes to what the longest request may.
const BOUNDS: [u64; 17] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    10_000_000, 60_000_000,
];

#[derive(Debug, Default)]
pub struct Latency {
    /// The last counts what is past all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    total_nanos: AtomicU64,
}

impl Latency {
    pub fn add(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        let place = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.total_nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Seconds in all.
    pub fn total(&self) -> f64 {
        self.total_nanos.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// For each upper bound in seconds how many lie between it and the one before.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::MAX]);
        bounds.zip(&self.counts).map(|(bound, count)| (bound, count.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_counted_under_the_first_bound_that_holds_it() {
        let latency = Latency::default();
        for micros in [0, 25, 26, 999_999, 100_000_000] {
            latency.add(Duration::from_micros(micros));
        }
        let buckets = latency.buckets();
        assert_eq!(latency.count(), 5);
        assert_eq!((buckets[0], buckets[1]), ((0.000_025, 2), (0.000_05, 1)));
        assert_eq!(buckets.last().unwrap().1, 1);
        assert!((latency.total() - 101.000_05).abs() < 1e-9);
    }
}
