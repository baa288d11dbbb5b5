//! What a server answered.

use anyhow::{Context as _, Result, bail};

use super::frame::Frame;
use super::read::Reader;
use crate::value::Type;

/// An answer and the warnings that came with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub outcome: Outcome,
    pub warnings: Vec<String>,
    /// Of the trace that the server keeps, a UUID.
    pub tracing_id: Option<[u8; 16]>,
    /// Flags, operation code and body as they came, without the warnings: all that another server must say alike.
    pub frame: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Void,
    Rows(Rows),
    Keyspace(String),
    Schema(Change),
    Prepared(Prepared),
    Error(ServerError),
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// Where the next page begins, unless this one is the last.
    pub more: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub keyspace: String,
    pub table: String,
    pub name: String,
    pub kind: Type,
}

/// A schema change: `CREATED TABLE`, and the names it concerns (keyspace, then name, then argument types).
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub what: String,
    pub names: Vec<String>,
}

/// A prepared statement: what to execute it by, what it wants and what it gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prepared {
    pub id: Vec<u8>,
    /// From version 5 on.
    pub result_id: Vec<u8>,
    pub binds: Vec<BindSpec>,
    /// Which binds make up the partition key, where all of it is bound.
    pub key: Vec<u16>,
    pub columns: Vec<Column>,
}

/// What one bind marker stands for.
pub type BindSpec = Column;

#[derive(Debug, Clone, PartialEq)]
pub struct ServerError {
    pub code: i32,
    pub message: String,
    /// What a code carries beyond the message, as `name=value`.
    pub details: Vec<String>,
}

/// The specification's name of an error code.
pub fn error_name(code: i32) -> &'static str {
    match code {
        0x0000 => "ServerError",
        0x000A => "ProtocolError",
        0x0100 => "BadCredentials",
        0x1000 => "Unavailable",
        0x1001 => "Overloaded",
        0x1002 => "IsBootstrapping",
        0x1003 => "TruncateError",
        0x1100 => "WriteTimeout",
        0x1200 => "ReadTimeout",
        0x1300 => "ReadFailure",
        0x1400 => "FunctionFailure",
        0x1500 => "WriteFailure",
        0x1600 => "CdcWriteFailure",
        0x1700 => "CasWriteUnknown",
        0x2000 => "SyntaxError",
        0x2100 => "Unauthorized",
        0x2200 => "Invalid",
        0x2300 => "ConfigError",
        0x2400 => "AlreadyExists",
        0x2500 => "Unprepared",
        _ => "UnknownError",
    }
}

const HAS_TRACE: u8 = 0x02;
const HAS_PAYLOAD: u8 = 0x04;
const HAS_WARNINGS: u8 = 0x08;

const ERROR: u8 = 0x00;
const RESULT: u8 = 0x08;

pub(super) fn decode(version: u8, frame: &Frame) -> Result<Answer> {
    let mut body = Reader::new(&frame.body);
    let has_trace = frame.flags & HAS_TRACE != 0;
    let tracing_id = if has_trace { Some(body.take(16)?.try_into()?) } else { None };
    let warnings = if frame.flags & HAS_WARNINGS != 0 { body.strings()? } else { Vec::new() };
    let rest = body.rest();
    if frame.flags & HAS_PAYLOAD != 0 {
        for _ in 0..body.short()? {
            body.string()?;
            body.bytes()?;
        }
    }
    let outcome = match frame.opcode {
        ERROR => Outcome::Error(error(version, &mut body)?),
        RESULT => match body.int()? {
            1 => Outcome::Void,
            2 => Outcome::Rows(rows(&mut body)?),
            3 => Outcome::Keyspace(body.string()?),
            4 => Outcome::Prepared(prepared(version, &mut body)?),
            5 => Outcome::Schema(change(&mut body)?),
            other => bail!("a result of the unknown kind {other}"),
        },
        other => bail!("an answer with the unexpected operation code {other:#04x}"),
    };
    let frame = [&[frame.flags & !HAS_WARNINGS, frame.opcode], rest].concat();
    Ok(Answer { outcome, warnings, tracing_id, frame })
}

fn error(version: u8, body: &mut Reader<'_>) -> Result<ServerError> {
    let code = body.int()?;
    let message = body.string()?;
    let mut details = Vec::new();
    let consistency = |body: &mut Reader<'_>| -> Result<String> {
        Ok(format!("consistency={}", super::Consistency::of(body.short()?)))
    };
    match code {
        0x1000 => {
            details.push(consistency(body)?);
            details.push(format!("required={}", body.int()?));
            details.push(format!("alive={}", body.int()?));
        }
        0x1100 | 0x1200 | 0x1300 | 0x1500 => {
            details.push(consistency(body)?);
            details.push(format!("received={}", body.int()?));
            details.push(format!("required={}", body.int()?));
            if code == 0x1300 || code == 0x1500 {
                let failures = body.count()?;
                details.push(format!("failures={failures}"));
                if version >= 5 {
                    // They come in the order of a hash table.
                    let reason = |body: &mut Reader<'_>| -> Result<String> {
                        Ok(format!("reason={} {:#06x}", body.inet_address()?, body.short()?))
                    };
                    let mut reasons: Vec<_> = (0..failures).map(|_| reason(body)).collect::<Result<_>>()?;
                    reasons.sort();
                    details.extend(reasons);
                }
            }
            if code == 0x1100 || code == 0x1500 {
                let write = body.string()?;
                if version >= 5 && code == 0x1100 && write == "CAS" {
                    details.push(format!("contentions={}", body.short()?));
                }
                details.push(format!("write={write}"));
            } else {
                details.push(format!("data={}", body.byte()?));
            }
        }
        0x1700 => {
            details.push(consistency(body)?);
            details.push(format!("received={}", body.int()?));
            details.push(format!("required={}", body.int()?));
        }
        0x1400 => {
            details.push(format!("function={}.{}", body.string()?, body.string()?));
            details.push(format!("arguments={}", body.strings()?.join(",")));
        }
        0x2400 => details.push(format!("existing={}.{}", body.string()?, body.string()?)),
        0x2500 => details.push(format!("id of {} bytes", body.short_bytes()?.len())),
        _ => {}
    }
    Ok(ServerError { code, message, details })
}

fn change(body: &mut Reader<'_>) -> Result<Change> {
    let change = body.string()?;
    let target = body.string()?;
    let mut names = vec![body.string()?];
    if target != "KEYSPACE" {
        names.push(body.string()?);
    }
    if target == "FUNCTION" || target == "AGGREGATE" {
        names.push(format!("({})", body.strings()?.join(", ")));
    }
    Ok(Change { what: format!("{change} {target}"), names })
}

const GLOBAL_TABLE: i32 = 1;
const MORE_PAGES: i32 = 2;
const NO_METADATA: i32 = 4;
const METADATA_CHANGED: i32 = 8;

/// The columns, and where the next page begins.
fn metadata(body: &mut Reader<'_>) -> Result<(Vec<Column>, Option<Vec<u8>>)> {
    let flags = body.int()?;
    let count = body.count()?;
    let more = if flags & MORE_PAGES != 0 { body.bytes()? } else { None };
    if flags & METADATA_CHANGED != 0 {
        body.short_bytes()?;
    }
    if flags & NO_METADATA != 0 {
        return Ok((Vec::new(), more));
    }
    Ok((columns(body, flags, count)?, more))
}

fn columns(body: &mut Reader<'_>, flags: i32, count: usize) -> Result<Vec<Column>> {
    let global = if flags & GLOBAL_TABLE != 0 { Some((body.string()?, body.string()?)) } else { None };
    (0..count)
        .map(|_| {
            let (keyspace, table) = match &global {
                Some(names) => names.clone(),
                None => (body.string()?, body.string()?),
            };
            Ok(Column { keyspace, table, name: body.string()?, kind: body.kind()? })
        })
        .collect()
}

fn rows(body: &mut Reader<'_>) -> Result<Rows> {
    let (columns, more) = metadata(body)?;
    let count = body.count().context("the number of rows")?;
    let rows: Result<_> = (0..count).map(|_| (0..columns.len()).map(|_| body.bytes()).collect()).collect();
    Ok(Rows { columns, rows: rows?, more })
}

fn prepared(version: u8, body: &mut Reader<'_>) -> Result<Prepared> {
    let id = body.short_bytes()?;
    let result_id = if version >= 5 { body.short_bytes()? } else { Vec::new() };
    let flags = body.int()?;
    let count = body.count()?;
    let key = if version >= 4 {
        (0..body.count()?).map(|_| body.short()).collect::<Result<_>>()?
    } else {
        Vec::new()
    };
    let binds = columns(body, flags, count)?;
    let (columns, _) = metadata(body)?;
    Ok(Prepared { id, result_id, binds, key, columns })
}
