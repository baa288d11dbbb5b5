//! TLS 1.2 and 1.3 from PEM files, with ring as the one provider of cryptography; older versions are not spoken. Files that
//! change are read again while the server runs: new connections get what is new.

mod identity;
mod pem;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::sync::watch;

use crate::watched::Watched;

pub(crate) use identity::session;
pub use pem::TlsError;
pub(crate) use pem::certificates;
pub use upstream::{CertificateFiles, UpstreamTls, UpstreamTlsFiles};

/// A server's certificate chain and its private key, PEM as all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities whose certificates clients may show.
    pub client_ca: Option<PathBuf>,
}

/// What every TLS listener of the process shares.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    /// As they were when they were first read.
    watched: Watched,
    current: RwLock<Ports>,
}

/// The same certificate for each kind of port.
#[derive(Clone)]
struct Ports {
    cql: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

/// How one port speaks TLS.
#[derive(Clone)]
pub struct PortTls {
    tls: Tls,
    of: fn(&Ports) -> &Arc<ServerConfig>,
}

impl PortTls {
    /// For a connection that begins now.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone((self.of)(&self.tls.0.current.read()))
    }
}

impl Tls {
    /// Clients are asked for a certificate where there are authorities for it; who shows none, or one that stands for
    /// nobody, may still log in otherwise, but one that does not verify ends the handshake.
    pub fn new(files: TlsFiles) -> Result<Tls, TlsError> {
        let TlsFiles { certificate, key, client_ca } = files.clone();
        let watched = Watched::new([certificate, key].into_iter().chain(client_ca).collect());
        let current = RwLock::new(read(&files)?);
        Ok(Tls(Arc::new(Shared { files, watched, current })))
    }

    pub fn for_cql(&self) -> PortTls {
        PortTls { tls: self.clone(), of: |ports| &ports.cql }
    }

    /// With HTTP/2 and HTTP/1.1 to choose from (RFC 7301).
    pub fn for_http(&self) -> PortTls {
        PortTls { tls: self.clone(), of: |ports| &ports.http }
    }

    /// Reads the files again whenever they change, until `stopping` turns true. Files that cannot be used are named in the
    /// log, and the last good ones stay.
    pub async fn renew(&self, stopping: watch::Receiver<bool>) {
        self.0.watched.clone().keep_reading("TLS", stopping, || self.read_again()).await;
    }

    fn read_again(&self) -> Result<(), TlsError> {
        // Half of a pair may be there yet: it does not fit.
        let read = read(&self.0.files)?;
        *self.0.current.write() = read;
        Ok(())
    }
}

fn read(files: &TlsFiles) -> Result<Ports, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match &files.client_ca {
        Some(file) => {
            let authorities = Arc::new(pem::authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider)
                .allow_unauthenticated()
                .build()
                .map_err(|source| TlsError::Authorities { file: file.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let (chain, key) = (pem::certificates(&files.certificate)?, pem::private_key(&files.key)?);
    let cql = builder.with_single_cert(chain, key).map_err(|source| {
        let TlsFiles { certificate, key, .. } = files.clone();
        TlsError::Pair { certificate, key, source }
    })?;
    let mut http = cql.clone();
    http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Ports { cql: Arc::new(cql), http: Arc::new(http) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(files: &TlsFiles) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    #[tokio::test]
    async fn changed_files_are_read_again_and_unusable_ones_are_not_taken() {
        let folder = std::env::temp_dir().join(format!("ilium-tls-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let authority = folder.join("authority.pem");
        let files = TlsFiles { certificate, key, client_ca: Some(authority.clone()) };

        write(&files);
        fs::copy(&files.certificate, &authority).unwrap();
        let tls = Tls::new(files.clone()).unwrap();
        let (cql, http) = (tls.for_cql(), tls.for_http());
        let first = cql.config();
        assert!(!tls.0.watched.clone().take_if_changed(|| async { tls.read_again() }).await.unwrap());
        assert!(Arc::ptr_eq(&first, &cql.config()));

        // Also what changes before anybody begins to look.
        write(&files);
        let mut watched = tls.0.watched.clone();
        assert!(watched.take_if_changed(|| async { tls.read_again() }).await.unwrap());
        let second = cql.config();
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(http.config().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);

        // Authorities of clients as well.
        fs::copy(&files.certificate, &authority).unwrap();
        assert!(watched.take_if_changed(|| async { tls.read_again() }).await.unwrap());
        let third = cql.config();
        assert!(!Arc::ptr_eq(&second, &third));

        // Half of the change.
        let other = TlsFiles { key: folder.join("other.pem"), ..files.clone() };
        write(&other);
        let error = watched.take_if_changed(|| async { tls.read_again() }).await.unwrap_err().to_string();
        assert!(error.contains("cert.pem") && error.contains("key.pem"), "{error}");

        fs::write(&files.certificate, "half a file").unwrap();
        assert!(watched.take_if_changed(|| async { tls.read_again() }).await.is_err());
        assert!(Arc::ptr_eq(&third, &cql.config()));
        fs::remove_dir_all(folder).unwrap();
    }
}
