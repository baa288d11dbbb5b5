//! A file with a role's password alone in it.

use std::fmt::Display;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::watched::Watched;

#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    #[error("cannot read the password file {file} of role {role}: {source}")]
    Read { role: String, file: PathBuf, source: io::Error },
    #[error("the password file {file} of role {role} is empty")]
    Empty { role: String, file: PathBuf },
}

/// Reads it. A line's end after the password is not part of it: editors and `echo` leave one.
pub(crate) fn password(role: &str, file: &Path) -> Result<Arc<str>, PasswordFileError> {
    let text = fs::read_to_string(file).map_err(|source| PasswordFileError::Read {
        role: role.to_owned(),
        file: file.to_owned(),
        source,
    })?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.is_empty() {
        true => Err(PasswordFileError::Empty { role: role.to_owned(), file: file.to_owned() }),
        false => Ok(Arc::from(password)),
    }
}

/// The password of one role, which is read again when the file changes.
pub struct PasswordFile {
    role: String,
    file: PathBuf,
    password: Arc<str>,
    watched: Watched,
}

impl PasswordFile {
    pub fn read(role: &str, file: &Path) -> Result<PasswordFile, PasswordFileError> {
        let watched = Watched::new(vec![file.to_owned()]);
        let password = password(role, file)?;
        Ok(PasswordFile { role: role.to_owned(), file: file.to_owned(), password, watched })
    }

    pub fn role(&self) -> &str {
        &self.role
    }

    /// As it was when it was first read.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Gives the password whenever the file has changed, until `stopping` turns true. What is not taken is given again, as is
    /// what cannot be read: who changes a password may change the file first, or the role.
    pub async fn renew<F, T, E>(self, stopping: watch::Receiver<bool>, give: F)
    where
        F: Fn(Arc<str>) -> T,
        T: Future<Output = Result<(), E>>,
        E: Display,
    {
        let PasswordFile { role, file, watched, .. } = self;
        let what = format!("the password of the gateway's own role {role}");
        let take = || async {
            let password = password(&role, &file).map_err(|error| error.to_string())?;
            give(password).await.map_err(|error| error.to_string())
        };
        watched.keep_taking(&what, stopping, take).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_all_of_its_file_but_the_lines_end() {
        let folder = std::env::temp_dir().join(format!("ilium-password-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ada.password");
        for (text, expected) in
            [("loom", "loom"), ("loom\n", "loom"), (" lo om \r\n", " lo om "), ("loom\n\n", "loom\n")]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(PasswordFile::read("ada", &file).unwrap().password(), expected);
        }
        for text in ["", "\n", "\r\n"] {
            fs::write(&file, text).unwrap();
            assert!(matches!(PasswordFile::read("ada", &file), Err(PasswordFileError::Empty { .. })));
        }
        fs::remove_dir_all(&folder).unwrap();
        let error = PasswordFile::read("ada", &file).err().unwrap().to_string();
        assert!(error.contains("role ada") && error.contains("ada.password"), "{error}");
    }
}
