//! Another HTTP server, asked over HTTP/1.1, with TLS or without.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::TlsError;
use crate::tls::certificates;

/// Where systems keep the authorities they trust: Debian and Alpine, Fedora, SUSE.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("it is neither http://HOST[:PORT] nor https://HOST[:PORT], or has a name and password in it")]
    Address,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no file of authorities was found on this system; name one")]
    NoAuthorities,
}

pub struct Remote {
    host: String,
    port: u16,
    /// As it stands in the address.
    authority: HeaderValue,
    path: String,
    /// `None`: without TLS.
    tls: Option<Arc<ClientConfig>>,
}

impl Remote {
    /// `ca` holds the authorities of its certificate; `None`: those the system trusts.
    pub fn of(address: &str, ca: Option<&Path>) -> Result<Remote, RemoteError> {
        let uri: Uri = address.parse().map_err(|_| RemoteError::Address)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(RemoteError::Address)?;
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(trusting(ca)?), 443),
            Some("http") => (None, 80),
            _ => return Err(RemoteError::Address),
        };
        Ok(Remote {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| RemoteError::Address)?,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            tls,
        })
    }

    /// Its name or address, without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub async fn connect(&self) -> Result<Connection, String> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(in_words)?;
        let sender = match &self.tls {
            None => serve(socket).await?,
            Some(config) => {
                let name = ServerName::try_from(self.host.clone()).map_err(in_words)?;
                let connector = TlsConnector::from(Arc::clone(config));
                serve(connector.connect(name, socket).await.map_err(in_words)?).await?
            }
        };
        Ok(Connection(sender))
    }

    /// Asks for what the address names; `request` lacks its path and its host.
    pub async fn ask(
        &self,
        connection: &mut Connection,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, String> {
        *request.uri_mut() = self.path.parse().map_err(in_words)?;
        request.headers_mut().insert(HOST, self.authority.clone());
        connection.0.ready().await.map_err(in_words)?;
        connection.0.send_request(request).await.map_err(in_words)
    }
}

/// One connection, for one request after another, each when the answer before it was read.
pub struct Connection(SendRequest<Body>);

impl Connection {
    /// Whether it is still good for a request, as far as is known.
    pub fn is_open(&self) -> bool {
        !self.0.is_closed()
    }
}

/// Its task ends with the sender, or when the other side closes.
async fn serve<S>(socket: S) -> Result<SendRequest<Body>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(in_words)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// TLS 1.2 and 1.3 with these authorities, or the system's.
fn trusting(ca: Option<&Path>) -> Result<Arc<ClientConfig>, RemoteError> {
    let file = match ca {
        Some(file) => file.to_path_buf(),
        None => {
            let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let mut known = named.into_iter().chain(SYSTEM.map(PathBuf::from));
            known.find(|file| file.exists()).ok_or(RemoteError::NoAuthorities)?
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

/// An error and what caused it: hyper and TLS keep the reason one level down.
fn in_words(error: impl std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
