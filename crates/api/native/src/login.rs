//! Logging in: what follows STARTUP where the server asks who the client is.
//!
//! A client whose certificate stands for a role has logged in with STARTUP; any other is asked for name and password,
//! SASL PLAIN (RFC 4616), which drivers know by the name of Cassandra's class.

use ilium_protocol::{Compression, ProtocolError, ProtocolVersion, Response, ResponseExtras};
use ilium_store::{Answer, Error, ErrorKind, Principal, Result, audit};

use crate::dispatch::{Peer, Pending};
use crate::forwarded::Admitted;
use crate::{Service, errors};

/// Drivers look at it to know what they are asked for.
const AUTHENTICATOR: &str = "org.apache.cassandra.auth.PasswordAuthenticator";

/// How far a connection has come.
#[derive(Debug, Default)]
pub struct LoginProgress {
    /// What STARTUP asked for, while the certificate is looked at.
    starting: Option<(ProtocolVersion, Option<Compression>)>,
    /// Whether an answer to a log-in is on its way.
    under_way: bool,
    /// What the client called itself when it last tried.
    name: String,
    failed: u32,
    gave_up: bool,
}

impl LoginProgress {
    /// Whether it failed once too often: what was written is the last.
    pub fn gave_up(&self) -> bool {
        self.gave_up
    }
}

impl Service {
    /// Answers STARTUP: the client is ready, or is asked to log in.
    pub(crate) fn ask_for_login(
        &self,
        peer: &mut Peer,
        stream: i16,
        version: ProtocolVersion,
        compression: Option<Compression>,
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        if peer.session.login.starting.is_some() {
            refuse(peer, stream, &too_early("STARTUP"))?;
            return Ok(None);
        }
        peer.session.login.starting = Some((version, compression));
        let identity = peer.client.tls.as_ref().and_then(|tls| tls.identity.as_deref());
        let principal = match identity {
            _ if !self.login.is_required() => Answer::Ready(Ok(Principal::Anonymous)),
            None => {
                self.start_with(peer, stream, Err(None))?;
                return Ok(None);
            }
            Some(identity) => self.login.with_identity(identity),
        };
        match self.admit_client(peer, version, principal) {
            Answer::Later(admitted) => Ok(Some(self.wait_for(Pending::login(stream, admitted)))),
            Answer::Ready(admitted) => {
                self.start_with(peer, stream, admitted.map_err(Some))?;
                Ok(None)
            }
        }
    }

    /// The answer to STARTUP once it is known whether the client must log in.
    fn start_with(
        &self,
        peer: &mut Peer,
        stream: i16,
        admitted: std::result::Result<Admitted, Option<Error>>,
    ) -> std::result::Result<(), ProtocolError> {
        let Some((version, compression)) = peer.session.login.starting.take() else { return Ok(()) };
        let response = match &admitted {
            Ok(_) => Response::Ready,
            // No log-in would help.
            Err(Some(error)) if !self.login.is_required() => return refuse(peer, stream, error),
            Err(error) => {
                // The client may log in otherwise now.
                if let Some(error) = error {
                    audited(peer, "certificate", &Err(error.clone()));
                }
                Response::Authenticate(AUTHENTICATOR)
            }
        };
        peer.writer.response(stream, &ResponseExtras::default(), &response)?;
        peer.reader.negotiated(version, compression)?;
        peer.writer.negotiated(version, compression)?;
        if let Some(outbox) = &peer.outbox {
            outbox.negotiated(version, compression)?;
        }
        peer.session.version = version;
        peer.session.started = true;
        if let Ok(admitted) = admitted {
            if self.login.is_required() {
                audited(peer, "certificate", &Ok(admitted.principal.clone()));
            }
            be_ready(peer, admitted);
        }
        Ok(())
    }

    /// Takes name and password.
    pub(crate) fn log_in(
        &self,
        peer: &mut Peer,
        stream: i16,
        token: Option<&[u8]>,
    ) -> std::result::Result<Option<Pending>, ProtocolError> {
        if peer.session.login.under_way {
            refuse(peer, stream, &too_early("AUTH_RESPONSE"))?;
            return Ok(None);
        }
        let answer = match credentials(token.unwrap_or_default()) {
            Ok((name, password)) => {
                let answer = self.login.with_password(&name, &password, Some(peer.client.address));
                peer.session.login.name = name;
                answer
            }
            Err(error) => Answer::Ready(Err(error)),
        };
        match self.admit_client(peer, peer.session.version, answer) {
            Answer::Later(admitted) => {
                peer.session.login.under_way = true;
                Ok(Some(self.wait_for(Pending::login(stream, admitted))))
            }
            Answer::Ready(admitted) => {
                self.logged_in(peer, stream, admitted)?;
                Ok(None)
            }
        }
    }

    /// Answers a log-in, or a STARTUP whose certificate has been looked at.
    pub(crate) fn logged_in(
        &self,
        peer: &mut Peer,
        stream: i16,
        admitted: Result<Admitted>,
    ) -> std::result::Result<(), ProtocolError> {
        peer.session.login.under_way = false;
        if peer.session.login.starting.is_some() {
            return self.start_with(peer, stream, admitted.map_err(Some));
        }
        audited(
            peer,
            "password",
            &admitted.as_ref().map(|admitted| admitted.principal.clone()).map_err(Error::clone),
        );
        match admitted {
            Ok(admitted) => {
                peer.writer.response(stream, &ResponseExtras::default(), &Response::AuthSuccess(None))?;
                be_ready(peer, admitted);
                Ok(())
            }
            Err(error) => {
                let progress = &mut peer.session.login;
                // What is past a limit was not looked at.
                progress.failed += u32::from(error.kind != ErrorKind::Overloaded);
                progress.gave_up = progress.failed >= self.options.max_failed_logins;
                refuse(peer, stream, &error)
            }
        }
    }
}

/// Writes down what came of a log-in.
fn audited(peer: &Peer, how: &str, outcome: &Result<Principal>) {
    let name = match (how, &peer.client.tls) {
        ("certificate", Some(tls)) => tls.identity.as_deref(),
        _ => Some(&*peer.session.login.name).filter(|name| !name.is_empty()),
    };
    audit::login("cql", Some(peer.client.address), name, how, outcome);
}

fn too_early(message: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("Unexpected message {message}: the last is not answered yet"))
}

fn refuse(peer: &mut Peer, stream: i16, error: &Error) -> std::result::Result<(), ProtocolError> {
    peer.writer.response(stream, &ResponseExtras::default(), &Response::Error(errors::response(error)))
}

fn be_ready(peer: &mut Peer, admitted: Admitted) {
    let Admitted { principal, channel } = admitted;
    peer.channel = channel;
    let role = principal.role_name().cloned();
    peer.session.principal = principal;
    peer.session.is_ready = true;
    peer.client.change(|session| {
        session.is_ready = true;
        session.role = role;
    });
}

/// Name and password of a PLAIN message, `[authorisation id] NUL name NUL password`; Cassandra's words for what is
/// wrong with it (`PasswordAuthenticator.decodeCredentials`, which reads it from its end).
fn credentials(token: &[u8]) -> Result<(String, String)> {
    let bad = |message: &str| Err(Error::new(ErrorKind::BadCredentials, message));
    let mut parts = token.rsplit(|byte| *byte == 0);
    let (last, before, first) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return bad("Credential format error: username or password is empty or contains NUL(\\0) character");
    }
    // Without a NUL before it, what is last is no password; without two, what is before it is no name.
    let password = last.filter(|password| before.is_some() && !password.is_empty());
    let name = before.filter(|name| first.is_some() && !name.is_empty());
    match (password, name) {
        (None, _) => bad("Password must not be null"),
        (_, None) => bad("Authentication ID must not be null"),
        (Some(password), Some(name)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok((text(name), text(password)))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_plain_message_has_a_name_and_a_password() {
        let pair = |name: &str, password: &str| (name.to_owned(), password.to_owned());
        assert_eq!(credentials(b"\0ada\0secret").unwrap(), pair("ada", "secret"));
        assert_eq!(credentials(b"other\0ada\0secret").unwrap(), pair("ada", "secret"));
    }

    #[test]
    fn what_is_no_plain_message_is_refused_in_cassandras_words() {
        for (token, words) in [
            (&b""[..], "Password must not be null"),
            (b"ada", "Password must not be null"),
            (b"\0ada\0", "Password must not be null"),
            (b"ada\0secret", "Authentication ID must not be null"),
            (b"\0\0secret", "Authentication ID must not be null"),
            (b"\0ada\0sec\0ret", "contains NUL"),
        ] {
            let error = credentials(token).unwrap_err();
            assert!(error.message.contains(words), "{token:?}: {error}");
            assert_eq!(error.kind, ErrorKind::BadCredentials);
        }
    }
}
