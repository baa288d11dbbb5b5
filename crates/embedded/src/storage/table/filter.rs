//! Bloom filters over keys and group names, one for each index block of a table.
//!
//! A filter is an array of 64-byte lines; a name sets six bits of one line, so a look-up touches one cache line. At
//! ten bits a name about 1.5 of 100 absent names are taken for present (an ideal filter: 0.9).

const LINE: usize = 64;
/// Six bits of 512 lie in 54 bits of hash, and more would not lower the error at this density.
const BITS_SET: u32 = 6;
/// The customary trade: half a bit less or more moves the error by a quarter.
const BITS_PER_NAME: usize = 10;

/// A 64-bit hash, part of the file format. Folded multiplication of eight-byte words, after wyhash.
pub(crate) fn hash(name: &[u8]) -> u64 {
    const K0: u64 = 0x9e37_79b9_7f4a_7c15;
    const K1: u64 = 0xe703_7ed1_a0b4_28db;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut state = K0 ^ name.len() as u64;
    let (words, rest) = name.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), K1);
    }
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    fold(fold(state ^ u64::from_le_bytes(last), K1), K0)
}

/// The filter that holds the names of these hashes.
pub(crate) fn build(hashes: &[u64]) -> Vec<u8> {
    let lines = (hashes.len() * BITS_PER_NAME).div_ceil(LINE * 8).max(1);
    let mut filter = vec![0; lines * LINE];
    for &hash in hashes {
        let (line, bits) = place(hash, lines);
        for bit in bits {
            if let Some(byte) = filter.get_mut(line * LINE + bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    filter
}

/// Whether the filter may hold the name; `false` is certain.
pub(crate) fn may_hold(filter: &[u8], hash: u64) -> bool {
    let (line, mut bits) = place(hash, (filter.len() / LINE).max(1));
    bits.all(|bit| filter.get(line * LINE + bit / 8).is_none_or(|byte| byte >> (bit % 8) & 1 == 1))
}

fn place(hash: u64, lines: usize) -> (usize, impl Iterator<Item = usize>) {
    let line = ((u128::from(hash) * lines as u128) >> 64) as usize;
    // The line took the high bits; mixing once more makes the rest independent of it.
    let bits = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (line, (0..BITS_SET).map(move |i| (bits >> (i * 9 + 10) & 511) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_held_and_little_else() {
        let name = |i: u32| hash(&i.to_be_bytes());
        let hashes: Vec<u64> = (0..10_000).map(name).collect();
        let filter = build(&hashes);
        assert!(hashes.iter().all(|&hash| may_hold(&filter, hash)));
        let wrong = (10_000..110_000).filter(|&i| may_hold(&filter, name(i))).count();
        assert!(wrong < 2_000, "{wrong} of 100000");
    }

    #[test]
    fn the_hash_is_part_of_the_format_and_does_not_change() {
        assert_eq!(hash(b""), 0x501c_e46a_a4bc_33eb);
        assert_eq!(hash(b"abc"), 0xb406_f16c_4e1b_e327);
        assert_eq!(hash(b"longer than eight bytes"), 0x259c_b245_01a8_1a4c);
    }
}
