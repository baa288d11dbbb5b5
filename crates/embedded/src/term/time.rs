//! Version 1 UUIDs: the time they carry, and new ones.
//!
//! Vocabulary: *ticks* are the 100 ns units since 15 October 1582 that such a UUID counts.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// From the UUID epoch to the Unix epoch, in milliseconds.
const UUID_EPOCH_MILLIS: i64 = -12_219_292_800_000;
/// The clock sequence and node that compare lowest and highest, byte by byte and signed.
const LOWEST_NODE: u64 = 0x8080_8080_8080_8080;
const HIGHEST_NODE: u64 = 0x7f7f_7f7f_7f7f_7f7f;

fn assemble(ticks: i64, node: u64) -> [u8; 16] {
    let ticks = ticks as u64;
    let high = (ticks << 32) | ((ticks & 0xffff_0000_0000) >> 16) | 0x1000 | ((ticks >> 48) & 0x0fff);
    let mut uuid = [0; 16];
    let (left, right) = uuid.split_at_mut(8);
    left.copy_from_slice(&high.to_be_bytes());
    right.copy_from_slice(&node.to_be_bytes());
    uuid
}

fn ticks_of_millis(unix_millis: i64) -> i64 {
    unix_millis.wrapping_sub(UUID_EPOCH_MILLIS).wrapping_mul(10_000)
}

/// The smallest timeuuid of that millisecond.
pub(super) fn lowest_at(unix_millis: i64) -> [u8; 16] {
    assemble(ticks_of_millis(unix_millis), LOWEST_NODE)
}

/// The greatest timeuuid of that millisecond.
pub(super) fn highest_at(unix_millis: i64) -> [u8; 16] {
    assemble(ticks_of_millis(unix_millis.wrapping_add(1)).wrapping_sub(1), HIGHEST_NODE)
}

/// Milliseconds since the Unix epoch; `None`: these are not the 16 bytes of a version 1 UUID.
pub(super) fn unix_millis(uuid: &[u8]) -> Option<i64> {
    let high = u64::from_be_bytes(uuid.get(..8).filter(|_| uuid.len() == 16)?.try_into().ok()?);
    if high & 0xf000 != 0x1000 {
        return None;
    }
    let ticks = ((high & 0x0fff) << 48) | ((high & 0xffff_0000) << 16) | (high >> 32);
    Some(i64::try_from(ticks / 10_000).ok()?.wrapping_add(UUID_EPOCH_MILLIS))
}

/// A timeuuid of this process that was never given before, of `now_micros` or just after.
pub fn next_timeuuid(now_micros: i64) -> [u8; 16] {
    static LAST_MICROS: AtomicI64 = AtomicI64::new(i64::MIN);
    let micros = LAST_MICROS
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(now_micros.max(last.saturating_add(1)))
        })
        .map_or(now_micros, |last| now_micros.max(last.saturating_add(1)));
    let ticks = micros.wrapping_sub(UUID_EPOCH_MILLIS.wrapping_mul(1000)).wrapping_mul(10);
    assemble(ticks, *NODE)
}

/// Variant, a random clock sequence and a random node with the multicast bit, which says that it is no real address.
static NODE: LazyLock<u64> = LazyLock::new(|| {
    let random = random_u64();
    0x8000_0000_0000_0000 | (random & 0x3fff_ffff_ffff_ffff) | 0x0000_0100_0000_0000
});

/// From the operating system, through the seeds of the standard library's hash maps.
pub(super) fn random_u64() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
