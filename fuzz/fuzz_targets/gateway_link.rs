//! Any bytes that a node sends on a link on which requests wait, and its end: every request ends.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ilium_cluster::outside::from_link(input));
