//! Roles that stand for somebody who has no password of theirs: whom another server vouches for, or a certificate is of.
//! The role's own password comes from a file, so on a cluster it is logged in as any other; or the cluster knows it by a
//! certificate, which this server shows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ilium_store::{Answer, Login, Principal};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::password_file::{PasswordFileError, password};
use crate::watched::Watched;

/// A role, and what it is logged in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRole {
    pub role: String,
    pub proof: RoleProof,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleProof {
    /// The file with its password.
    Password(PathBuf),
    /// PEM files of the certificate chain that the cluster knows it by, and of its key.
    Certificate { chain: PathBuf, key: PathBuf },
}

/// Who is mapped to which role, by identity or by the value of a claim. The passwords are read again when their files
/// change.
pub struct MappedRoles {
    roles: BTreeMap<String, Mapped>,
    /// The files, as they were when they were first read.
    watched: Watched,
}

enum Mapped {
    ByPassword { role: String, file: PathBuf, password: RwLock<Arc<str>> },
    ByCertificate { role: String },
}

impl MappedRoles {
    /// Refuses a role whose password cannot be read.
    pub fn read(roles: BTreeMap<String, MappedRole>) -> Result<MappedRoles, PasswordFileError> {
        let file = |mapped: &MappedRole| match &mapped.proof {
            RoleProof::Password(file) => Some(file.clone()),
            RoleProof::Certificate { .. } => None,
        };
        let watched = Watched::new(roles.values().filter_map(file).collect());
        let read = roles.into_iter().map(|(who, MappedRole { role, proof })| {
            let mapped = match proof {
                RoleProof::Password(file) => {
                    let password = RwLock::new(password(&role, &file)?);
                    Mapped::ByPassword { role, file, password }
                }
                RoleProof::Certificate { .. } => Mapped::ByCertificate { role },
            };
            Ok((who, mapped))
        });
        Ok(MappedRoles { roles: read.collect::<Result<_, _>>()?, watched })
    }

    /// Logs in the role of one; `None`: nobody is mapped by this name.
    pub fn log_in(&self, who: &str, login: &dyn Login) -> Option<Answer<Principal>> {
        Some(match self.roles.get(who)? {
            Mapped::ByPassword { role, password, .. } => {
                let password = Arc::clone(&password.read());
                login.with_password(role, &password, None)
            }
            Mapped::ByCertificate { role } => login.with_certificate(role),
        })
    }

    /// Reads the passwords again when their files change, until `stopping` turns true.
    pub async fn renew(&self, stopping: watch::Receiver<bool>) {
        let watched = self.watched.clone();
        watched.keep_reading("the passwords of mapped roles", stopping, || self.read_again()).await;
    }

    fn read_again(&self) -> Result<(), PasswordFileError> {
        for mapped in self.roles.values() {
            if let Mapped::ByPassword { role, file, password: known } = mapped {
                *known.write() = password(role, file)?;
            }
        }
        Ok(())
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

    fn with_password(&self, name: &str, password: &str, from: Option<SocketAddr>) -> Answer<Principal> {
        self.login.with_password(name, password, from)
    }

    fn with_certificate(&self, role: &str) -> Answer<Principal> {
        self.login.with_certificate(role)
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
    use std::fs;

    use ilium_store::{Error, ErrorKind, Result, Role};

    /// Knows one password of every role, and every certificate.
    struct OnePassword;

    impl Login for OnePassword {
        fn is_required(&self) -> bool {
            true
        }
        fn with_password(&self, name: &str, password: &str, _: Option<SocketAddr>) -> Answer<Principal> {
            Answer::Ready(match password {
                "loom" => Ok(Principal::Role(Role::new(name, password.as_bytes()))),
                _ => Err(Error::new(ErrorKind::BadCredentials, "wrong")),
            })
        }
        fn with_certificate(&self, role: &str) -> Answer<Principal> {
            Answer::Ready(Ok(Principal::Role(Role::new(role, *b"shown"))))
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

    #[tokio::test]
    async fn a_certificate_logs_its_role_in_by_what_the_role_is_known_by_and_a_missing_file_is_named() {
        let folder = std::env::temp_dir().join(format!("ilium-mapped-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ada.password");
        let roles = || {
            let ada = MappedRole { role: "ada".to_owned(), proof: RoleProof::Password(file.clone()) };
            let (chain, key) = (folder.join("bob.pem"), folder.join("bob.key"));
            let bob = MappedRole { role: "bob".to_owned(), proof: RoleProof::Certificate { chain, key } };
            let who = [("spiffe://x/ada".to_owned(), ada), ("spiffe://x/bob".to_owned(), bob)];
            MappedRoles::read(BTreeMap::from(who))
        };
        let error = roles().err().unwrap().to_string();
        assert!(error.contains("role ada") && error.contains("ada.password"), "{error}");

        fs::write(&file, "loom\n").unwrap();
        let roles = Arc::new(roles().unwrap());
        let login = MappedLogin::new(Arc::new(OnePassword), Arc::clone(&roles));
        let ada = Principal::Role(Role::new("ada", *b"loom"));
        assert_eq!(ready(login.with_identity("spiffe://x/ada")).unwrap(), ada);
        let bob = Principal::Role(Role::new("bob", *b"shown"));
        assert_eq!(ready(login.with_identity("spiffe://x/bob")).unwrap(), bob);
        assert_eq!(
            ready(login.with_identity("spiffe://x/eve")).unwrap_err().message,
            "spiffe://x/eve is nobody"
        );
        // Also before anybody begins to look.
        fs::write(&file, "other").unwrap();
        assert!(roles.watched.clone().take_if_changed(|| async { roles.read_again() }).await.unwrap());
        assert!(ready(login.with_identity("spiffe://x/ada")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
