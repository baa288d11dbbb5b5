//! Cases: what Ilium and Cassandra must answer alike.
//!
//! - A *case file* (`tests/cases/<area>/<feature>.cql`) holds cases of one feature. It is CQL with directives in
//!   comments; see [`file`] for them.
//! - A *case* is a named group of *steps*; a step is one statement with what goes along with it.
//! - Cases in `tests/cluster` are about a ring: what is answered while nodes of it are stopped or held ([`nodes`],
//!   [`on_ring`]). Those that are systematic are made from a [`template`].
//! - An *answer* is what a server said to a step, as lines of text ([`answers`]).
//! - The *goldens* beside a case file (`<feature>.answers`) are Cassandra's answers, recorded from a real one and
//!   never written by hand ([`golden`]).

pub mod answers;
pub mod compare;
pub mod file;
pub mod golden;
pub mod nodes;
pub mod on_ring;
pub mod run;
pub mod statement;
pub mod suite;
pub mod table;
pub mod template;
mod together;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub use compare::{Difference, compare};
pub use file::{Case, CaseFile, Step};
pub use golden::Transcript;
pub use run::{Server, run_case, run_file};

/// The folder of the case files in this checkout.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

/// The folder of the files whose cases are about a ring and its nodes.
pub fn folder_of_rings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cluster")
}

/// All case files, sorted, whose `area/feature` contains the filter.
pub fn all(filter: &str) -> Result<Vec<CaseFile>> {
    let root = folder();
    let mut areas = Vec::new();
    for area in std::fs::read_dir(&root).with_context(|| format!("cannot read {}", root.display()))? {
        areas.push(area?.path());
    }
    read(&areas, filter)
}

/// All case files about rings, sorted, whose `area/feature` contains the filter.
pub fn of_rings(filter: &str) -> Result<Vec<CaseFile>> {
    read(&[folder_of_rings()], filter)
}

fn read(areas: &[PathBuf], filter: &str) -> Result<Vec<CaseFile>> {
    let mut paths = Vec::new();
    for area in areas.iter().filter(|area| area.is_dir()) {
        for file in std::fs::read_dir(area)? {
            paths.push(file?.path());
        }
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "cql"));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let file = CaseFile::read(&path)?;
        if file.name.contains(filter) {
            files.push(file);
        }
    }
    Ok(files)
}
