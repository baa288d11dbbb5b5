//! The order in which Java's hash maps give their keys back: DESCRIBE shows replication options in it.

/// Sorts keys into the order in which a `java.util.HashMap` that was copied from a map of `copied_from` entries gives
/// them back: by the hash within the table's size. Within one place of the table they stay as they are.
pub fn hash_map_order<T>(entries: &mut [T], copied_from: usize, key: impl Fn(&T) -> &str) {
    // HashMap(Map): the size over the load factor 0.75, plus one, up to a power of two.
    let capacity = (copied_from * 4 / 3 + 1).next_power_of_two();
    entries.sort_by_key(|entry| {
        let hash = key(entry)
            .encode_utf16()
            .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
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
