//! What was acknowledged survives a kill.

use std::path::Path;

use ilium_testbed::killing;

/// More with `cargo run -p ilium-testbed --bin kill`.
const ROUNDS: usize = 20;

fn killed(durability: &str, seed: u64) {
    let binary = Path::new(env!("CARGO_BIN_EXE_ilium"));
    let report = killing::run(binary, ROUNDS, seed, &["--durability", durability]).unwrap();
    assert_eq!(report.rounds, ROUNDS);
}

#[test]
fn acknowledged_writes_survive_kills_under_load_when_each_is_synced() {
    killed("group", 1);
}

#[test]
fn acknowledged_writes_survive_kills_under_load_when_they_are_synced_from_time_to_time() {
    killed("periodic", 2);
}
