//! Roles that stand for somebody who has no password of theirs: whom another server vouches for, or a certificate is of.
//! The password comes from a file, so on a cluster such a role is logged in as any other.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ilium_store::{Answer, Login, Principal};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::watched::Watched;

/// A role, and the file with its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFile {
    pub role: String,
    pub password_file: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum RoleFileError {
    #[error("cannot read the password file {file} of role {role}: {source}")]
    Read { role: String, file: PathBuf, source: io::Error },
    #[error("the password file {file} of role {role} is empty")]
    Empty { role: String, file: PathBuf },
}

/// Who is mapped to which role, by identity or by the value of a claim. The passwords are read again when their files
/// change.
pub struct MappedRoles {
    roles: BTreeMap<String, Mapped>,
    /// The files, as they were when they were first read.
    watched: Watched,
}

struct Mapped {
    from: RoleFile,
    password: RwLock<Arc<str>>,
}

impl MappedRoles {
    /// Refuses a role whose password cannot be read.
    pub fn read(roles: BTreeMap<String, RoleFile>) -> Result<MappedRoles, RoleFileError> {
        let watched = Watched::new(roles.values().map(|from| from.password_file.clone()).collect());
        let read = roles.into_iter().map(|(who, from)| {
            let password = RwLock::new(password(&from)?);
            Ok((who, Mapped { from, password }))
        });
        Ok(MappedRoles { roles: read.collect::<Result<_, _>>()?, watched })
    }

    /// Logs in the role of one; `None`: nobody is mapped by this name.
    pub fn log_in(&self, who: &str, login: &dyn Login) -> Option<Answer<Principal>> {
        let mapped = self.roles.get(who)?;
        let password = Arc::clone(&mapped.password.read());
        Some(login.with_password(&mapped.from.role, &password))
    }

    /// Reads the passwords again when their files change, until `stopping` turns true.
    pub async fn renew(&self, stopping: watch::Receiver<bool>) {
        let watched = self.watched.clone();
        watched.keep_reading("the passwords of mapped roles", stopping, || self.read_again()).await;
    }

    fn read_again(&self) -> Result<(), RoleFileError> {
        for mapped in self.roles.values() {
            let password = password(&mapped.from)?;
            *mapped.password.write() = password;
        }
        Ok(())
    }
}

/// A password alone in its file. A line's end after it is not part of it: editors and `echo` leave one.
fn password(from: &RoleFile) -> Result<Arc<str>, RoleFileError> {
    let (role, file) = (from.role.clone(), from.password_file.clone());
    let text = match fs::read_to_string(Path::new(&file)) {
        Ok(text) => text,
        Err(source) => return Err(RoleFileError::Read { role, file, source }),
    };
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.is_empty() {
        true => Err(RoleFileError::Empty { role, file }),
        false => Ok(Arc::from(password)),
    }
}

/// A log-in where certificates stand for roles by configuration; what is not mapped there is left to the store.
pub struct MappedLogin {
    login: Arc<dyn Login>,
    certificates: Arc<MappedRoles>,
}

impl MappedLogin {
    pub fn new(login: Arc<dyn Login>, certificates: Arc<MappedRoles>) -> MappedLogin {
        MappedLogin { login, certificates }
    }
}

impl Login for MappedLogin {
    fn is_required(&self) -> bool {
        self.login.is_required()
    }

    fn with_password(&self, name: &str, password: &str) -> Answer<Principal> {
        self.login.with_password(name, password)
    }

    fn with_identity(&self, identity: &str) -> Answer<Principal> {
        let mapped = self.certificates.log_in(identity, &*self.login);
        mapped.unwrap_or_else(|| self.login.with_identity(identity))
    }

    fn check_again(&self, principal: &Principal) -> Answer<()> {
        self.login.check_again(principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_store::{Error, ErrorKind, Result, Role};

    /// Knows one password of every role.
    struct OnePassword;

    impl Login for OnePassword {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str) -> Answer<Principal> {
            Answer::Ready(match password {
                "loom" => Ok(Principal::Role(Role::new(name, password.as_bytes()))),
                _ => Err(Error::new(ErrorKind::BadCredentials, "wrong")),
            })
        }
        fn with_identity(&self, identity: &str) -> Answer<Principal> {
            Answer::Ready(Err(Error::new(ErrorKind::BadCredentials, format!("{identity} is nobody"))))
        }
        fn check_again(&self, _: &Principal) -> Answer<()> {
            Answer::Ready(Ok(()))
        }
    }

    fn ready(answer: Answer<Principal>) -> Result<Principal> {
        let Answer::Ready(result) = answer else { panic!("it comes later") };
        result
    }

    #[test]
    fn a_certificate_logs_its_role_in_with_the_password_in_the_file_and_a_missing_file_is_named() {
        let folder = std::env::temp_dir().join(format!("ilium-mapped-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ada.password");
        let roles = || {
            let ada = RoleFile { role: "ada".to_owned(), password_file: file.clone() };
            MappedRoles::read(BTreeMap::from([("spiffe://x/ada".to_owned(), ada)]))
        };
        let error = roles().err().unwrap().to_string();
        assert!(error.contains("role ada") && error.contains("ada.password"), "{error}");
        fs::write(&file, "\n").unwrap();
        assert!(matches!(roles(), Err(RoleFileError::Empty { .. })));

        fs::write(&file, "loom\n").unwrap();
        let roles = Arc::new(roles().unwrap());
        let login = MappedLogin::new(Arc::new(OnePassword), Arc::clone(&roles));
        let ada = Principal::Role(Role::new("ada", *b"loom"));
        assert_eq!(ready(login.with_identity("spiffe://x/ada")).unwrap(), ada);
        assert_eq!(
            ready(login.with_identity("spiffe://x/eve")).unwrap_err().message,
            "spiffe://x/eve is nobody"
        );
        // Also before anybody begins to look.
        fs::write(&file, "other").unwrap();
        assert!(roles.watched.clone().read_if_changed(|| roles.read_again()).unwrap());
        assert!(ready(login.with_identity("spiffe://x/ada")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
