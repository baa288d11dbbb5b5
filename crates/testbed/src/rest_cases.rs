//! REST cases: what the REST API must answer, and what CQL must then read.
//!
//! - A *case file* (`tests/rest/<feature>.case`) holds cases of one feature; see [`file`] for how one is written. Its
//!   answers come from Stargate's source and tests, not from what Ilium happens to say.
//! - A *case* is a named group of *steps*: requests, each with the answer it must get, and CQL statements, each with
//!   the rows it must give through the native protocol.
//! - A *pattern* is an answer's JSON with room for what is another each time ([`json`]).
//! - The *target* is where the API and CQL of the same data answer ([`run::Target`]): the embedded engine, or a
//!   gateway over a cluster.

pub mod file;
pub mod json;
pub mod run;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub use file::{CaseFile, Store};
pub use run::{FileResult, Target, run};

/// The folder of the case files in this checkout.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rest")
}

/// All case files, sorted, whose name contains the filter.
pub fn all(filter: &str) -> Result<Vec<CaseFile>> {
    let root = folder();
    let mut paths = Vec::new();
    for file in std::fs::read_dir(&root).with_context(|| format!("cannot read {}", root.display()))? {
        paths.push(file?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "case"));
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
