//! TLS towards a cluster's nodes.
//!
//! One `ClientConfig` serves for good: its two parts that come from files, the verifier of the nodes' certificates and our
//! own certificate, are replaced inside it.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::watch;

use super::pem::{self, TlsError};
use crate::watched::Watched;

/// How nodes are known, and we to them; PEM all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTlsFiles {
    /// The authorities that sign the nodes' certificates.
    pub authorities: PathBuf,
    /// The name that every node's certificate must be for; `None`: each for its own address.
    pub server_name: Option<String>,
    /// The certificate chain and its key that we show, where the cluster asks for one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// TLS towards the nodes, from files that are read again when they change.
pub struct UpstreamTls {
    files: UpstreamTlsFiles,
    /// As they were when they were first read.
    watched: Watched,
    parts: Arc<Parts>,
    config: Arc<ClientConfig>,
}

#[derive(Debug)]
struct Parts {
    server_name: Option<ServerName<'static>>,
    verifier: RwLock<Arc<WebPkiServerVerifier>>,
    own: RwLock<Option<Arc<CertifiedKey>>>,
}

impl UpstreamTls {
    /// TLS 1.2 and 1.3.
    pub fn new(files: UpstreamTlsFiles) -> Result<UpstreamTls, TlsError> {
        let server_name = files
            .server_name
            .as_ref()
            .map(|name| ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone())));
        let shown = files.own.clone().into_iter().flat_map(|(certificate, key)| [certificate, key]);
        let watched = Watched::new([files.authorities.clone()].into_iter().chain(shown).collect());
        let (verifier, own) = read(&files)?;
        let parts = Arc::new(Parts {
            server_name: server_name.transpose()?,
            verifier: RwLock::new(verifier),
            own: RwLock::new(own),
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            // It verifies as rustls does, by what the files hold now.
            .with_custom_certificate_verifier(Arc::clone(&parts) as _)
            .with_client_cert_resolver(Arc::clone(&parts) as _);
        // A resumed session is not verified again; connections to nodes are few and last long.
        config.resumption = Resumption::disabled();
        Ok(UpstreamTls { files, watched, parts, config: Arc::new(config) })
    }

    /// For all connections, also those that are opened after the files changed.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Reads the files again whenever they change, until `stopping` turns true. Files that cannot be used are named in the
    /// log, and the last good ones stay. Connections that are open go on.
    pub async fn renew(&self, stopping: watch::Receiver<bool>) {
        self.watched.clone().keep_reading("TLS towards the cluster", stopping, || self.read_again()).await;
    }

    fn read_again(&self) -> Result<(), TlsError> {
        let (verifier, own) = read(&self.files)?;
        *self.parts.verifier.write() = verifier;
        *self.parts.own.write() = own;
        Ok(())
    }
}

type Read = (Arc<WebPkiServerVerifier>, Option<Arc<CertifiedKey>>);

fn read(files: &UpstreamTlsFiles) -> Result<Read, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authorities = Arc::new(pem::authorities(&files.authorities)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(&provider))
        .build()
        .map_err(|source| TlsError::Authorities { file: files.authorities.clone(), source })?;
    let own = match &files.own {
        Some((certificate, key)) => {
            let (chain, key) = (pem::certificates(certificate)?, pem::private_key(key)?);
            Some(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
        }
        None => None,
    };
    Ok((verifier, own))
}

impl ServerCertVerifier for Parts {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        address: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.server_name.as_ref().unwrap_or(address);
        let verifier = Arc::clone(&self.verifier.read());
        verifier.verify_server_cert(own, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.read().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.read().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.read().supported_verify_schemes()
    }
}

impl ResolvesClientCert for Parts {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.own.read().clone()
    }

    fn has_certs(&self) -> bool {
        self.own.read().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};

    struct Authority(CertifiedIssuer<'static, KeyPair>);

    impl Authority {
        fn new() -> Authority {
            let mut params = CertificateParams::new([]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
        }

        /// Writes a certificate for a name, and its key.
        fn sign(&self, name: &str, certificate: &Path, key: &Path) {
            let pair = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            fs::write(certificate, params.signed_by(&pair, &self.0).unwrap().pem()).unwrap();
            fs::write(key, pair.serialize_pem()).unwrap();
        }

        fn write(&self, file: &Path) {
            fs::write(file, self.0.pem()).unwrap();
        }
    }

    /// What comes of one connection to a node with this certificate, which asks for one that `clients` signed.
    fn shake(
        upstream: &UpstreamTls,
        certificate: &Path,
        key: &Path,
        clients: &Path,
    ) -> Result<String, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let authorities = Arc::new(pem::authorities(clients).unwrap());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(&provider)).build().unwrap();
        let node = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(pem::certificates(certificate).unwrap(), pem::private_key(key).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::new(node)).unwrap(), socket);
            let _ = tls.write_all(b"hello").and_then(|()| tls.flush());
            let _ = tls.read(&mut [0; 1]);
        });
        let name = ServerName::IpAddress(address.ip().into());
        let client = ClientConnection::new(upstream.config(), name).unwrap();
        let mut tls = StreamOwned::new(client, TcpStream::connect(address).unwrap());
        let mut said = [0; 5];
        let read = tls.read_exact(&mut said).map(|()| String::from_utf8_lossy(&said).into_owned());
        drop(tls);
        answering.join().unwrap();
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_node_must_be_signed_by_the_authorities_for_its_name_and_sees_our_certificate_and_all_are_read_again()
    {
        let folder = std::env::temp_dir().join(format!("ilium-upstream-tls-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str| folder.join(name);
        let (one, two) = (Authority::new(), Authority::new());
        one.write(&file("trusted"));
        one.write(&file("of clients"));
        one.sign("127.0.0.1", &file("node"), &file("node key"));
        one.sign("gateway", &file("own"), &file("own key"));
        one.sign("cassandra.example", &file("other node"), &file("other node key"));
        let files = |server_name: Option<&str>| UpstreamTlsFiles {
            authorities: file("trusted"),
            server_name: server_name.map(str::to_owned),
            own: Some((file("own"), file("own key"))),
        };
        let upstream = UpstreamTls::new(files(None)).unwrap();
        let talk = |upstream: &UpstreamTls, node: &str| {
            shake(upstream, &file(node), &file(&format!("{node} key")), &file("of clients"))
        };
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("hello"));
        // Another's certificate, by the address and by a name.
        assert!(talk(&upstream, "other node").unwrap_err().contains("not valid for name"));
        let named = UpstreamTls::new(files(Some("cassandra.example"))).unwrap();
        assert_eq!(talk(&named, "other node").as_deref(), Ok("hello"));
        assert!(talk(&named, "node").unwrap_err().contains("not valid for name"));

        assert!(matches!(UpstreamTls::new(files(Some("no name"))), Err(TlsError::Name(_))));

        // The cluster's authority changes, then ours.
        two.sign("127.0.0.1", &file("node"), &file("node key"));
        assert!(talk(&upstream, "node").unwrap_err().contains("invalid peer certificate"));
        two.write(&file("trusted"));
        // What changed before anybody began to look is seen, too.
        let mut watched = upstream.watched.clone();
        assert!(watched.read_if_changed(|| upstream.read_again()).unwrap());
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("hello"));
        two.write(&file("of clients"));
        assert!(talk(&upstream, "node").is_err());
        two.sign("gateway", &file("own"), &file("own key"));
        assert!(watched.read_if_changed(|| upstream.read_again()).unwrap());
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("hello"));

        fs::write(file("trusted"), "").unwrap();
        assert!(matches!(UpstreamTls::new(files(None)), Err(TlsError::NoCertificate { .. })));
        assert!(watched.read_if_changed(|| upstream.read_again()).is_err());
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("hello"));
        fs::remove_dir_all(folder).unwrap();
    }
}
