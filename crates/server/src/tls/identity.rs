//! What a handshake agreed on, and whom a client's certificate is of.

use ilium_native::TlsSession;
use rustls::ServerConnection;
use x509_parser::extensions::GeneralName;

/// What a SPIFFE identity begins with.
const SPIFFE: &[u8] = b"spiffe://";

/// What the handshake agreed on, by the names that Java has for it, as Cassandra reports them.
pub fn session(connection: &ServerConnection) -> Option<TlsSession> {
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
}
