//! Puts APIs on the network: listeners, TLS, admission of connections, health, metrics, and the drain at the end.
//!
//! Vocabulary: to *drain* is to take no more requests, answer those that were taken, and close.

mod accept;
mod activity;
mod audited;
mod cql_listener;
mod forwarded;
mod given_keys;
mod health;
mod http_listener;
mod jwks;
mod jwt_login;
mod limited;
mod limited_login;
mod limits;
#[cfg(test)]
mod logged;
mod mapped;
mod measured;
pub mod metrics;
mod oversight;
mod password_file;
mod patient;
mod remote;
mod slow;
mod tls;
mod token_keys;
mod traces;
mod watched;

pub use accept::{ListenError, ListenOptions};
pub use cql_listener::CqlListener;
pub use forwarded::Forwarded;
pub use given_keys::GivenKeys;
pub use health::{Check, Checks, health_routes};
pub use http_listener::{HttpListener, HttpOptions};
pub use jwks::JwksError;
pub use jwt_login::{JwtLogin, JwtOptions};
pub use limited::Limited;
pub use limited_login::LimitedLogin;
pub use limits::{AdaptiveLimit, Limit, LimitOptions, Limits, Permit};
pub use mapped::{MappedLogin, MappedRole, MappedRoles, RoleProof};
pub use measured::Measured;
pub use oversight::Oversight;
pub use password_file::{PasswordFile, PasswordFileError};
pub use remote::RemoteError;
pub use tls::{CertificateFiles, PortTls, Tls, TlsError, TlsFiles, UpstreamTls, UpstreamTlsFiles};
pub use token_keys::{KeyError, open_token_keys, passing_token_keys, rotate_token_keys};
pub use traces::{
    Exporter, HttpSpans, Sampler, SpanKind, StatementSpans, TraceFigures, TraceOptions, Tracer, trace_figures,
};
