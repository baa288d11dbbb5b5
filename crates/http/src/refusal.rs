//! An error as an HTTP answer: the one place where the seam's errors meet status codes.
//!
//! The body is Stargate's: `{"description": "...", "code": 400, "grpcStatus": "INVALID_ARGUMENT"}`, the third only for
//! what came from behind the API, as there.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ilium_cql::json::push_string;
use ilium_store::{Error, ErrorKind};

use crate::asides::push_warnings;

/// A request that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    /// What was wrong, where, and what to do.
    pub description: String,
    /// The gRPC status of the same class, for errors of the store (google.rpc.Code by name).
    pub grpc_status: Option<&'static str>,
    /// Sentences the store warned of before it failed.
    pub warnings: Vec<String>,
    /// When it is worth trying again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn new(status: StatusCode, description: impl Into<String>) -> Refusal {
        Refusal {
            status,
            description: description.into(),
            grpc_status: None,
            warnings: Vec::new(),
            retry_after: None,
        }
    }
    pub fn bad_request(description: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, description)
    }
    pub fn not_found(description: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, description)
    }
    pub fn unauthorized(description: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, description)
    }
    pub fn forbidden(description: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, description)
    }

    /// The body.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(self.description.len() + 80);
        out.push_str("{\"description\":");
        push_string(&self.description, &mut out);
        out.push_str(",\"code\":");
        out.push_str(self.status.as_str());
        if let Some(grpc_status) = self.grpc_status {
            out.push_str(",\"grpcStatus\":");
            push_string(grpc_status, &mut out);
        }
        out.push('}');
        out
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let (status, grpc_status) = status_of(&error.kind);
        if matches!(error.kind, ErrorKind::Internal | ErrorKind::Corrupt) {
            tracing::error!(%error, "a request failed for a fault of this server");
        }
        Refusal {
            status,
            description: error.message,
            grpc_status: Some(grpc_status),
            warnings: error.warnings.into_vec(),
            retry_after: error.retry_after,
        }
    }
}

/// The status of each class of error, and the gRPC status that goes with it.
///
/// Stargate answers 500 where a replica is missing or slow; a client that retries does better with 503 and 504.
pub fn status_of(kind: &ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::Syntax | ErrorKind::Invalid | ErrorKind::Protocol | ErrorKind::Unprepared { .. } => {
            (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT")
        }
        ErrorKind::Config => (StatusCode::BAD_REQUEST, "FAILED_PRECONDITION"),
        ErrorKind::AlreadyExists { .. } => (StatusCode::CONFLICT, "ALREADY_EXISTS"),
        ErrorKind::FunctionFailure { .. } => (StatusCode::BAD_REQUEST, "FAILED_PRECONDITION"),
        ErrorKind::Unauthorized => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        ErrorKind::BadCredentials | ErrorKind::MappedRole { .. } => {
            (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
        }
        ErrorKind::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED"),
        ErrorKind::Unavailable { .. } | ErrorKind::Bootstrapping => {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
        }
        ErrorKind::ReadTimeout { .. } | ErrorKind::WriteTimeout { .. } => {
            (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED")
        }
        ErrorKind::ReadFailure { .. } | ErrorKind::WriteFailure { .. } | ErrorKind::Truncate => {
            (StatusCode::INTERNAL_SERVER_ERROR, "ABORTED")
        }
        ErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "DATA_LOSS"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    }
}

/// The header knows whole seconds (RFC 9110, section 10.2.3).
fn retry_seconds(after: Option<Duration>) -> u64 {
    let after = after.unwrap_or_default();
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.json()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        push_warnings(headers, &self.warnings);
        match self.status {
            StatusCode::UNAUTHORIZED => {
                // No `Basic`: a browser would ask its user for a password in a window of its own.
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("X-Cassandra-Token"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_seconds(self.retry_after)));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_store_keeps_its_words_and_gets_the_status_of_its_class() {
        let refusal = Refusal::from(Error::invalid("no column \"x\"\n"));
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            refusal.json(),
            r#"{"description":"no column \"x\"\n","code":400,"grpcStatus":"INVALID_ARGUMENT"}"#
        );
        assert_eq!(Refusal::from(Error::overloaded("full")).status, StatusCode::TOO_MANY_REQUESTS);
    }

    #[test]
    fn who_sends_too_much_is_told_when_to_come_again_in_whole_seconds() {
        let seconds = |after| {
            let mut error = Error::overloaded("full");
            error.retry_after = after;
            Refusal::from(error).into_response().headers()[RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!(seconds(None), "1");
        assert_eq!(seconds(Some(Duration::from_millis(20))), "1");
        assert_eq!(seconds(Some(Duration::from_millis(2001))), "3");
    }

    #[test]
    fn an_error_of_the_api_itself_has_no_grpc_status() {
        assert_eq!(Refusal::not_found("nothing").json(), r#"{"description":"nothing","code":404}"#);
    }
}
