//! The numbers and names inside an ERROR message: its code, the kind of write, and why a replica failed.

use std::fmt;

use crate::ProtocolError;

/// The code of an ERROR message (`ExceptionCode` in Cassandra).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ErrorCode {
    Server = 0x0000,
    Protocol = 0x000A,
    BadCredentials = 0x0100,
    Unavailable = 0x1000,
    Overloaded = 0x1001,
    IsBootstrapping = 0x1002,
    Truncate = 0x1003,
    WriteTimeout = 0x1100,
    ReadTimeout = 0x1200,
    ReadFailure = 0x1300,
    FunctionFailure = 0x1400,
    WriteFailure = 0x1500,
    CdcWriteFailure = 0x1600,
    /// Version 5 only; before it a write timeout stands in.
    CasWriteUnknown = 0x1700,
    Syntax = 0x2000,
    Unauthorized = 0x2100,
    Invalid = 0x2200,
    Config = 0x2300,
    AlreadyExists = 0x2400,
    Unprepared = 0x2500,
}

impl ErrorCode {
    pub const ALL: [ErrorCode; 20] = [
        ErrorCode::Server,
        ErrorCode::Protocol,
        ErrorCode::BadCredentials,
        ErrorCode::Unavailable,
        ErrorCode::Overloaded,
        ErrorCode::IsBootstrapping,
        ErrorCode::Truncate,
        ErrorCode::WriteTimeout,
        ErrorCode::ReadTimeout,
        ErrorCode::ReadFailure,
        ErrorCode::FunctionFailure,
        ErrorCode::WriteFailure,
        ErrorCode::CdcWriteFailure,
        ErrorCode::CasWriteUnknown,
        ErrorCode::Syntax,
        ErrorCode::Unauthorized,
        ErrorCode::Invalid,
        ErrorCode::Config,
        ErrorCode::AlreadyExists,
        ErrorCode::Unprepared,
    ];

    /// The number on the wire.
    pub fn value(self) -> i32 {
        self as i32
    }

    /// `None` for a number Cassandra 5.0 does not define: a newer server or another product's extension.
    pub fn from_value(value: i32) -> Option<ErrorCode> {
        ErrorCode::ALL.into_iter().find(|code| code.value() == value)
    }

    /// Cassandra's name for it, which is also what a message of version 3 shows where a code did not exist yet.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::Server => "SERVER_ERROR",
            ErrorCode::Protocol => "PROTOCOL_ERROR",
            ErrorCode::BadCredentials => "BAD_CREDENTIALS",
            ErrorCode::Unavailable => "UNAVAILABLE",
            ErrorCode::Overloaded => "OVERLOADED",
            ErrorCode::IsBootstrapping => "IS_BOOTSTRAPPING",
            ErrorCode::Truncate => "TRUNCATE_ERROR",
            ErrorCode::WriteTimeout => "WRITE_TIMEOUT",
            ErrorCode::ReadTimeout => "READ_TIMEOUT",
            ErrorCode::ReadFailure => "READ_FAILURE",
            ErrorCode::FunctionFailure => "FUNCTION_FAILURE",
            ErrorCode::WriteFailure => "WRITE_FAILURE",
            ErrorCode::CdcWriteFailure => "CDC_WRITE_FAILURE",
            ErrorCode::CasWriteUnknown => "CAS_WRITE_UNKNOWN",
            ErrorCode::Syntax => "SYNTAX_ERROR",
            ErrorCode::Unauthorized => "UNAUTHORIZED",
            ErrorCode::Invalid => "INVALID",
            ErrorCode::Config => "CONFIG_ERROR",
            ErrorCode::AlreadyExists => "ALREADY_EXISTS",
            ErrorCode::Unprepared => "UNPREPARED",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kind of write that timed out or failed; on the wire a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl WriteType {
    pub const ALL: [WriteType; 8] = [
        WriteType::Simple,
        WriteType::Batch,
        WriteType::UnloggedBatch,
        WriteType::Counter,
        WriteType::BatchLog,
        WriteType::Cas,
        WriteType::View,
        WriteType::Cdc,
    ];

    pub fn name(self) -> &'static str {
        match self {
            WriteType::Simple => "SIMPLE",
            WriteType::Batch => "BATCH",
            WriteType::UnloggedBatch => "UNLOGGED_BATCH",
            WriteType::Counter => "COUNTER",
            WriteType::BatchLog => "BATCH_LOG",
            WriteType::Cas => "CAS",
            WriteType::View => "VIEW",
            WriteType::Cdc => "CDC",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<WriteType, ProtocolError> {
        WriteType::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| ProtocolError::invalid_name("WriteType", name))
    }
}

impl fmt::Display for WriteType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why one replica failed (`RequestFailureReason` in Cassandra); version 5 sends one a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    Unknown,
    ReadTooManyTombstones,
    Timeout,
    IncompatibleSchema,
    ReadSize,
    NodeDown,
    IndexNotAvailable,
    ReadTooManyIndexes,
}

impl FailureReason {
    /// In the order of their codes.
    pub const ALL: [FailureReason; 8] = [
        FailureReason::Unknown,
        FailureReason::ReadTooManyTombstones,
        FailureReason::Timeout,
        FailureReason::IncompatibleSchema,
        FailureReason::ReadSize,
        FailureReason::NodeDown,
        FailureReason::IndexNotAvailable,
        FailureReason::ReadTooManyIndexes,
    ];

    pub fn code(self) -> u16 {
        self as u16
    }

    /// A code of a newer server reads as unknown, as in Cassandra.
    pub fn from_code(code: u16) -> FailureReason {
        FailureReason::ALL.get(usize::from(code)).copied().unwrap_or(FailureReason::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_names_and_reasons_survive_the_wire() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_value(code.value()), Some(code));
        }
        assert_eq!(ErrorCode::from_value(0x4321), None);
        for kind in WriteType::ALL {
            assert_eq!(WriteType::from_name(kind.name()).unwrap(), kind);
        }
        for reason in FailureReason::ALL {
            assert_eq!(FailureReason::from_code(reason.code()), reason);
        }
        assert_eq!(FailureReason::from_code(999), FailureReason::Unknown);
    }
}
