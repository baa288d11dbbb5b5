//! TLS from PEM files, with ring as the one provider of cryptography.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ilium_native::TlsSession;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A server's certificate chain and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file} has no readable PEM {what}: {source}")]
    Pem { what: &'static str, file: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("{file} holds no certificate; it must begin with the server's own, in PEM")]
    NoCertificate { file: PathBuf },
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3, no client certificates.
pub fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let bad = |what, file: &Path| {
        let file = file.to_path_buf();
        move |source| TlsError::Pem { what, file, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .map_err(bad("certificate", &files.certificate))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(bad("certificate", &files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { file: files.certificate.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(bad("private key", &files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// What the handshake agreed on, by the names that Java has for it, as Cassandra reports them.
pub(crate) fn session(connection: &ServerConnection) -> Option<TlsSession> {
    let suite = connection.negotiated_cipher_suite()?.suite().as_str()?;
    let protocol = connection.protocol_version()?.as_str()?;
    Some(TlsSession {
        cipher_suite: suite.replacen("TLS13_", "TLS_", 1),
        protocol: protocol.replacen("TLSv1_", "TLSv1.", 1),
    })
}
