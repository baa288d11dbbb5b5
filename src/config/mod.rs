//! Settings: flags, then environment variables, then the YAML file, then defaults.
//!
//! The file has the flags' names as its keys:
//! ```yaml
//! data: /var/lib/ilium
//! cql: 127.0.0.1:9042
//! durability: group
//! ```

mod file;
pub mod gateway;
pub mod security;
mod traces;
pub mod up;
pub mod variables;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::exit::Failure;

/// Where the APIs listen unless told otherwise: Cassandra's port, and the one that web frameworks take.
const CQL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9042);
const HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A variable of the environment; one that is no text counts as none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A name that was given; an empty one would stand for nobody and nothing.
fn named(key: &str, name: Option<String>) -> Result<Option<String>, Failure> {
    match name {
        Some(name) if name.trim().is_empty() => {
            Err(Failure::config(format!("{key} is empty; give it a name, or leave it out")))
        }
        name => Ok(name),
    }
}

/// Certificate chain and key: both or neither.
fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        _ => Err(Failure::config("TLS needs both tls-certificate and tls-key")),
    }
}

/// Why origins are refused where nobody logs in.
pub const ORIGINS_NEED_LOG_INS: &str = "cors-origins needs callers that log in (`ilium up` with auth, a cluster that asks \
     for it): else any page that may call could read and change everything";

/// Origins as browsers send them (RFC 6454, section 7): a scheme and an authority, nothing after.
fn origins(origins: Vec<String>) -> Result<Vec<String>, Failure> {
    for origin in &origins {
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_origin = authority.is_some_and(|authority| {
            !authority.is_empty()
                && authority.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@\"".contains(&b))
        });
        if origin != "*" && !is_origin {
            return Err(Failure::config(format!(
                "`{origin}` is no web origin; write one as https://app.example or http://localhost:3000, without a path"
            )));
        }
    }
    Ok(origins)
}
