//! Which certificate a connection to a node shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::Credentials;

/// TLS towards the nodes. All of these trust the same authorities.
#[derive(Debug, Clone)]
pub struct TlsConfigs {
    /// Shows the gateway's own certificate. `None`: it has none.
    pub own: Option<Arc<ClientConfig>>,
    /// Shows none.
    pub nameless: Arc<ClientConfig>,
    /// Each shows that of a role which the cluster knows by it.
    pub roles: BTreeMap<String, Arc<ClientConfig>>,
}

impl TlsConfigs {
    /// For a connection of this role; `None`: it shows no certificate. `certificates_log_in` tells whether the cluster takes a
    /// certificate for a log-in: there whoever gives a password must show none, or it would not be looked at, and the caller be
    /// logged in as the gateway.
    pub(crate) fn shown_for(
        &self,
        role: Option<&Credentials>,
        certificates_log_in: bool,
    ) -> Option<&Arc<ClientConfig>> {
        match role {
            Some(role) if role.is_by_certificate() && !role.name.is_empty() => self.roles.get(&*role.name),
            Some(role) if !role.is_by_certificate() && certificates_log_in => None,
            _ => self.own.as_ref(),
        }
    }
}

/// Whether a node with this authenticator may take a certificate for a log-in: all but the one that is known not to.
pub(crate) fn certificates_log_in(authenticator: &str) -> bool {
    authenticator.rsplit('.').next() != Some("PasswordAuthenticator")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_given_beside_a_certificate_that_would_count_instead() {
        let config = || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider);
            let builder = builder.with_safe_default_protocol_versions().unwrap();
            Arc::new(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
        };
        let roles = BTreeMap::from([("reader".to_owned(), config())]);
        let tls = TlsConfigs { own: Some(config()), nameless: config(), roles };
        let is = |role: Option<Credentials>, log_in, expected: Option<&Arc<ClientConfig>>| {
            let shown = tls.shown_for(role.as_ref(), log_in);
            assert_eq!(shown.map(Arc::as_ptr), expected.map(Arc::as_ptr), "{role:?} {log_in}");
        };
        let (own, reader) = (tls.own.as_ref(), tls.roles.get("reader"));
        for log_in in [true, false] {
            is(None, log_in, own);
            is(Some(Credentials::by_certificate("")), log_in, own);
            is(Some(Credentials::by_certificate("reader")), log_in, reader);
            is(Some(Credentials::by_certificate("other")), log_in, None);
        }
        for name in ["ada", "reader", ""] {
            is(Some(Credentials::new(name, "x")), true, None);
            is(Some(Credentials::new(name, "x")), false, own);
        }
        for authenticator in ["MutualTlsAuthenticator", "MutualTlsWithPasswordFallbackAuthenticator"] {
            assert!(certificates_log_in(&format!("org.apache.cassandra.auth.{authenticator}")));
        }
        assert!(!certificates_log_in("org.apache.cassandra.auth.PasswordAuthenticator"));
    }
}
