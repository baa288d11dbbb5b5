//! Tells the binary which commit it was built from.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs/heads");
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = commit.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let commit = commit.and_then(|text| String::from_utf8(text).ok()).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=ILIUM_COMMIT={}", commit.trim());
}
