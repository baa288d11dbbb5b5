//! Cassandra's variable-length integers: the leading one bits of the first byte count the bytes that follow it, the
//! rest is big-endian. Signed ones are zigzag-encoded first.

/// Reads an unsigned integer from the front of `bytes`; `None` where they end too soon.
pub fn read_unsigned(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let extra = first.leading_ones();
    let (tail, rest) = rest.split_at_checked(extra as usize)?;
    // With eight extra bytes the first one holds no value bits.
    let mut value = u64::from(*first) & 0xffu64.checked_shr(extra).unwrap_or(0);
    for byte in tail {
        value = (value << 8) | u64::from(*byte);
    }
    Some((value, rest))
}

/// Reads a signed integer.
pub fn read_signed(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (raw, rest) = read_unsigned(bytes)?;
    Some((((raw >> 1) as i64) ^ -((raw & 1) as i64), rest))
}

/// How many bytes follow the first of the shortest form.
fn extra_bytes(value: u64) -> u32 {
    let bits = 64 - (value | 1).leading_zeros();
    // Each byte carries seven bits of the value until the ninth, which frees the first of any.
    if bits > 56 { 8 } else { (bits - 1) / 7 }
}

/// The length of the shortest form in bytes.
pub fn unsigned_len(value: u64) -> usize {
    extra_bytes(value) as usize + 1
}

/// Appends an unsigned integer in the fewest bytes.
pub fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    let extra = extra_bytes(value);
    let marker = !(0xffu64 >> extra) & 0xff;
    for i in (0..=extra).rev() {
        let byte = value.checked_shr(8 * i).unwrap_or(0) as u8;
        out.push(if i == extra { byte | marker as u8 } else { byte });
    }
}

/// Appends a signed integer in the fewest bytes.
pub fn write_signed(value: i64, out: &mut Vec<u8>) {
    write_unsigned(((value << 1) ^ (value >> 63)) as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_cassandras() {
        let mut out = Vec::new();
        write_unsigned(0, &mut out);
        write_unsigned(127, &mut out);
        write_unsigned(128, &mut out);
        write_unsigned(0x3fff, &mut out);
        write_unsigned(0x4000, &mut out);
        assert_eq!(out, [0, 0x7f, 0x80, 0x80, 0xbf, 0xff, 0xc0, 0x40, 0x00]);
        out.clear();
        write_unsigned(u64::MAX, &mut out);
        assert_eq!(out, [0xff; 9]);
    }

    proptest! {
        #[test]
        fn an_integer_reads_back(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            write_signed(value, &mut out);
            prop_assert_eq!(read_signed(&out), Some((value, &[][..])));
            out.clear();
            write_unsigned(value as u64, &mut out);
            prop_assert_eq!(read_unsigned(&out), Some((value as u64, &[][..])));
            prop_assert_eq!(out.len(), unsigned_len(value as u64));
            out.pop();
            prop_assert_eq!(read_unsigned(&out), None);
        }
    }
}
