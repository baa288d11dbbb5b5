//! What clients are made of: files below `tests/clients`, and what the testbed obtains for them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ilium_testbed::obtained::recipe_of;
pub use ilium_testbed::obtained::{obtain, tool};

/// A file below `tests/clients`.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(path)
}

/// The text of files below `tests/clients`, as a recipe.
pub fn recipe(files: &[&str]) -> Result<String> {
    recipe_of(files.iter().map(|file| source(file)))
}
