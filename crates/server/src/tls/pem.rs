//! PEM files, and what is wrong with them.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::client::VerifierBuilderError;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file} has no readable PEM {what}: {source}")]
    Pem { what: &'static str, file: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("{file} holds no certificate; it must begin with the bearer's own, in PEM")]
    NoCertificate { file: PathBuf },
    #[error("the certificate of {certificate} and the key of {key} cannot be used together: {source}")]
    Pair { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("{file} holds a certificate that is no authority's: {source}")]
    Authority { file: PathBuf, source: rustls::Error },
    #[error("TLS cannot be set up: {0}")]
    Unusable(#[from] rustls::Error),
    #[error("the authorities of {file} cannot be used: {source}")]
    Authorities { file: PathBuf, source: VerifierBuilderError },
    #[error("`{0}` is no name of a server; give a host name or an IP address")]
    Name(String),
}

fn failed(what: &'static str, file: &Path) -> impl FnOnce(rustls_pki_types::pem::Error) -> TlsError + use<> {
    let file = file.to_path_buf();
    move |source| TlsError::Pem { what, file, source }
}

/// All certificates of a file, one at least.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(failed("certificate", file))?;
    match read.is_empty() {
        true => Err(TlsError::NoCertificate { file: file.to_path_buf() }),
        false => Ok(read),
    }
}

pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(failed("private key", file))
}

/// The certificates of a file as authorities to trust.
pub fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file)? {
        let unfit = |source| TlsError::Authority { file: file.to_path_buf(), source };
        authorities.add(certificate).map_err(unfit)?;
    }
    Ok(authorities)
}
