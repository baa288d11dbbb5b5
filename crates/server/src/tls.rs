//! TLS from PEM files, with ring as the one provider of cryptography. Files that change are read again while the server
//! runs: new connections get the new certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ilium_native::TlsSession;
use parking_lot::RwLock;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio::time::sleep;
use x509_parser::extensions::GeneralName;

/// How often the files are looked at. A certificate is renewed days before it ends, so seconds do not matter.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a SPIFFE identity begins with.
const SPIFFE: &[u8] = b"spiffe://";

/// A server's certificate chain and its private key, PEM as all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities whose certificates clients of the CQL port may show.
    pub client_ca: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file} has no readable PEM {what}: {source}")]
    Pem { what: &'static str, file: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("{file} holds no certificate; it must begin with the server's own, in PEM")]
    NoCertificate { file: PathBuf },
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    #[error("{file}: the authorities of client certificates cannot be used: {source}")]
    Authorities { file: PathBuf, source: VerifierBuilderError },
}

/// What every TLS listener of the process shares.
pub struct Tls {
    cql: ServerConfig,
    http: ServerConfig,
    certificate: Arc<Renewable>,
}

impl Tls {
    /// TLS 1.2 and 1.3. Clients of the CQL port are asked for a certificate where there are authorities for it; who shows
    /// none, or one that stands for nobody, may still log in otherwise, but one that does not verify ends the handshake.
    pub fn new(files: TlsFiles) -> Result<Tls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = files.client_ca.as_deref().map(|file| client_verifier(file, &provider)).transpose()?;
        let certificate = Arc::new(Renewable::read(files)?);
        let builder = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()
        };
        let served = || Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>;
        let http = builder()?.with_no_client_auth().with_cert_resolver(served());
        let cql = match verifier {
            Some(verifier) => builder()?.with_client_cert_verifier(verifier).with_cert_resolver(served()),
            None => http.clone(),
        };
        Ok(Tls { cql, http, certificate })
    }

    pub fn for_cql(&self) -> Arc<ServerConfig> {
        Arc::new(self.cql.clone())
    }

    /// The same with HTTP/2 and HTTP/1.1 to choose from (RFC 7301).
    pub fn for_http(&self) -> Arc<ServerConfig> {
        let mut config = self.http.clone();
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

fn pem(what: &'static str, file: &Path) -> impl FnOnce(rustls_pki_types::pem::Error) -> TlsError + use<> {
    let file = file.to_path_buf();
    move |source| TlsError::Pem { what, file, source }
}

/// All certificates of a file, one at least.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(pem("certificate", file))?;
    match read.is_empty() {
        true => Err(TlsError::NoCertificate { file: file.to_path_buf() }),
        false => Ok(read),
    }
}

fn client_verifier(
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file)? {
        authorities.add(certificate)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|source| TlsError::Authorities { file: file.to_path_buf(), source })
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(pem("private key", &files.key))?;
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
        identity: connection.peer_certificates().and_then(<[_]>::first).and_then(|own| identity(own)),
    })
}

/// Whom a client's certificate, which was verified, is of: its SPIFFE identity, as Cassandra's
/// `SpiffeCertificateValidator` has it, or else its common name. Nobody, where it has several SPIFFE identities (the
/// standard of X.509-SVIDs allows one) or its alternative names cannot be read.
fn identity(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let alternatives = certificate.subject_alternative_name().ok()?;
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let mut spiffe = names.filter_map(|name| match name {
        GeneralName::URI(uri) if is_spiffe(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    match (spiffe.next(), spiffe.next()) {
        (Some(one), None) => Some(one),
        (Some(_), Some(_)) => None,
        (None, _) => {
            let common_name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
            // Authorities write any text there, and look at what they write into alternative names alone.
            (!is_spiffe(common_name)).then(|| common_name.to_owned())
        }
    }
}

/// Schemes of addresses are the same in capitals (RFC 3986).
fn is_spiffe(name: &str) -> bool {
    name.as_bytes().get(..SPIFFE.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SPIFFE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn identity_with(common_name: &str, uris: &[&str]) -> Option<String> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        identity(certificate.der())
    }

    #[test]
    fn a_spiffe_identity_is_one_alternative_name_and_never_a_common_name() {
        let admin = "spiffe://ilium/admin";
        assert_eq!(identity_with("bob", &[admin]).as_deref(), Some(admin));
        assert_eq!(identity_with("bob", &["https://ilium/bob", admin]).as_deref(), Some(admin));
        assert_eq!(identity_with("bob", &["https://ilium/bob"]).as_deref(), Some("bob"));
        assert_eq!(identity_with("bob", &[]).as_deref(), Some("bob"));
        assert_eq!(identity_with(admin, &[]), None);
        assert_eq!(identity_with("SPIFFE://ilium/admin", &[]), None);
        assert_eq!(identity_with("bob", &["spiffe://ilium/bob", admin]), None);
        assert_eq!(identity_with(admin, &["spiffe://ilium/bob"]).as_deref(), Some("spiffe://ilium/bob"));
    }

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
        let files =
            TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem"), client_ca: None };
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
