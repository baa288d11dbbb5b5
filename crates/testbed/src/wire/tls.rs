//! TLS beneath a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a client needs to speak TLS, as PEM files.
#[derive(Debug, Clone, Copy)]
pub struct TlsFiles<'a> {
    /// The authority that must have signed the server's certificate.
    pub authority: &'a Path,
    /// The client's certificate and key, shown where the server asks.
    pub client: Option<&'a (PathBuf, PathBuf)>,
}

/// What a connection reads and writes.
pub(super) trait Stream: Read + Write + std::fmt::Debug + Send + Sync {}

impl<T: Read + Write + std::fmt::Debug + Send + Sync> Stream for T {}

/// Wraps a TCP connection; the server's certificate must name its address.
pub(super) fn wrap(stream: TcpStream, address: SocketAddr, files: &TlsFiles<'_>) -> Result<Box<dyn Stream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(files.authority)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match files.client {
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
        None => config.with_no_client_auth(),
    };
    let name = ServerName::IpAddress(address.ip().into());
    let connection = ClientConnection::new(Arc::new(config), name).context("TLS")?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}
