//! What goes wrong between us and a node, and what clients are told of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ilium_protocol::{
    Consistency, ErrorDetail, ErrorResponse, ProtocolError, ProtocolVersion, Response, WriteType,
};
use ilium_store::{Error, ErrorKind};

use crate::AddressError;

/// Why a connection to a node could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("`{0}` has no address: {1}; write HOST or HOST:PORT")]
    Unknown(String, std::io::Error),
    #[error("cannot connect to {address}: {source}")]
    Connect { address: SocketAddr, source: std::io::Error },
    #[error("{address} did not answer within {limit:?}; is it a Cassandra node, and is it up?")]
    Silent { address: SocketAddr, limit: Duration },
    #[error("{address} closed the connection: {source}")]
    Lost { address: SocketAddr, source: std::io::Error },
    #[error(
        "{address} closed the connection before it said anything: {source}; it may speak TLS alone: give its authorities with \
         --upstream-tls-ca"
    )]
    Mute { address: SocketAddr, source: std::io::Error },
    #[error(
        "cannot speak TLS with {address}: {source}; check that the node speaks TLS on this port, or leave --upstream-tls-ca out"
    )]
    NoTls { address: SocketAddr, source: std::io::Error },
    #[error("{address} asks for a log-in; give the gateway's role with --user and --password-file")]
    LoginNeeded { address: SocketAddr, authenticator: String },
    #[error(
        "{address} has begun to ask for log-ins, and takes the gateway's certificate for one; start the gateway again"
    )]
    LoggedIn { address: SocketAddr },
    #[error("{address} refused: {}", error.message)]
    Refused { address: SocketAddr, error: Box<Error> },
    #[error("{address} does not speak version {version} of the protocol")]
    Version { address: SocketAddr, version: ProtocolVersion },
    #[error("{address} answers what makes no sense: {source}")]
    Nonsense { address: SocketAddr, source: ProtocolError },
    #[error("{address} answers {got} where {expected} was due")]
    Unexpected { address: SocketAddr, got: String, expected: &'static str },
    #[error("{address} is a node of the cluster `{said}`, not of `{expected}`")]
    OtherCluster { address: SocketAddr, said: String, expected: String },
    #[error("the cluster has no data centre `{name}`; it has {known}")]
    NoDatacenter { name: String, known: String },
    #[error("no contact point can be used:{}", listed(.0))]
    NoContactPoint(Vec<ConnectError>),
    #[error("no node of the cluster can be reached")]
    NoNode,
}

/// Each on a line of its own.
fn listed(errors: &[ConnectError]) -> String {
    errors.iter().map(|error| format!("\n{error}")).collect()
}

impl ConnectError {
    /// Whether the cluster has spoken, and other nodes would say the same. A node that is cut off from the others cannot check a
    /// password, and says so as a refusal.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            ConnectError::LoginNeeded { .. } | ConnectError::LoggedIn { .. } => true,
            ConnectError::Refused { error, .. } => match error.kind {
                ErrorKind::BadCredentials => !error.message.contains("Unable to perform"),
                ErrorKind::Unauthorized | ErrorKind::Invalid => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the cluster knows the role, or its password, otherwise.
    pub fn refuses_role(&self) -> bool {
        let is_of_role =
            |error: &Error| matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::Unauthorized);
        self.is_final() && matches!(self, ConnectError::Refused { error, .. } if is_of_role(error))
    }

    /// What a client is told whose log-in or statement needed the connection.
    pub fn into_error(self) -> Error {
        match self {
            ConnectError::Refused { error, .. } => *error,
            // What flags may be missing is for who starts a gateway: a node that restarts closes connections as well.
            ConnectError::Mute { address, source } => {
                unreachable(&ConnectError::Lost { address, source }.to_string())
            }
            ConnectError::NoTls { address, source } => {
                unreachable(&ConnectError::Connect { address, source }.to_string())
            }
            other => unreachable(&other.to_string()),
        }
    }
}

/// No node takes the request; nothing was done.
pub fn unreachable(reason: &str) -> Error {
    let kind = ErrorKind::Unavailable { consistency: Consistency::One.code(), required: 1, alive: 0 };
    Error::new(kind, format!("Cannot achieve consistency level ONE: {reason}"))
}

/// A node's ERROR as the seam has it.
pub fn of_response(error: &ErrorResponse<'_>) -> Error {
    let kind = kind(&error.detail);
    Error::new(kind, error.message.as_ref())
}

fn kind(detail: &ErrorDetail<'_>) -> ErrorKind {
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    match detail {
        ErrorDetail::Syntax => ErrorKind::Syntax,
        ErrorDetail::Invalid => ErrorKind::Invalid,
        ErrorDetail::Config => ErrorKind::Config,
        ErrorDetail::Unauthorized => ErrorKind::Unauthorized,
        ErrorDetail::BadCredentials => ErrorKind::BadCredentials,
        ErrorDetail::AlreadyExists { keyspace, table } => {
            ErrorKind::AlreadyExists { keyspace: Arc::from(*keyspace), table: Arc::from(*table) }
        }
        ErrorDetail::Unprepared { id } => {
            ErrorKind::Unprepared { id: <[u8; 16]>::try_from(*id).unwrap_or_default() }
        }
        ErrorDetail::Unavailable { consistency, required, alive } => ErrorKind::Unavailable {
            consistency: consistency.code(),
            required: count(*required),
            alive: count(*alive),
        },
        ErrorDetail::WriteTimeout { consistency, received, block_for, write_type, .. } => {
            ErrorKind::WriteTimeout {
                consistency: consistency.code(),
                received: count(*received),
                required: count(*block_for),
                write_type: write_type_of(*write_type),
            }
        }
        // The store's seam has no kind of its own for it: as Cassandra tells it to clients of older versions.
        ErrorDetail::CasWriteUnknown { consistency, received, block_for } => ErrorKind::WriteTimeout {
            consistency: consistency.code(),
            received: count(*received),
            required: count(*block_for),
            write_type: ilium_store::WriteType::Cas,
        },
        ErrorDetail::ReadTimeout { consistency, received, block_for, data_present } => {
            ErrorKind::ReadTimeout {
                consistency: consistency.code(),
                received: count(*received),
                required: count(*block_for),
                data_present: *data_present,
            }
        }
        ErrorDetail::WriteFailure { consistency, received, block_for, failures, write_type } => {
            ErrorKind::WriteFailure {
                consistency: consistency.code(),
                received: count(*received),
                required: count(*block_for),
                failures: u32::try_from(failures.count()).unwrap_or(u32::MAX),
                write_type: write_type_of(*write_type),
            }
        }
        ErrorDetail::ReadFailure { consistency, received, block_for, failures, data_present } => {
            ErrorKind::ReadFailure {
                consistency: consistency.code(),
                received: count(*received),
                required: count(*block_for),
                failures: u32::try_from(failures.count()).unwrap_or(u32::MAX),
                data_present: *data_present,
            }
        }
        ErrorDetail::FunctionFailure { keyspace, function, arguments } => ErrorKind::FunctionFailure {
            keyspace: Arc::from(*keyspace),
            name: Arc::from(*function),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        },
        ErrorDetail::Truncate => ErrorKind::Truncate,
        ErrorDetail::Overloaded => ErrorKind::Overloaded,
        ErrorDetail::IsBootstrapping => ErrorKind::Bootstrapping,
        ErrorDetail::Protocol => ErrorKind::Protocol,
        ErrorDetail::Server | ErrorDetail::CdcWriteFailure | ErrorDetail::Other(_) => ErrorKind::Internal,
    }
}

fn write_type_of(write_type: WriteType) -> ilium_store::WriteType {
    match write_type {
        WriteType::Simple => ilium_store::WriteType::Simple,
        WriteType::Batch => ilium_store::WriteType::Batch,
        WriteType::UnloggedBatch => ilium_store::WriteType::UnloggedBatch,
        WriteType::Counter => ilium_store::WriteType::Counter,
        WriteType::BatchLog => ilium_store::WriteType::BatchLog,
        WriteType::Cas => ilium_store::WriteType::Cas,
        WriteType::View => ilium_store::WriteType::View,
        WriteType::Cdc => ilium_store::WriteType::Cdc,
    }
}

/// An answer that cannot be decoded.
pub(crate) fn nonsense(error: ProtocolError) -> Error {
    Error::internal(format!("a node's answer makes no sense: {error}"))
}

/// An answer that is none to what was asked.
pub(crate) fn unexpected(response: &Response<'_>, due: &str) -> Error {
    Error::internal(format!("a node answers {} where {due} was due", response.opcode()))
}
