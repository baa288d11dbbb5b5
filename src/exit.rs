//! How a command ends: the message on standard error and the exit code (BSD's sysexits).

use std::fmt;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

const DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;
const IO: u8 = 74;
const CONFIG: u8 = 78;

impl Failure {
    /// The input is wrong.
    pub fn data(message: impl fmt::Display) -> Failure {
        Failure { code: DATA, message: message.to_string() }
    }
    /// Something that is needed cannot be had, such as a port.
    pub fn unavailable(message: impl fmt::Display) -> Failure {
        Failure { code: UNAVAILABLE, message: message.to_string() }
    }
    pub fn io(message: impl fmt::Display) -> Failure {
        Failure { code: IO, message: message.to_string() }
    }
    pub fn config(message: impl fmt::Display) -> Failure {
        Failure { code: CONFIG, message: message.to_string() }
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
