//! A name for each request, for logs on both sides: the caller's own `X-Request-Id`, or one made here.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};

pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are replaced: an id goes into every line of the log. Twice a UUID's text and some.
const MAX_LENGTH: usize = 100;

/// Makes ids: this process's random beginning and a count, 16 hexadecimal digits each.
pub struct RequestIds {
    process: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub fn new() -> RequestIds {
        let mut bytes = [0; 8];
        // Without randomness ids of two processes may meet, which a log's reader survives.
        let _ = SystemRandom::new().fill(&mut bytes);
        RequestIds { process: u64::from_be_bytes(bytes), count: AtomicU64::new(0) }
    }

    /// The caller's id where it is short, printable ASCII; else a new one.
    pub fn of(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(given) = headers.get(&REQUEST_ID)
            && (1..=MAX_LENGTH).contains(&given.len())
            && given.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            return given.clone();
        }
        let mut text = [0; 32];
        let (process, count) = text.split_at_mut(16);
        hex(self.process, process);
        hex(self.count.fetch_add(1, Ordering::Relaxed), count);
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

fn hex(mut number: u64, out: &mut [u8]) {
    for place in out.iter_mut().rev() {
        let digit = (number & 0xf) as u8;
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_callers_where_it_can_be_logged_and_new_otherwise() {
        let ids = RequestIds::new();
        let with =
            |id: &str| HeaderMap::from_iter([(REQUEST_ID.clone(), HeaderValue::from_str(id).unwrap())]);
        assert_eq!(ids.of(&with("abc-1")), "abc-1");
        let made: Vec<HeaderValue> = [with("a b"), with(""), with(&"x".repeat(101)), HeaderMap::new()]
            .iter()
            .map(|h| ids.of(h))
            .collect();
        for (at, id) in made.iter().enumerate() {
            assert_eq!(id.len(), 32);
            assert!(made[..at].iter().all(|other| other != id));
        }
    }
}
