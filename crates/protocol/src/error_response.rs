//! ERROR messages: a code, a text, and what each code adds, which differs by version.

use std::{borrow::Cow, net::IpAddr};

use bytes::{BufMut, BytesMut};

use crate::{
    Consistency, ErrorCode, FailureReason, ProtocolError, ProtocolVersion, WriteType,
    wire::{self, Reader},
};

/// An ERROR message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// Shortened to 65,535 bytes when encoded: the wire holds no more.
    pub message: Cow<'a, str>,
    pub detail: ErrorDetail<'a>,
}

/// The code with what it carries. Encoding for a version that lacks a code or a field gives what Cassandra sends
/// to such a client (`ErrorMessage.getBackwardsCompatibleException`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorDetail<'a> {
    Server,
    Protocol,
    BadCredentials,
    Unavailable {
        consistency: Consistency,
        required: i32,
        alive: i32,
    },
    Overloaded,
    IsBootstrapping,
    Truncate,
    WriteTimeout {
        consistency: Consistency,
        received: i32,
        block_for: i32,
        write_type: WriteType,
        /// How many rival proposals a lightweight transaction met: only with `WriteType::Cas`, version 5.
        contentions: Option<u16>,
    },
    ReadTimeout {
        consistency: Consistency,
        received: i32,
        block_for: i32,
        data_present: bool,
    },
    ReadFailure {
        consistency: Consistency,
        received: i32,
        block_for: i32,
        failures: Failures,
        data_present: bool,
    },
    FunctionFailure {
        keyspace: &'a str,
        function: &'a str,
        /// The CQL types of its arguments.
        arguments: Vec<&'a str>,
    },
    WriteFailure {
        consistency: Consistency,
        received: i32,
        block_for: i32,
        failures: Failures,
        write_type: WriteType,
    },
    CdcWriteFailure,
    CasWriteUnknown {
        consistency: Consistency,
        received: i32,
        block_for: i32,
    },
    Syntax,
    Unauthorized,
    Invalid,
    Config,
    /// `table` is empty where a keyspace exists already.
    AlreadyExists {
        keyspace: &'a str,
        table: &'a str,
    },
    Unprepared {
        id: &'a [u8],
    },
    /// A code that Cassandra 5.0 does not define, from a newer server or another product; what it adds is ignored.
    Other(i32),
}

/// Which replicas failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failures {
    /// How many: all that versions 3 and 4 tell. Encoded in version 5 it is an empty map.
    Count(u32),
    /// Version 5.
    Reasons(Vec<(IpAddr, FailureReason)>),
}

impl Failures {
    pub fn count(&self) -> usize {
        match self {
            Failures::Count(count) => *count as usize,
            Failures::Reasons(reasons) => reasons.len(),
        }
    }

    fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Failures, ProtocolError> {
        let count = reader.i32("the number of failures")?;
        let count = u32::try_from(count).map_err(|_| ProtocolError::InvalidCount(count))?;
        if version < ProtocolVersion::V5 {
            return Ok(Failures::Count(count));
        }
        // The shortest entry: an address of four bytes with its length, and a reason.
        reader.check_count(count as usize, 7, "the reasons of failures")?;
        let reasons = (0..count)
            .map(|_| Ok((reader.ip()?, FailureReason::from_code(reader.u16("the reason of a failure")?))))
            .collect::<Result<_, ProtocolError>>()?;
        Ok(Failures::Reasons(reasons))
    }

    fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let reasons = match self {
            Failures::Reasons(reasons) if version >= ProtocolVersion::V5 => reasons.as_slice(),
            Failures::Count(_) if version >= ProtocolVersion::V5 => &[],
            fewer => {
                out.put_i32(wire::count32(fewer.count(), "the failures")?);
                return Ok(());
            }
        };
        out.put_i32(wire::count32(reasons.len(), "the failures")?);
        for (address, reason) in reasons {
            wire::put_ip(out, *address);
            out.put_u16(reason.code());
        }
        Ok(())
    }
}

impl<'a> ErrorResponse<'a> {
    pub fn new(message: impl Into<Cow<'a, str>>, detail: ErrorDetail<'a>) -> ErrorResponse<'a> {
        ErrorResponse { message: message.into(), detail }
    }

    /// What to answer to a message that could not be decoded.
    pub fn from_protocol_error(error: &ProtocolError) -> ErrorResponse<'static> {
        let detail = match error.code() {
            ErrorCode::Invalid => ErrorDetail::Invalid,
            ErrorCode::Overloaded => ErrorDetail::Overloaded,
            _ => ErrorDetail::Protocol,
        };
        ErrorResponse::new(error.to_string(), detail)
    }

    pub(crate) fn decode(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<ErrorResponse<'a>, ProtocolError> {
        let code = reader.i32("an error code")?;
        let message = reader.string()?.into();
        let detail = match ErrorCode::from_value(code) {
            Some(code) => ErrorDetail::decode(code, reader, version)?,
            None => ErrorDetail::Other(code),
        };
        Ok(ErrorResponse { message, detail })
    }

    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        if let Some(older) = self.for_older_version(version) {
            return older.encode(version, out);
        }
        out.put_i32(self.detail.code_value());
        wire::put_string(out, wire::clip_to_string(&self.message))?;
        self.detail.encode(version, out)
    }

    /// Another error that says the same to a client whose version does not have this one.
    fn for_older_version(&self, version: ProtocolVersion) -> Option<ErrorResponse<'_>> {
        let message = Cow::Borrowed(self.message.as_ref());
        let before_v4 = version < ProtocolVersion::V4;
        let before_v5 = version < ProtocolVersion::V5;
        match &self.detail {
            ErrorDetail::ReadFailure { consistency, received, block_for, data_present, .. } if before_v4 => {
                let detail = ErrorDetail::ReadTimeout {
                    consistency: *consistency,
                    received: *received,
                    block_for: *block_for,
                    data_present: *data_present,
                };
                Some(ErrorResponse { message, detail })
            }
            ErrorDetail::WriteFailure { consistency, received, block_for, write_type, .. } if before_v4 => {
                let detail = ErrorDetail::WriteTimeout {
                    consistency: *consistency,
                    received: *received,
                    block_for: *block_for,
                    write_type: *write_type,
                    contentions: None,
                };
                Some(ErrorResponse { message, detail })
            }
            ErrorDetail::FunctionFailure { .. } | ErrorDetail::CdcWriteFailure if before_v4 => {
                let code = ErrorCode::from_value(self.detail.code_value())?;
                let message = format!("ERROR {code}: {}", self.message);
                Some(ErrorResponse::new(message, ErrorDetail::Invalid))
            }
            ErrorDetail::CasWriteUnknown { consistency, received, block_for } if before_v5 => {
                let detail = ErrorDetail::WriteTimeout {
                    consistency: *consistency,
                    received: *received,
                    block_for: *block_for,
                    write_type: WriteType::Cas,
                    contentions: None,
                };
                Some(ErrorResponse { message, detail })
            }
            _ => None,
        }
    }
}

impl<'a> ErrorDetail<'a> {
    /// `None` for a code that Cassandra 5.0 does not define.
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_value(self.code_value())
    }

    /// The code's number.
    pub fn code_value(&self) -> i32 {
        let code = match self {
            ErrorDetail::Server => ErrorCode::Server,
            ErrorDetail::Protocol => ErrorCode::Protocol,
            ErrorDetail::BadCredentials => ErrorCode::BadCredentials,
            ErrorDetail::Unavailable { .. } => ErrorCode::Unavailable,
            ErrorDetail::Overloaded => ErrorCode::Overloaded,
            ErrorDetail::IsBootstrapping => ErrorCode::IsBootstrapping,
            ErrorDetail::Truncate => ErrorCode::Truncate,
            ErrorDetail::WriteTimeout { .. } => ErrorCode::WriteTimeout,
            ErrorDetail::ReadTimeout { .. } => ErrorCode::ReadTimeout,
            ErrorDetail::ReadFailure { .. } => ErrorCode::ReadFailure,
            ErrorDetail::FunctionFailure { .. } => ErrorCode::FunctionFailure,
            ErrorDetail::WriteFailure { .. } => ErrorCode::WriteFailure,
            ErrorDetail::CdcWriteFailure => ErrorCode::CdcWriteFailure,
            ErrorDetail::CasWriteUnknown { .. } => ErrorCode::CasWriteUnknown,
            ErrorDetail::Syntax => ErrorCode::Syntax,
            ErrorDetail::Unauthorized => ErrorCode::Unauthorized,
            ErrorDetail::Invalid => ErrorCode::Invalid,
            ErrorDetail::Config => ErrorCode::Config,
            ErrorDetail::AlreadyExists { .. } => ErrorCode::AlreadyExists,
            ErrorDetail::Unprepared { .. } => ErrorCode::Unprepared,
            ErrorDetail::Other(value) => return *value,
        };
        code.value()
    }

    fn decode(
        code: ErrorCode,
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<ErrorDetail<'a>, ProtocolError> {
        Ok(match code {
            ErrorCode::Server => ErrorDetail::Server,
            ErrorCode::Protocol => ErrorDetail::Protocol,
            ErrorCode::BadCredentials => ErrorDetail::BadCredentials,
            ErrorCode::Overloaded => ErrorDetail::Overloaded,
            ErrorCode::IsBootstrapping => ErrorDetail::IsBootstrapping,
            ErrorCode::Truncate => ErrorDetail::Truncate,
            ErrorCode::CdcWriteFailure => ErrorDetail::CdcWriteFailure,
            ErrorCode::Syntax => ErrorDetail::Syntax,
            ErrorCode::Unauthorized => ErrorDetail::Unauthorized,
            ErrorCode::Invalid => ErrorDetail::Invalid,
            ErrorCode::Config => ErrorDetail::Config,
            ErrorCode::Unavailable => ErrorDetail::Unavailable {
                consistency: reader.consistency()?,
                required: reader.i32("the replicas required")?,
                alive: reader.i32("the replicas alive")?,
            },
            ErrorCode::WriteTimeout => {
                let (consistency, received, block_for) = decode_counts(reader)?;
                let write_type = WriteType::from_name(reader.string()?)?;
                let counted =
                    version >= ProtocolVersion::V5 && write_type == WriteType::Cas && reader.remaining() > 0;
                let contentions = if counted { Some(reader.u16("the contentions")?) } else { None };
                ErrorDetail::WriteTimeout { consistency, received, block_for, write_type, contentions }
            }
            ErrorCode::ReadTimeout => {
                let (consistency, received, block_for) = decode_counts(reader)?;
                let data_present = reader.u8("whether data is present")? != 0;
                ErrorDetail::ReadTimeout { consistency, received, block_for, data_present }
            }
            ErrorCode::ReadFailure => {
                let (consistency, received, block_for) = decode_counts(reader)?;
                let failures = Failures::decode(reader, version)?;
                let data_present = reader.u8("whether data is present")? != 0;
                ErrorDetail::ReadFailure { consistency, received, block_for, failures, data_present }
            }
            ErrorCode::WriteFailure => {
                let (consistency, received, block_for) = decode_counts(reader)?;
                let failures = Failures::decode(reader, version)?;
                let write_type = WriteType::from_name(reader.string()?)?;
                ErrorDetail::WriteFailure { consistency, received, block_for, failures, write_type }
            }
            ErrorCode::CasWriteUnknown => {
                let (consistency, received, block_for) = decode_counts(reader)?;
                ErrorDetail::CasWriteUnknown { consistency, received, block_for }
            }
            ErrorCode::FunctionFailure => ErrorDetail::FunctionFailure {
                keyspace: reader.string()?,
                function: reader.string()?,
                arguments: reader.string_list()?,
            },
            ErrorCode::AlreadyExists => {
                ErrorDetail::AlreadyExists { keyspace: reader.string()?, table: reader.string()? }
            }
            ErrorCode::Unprepared => ErrorDetail::Unprepared { id: reader.short_bytes()? },
        })
    }

    fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) -> Result<(), ProtocolError> {
        match self {
            ErrorDetail::Server
            | ErrorDetail::Protocol
            | ErrorDetail::BadCredentials
            | ErrorDetail::Overloaded
            | ErrorDetail::IsBootstrapping
            | ErrorDetail::Truncate
            | ErrorDetail::CdcWriteFailure
            | ErrorDetail::Syntax
            | ErrorDetail::Unauthorized
            | ErrorDetail::Invalid
            | ErrorDetail::Config
            | ErrorDetail::Other(_) => Ok(()),
            ErrorDetail::Unavailable { consistency, required, alive } => {
                encode_counts((*consistency, *required, *alive), out);
                Ok(())
            }
            ErrorDetail::WriteTimeout { consistency, received, block_for, write_type, contentions } => {
                encode_counts((*consistency, *received, *block_for), out);
                wire::put_string(out, write_type.name())?;
                if let Some(contentions) = contentions
                    && version >= ProtocolVersion::V5
                    && *write_type == WriteType::Cas
                {
                    out.put_u16(*contentions);
                }
                Ok(())
            }
            ErrorDetail::ReadTimeout { consistency, received, block_for, data_present } => {
                encode_counts((*consistency, *received, *block_for), out);
                out.put_u8(u8::from(*data_present));
                Ok(())
            }
            ErrorDetail::ReadFailure { consistency, received, block_for, failures, data_present } => {
                encode_counts((*consistency, *received, *block_for), out);
                failures.encode(version, out)?;
                out.put_u8(u8::from(*data_present));
                Ok(())
            }
            ErrorDetail::WriteFailure { consistency, received, block_for, failures, write_type } => {
                encode_counts((*consistency, *received, *block_for), out);
                failures.encode(version, out)?;
                wire::put_string(out, write_type.name())
            }
            ErrorDetail::CasWriteUnknown { consistency, received, block_for } => {
                encode_counts((*consistency, *received, *block_for), out);
                Ok(())
            }
            ErrorDetail::FunctionFailure { keyspace, function, arguments } => {
                wire::put_string(out, keyspace)?;
                wire::put_string(out, function)?;
                wire::put_string_list(out, arguments.iter().copied())
            }
            ErrorDetail::AlreadyExists { keyspace, table } => {
                wire::put_string(out, keyspace)?;
                wire::put_string(out, table)
            }
            ErrorDetail::Unprepared { id } => wire::put_short_bytes(out, id),
        }
    }
}

/// The level, how many replicas answered, and how many had to.
fn decode_counts(reader: &mut Reader<'_>) -> Result<(Consistency, i32, i32), ProtocolError> {
    Ok((
        reader.consistency()?,
        reader.i32("the replicas that answered")?,
        reader.i32("the replicas required")?,
    ))
}

fn encode_counts((consistency, first, second): (Consistency, i32, i32), out: &mut BytesMut) {
    out.put_u16(consistency.code());
    out.put_i32(first);
    out.put_i32(second);
}
