//! The order in which Java's hash maps give their keys back: DESCRIBE shows replication options in it, and columns that
//! are named for a literal of a user-defined type its fields.

/// Sorts keys into the order in which a `java.util.HashMap` that was copied from a map of `copied_from` entries gives
/// them back: by the hash within the table's size. Within one place of the table they stay as they are.
pub fn hash_map_order<T>(entries: &mut [T], copied_from: usize, key: impl Fn(&T) -> &str) {
    // HashMap(Map): the size over the load factor 0.75, plus one, up to a power of two.
    let capacity = (copied_from * 4 / 3 + 1).next_power_of_two();
    in_places(entries, capacity, |entry| {
        let units = key(entry).encode_utf16();
        units.fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
    });
}

/// As [`hash_map_order`], of a map that was filled entry by entry and whose keys are `ByteBuffer`s.
pub fn buffer_map_order<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    // It begins with 16 places and doubles when more than three quarters of them are taken.
    let capacity = (entries.len() * 4).div_ceil(3).next_power_of_two().max(16);
    in_places(entries, capacity, |entry| {
        let bytes = key(entry).as_bytes().iter().rev();
        bytes.fold(1u32, |hash, byte| hash.wrapping_mul(31).wrapping_add_signed(i32::from(*byte as i8)))
    });
}

fn in_places<T>(entries: &mut [T], capacity: usize, hash: impl Fn(&T) -> u32) {
    entries.sort_by_key(|entry| {
        let hash = hash(entry);
        (hash ^ (hash >> 16)) as usize & (capacity - 1)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_hash_map_has_javas_order() {
        // What Java 17 gives back of a copied map of these keys and `class`, `class` removed.
        let mut keys = vec!["europe", "dc2", "dc1"];
        hash_map_order(&mut keys, 4, |key| key);
        assert_eq!(keys, ["dc2", "dc1", "europe"]);
        let mut keys = vec!["datacenter1", "us-east", "eu-west", "DC1", "asia"];
        hash_map_order(&mut keys, 6, |key| key);
        assert_eq!(keys, ["eu-west", "us-east", "DC1", "datacenter1", "asia"]);
    }
}
