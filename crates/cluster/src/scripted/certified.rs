//! TLS between scripted nodes and a gateway that has a certificate of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::TlsConfigs;

/// What nodes want to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A certificate, or none.
    Either,
    Certificate,
}

/// The nodes' side and the gateway's.
pub(crate) fn certified(wanted: Wanted) -> (Arc<ServerConfig>, TlsConfigs) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    };
    let mut trusted = RootCertStore::empty();
    trusted.add(authority.der().clone()).unwrap();
    let trusted = Arc::new(trusted);
    let provider = Arc::new(rustls::crypto::ring::default_provider());

    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&trusted), Arc::clone(&provider));
    let verifier = match wanted {
        Wanted::Either => verifier.allow_unauthenticated().build(),
        Wanted::Certificate => verifier.build(),
    };
    let (chain, key) = issue("127.0.0.1");
    let nodes = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key)
        .unwrap();

    let client = || {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(Arc::clone(&trusted))
    };
    let (chain, key) = issue("gateway");
    let own = client().with_client_auth_cert(chain, key).unwrap();
    let gateway = TlsConfigs {
        own: Some(Arc::new(own)),
        nameless: Arc::new(client().with_no_client_auth()),
        roles: BTreeMap::new(),
    };
    (Arc::new(nodes), gateway)
}
