//! What came in by HTTP, by method and class of status.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::http::Method;
use ilium_http::{Observer, Seen};

use super::latency::Latency;

/// Methods that are counted by name; others count as `other`.
pub const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];

/// `2xx` and so on.
pub const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug, Default)]
pub struct HttpRequests {
    latencies: [Latency; METHODS.len()],
    statuses: [AtomicU64; STATUSES.len()],
    in_flight: AtomicI64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
}

impl HttpRequests {
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn latencies(&self) -> impl Iterator<Item = (&'static str, &Latency)> {
        METHODS.into_iter().zip(&self.latencies)
    }

    pub fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STATUSES.into_iter().zip(&self.statuses).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    pub fn request_bytes(&self) -> u64 {
        self.request_bytes.load(Ordering::Relaxed)
    }

    pub fn response_bytes(&self) -> u64 {
        self.response_bytes.load(Ordering::Relaxed)
    }
}

impl Observer for HttpRequests {
    fn begins(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    fn abandoned(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn ends(&self, seen: &Seen) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(latency) = self.latencies.get(place(&seen.method)) {
            latency.add(seen.took);
        }
        let class = usize::from(seen.status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.statuses.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.request_bytes.fetch_add(seen.request_bytes, Ordering::Relaxed);
        self.response_bytes.fetch_add(seen.response_bytes, Ordering::Relaxed);
    }
}

fn place(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}
