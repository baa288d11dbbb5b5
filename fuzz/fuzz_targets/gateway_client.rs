//! Any message of a client on its way to a cluster: what is read of it in passing is what decoding it gives, and nothing is
//! let through that a node could not read.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ilium_cluster::outside::from_client(input));
