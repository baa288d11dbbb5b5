//! Ids of traces and spans: unlike any other's, and made without asking the system each time.

use std::sync::atomic::{AtomicU64, Ordering};

use ilium_cql::murmur3::hash3_x64_128;
use ring::rand::{SecureRandom, SystemRandom};

/// Hashes a count with 128 bits that are this process's alone.
pub(super) struct Ids {
    seed: [u8; 16],
    count: AtomicU64,
}

impl Ids {
    pub fn new() -> Ids {
        let mut seed = [0; 16];
        // Without randomness ids of two processes meet, and their traces are drawn as one.
        let _ = SystemRandom::new().fill(&mut seed);
        Ids { seed, count: AtomicU64::new(1) }
    }

    fn next(&self) -> (u64, u64) {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut hashed = [0; 32];
        let (seed, rest) = hashed.split_at_mut(16);
        seed.copy_from_slice(&self.seed);
        rest.split_at_mut(8).0.copy_from_slice(&count.to_le_bytes());
        let (high, low) = hash3_x64_128(&hashed);
        // Zero is no id.
        (high.cast_unsigned(), low.cast_unsigned().max(1))
    }

    pub fn trace(&self) -> [u8; 16] {
        let (high, low) = self.next();
        let mut id = [0; 16];
        let (first, last) = id.split_at_mut(8);
        first.copy_from_slice(&high.to_be_bytes());
        last.copy_from_slice(&low.to_be_bytes());
        id
    }

    pub fn span(&self) -> [u8; 8] {
        self.next().1.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_ids_are_alike_not_of_two_processes_either() {
        let ids = [Ids::new(), Ids::new()];
        let traces: HashSet<[u8; 16]> = (0..1000).map(|at| ids[at % 2].trace()).collect();
        let spans: HashSet<[u8; 8]> = (0..1000).map(|at| ids[at % 2].span()).collect();
        assert_eq!((traces.len(), spans.len()), (1000, 1000));
    }
}
