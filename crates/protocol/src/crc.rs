//! The two checksums of segments. Each begins from a value of its own, so that a run of zeros does not check out.

use crc32fast::Hasher;

/// Koopman's polynomial, which finds any seven flipped bits in the five bytes or fewer that it guards here.
const CRC24_POLYNOMIAL: u32 = 0x197_4F0B;
const CRC24_INITIAL: u32 = 0x87_5060;

/// The CRC32 of the bytes FA 2D 55 CA, which precede every payload in the sum but not on the wire.
const CRC32_INITIAL: u32 = crc32_of_prefix([0xFA, 0x2D, 0x55, 0xCA]);

const CRC24_TABLE: [u32; 256] = crc24_table();

#[expect(clippy::indexing_slicing, reason = "const evaluation: an index out of bounds would not compile")]
const fn crc24_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 16;
        let mut bit = 0;
        while bit < 8 {
            crc <<= 1;
            if crc & 0x100_0000 != 0 {
                crc ^= CRC24_POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte] = crc & 0xFF_FFFF;
        byte += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "const evaluation: an index out of bounds would not compile")]
const fn crc32_of_prefix(prefix: [u8; 4]) -> u32 {
    let mut crc = u32::MAX;
    let mut index = 0;
    while index < prefix.len() {
        crc ^= prefix[index] as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        index += 1;
    }
    !crc
}

/// The CRC24 of a segment's header, its bytes in the order of the wire.
pub(crate) fn crc24(header: &[u8]) -> u32 {
    header.iter().fold(CRC24_INITIAL, |crc, byte| {
        let index = ((crc >> 16) as u8 ^ byte) as usize;
        // Always found: a byte is below 256.
        (crc << 8 ^ CRC24_TABLE.get(index).copied().unwrap_or(0)) & 0xFF_FFFF
    })
}

/// The CRC32 of a segment's payload as it is on the wire, compressed or not.
pub(crate) fn crc32(payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(CRC32_INITIAL);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, over a register, as the specification describes it.
    fn plain_crc24(mut bytes: u64, count: usize) -> u32 {
        let mut crc: u32 = 0x875060;
        for _ in 0..count {
            crc ^= ((bytes & 0xff) as u32) << 16;
            bytes >>= 8;
            for _ in 0..8 {
                crc <<= 1;
                if crc & 0x1000000 != 0 {
                    crc ^= 0x1974F0B;
                }
            }
        }
        crc
    }

    #[test]
    fn crc24_agrees_with_the_bitwise_definition() {
        for seed in 0..20_000u64 {
            let bytes = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            for count in [3, 5] {
                assert_eq!(crc24(&bytes.to_le_bytes()[..count]), plain_crc24(bytes, count));
            }
        }
    }

    #[test]
    fn crc32_starts_from_the_initial_bytes() {
        for payload in [&b""[..], b"\0", b"123456789", &[7; 1000]] {
            let mut whole = vec![0xFA, 0x2D, 0x55, 0xCA];
            whole.extend_from_slice(payload);
            assert_eq!(crc32(payload), crc32fast::hash(&whole));
        }
    }
}
