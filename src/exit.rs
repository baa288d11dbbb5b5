//! How a command ends: the message on standard error and the exit code (BSD's sysexits). The one place where errors become
//! exit codes.

use std::fmt;
use std::process::ExitCode;

use ilium_cluster::ConnectError;
use ilium_embedded::OpenError;
use ilium_embedded::storage::StorageError;
use ilium_server::ListenError;
use ilium_store::{Error, ErrorKind};

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

/// The command line is wrong.
const USAGE: u8 = 64;
/// What was given to work on is wrong: a file of statements, a data folder.
const DATA: u8 = 65;
/// Something that is needed cannot be had now, such as a port or a cluster.
const UNAVAILABLE: u8 = 69;
/// A fault of this program.
const SOFTWARE: u8 = 70;
const IO: u8 = 74;
/// Who it acts as may not do it.
const PERMISSION: u8 = 77;
/// The settings are wrong, or something is missing in them.
const CONFIG: u8 = 78;

impl Failure {
    fn of(code: u8, message: impl fmt::Display) -> Failure {
        Failure { code, message: message.to_string() }
    }
    pub fn data(message: impl fmt::Display) -> Failure {
        Failure::of(DATA, message)
    }
    pub fn unavailable(message: impl fmt::Display) -> Failure {
        Failure::of(UNAVAILABLE, message)
    }
    pub fn io(message: impl fmt::Display) -> Failure {
        Failure::of(IO, message)
    }
    pub fn config(message: impl fmt::Display) -> Failure {
        Failure::of(CONFIG, message)
    }
    /// What the store said, after what was asked of it.
    pub fn in_store(asked: impl fmt::Display, error: &Error) -> Failure {
        Failure::of(code_of(&error.kind), format!("{asked}: {error}"))
    }
    /// An address that is not listened on; `log_ins` says how callers could be made to log in.
    pub fn listening(error: &ListenError, log_ins: &str) -> Failure {
        match error {
            ListenError::NotLoopback(_) => Failure::config(format!("{error}, or {log_ins}")),
            ListenError::Bind { .. } => Failure::unavailable(error),
        }
    }
}

fn code_of(kind: &ErrorKind) -> u8 {
    match kind {
        ErrorKind::Syntax
        | ErrorKind::Invalid
        | ErrorKind::AlreadyExists { .. }
        | ErrorKind::FunctionFailure { .. }
        | ErrorKind::Corrupt => DATA,
        ErrorKind::Unauthorized | ErrorKind::BadCredentials | ErrorKind::MappedRole { .. } => PERMISSION,
        ErrorKind::Config => CONFIG,
        ErrorKind::Unprepared { .. }
        | ErrorKind::Unavailable { .. }
        | ErrorKind::WriteTimeout { .. }
        | ErrorKind::ReadTimeout { .. }
        | ErrorKind::WriteFailure { .. }
        | ErrorKind::ReadFailure { .. }
        | ErrorKind::Truncate
        | ErrorKind::Overloaded
        | ErrorKind::Bootstrapping => UNAVAILABLE,
        ErrorKind::Protocol | ErrorKind::Internal => SOFTWARE,
    }
}

fn code_of_connecting(error: &ConnectError) -> u8 {
    match error {
        ConnectError::Address(_) | ConnectError::LoginNeeded { .. } | ConnectError::NoDatacenter { .. } => {
            CONFIG
        }
        ConnectError::Refused { .. } if error.refuses_role() => PERMISSION,
        // One that has spoken knows more than those that could not be reached.
        ConnectError::NoContactPoint(errors) => {
            let codes = || errors.iter().map(code_of_connecting);
            let said = [PERMISSION, CONFIG].into_iter().find(|code| codes().any(|other| other == *code));
            said.unwrap_or(UNAVAILABLE)
        }
        _ => UNAVAILABLE,
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Failure {
        Failure::of(code_of_connecting(&error), error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let code = match &error {
            OpenError::Storage(StorageError::Damaged { .. } | StorageError::NewerFormat { .. })
            | OpenError::BadKey { .. } => DATA,
            OpenError::Schema(error) => code_of(&error.kind),
            OpenError::Storage(_) | OpenError::Io { .. } => IO,
        };
        Failure::of(code, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a failed command tells its user why")]
pub fn report(failure: &Failure) -> ExitCode {
    eprintln!("ilium: {failure}");
    ExitCode::from(failure.code)
}

/// Shows what clap has to say of a command line: help and version, as asked for, or what is wrong with it.
pub fn usage(said: &clap::Error) -> ExitCode {
    // Nobody reads it; the code says it still.
    let _ = said.print();
    match said.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(USAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: ErrorKind, message: &str) -> ConnectError {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        ConnectError::Refused { address, error: Box::new(Error::new(kind, message)) }
    }

    #[test]
    fn who_is_let_in_by_nobody_hears_what_to_change() {
        let wrong = || refused(ErrorKind::BadCredentials, "Provided username and/or password are incorrect");
        let busy = || refused(ErrorKind::Overloaded, "too much");
        let cut_off = || refused(ErrorKind::BadCredentials, "Unable to perform authentication: no quorum");
        let needed = || ConnectError::LoginNeeded {
            address: std::net::SocketAddr::from(([127, 0, 0, 1], 1)),
            authenticator: "x".to_owned(),
        };
        for (errors, code) in [
            (vec![wrong()], PERMISSION),
            (vec![busy(), wrong()], PERMISSION),
            (vec![cut_off()], UNAVAILABLE),
            (vec![busy(), needed()], CONFIG),
            (vec![busy()], UNAVAILABLE),
            (vec![], UNAVAILABLE),
        ] {
            assert_eq!(Failure::from(ConnectError::NoContactPoint(errors)).code, code);
        }
    }

    #[test]
    fn a_damaged_folder_is_wrong_data_and_one_that_cannot_be_read_is_not() {
        let damaged = StorageError::Damaged { file: "f".into(), offset: 1, what: "x".to_owned() };
        assert_eq!(Failure::from(OpenError::from(damaged)).code, DATA);
        assert_eq!(Failure::from(OpenError::from(StorageError::Locked { folder: "f".into() })).code, IO);
        assert_eq!(Failure::from(OpenError::from(Error::corrupt("x"))).code, DATA);
    }
}
