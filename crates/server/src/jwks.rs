//! Where an issuer's keys come from: a file, or one GET over TLS.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::ACCEPT;
use axum::http::{Request, StatusCode};
use ilium_http::jwt::{KeySet, KeySetError};
use ilium_http::{BodyLimits, read_body};
use tokio::time::timeout;

use crate::TlsError;
use crate::remote::{Remote, RemoteError};

/// How long the whole of it may take. An issuer answers within some tenths of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// A key set is a few KiB.
const MAX_BYTES: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("cannot read {file}: {source}")]
    File { file: PathBuf, source: io::Error },
    #[error("`{0}` is no address to get keys from; write a file's path, or https://HOST/PATH")]
    Address(String),
    #[error(transparent)]
    Tls(TlsError),
    #[error("no file of authorities was found on this system; name one with `ca`")]
    NoAuthorities,
    #[error("cannot get {address}: {why}")]
    Get { address: String, why: String },
    #[error("{from} {source}")]
    Keys { from: String, source: KeySetError },
}

pub enum JwksSource {
    File(PathBuf),
    Remote { address: String, remote: Remote },
}

impl JwksSource {
    /// An address is `https://`, or `http://` with a loopback name: keys that anybody could exchange on their way are worth
    /// nothing.
    pub fn of(text: &str, ca: Option<&Path>) -> Result<JwksSource, JwksError> {
        if !text.contains("://") {
            return Ok(JwksSource::File(PathBuf::from(text)));
        }
        let remote = Remote::of(text, ca).map_err(|error| match error {
            RemoteError::Address => JwksError::Address(text.to_owned()),
            RemoteError::Tls(error) => JwksError::Tls(error),
            RemoteError::NoAuthorities => JwksError::NoAuthorities,
        })?;
        let host = remote.host();
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|at| at.is_loopback());
        if !remote.has_tls() && !is_loopback {
            return Err(JwksError::Address(text.to_owned()));
        }
        Ok(JwksSource::Remote { address: text.to_owned(), remote })
    }

    pub fn is_remote(&self) -> bool {
        matches!(self, JwksSource::Remote { .. })
    }

    pub async fn read(&self) -> Result<KeySet, JwksError> {
        let (text, from) = match self {
            JwksSource::File(file) => {
                let text = fs::read(file).map_err(|source| JwksError::File { file: file.clone(), source })?;
                (text, file.display().to_string())
            }
            JwksSource::Remote { address, remote } => {
                let got = match timeout(PATIENCE, get(remote)).await {
                    Ok(got) => got,
                    Err(_) => Err(format!("there was no whole answer within {PATIENCE:?}")),
                };
                let got = got.map_err(|why| JwksError::Get { address: address.clone(), why })?;
                (got, address.clone())
            }
        };
        KeySet::read(&text).map_err(|source| JwksError::Keys { from, source })
    }
}

async fn get(remote: &Remote) -> Result<Vec<u8>, String> {
    let request = Request::get("/").header(ACCEPT, "application/json").body(Body::empty());
    let request = request.map_err(|error| error.to_string())?;
    let mut connection = remote.connect().await?;
    let response = remote.ask(&mut connection, request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("it answered {}", response.status()));
    }
    let limits = BodyLimits { bytes: MAX_BYTES, patience: PATIENCE };
    let body = read_body(Body::new(response.into_body()), &limits).await;
    body.map(Vec::from).map_err(|refusal| refusal.description)
}
