//! [`Login`]: who a name and a password, or a certificate's identity, belong to.

use std::net::SocketAddr;
use std::sync::Arc;

use ilium_store::{Answer, Error, ErrorKind, Login, Principal, Result};
use ring::digest;
use tokio::sync::Semaphore;

use super::{Engine, finished};
use crate::roles::{Role, rights_to_act};

/// Log-ins that may wait, for each turn there is. Past it: OVERLOADED. At 50 ms each the last of them waits for 15 s, half
/// the patience of the CQL API, so that it is still there when its answer comes.
const WAITING_A_TURN: usize = 300;

/// Turns at comparing passwords: each takes a core for its while, and others need cores too.
pub(super) struct Hashing {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// How many places there are in all.
    waiting: usize,
}

impl Default for Hashing {
    fn default() -> Hashing {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // One core stays for requests, where there are two.
        let turns = cores.saturating_sub(1).max(1);
        let waiting = WAITING_A_TURN.saturating_mul(turns).min(Semaphore::MAX_PERMITS);
        Hashing { turns: Arc::new(Semaphore::new(turns)), places: Arc::new(Semaphore::new(waiting)), waiting }
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::BadCredentials, message)
}

fn incorrect(name: &str) -> Error {
    refused(format!("Provided username {name} and/or password are incorrect"))
}

impl Engine {
    /// The role, if it is still there with this hash and may log in.
    fn logged_in(&self, name: &str, hash: Option<&str>) -> Result<Principal> {
        let snapshot = self.inner.snapshot();
        let Some((role, rights)) = snapshot.roles.get(name).zip(snapshot.roles.rights(name)) else {
            return Err(incorrect(name));
        };
        if hash.is_some() && role.hash.as_deref() != hash {
            return Err(incorrect(name));
        }
        match rights.login {
            true => Ok(Principal::Role(ilium_store::Role::new(name, proof_of(role)))),
            false => Err(refused(format!("{name} is not permitted to log in"))),
        }
    }
}

/// Bytes of a proof: half a SHA-256. Two of one role are never the same by chance, and a token stays short.
const PROOF: usize = 16;

/// Another once the role's password changed, or it was dropped and made again. It tells nothing about the password.
fn proof_of(role: &Role) -> [u8; PROOF] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&role.made.to_be_bytes());
    context.update(role.hash.as_deref().unwrap_or_default().as_bytes());
    context.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

impl Engine {
    /// Whether what a token was made for is so still.
    fn still_holds(&self, principal: &Principal) -> Result<()> {
        match principal {
            Principal::Role(logged) if self.inner.login_required => {
                let (name, snapshot) = (logged.name(), self.inner.snapshot());
                rights_to_act(name, &snapshot.roles).map_err(|error| refused(error.message))?;
                match snapshot.roles.get(name).map(proof_of) {
                    Some(now) if now == *logged.proof() => Ok(()),
                    _ => Err(refused(format!(
                        "{name} was given another password, or made again, since; log in for a new token"
                    ))),
                }
            }
            Principal::Anonymous if !self.inner.login_required => Ok(()),
            Principal::System => Ok(()),
            Principal::Anonymous => Err(refused("You have not logged in".to_owned())),
            Principal::Role(_) => Err(refused(
                "this token is of a server with authentication; ask this one for another".to_owned(),
            )),
        }
    }
}

impl Login for Engine {
    fn is_required(&self) -> bool {
        self.inner.login_required
    }

    fn with_password(&self, name: &str, password: &str, _from: Option<SocketAddr>) -> Answer<Principal> {
        if !self.inner.login_required {
            return Answer::Ready(Ok(Principal::Anonymous));
        }
        let hash = self.inner.snapshot().roles.get(name).and_then(|role| role.hash.clone());
        if let Some(hash) = &hash
            && self.inner.passwords.is_known(hash, password)
        {
            return Answer::Ready(self.logged_in(name, Some(hash)));
        }
        let Ok(place) = Arc::clone(&self.inner.hashing.places).try_acquire_owned() else {
            return Answer::Ready(Err(Error::overloaded(format!(
                "{} log-ins wait already, the limit of this server; try again later",
                self.inner.hashing.waiting
            ))));
        };
        let (engine, turns) = (self.clone(), Arc::clone(&self.inner.hashing.turns));
        let (name, password) = (name.to_owned(), password.to_owned());
        Answer::Later(Box::pin(async move {
            let turn = turns.acquire_owned().await;
            let passwords = Arc::clone(&engine.inner.passwords);
            let compared = engine.inner.runtime.spawn_blocking(move || {
                // Kept until it is done, even if nobody waits for it any more.
                let _held = (turn, place);
                let is_right = passwords.is_right(hash.as_deref(), &password);
                Ok((is_right, hash))
            });
            match finished(compared.await)? {
                (true, hash) => engine.logged_in(&name, hash.as_deref()),
                (false, _) => Err(incorrect(&name)),
            }
        }))
    }

    fn with_identity(&self, identity: &str) -> Answer<Principal> {
        if !self.inner.login_required {
            return Answer::Ready(Ok(Principal::Anonymous));
        }
        let snapshot = self.inner.snapshot();
        Answer::Ready(match snapshot.roles.role_of_identity(identity) {
            Some(role) => self.logged_in(role, None),
            None => Err(refused(format!("Certificate identity '{identity}' not authorized"))),
        })
    }

    fn check_again(&self, principal: &Principal) -> Answer<()> {
        Answer::Ready(self.still_holds(principal))
    }
}
