//! DataStax's cql-proxy, built once with the modules that `benches/cql-proxy/go.sum` names, and kept in the testbed's
//! cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use ilium_testbed::obtained::{obtain, recipe_of, tool};

const MODULE: &str = "github.com/datastax/cql-proxy";

/// The built program.
pub fn program() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cql-proxy");
    let recipe = recipe_of([source.join("go.mod"), source.join("go.sum")])?;
    let folder = obtain("cql-proxy", &recipe, |folder| {
        let mut go = Command::new("go");
        go.args(["build", "-mod=readonly", "-trimpath", "-o"]).arg(folder.join("cql-proxy")).arg(MODULE);
        tool(go.current_dir(&source))?;
        Ok(())
    })?;
    Ok(folder.join("cql-proxy"))
}
