//! Any answer of a node: errors, events, prepared statements, rows as the ring and the schema are made of.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ilium_cluster::outside::from_node(input));
