//! What is obtained from package registries once, and kept in the cache until what is asked for (the *recipe*: versions,
//! lock files, sources) changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folders;

/// The folder `name` of the cache with what `work` put there for this recipe, done anew if the recipe is another one.
pub fn obtain(name: &str, recipe: &str, work: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = folders::cache()?;
    let folder = cache.join(name);
    let made_by = folder.join("recipe");
    folders::locked(&cache.join(format!("{name}.lock")), || {
        if std::fs::read_to_string(&made_by).is_ok_and(|made_by| made_by == recipe) {
            return Ok(());
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        work(&folder)?;
        // Last, so that what was broken off is never taken for whole.
        std::fs::write(&made_by, recipe)?;
        Ok(())
    })?;
    Ok(folder)
}

/// The text of files, as a recipe.
pub fn recipe_of(files: impl IntoIterator<Item = PathBuf>) -> Result<String> {
    let mut recipe = String::new();
    for path in files {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        recipe.push_str(&text);
    }
    Ok(recipe)
}

/// Runs a tool to its end; what it said is the error if it fails.
pub fn tool(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let run = command.output().with_context(|| format!("{name} cannot be run: is it on the PATH?"))?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    if !run.status.success() {
        let complaint = String::from_utf8_lossy(&run.stderr);
        bail!("{name} ended with {}:\n{said}{complaint}", run.status);
    }
    Ok(said)
}
