//! Kills `ilium up` under load, again and again: `cargo run -p ilium-testbed --bin kill -- target/release/ilium 300`.

use std::path::Path;

use anyhow::{Context as _, Result};
use ilium_testbed::killing;

#[expect(clippy::print_stdout, reason = "its result is what it prints")]
fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let binary = args.next().context("usage: kill BINARY [ROUNDS [SEED [group|periodic]]]")?;
    let rounds = args.next().map_or(Ok(20), |text| text.parse())?;
    let seed = args.next().map_or(Ok(1), |text| text.parse())?;
    let durability = args.next().unwrap_or_else(|| "group".to_owned());
    let binary = std::path::absolute(Path::new(&binary))?;
    let report = killing::run(&binary, rounds, seed, &["--durability", &durability])?;
    println!("{} kills, {} acknowledged writes, none lost", report.rounds, report.acknowledged);
    Ok(())
}
