//! The token of a partition key, as Cassandra's `Murmur3Partitioner` computes it.
//!
//! It is MurmurHash3 x64 128 with one deviation kept for compatibility: in the last, partial block Cassandra widens
//! each byte with its sign, so keys whose tail holds bytes from 0x80 on hash differently from the published algorithm.

use std::fmt;

/// A position on the ring. `MIN` is no key's token: it stands for "before all".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub i64);

impl Token {
    /// Below every key's token; also the token of the empty key, which no table accepts.
    pub const MIN: Token = Token(i64::MIN);
    pub const MAX: Token = Token(i64::MAX);

    /// The token of a serialised partition key.
    pub fn of(key: &[u8]) -> Token {
        if key.is_empty() {
            return Token::MIN;
        }
        match hash3_x64_128(key).0 {
            // The partitioner keeps the minimum for itself.
            i64::MIN => Token::MAX,
            hash => Token(hash),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// Both halves of Cassandra's hash with seed 0.
pub fn hash3_x64_128(key: &[u8]) -> (i64, i64) {
    let mut h1 = 0u64;
    let mut h2 = 0u64;
    let (blocks, tail) = key.as_chunks::<16>();
    for block in blocks {
        let both = u128::from_le_bytes(*block);
        h1 ^= mix1(both as u64);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2((both >> 64) as u64);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at_checked(8).unwrap_or((tail, &[]));
    if !high.is_empty() {
        h2 ^= mix2(signed_tail(high));
    }
    if !low.is_empty() {
        h1 ^= mix1(signed_tail(low));
    }
    let length = key.len() as u64;
    h1 ^= length;
    h2 ^= length;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1 as i64, h2 as i64)
}

/// Up to eight bytes, little-endian, each widened with its sign before it is shifted into place.
fn signed_tail(bytes: &[u8]) -> u64 {
    let mut k = 0u64;
    for (i, byte) in bytes.iter().enumerate() {
        k ^= (i64::from(*byte as i8) as u64) << (8 * i);
    }
    k
}

fn mix1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}
