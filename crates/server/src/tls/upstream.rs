//! TLS towards a cluster's nodes.
//!
//! Each `ClientConfig` serves for good: its two parts that come from files, the verifier of the nodes' certificates and the
//! certificate that it shows, are replaced inside it.

use std::collections::BTreeMap;
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
    /// What we show for ourselves, where the cluster asks for a certificate.
    pub own: Option<CertificateFiles>,
    /// What we show for roles which the cluster knows by it, by their names.
    pub roles: BTreeMap<String, CertificateFiles>,
}

/// A certificate chain and its key.
pub type CertificateFiles = (PathBuf, PathBuf);

/// TLS towards the nodes, from files that are read again when they change.
pub struct UpstreamTls {
    files: UpstreamTlsFiles,
    nodes: Arc<Nodes>,
    own: Side,
    nameless: Side,
    roles: BTreeMap<String, Side>,
    watched: Watched,
}

/// What we are to the nodes on some connections.
struct Side {
    shown: Arc<Shown>,
    config: Arc<ClientConfig>,
}

/// How nodes are known.
#[derive(Debug)]
struct Nodes {
    server_name: Option<ServerName<'static>>,
    verifier: RwLock<Arc<WebPkiServerVerifier>>,
}

/// The certificate that we show, if any.
#[derive(Debug)]
struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Side {
    /// TLS 1.2 and 1.3.
    fn new(nodes: &Arc<Nodes>, shown: Option<Arc<CertifiedKey>>) -> Result<Side, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(shown)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            // It verifies as rustls does, by what the files hold now.
            .with_custom_certificate_verifier(Arc::clone(nodes) as _)
            .with_client_cert_resolver(Arc::clone(&shown) as _);
        // A resumed session is not verified again; connections to nodes are few and last long.
        config.resumption = Resumption::disabled();
        Ok(Side { shown, config: Arc::new(config) })
    }
}

impl UpstreamTls {
    pub fn new(files: UpstreamTlsFiles) -> Result<UpstreamTls, TlsError> {
        let server_name = files
            .server_name
            .as_ref()
            .map(|name| ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone())));
        let server_name = server_name.transpose()?;
        let watched = watched(&files);
        let nodes = Arc::new(Nodes { server_name, verifier: RwLock::new(verifier(&files)?) });
        let own = files.own.as_ref().map(certificate).transpose()?;
        let role = |(name, files): (&String, &CertificateFiles)| {
            Ok((name.clone(), Side::new(&nodes, Some(certificate(files)?))?))
        };
        let roles = files.roles.iter().map(role).collect::<Result<_, TlsError>>()?;
        let (own, nameless) = (Side::new(&nodes, own)?, Side::new(&nodes, None)?);
        Ok(UpstreamTls { nodes, own, nameless, roles, watched, files })
    }

    /// For connections on which we show our own certificate, also those that are opened after the files changed. `None`: we
    /// have none.
    pub fn own(&self) -> Option<Arc<ClientConfig>> {
        self.files.own.as_ref().map(|_| Arc::clone(&self.own.config))
    }

    /// For those on which we show none.
    pub fn nameless(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.nameless.config)
    }

    /// For those of roles that the cluster knows by a certificate.
    pub fn roles(&self) -> BTreeMap<String, Arc<ClientConfig>> {
        self.roles.iter().map(|(name, side)| (name.clone(), Arc::clone(&side.config))).collect()
    }

    /// Reads the files again whenever they change, until `stopping` turns true. Files that cannot be used are named in the
    /// log, and the last good ones stay. Connections that are open go on.
    pub async fn renew(&self, stopping: watch::Receiver<bool>) {
        let watched = self.watched.clone();
        watched.keep_reading("TLS towards the cluster", stopping, || self.read_again()).await;
    }

    fn read_again(&self) -> Result<(), TlsError> {
        let UpstreamTlsFiles { own, roles, .. } = &self.files;
        let verifier = verifier(&self.files)?;
        let own = own.as_ref().map(certificate).transpose()?;
        let roles = roles.values().map(certificate).collect::<Result<Vec<_>, _>>()?;
        for (side, shown) in self.roles.values().zip(roles) {
            *side.shown.0.write() = Some(shown);
        }
        *self.nodes.verifier.write() = verifier;
        *self.own.shown.0.write() = own;
        Ok(())
    }
}

fn watched(files: &UpstreamTlsFiles) -> Watched {
    let UpstreamTlsFiles { authorities, own, roles, .. } = files.clone();
    let shown = own.into_iter().chain(roles.into_values());
    let shown = shown.flat_map(|(certificate, key)| [certificate, key]);
    Watched::new([authorities].into_iter().chain(shown).collect())
}

fn verifier(files: &UpstreamTlsFiles) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authorities = Arc::new(pem::authorities(&files.authorities)?);
    WebPkiServerVerifier::builder_with_provider(authorities, provider)
        .build()
        .map_err(|source| TlsError::Authorities { file: files.authorities.clone(), source })
}

fn certificate(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let (chain, key) = (pem::certificates(&files.0)?, pem::private_key(&files.1)?);
    let provider = rustls::crypto::ring::default_provider();
    let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|source| {
        let (certificate, key) = files.clone();
        TlsError::Pair { certificate, key, source }
    });
    Ok(Arc::new(pair?))
}

impl ServerCertVerifier for Nodes {
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

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.read().clone()
    }

    fn has_certs(&self) -> bool {
        self.0.read().is_some()
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

    /// What comes of one connection to a node with this certificate, which asks for one that `clients` signed: the name that
    /// it is for.
    fn shake(
        config: Arc<ClientConfig>,
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
            let _ = tls.conn.complete_io(&mut tls.sock);
            let shown = tls.conn.peer_certificates().map_or(&[][..], |shown| shown[0].as_ref());
            let name = ["gateway", "reader"]
                .into_iter()
                .find(|name| shown.windows(name.len()).any(|part| part == name.as_bytes()));
            let _ = tls
                .write_all(format!("{:9}", name.unwrap_or_default()).as_bytes())
                .and_then(|()| tls.flush());
            let _ = tls.read(&mut [0; 1]);
        });
        let name = ServerName::IpAddress(address.ip().into());
        let client = ClientConnection::new(config, name).unwrap();
        let mut tls = StreamOwned::new(client, TcpStream::connect(address).unwrap());
        let mut said = [0; 9];
        let read = tls.read_exact(&mut said).map(|()| String::from_utf8_lossy(&said).trim().to_owned());
        drop(tls);
        answering.join().unwrap();
        read.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_node_must_be_signed_by_the_authorities_for_its_name_and_sees_our_certificate_and_all_are_read_again()
     {
        let folder = std::env::temp_dir().join(format!("ilium-upstream-tls-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str| folder.join(name);
        let (one, two) = (Authority::new(), Authority::new());
        one.write(&file("trusted"));
        one.write(&file("of clients"));
        one.sign("127.0.0.1", &file("node"), &file("node key"));
        one.sign("gateway", &file("own"), &file("own key"));
        one.sign("reader", &file("reader"), &file("reader key"));
        one.sign("cassandra.example", &file("other node"), &file("other node key"));
        let files = |server_name: Option<&str>| UpstreamTlsFiles {
            authorities: file("trusted"),
            server_name: server_name.map(str::to_owned),
            own: Some((file("own"), file("own key"))),
            roles: BTreeMap::from([("reader".to_owned(), (file("reader"), file("reader key")))]),
        };
        let upstream = UpstreamTls::new(files(None)).unwrap();
        let talk = |upstream: &UpstreamTls, node: &str| {
            shake(upstream.own().unwrap(), &file(node), &file(&format!("{node} key")), &file("of clients"))
        };
        let talk_as_reader = |upstream: &UpstreamTls| {
            shake(upstream.roles()["reader"].clone(), &file("node"), &file("node key"), &file("of clients"))
        };
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("gateway"));
        assert_eq!(talk_as_reader(&upstream).as_deref(), Ok("reader"));
        assert!(shake(upstream.nameless(), &file("node"), &file("node key"), &file("of clients")).is_err());
        // Another's certificate, by the address and by a name.
        assert!(talk(&upstream, "other node").unwrap_err().contains("not valid for name"));
        let named = UpstreamTls::new(files(Some("cassandra.example"))).unwrap();
        assert_eq!(talk(&named, "other node").as_deref(), Ok("gateway"));
        assert!(talk(&named, "node").unwrap_err().contains("not valid for name"));

        assert!(matches!(UpstreamTls::new(files(Some("no name"))), Err(TlsError::Name(_))));

        // The cluster's authority changes, then ours.
        two.sign("127.0.0.1", &file("node"), &file("node key"));
        assert!(talk(&upstream, "node").unwrap_err().contains("invalid peer certificate"));
        two.write(&file("trusted"));
        // What changed before anybody began to look is seen, too.
        let mut watched = upstream.watched.clone();
        assert!(watched.take_if_changed(|| async { upstream.read_again() }).await.unwrap());
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("gateway"));
        two.write(&file("of clients"));
        assert!(talk(&upstream, "node").is_err());
        two.sign("gateway", &file("own"), &file("own key"));
        two.sign("reader", &file("reader"), &file("reader key"));
        assert!(watched.take_if_changed(|| async { upstream.read_again() }).await.unwrap());
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("gateway"));
        assert_eq!(talk_as_reader(&upstream).as_deref(), Ok("reader"));

        // Half of a change.
        two.sign("reader", &file("reader"), &file("passing key"));
        let half = watched.take_if_changed(|| async { upstream.read_again() }).await.unwrap_err().to_string();
        assert!(half.contains("/reader and") && half.contains("/reader key"), "{half}");
        two.sign("reader", &file("reader"), &file("reader key"));

        fs::write(file("trusted"), "").unwrap();
        assert!(matches!(UpstreamTls::new(files(None)), Err(TlsError::NoCertificate { .. })));
        assert!(watched.take_if_changed(|| async { upstream.read_again() }).await.is_err());
        assert_eq!(talk(&upstream, "node").as_deref(), Ok("gateway"));
        fs::remove_dir_all(folder).unwrap();
    }
}
