//! Unsigned integers in as few bytes as they need (LEB128), and signed ones folded into them (zigzag).

#[inline]
pub fn push(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `None`: the bytes end within the number, or it has more than 64 bits.
#[inline]
pub fn read(at: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = at.split_first()?;
    if first < 0x80 {
        *at = rest;
        return Some(u64::from(first));
    }
    read_long(at)
}

fn read_long(at: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, &byte) in at.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7F);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte < 0x80 {
            *at = at.get(index + 1..)?;
            return Some(value);
        }
    }
    None
}

#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            push(value, &mut out);
            for cut in 0..out.len() {
                assert_eq!(read(&mut &out[..cut]), None);
            }
            let mut at = &out[..];
            assert_eq!(read(&mut at), Some(value));
            assert!(at.is_empty());
        }
        for value in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
