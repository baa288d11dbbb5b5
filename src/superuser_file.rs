//! Where the password of the first superuser is written.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ilium_embedded::LoginOptions;

const NAME: &str = "superuser.txt";

/// In the data folder; without one, in a fresh folder of the system's for temporary files, removed at the end as the
/// data is.
#[derive(Debug)]
pub struct SuperuserFile {
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl SuperuserFile {
    /// `data`: the data folder, if there is one.
    pub fn of(data: Option<&Path>) -> io::Result<SuperuserFile> {
        if let Some(folder) = data {
            return Ok(SuperuserFile { path: folder.join(NAME), temporary: None });
        }
        let folder = std::env::temp_dir().join(format!("ilium-{}", std::process::id()));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Fails if somebody else made it first.
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(SuperuserFile { path: folder.join(NAME), temporary: Some(folder) })
    }

    /// Tells the engine about it.
    pub fn login(&self) -> LoginOptions {
        LoginOptions { superuser_file: self.path.clone() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SuperuserFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary
            && let Err(error) = fs::remove_dir_all(folder)
        {
            tracing::warn!(%error, folder = %folder.display(), "cannot remove the first superuser's password");
        }
    }
}
