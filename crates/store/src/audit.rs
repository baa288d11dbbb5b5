//! The audit log: who logged in, or failed to; what was changed of schema and roles; what was not permitted.
//!
//! Each event is one line of the log with the target `audit` and these fields, so that every API writes the same:
//! `event` (`login`, `statement`), `verdict` (`accepted`, `refused`, `failed`), `api`, `from`, `role`, and `how` of a
//! log-in, `statement` and `keyspace` of a statement, `error` of what was not accepted. No field ever holds a password, a
//! token or a value of a row. Of a statement that is traced `trace_id` is there, too.

use std::net::SocketAddr;

use crate::{Error, ErrorKind, Principal, Result, TraceId};

/// Whether anybody reads it: what goes into a line need not be made otherwise.
pub fn is_on() -> bool {
    tracing::enabled!(target: "audit", tracing::Level::INFO)
}

/// A log-in. `name` is what the caller called itself, `how` it tried: `password`, `certificate`, `token`, `jwt`.
pub fn login(
    api: &str,
    from: Option<SocketAddr>,
    name: Option<&str>,
    how: &str,
    outcome: &Result<Principal>,
) {
    let verdict = match outcome {
        Ok(_) => "accepted",
        Err(error) if is_refusal(error) => "refused",
        Err(_) => "failed",
    };
    // The role that a certificate or a JWT stands for is known only now.
    let role = match outcome {
        Ok(principal) => principal.role_name(),
        Err(Error { kind: ErrorKind::MappedRole { role }, .. }) => Some(role),
        Err(_) => None,
    };
    let role = role.map(|role| &**role).or(name);
    let error = outcome.as_ref().err().map(|error| error.message.as_str());
    let from = from.map(tracing::field::display);
    tracing::info!(target: "audit", event = "login", verdict, api, from, role, how, error);
}

/// A statement that changes schema or roles, or any that was not permitted. `statement` has its passwords left out; `None`
/// for one that holds values.
pub fn statement(
    api: &str,
    from: Option<SocketAddr>,
    principal: &Principal,
    statement: Option<&str>,
    keyspace: Option<&str>,
    error: Option<&Error>,
    trace: Option<TraceId>,
) {
    let verdict = match error {
        None => "accepted",
        Some(error) if is_refusal(error) => "refused",
        Some(_) => "failed",
    };
    let role = principal.role_name().map(|name| &**name);
    let error = error.map(Error::for_logs);
    let from = from.map(tracing::field::display);
    let trace_id = trace.map(tracing::field::display);
    tracing::info!(target: "audit", event = "statement", verdict, api, from, role, statement, keyspace, error, trace_id);
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::MappedRole { .. } | ErrorKind::Unauthorized)
}
