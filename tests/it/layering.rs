//! The arrows between crates: who may know whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Our crates with the crates of ours they may import; anything else is a mistake in the layout.
const ARROWS: &[(&str, &[&str])] = &[
    ("ilium-cql", &[]),
    ("ilium-protocol", &["ilium-cql"]),
    ("ilium-store", &["ilium-cql"]),
    ("ilium-embedded", &["ilium-cql", "ilium-store"]),
    ("ilium-cluster", &["ilium-cql", "ilium-store", "ilium-protocol"]),
    ("ilium-native", &["ilium-cql", "ilium-store", "ilium-protocol"]),
    ("ilium-http", &["ilium-cql", "ilium-store"]),
    ("ilium-rest", &["ilium-cql", "ilium-store", "ilium-http"]),
    ("ilium-console", &["ilium-cql", "ilium-store", "ilium-http"]),
    ("ilium-server", &["ilium-cql", "ilium-store", "ilium-protocol", "ilium-http", "ilium-native"]),
];

/// I/O and runtimes: none of these below the engines and the APIs.
const OUTSIDE_WORLD: &[&str] = &["tokio", "mio", "async-std", "smol", "rustix", "socket2", "hyper", "rustls"];

const PURE: &[&str] = &["ilium-cql", "ilium-protocol", "ilium-store"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let of_build = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
            let names = of_build.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn crates_import_only_what_lies_below_them() {
    let dependencies = dependencies();
    for (name, allowed) in ARROWS {
        let ours: Vec<&String> = dependencies[*name].iter().filter(|d| d.starts_with("ilium-")).collect();
        for import in ours {
            assert!(allowed.contains(&import.as_str()), "{name} must not import {import}");
        }
    }
}

#[test]
fn every_crate_has_its_arrows_written_down() {
    let known: BTreeSet<&str> =
        ARROWS.iter().map(|(name, _)| *name).chain(["ilium", "ilium-testbed", "ilium-benches"]).collect();
    for name in dependencies().keys() {
        assert!(
            known.contains(name.as_str()),
            "{name} is in no list of this test: which crates may it import?"
        );
    }
}

#[test]
fn the_language_the_protocol_and_the_seam_know_no_outside_world() {
    let dependencies = dependencies();
    for name in PURE {
        for import in &dependencies[*name] {
            assert!(!OUTSIDE_WORLD.contains(&import.as_str()), "{name} must not import {import}");
        }
    }
}

#[test]
fn nothing_outside_tests_imports_the_test_bed() {
    for (name, imports) in dependencies() {
        assert!(
            !imports.contains("ilium-testbed") || name == "ilium-benches",
            "{name} imports ilium-testbed outside its tests"
        );
    }
}
