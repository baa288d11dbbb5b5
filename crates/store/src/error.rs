//! The one error of the seam: Cassandra's own classes, plus corrupt and internal.
//!
//! Each API maps [`ErrorKind`] once to what its protocol has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, for the caller to act on, and the sentence that says so.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub kind: ErrorKind,
    /// What was wrong, where, and what to do; Cassandra's own wording where it has one.
    pub message: String,
    /// What the client was warned of before it went wrong.
    pub warnings: Box<[String]>,
    /// The node of a cluster that failed it, in a box since every result has room for an error. `None`: no node answered.
    pub node: Option<Box<SocketAddr>>,
    /// When it is worth trying again, where that is known.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    Syntax,
    Invalid,
    /// Legal CQL that Cassandra refuses for its configuration, or that this server does not do yet.
    Config,
    Unauthorized,
    BadCredentials,
    /// Who asks is known by a token or a certificate, and the role that stands for it here was refused what this server logs
    /// it in with. To APIs it is [`BadCredentials`](ErrorKind::BadCredentials).
    MappedRole {
        role: Arc<str>,
    },
    AlreadyExists {
        keyspace: Arc<str>,
        table: Arc<str>,
    },
    Unprepared {
        id: [u8; 16],
    },
    Unavailable {
        consistency: u16,
        required: u32,
        alive: u32,
    },
    WriteTimeout {
        consistency: u16,
        received: u32,
        required: u32,
        write_type: WriteType,
    },
    ReadTimeout {
        consistency: u16,
        received: u32,
        required: u32,
        data_present: bool,
    },
    WriteFailure {
        consistency: u16,
        received: u32,
        required: u32,
        failures: u32,
        write_type: WriteType,
    },
    ReadFailure {
        consistency: u16,
        received: u32,
        required: u32,
        failures: u32,
        data_present: bool,
    },
    FunctionFailure {
        keyspace: Arc<str>,
        name: Arc<str>,
        arguments: Vec<String>,
    },
    Truncate,
    Overloaded,
    Bootstrapping,
    Protocol,
    /// Stored data failed its checksum or makes no sense. Nothing wrong is served.
    Corrupt,
    /// A fault of this program.
    Internal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteType {
    Simple,
    Batch,
    UnloggedBatch,
    Counter,
    BatchLog,
    Cas,
    View,
    Cdc,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), warnings: Box::default(), node: None, retry_after: None }
    }
    /// The same, of a node that failed it.
    pub fn of_node(self, node: SocketAddr) -> Error {
        Error { node: Some(Box::new(node)), ..self }
    }
    /// The message, as far as a log may keep it: what quotes the statement may hold its values, or a password.
    pub fn for_logs(&self) -> &str {
        match self.kind {
            ErrorKind::Syntax => "the statement is no CQL",
            ErrorKind::Invalid => "the statement is not valid",
            ErrorKind::Config => "the configuration does not allow it",
            ErrorKind::FunctionFailure { .. } => "a function failed",
            ErrorKind::Corrupt | ErrorKind::Internal | ErrorKind::Protocol => "the server failed",
            _ => &self.message,
        }
    }
    pub fn syntax(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Syntax, message)
    }
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }
    pub fn config(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Config, message)
    }
    pub fn corrupt(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Corrupt, message)
    }
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, message)
    }
    pub fn overloaded(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Overloaded, message)
    }
}
