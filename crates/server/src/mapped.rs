//! Roles that stand for somebody who has no password of theirs: whom another server vouches for, or a certificate is of.
//! The role's own password comes from a file, so on a cluster it is logged in as any other; or the cluster knows it by a
//! certificate, which this server shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilium_store::{Answer, Error, ErrorKind, Login, Principal};
use parking_lot::{Mutex, RwLock};
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
    roles: BTreeMap<String, Arc<Mapped>>,
    /// The files, as they were when they were first read.
    watched: Watched,
}

/// The log tells once in so long of a role that cannot be logged in: with each of its callers' requests it is tried.
const TELL_EVERY: Duration = Duration::from_secs(60);

struct Mapped {
    role: String,
    /// That with the password, or the certificate.
    file: PathBuf,
    /// `None`: the cluster knows it by the certificate.
    password: Option<RwLock<Arc<str>>>,
    /// When the log was last told that the role cannot be logged in.
    told: Arc<Mutex<Option<Instant>>>,
}

impl MappedRoles {
    /// Refuses a role whose password cannot be read.
    pub fn read(roles: BTreeMap<String, MappedRole>) -> Result<MappedRoles, PasswordFileError> {
        let file = |mapped: &MappedRole| match &mapped.proof {
            RoleProof::Password(file) => Some(file.clone()),
            RoleProof::Certificate { .. } => None,
        };
        let watched = Watched::new(roles.values().filter_map(file).collect());
        // One for all that stand for a role by the same file.
        let mut told = BTreeMap::<(String, PathBuf), Arc<Mutex<Option<Instant>>>>::new();
        let read = roles.into_iter().map(|(who, MappedRole { role, proof })| {
            let (file, password) = match proof {
                RoleProof::Password(file) => {
                    let password = password(&role, &file)?;
                    (file, Some(RwLock::new(password)))
                }
                RoleProof::Certificate { chain, .. } => (chain, None),
            };
            let told = Arc::clone(told.entry((role.clone(), file.clone())).or_default());
            Ok((who, Arc::new(Mapped { role, file, password, told })))
        });
        Ok(MappedRoles { roles: read.collect::<Result<_, _>>()?, watched })
    }

    /// Logs in the role of one; `None`: nobody is mapped by this name.
    pub fn log_in(&self, who: &str, login: &dyn Login) -> Option<Answer<Principal>> {
        let mapped = self.roles.get(who)?;
        let known = match &mapped.password {
            Some(password) => {
                let password = Arc::clone(&password.read());
                login.with_password(&mapped.role, &password, None)
            }
            None => login.with_certificate(&mapped.role),
        };
        Some(match known {
            Answer::Ready(known) => Answer::Ready(known.map_err(|error| mapped.refused(error))),
            Answer::Later(known) => {
                let mapped = Arc::clone(mapped);
                Answer::Later(Box::pin(async move { known.await.map_err(|error| mapped.refused(error)) }))
            }
        })
    }

    /// Logs each role in once, so that the log tells at the start of those that are not let in, and not only when somebody comes
    /// who stands for them. It may be mended a moment later, so it is no reason not to start.
    pub async fn try_each(&self, login: &dyn Login, mut stopping: watch::Receiver<bool>) {
        let trying = async {
            let mut tried = BTreeSet::new();
            for (who, mapped) in &self.roles {
                if tried.insert((&mapped.role, &mapped.file))
                    && let Some(answer) = self.log_in(who, login)
                {
                    let _ = answer.wait().await;
                }
            }
        };
        tokio::select! {
            () = trying => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }

    /// Reads the passwords again when their files change, until `stopping` turns true.
    pub async fn renew(&self, stopping: watch::Receiver<bool>) {
        let watched = self.watched.clone();
        watched.keep_reading("the passwords of mapped roles", stopping, || self.read_again()).await;
    }

    fn read_again(&self) -> Result<(), PasswordFileError> {
        for mapped in self.roles.values() {
            if let Some(known) = &mapped.password {
                *known.write() = password(&mapped.role, &mapped.file)?;
            }
        }
        Ok(())
    }
}

impl Mapped {
    /// What the caller is told whose role was refused: it sent no password that could be wrong. The file is the log's alone.
    fn refused(&self, error: Error) -> Error {
        // A node that is cut off from the others cannot look at a password (`PasswordAuthenticator`), and says so as a refusal.
        if error.kind != ErrorKind::BadCredentials || error.message.contains("Unable to perform") {
            return error;
        }
        let Mapped { role, file, .. } = self;
        let what = if self.password.is_some() { "password" } else { "certificate" };
        let mut told = self.told.lock();
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                role,
                file = %file.display(),
                error = error.message,
                "the role that tokens or certificates stand for cannot be logged in: is its {what} of this file up to date?"
            );
        }
        let message = format!(
            "role {role}, which stands for this caller, was refused the {what} that this server has for it; whoever runs \
             the server finds more in its log: {error}"
        );
        Error { message, kind: ErrorKind::MappedRole { role: role.as_str().into() }, ..error }
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

    use ilium_store::{Result, Role, audit};

    use crate::logged;

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
        let log = logged::while_running(|| {
            for _ in 0..3 {
                let known = ready(login.with_identity("spiffe://x/ada"));
                let words = known.as_ref().unwrap_err().message.as_str();
                assert!(words.contains("role ada, which stands for this caller"), "{words}");
                assert!(!words.contains("ada.password") && !words.contains("other"), "{words}");
                audit::login("http", None, None, "jwt", &known);
            }
        });
        let warned: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
        // Not with every request.
        assert!(warned.len() == 1 && warned[0].contains("role=\"ada\""), "{log}");
        assert!(warned[0].contains("ada.password"), "{log}");
        let audited = "verdict=\"refused\" api=\"http\" role=\"ada\" how=\"jwt\"";
        assert_eq!(log.lines().filter(|line| line.contains(audited)).count(), 3, "{log}");
        fs::remove_dir_all(folder).unwrap();
    }
}
