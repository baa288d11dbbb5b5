//! The seam's errors as ERROR messages. The one place where they meet.

use ilium_protocol::{Consistency, ErrorDetail, ErrorResponse, Failures, WriteType};
use ilium_store::{Error, ErrorKind};

pub fn response(error: &Error) -> ErrorResponse<'_> {
    ErrorResponse::new(error.message.as_str(), detail(&error.kind))
}

fn detail(kind: &ErrorKind) -> ErrorDetail<'_> {
    let level = |code: u16| Consistency::from_code(code).unwrap_or(Consistency::One);
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    match kind {
        ErrorKind::Syntax => ErrorDetail::Syntax,
        ErrorKind::Invalid => ErrorDetail::Invalid,
        ErrorKind::Config => ErrorDetail::Config,
        ErrorKind::Unauthorized => ErrorDetail::Unauthorized,
        ErrorKind::BadCredentials | ErrorKind::MappedRole { .. } => ErrorDetail::BadCredentials,
        ErrorKind::AlreadyExists { keyspace, table } => ErrorDetail::AlreadyExists { keyspace, table },
        ErrorKind::Unprepared { id } => ErrorDetail::Unprepared { id },
        ErrorKind::Unavailable { consistency, required, alive } => ErrorDetail::Unavailable {
            consistency: level(*consistency),
            required: count(*required),
            alive: count(*alive),
        },
        ErrorKind::WriteTimeout { consistency, received, required, write_type } => {
            ErrorDetail::WriteTimeout {
                consistency: level(*consistency),
                received: count(*received),
                block_for: count(*required),
                write_type: write_type_of(*write_type),
                contentions: None,
            }
        }
        ErrorKind::ReadTimeout { consistency, received, required, data_present } => {
            ErrorDetail::ReadTimeout {
                consistency: level(*consistency),
                received: count(*received),
                block_for: count(*required),
                data_present: *data_present,
            }
        }
        ErrorKind::WriteFailure { consistency, received, required, failures, write_type } => {
            ErrorDetail::WriteFailure {
                consistency: level(*consistency),
                received: count(*received),
                block_for: count(*required),
                failures: Failures::Count(*failures),
                write_type: write_type_of(*write_type),
            }
        }
        ErrorKind::ReadFailure { consistency, received, required, failures, data_present } => {
            ErrorDetail::ReadFailure {
                consistency: level(*consistency),
                received: count(*received),
                block_for: count(*required),
                failures: Failures::Count(*failures),
                data_present: *data_present,
            }
        }
        ErrorKind::FunctionFailure { keyspace, name, arguments } => ErrorDetail::FunctionFailure {
            keyspace,
            function: name,
            arguments: arguments.iter().map(String::as_str).collect(),
        },
        ErrorKind::Truncate => ErrorDetail::Truncate,
        ErrorKind::Overloaded => ErrorDetail::Overloaded,
        ErrorKind::Bootstrapping => ErrorDetail::IsBootstrapping,
        ErrorKind::Protocol => ErrorDetail::Protocol,
        ErrorKind::Corrupt | ErrorKind::Internal => ErrorDetail::Server,
    }
}

fn write_type_of(write_type: ilium_store::WriteType) -> WriteType {
    match write_type {
        ilium_store::WriteType::Simple => WriteType::Simple,
        ilium_store::WriteType::Batch => WriteType::Batch,
        ilium_store::WriteType::UnloggedBatch => WriteType::UnloggedBatch,
        ilium_store::WriteType::Counter => WriteType::Counter,
        ilium_store::WriteType::BatchLog => WriteType::BatchLog,
        ilium_store::WriteType::Cas => WriteType::Cas,
        ilium_store::WriteType::View => WriteType::View,
        ilium_store::WriteType::Cdc => WriteType::Cdc,
    }
}
