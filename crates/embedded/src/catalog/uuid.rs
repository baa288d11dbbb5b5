//! Fresh UUIDs for tables, schema versions and the node.

use ilium_cql::schema::UuidBytes;
use ilium_store::{Error, Result};
use ring::rand::{SecureRandom, SystemRandom};

/// 100 ns steps from the start of the Gregorian calendar, which RFC 9562 counts from, to the Unix epoch.
const GREGORIAN_TO_UNIX: u64 = 0x01B2_1DD2_1381_4000;

fn random_bytes() -> Result<UuidBytes> {
    let mut bytes = UuidBytes::default();
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::internal("the system's random number source failed"))?;
    Ok(bytes)
}

fn with_version(bytes: UuidBytes, version: u8) -> UuidBytes {
    let mut number = u128::from_be_bytes(bytes);
    number = number & !(0xF << 76) | u128::from(version) << 76;
    number = number & !(0x3 << 62) | 0x2 << 62;
    number.to_be_bytes()
}

/// Version 4.
pub fn random_uuid() -> Result<UuidBytes> {
    Ok(with_version(random_bytes()?, 4))
}

/// Version 1 with a random clock sequence and node, as Cassandra 5.0 names tables (`TableId.generate`).
pub fn time_uuid(micros: i64) -> Result<UuidBytes> {
    let ticks = u64::try_from(micros).unwrap_or(0).saturating_mul(10).saturating_add(GREGORIAN_TO_UNIX);
    let (low, mid, high) = (ticks & 0xFFFF_FFFF, (ticks >> 32) & 0xFFFF, (ticks >> 48) & 0x0FFF);
    let time = u128::from(low) << 96 | u128::from(mid) << 80 | u128::from(high) << 64;
    let random = u128::from_be_bytes(random_bytes()?) & u128::from(u64::MAX);
    Ok(with_version((time | random).to_be_bytes(), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_cql::value::text::uuid_to_text;

    #[test]
    fn uuids_carry_their_version_and_variant() {
        let random = uuid_to_text(random_uuid().unwrap());
        assert_eq!(random.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&random.as_bytes()[19]), "{random}");
        // 2024-01-01T00:00:00Z
        let timed = uuid_to_text(time_uuid(1_704_067_200_000_000).unwrap());
        assert!(timed.starts_with("b4cc8000-a838-11ee-"), "{timed}");
    }
}
