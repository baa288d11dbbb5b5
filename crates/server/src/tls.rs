//! TLS from PEM files, with ring as the one provider of cryptography. Files that change are read again while the server
//! runs: new connections get the new certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ilium_native::TlsSession;
use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio::time::sleep;

/// How often the files are looked at. A certificate is renewed days before it ends, so seconds do not matter.
const LOOK_EVERY: Duration = Duration::from_secs(10);

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

/// What every TLS listener of the process shares.
pub struct Tls {
    config: ServerConfig,
    certificate: Arc<Renewable>,
}

impl Tls {
    /// TLS 1.2 and 1.3, no client certificates.
    pub fn new(files: TlsFiles) -> Result<Tls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = Arc::new(Renewable::read(files)?);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        Ok(Tls { config, certificate })
    }

    pub fn for_cql(&self) -> Arc<ServerConfig> {
        Arc::new(self.config.clone())
    }

    /// The same with HTTP/2 and HTTP/1.1 to choose from (RFC 7301).
    pub fn for_http(&self) -> Arc<ServerConfig> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Reads the files again whenever they change, until `stopping` turns true. Files that cannot be used are named in the
    /// log, and the last good certificate stays.
    pub async fn renew(&self, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            match self.certificate.renew() {
                Ok(false) => {}
                Ok(true) => tracing::info!("the TLS certificate was read again"),
                Err(error) => {
                    tracing::warn!(%error, "the changed TLS files cannot be used; the last good certificate stays");
                }
            }
        }
    }
}

/// A certificate and its key, replaced when their files change.
struct Renewable {
    files: TlsFiles,
    current: RwLock<(Arc<CertifiedKey>, Stamp)>,
}

/// When the two files were last changed.
type Stamp = [Option<SystemTime>; 2];

impl Renewable {
    fn read(files: TlsFiles) -> Result<Renewable, TlsError> {
        // Before the files are read: a change that comes between is seen the next time.
        let stamp = stamp(&files);
        let key = read(&files)?;
        Ok(Renewable { files, current: RwLock::new((key, stamp)) })
    }

    /// Whether there was a change.
    fn renew(&self) -> Result<bool, TlsError> {
        let stamp = stamp(&self.files);
        if self.current.read().1 == stamp {
            return Ok(false);
        }
        // Half of a pair may be there yet: it does not fit, and is tried again.
        let key = read(&self.files)?;
        *self.current.write() = (key, stamp);
        Ok(true)
    }
}

impl std::fmt::Debug for Renewable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewable").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().0))
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    let changed = |file: &Path| fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    [changed(&files.certificate), changed(&files.key)]
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
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
    let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
    Ok(Arc::new(certified))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn a_changed_certificate_is_read_again_and_an_unusable_one_is_not_taken() {
        let folder = std::env::temp_dir().join(format!("ilium-tls-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        let served = |renewable: &Renewable| renewable.current.read().0.cert[0].to_vec();
        let later = |files: &TlsFiles, seconds: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 + seconds);
            fs::File::options().write(true).open(&files.certificate).unwrap().set_modified(time).unwrap();
        };

        let first = write(&files);
        let renewable = Renewable::read(files.clone()).unwrap();
        assert_eq!(served(&renewable), first);
        assert!(!renewable.renew().unwrap());

        let second = write(&files);
        later(&files, 1);
        assert!(renewable.renew().unwrap());
        assert_eq!(served(&renewable), second);

        fs::write(&files.certificate, "half a file").unwrap();
        later(&files, 2);
        assert!(renewable.renew().is_err());
        assert_eq!(served(&renewable), second);
        fs::remove_dir_all(folder).unwrap();
    }
}
