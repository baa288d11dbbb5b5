//! Where an issuer's keys come from: a file, or one GET over TLS.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, HOST};
use axum::http::{Request, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ilium_http::jwt::{KeySet, KeySetError};
use ilium_http::{BodyLimits, read_body};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::TlsError;
use crate::tls::certificates;

/// How long the whole of it may take. An issuer answers within some tenths of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// A key set is a few KiB.
const MAX_BYTES: usize = 1 << 20;

/// Where systems keep the authorities they trust: Debian and Alpine, Fedora, SUSE.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("cannot read {file}: {source}")]
    File { file: PathBuf, source: io::Error },
    #[error("`{0}` is no address to get keys from; write a file's path, or https://HOST/PATH")]
    Address(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no file of authorities was found on this system; name one with `ca`")]
    NoAuthorities,
    #[error("cannot get {address}: {why}")]
    Get { address: String, why: String },
    #[error("{from} {source}")]
    Keys { from: String, source: KeySetError },
}

pub enum JwksSource {
    File(PathBuf),
    Remote(Remote),
}

pub struct Remote {
    uri: Uri,
    host: String,
    port: u16,
    /// `None`: without TLS, from this machine alone.
    tls: Option<Arc<ClientConfig>>,
}

impl JwksSource {
    /// An address is `https://`, or `http://` with a loopback name: keys that anybody could exchange on their way are worth
    /// nothing.
    pub fn of(text: &str, ca: Option<&Path>) -> Result<JwksSource, JwksError> {
        let bad = || JwksError::Address(text.to_owned());
        if !text.contains("://") {
            return Ok(JwksSource::File(PathBuf::from(text)));
        }
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let is_loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|at| at.is_loopback());
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(trusting(ca)?), 443),
            Some("http") if is_loopback => (None, 80),
            _ => return Err(bad()),
        };
        let port = uri.port_u16().unwrap_or(port);
        Ok(JwksSource::Remote(Remote { uri, host, port, tls }))
    }

    pub fn is_remote(&self) -> bool {
        matches!(self, JwksSource::Remote(_))
    }

    pub async fn read(&self) -> Result<KeySet, JwksError> {
        let (text, from) = match self {
            JwksSource::File(file) => {
                let text = fs::read(file).map_err(|source| JwksError::File { file: file.clone(), source })?;
                (text, file.display().to_string())
            }
            JwksSource::Remote(remote) => {
                let got = match timeout(PATIENCE, remote.get()).await {
                    Ok(got) => got,
                    Err(_) => Err(format!("there was no whole answer within {PATIENCE:?}")),
                };
                let address = remote.uri.to_string();
                (got.map_err(|why| JwksError::Get { address: address.clone(), why })?, address)
            }
        };
        KeySet::read(&text).map_err(|source| JwksError::Keys { from, source })
    }
}

/// TLS 1.2 and 1.3 with these authorities, or the system's.
fn trusting(ca: Option<&Path>) -> Result<Arc<ClientConfig>, JwksError> {
    let file = match ca {
        Some(file) => file.to_path_buf(),
        None => {
            let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let mut known = named.into_iter().chain(SYSTEM.map(PathBuf::from));
            known.find(|file| file.exists()).ok_or(JwksError::NoAuthorities)?
        }
    };
    let mut roots = RootCertStore::empty();
    // A system's bundle may hold some that are not usable; the others are.
    roots.add_parsable_certificates(certificates(&file)?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::from)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

impl Remote {
    async fn get(&self) -> Result<Vec<u8>, String> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(in_words)?;
        match &self.tls {
            None => self.ask(socket).await,
            Some(config) => {
                let name = ServerName::try_from(self.host.clone()).map_err(in_words)?;
                let connector = TlsConnector::from(Arc::clone(config));
                self.ask(connector.connect(name, socket).await.map_err(in_words)?).await
            }
        }
    }

    async fn ask<S>(&self, socket: S) -> Result<Vec<u8>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(in_words)?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(in_words)?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(in_words)?;
            if response.status() != StatusCode::OK {
                return Err(format!("it answered {}", response.status()));
            }
            let limits = BodyLimits { bytes: MAX_BYTES, patience: PATIENCE };
            let body = read_body(Body::new(response.into_body()), &limits).await;
            body.map(Vec::from).map_err(|refusal| refusal.description)
        };
        // The connection must be driven while it is asked, and is of no use after.
        let mut answered = std::pin::pin!(answered);
        tokio::select! {
            answer = &mut answered => answer,
            ended = connection => match ended {
                Ok(()) => answered.await,
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
