//! Where the testbed keeps what it obtained (the *cache*, shared by all test runs) and what a run makes (a
//! *scratch* folder, removed with the run).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// The cache: `$ILIUM_TESTBED_DIR`, or `testbed` in Cargo's target folder, which this program lies in.
pub fn cache() -> Result<PathBuf> {
    let folder = match std::env::var_os("ILIUM_TESTBED_DIR") {
        Some(given) => PathBuf::from(given),
        None => target().unwrap_or_else(std::env::temp_dir).join("testbed"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))
}

/// Cargo marks its target folder as a cache, whatever it is called.
fn target() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf)
}

/// A new, empty folder for one component of this run, named for it and this process.
pub fn scratch(component: &str) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = cache()?.join("runs").join(format!("{component}-{}-{number}", std::process::id()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?; // left by an earlier process of the same id
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Runs `work` while no other process runs work under the same lock file.
pub fn locked<T>(lock: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let file = File::create(lock).with_context(|| format!("cannot make {}", lock.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", lock.display()))?;
    work()
}
