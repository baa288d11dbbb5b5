//! What `ilium gateway` runs with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use ilium_cluster::host_and_port;
use ilium_server::{TraceOptions, UpstreamTlsFiles};
use serde::Deserialize;

use super::file::{List, list};
use super::security::{JwtInFile, LimitsInFile, RoleInFile, Said, Security};
use super::{CQL, HTTP, file, named, origins, tls, traces, variable};
use crate::cli::GatewayFlags;
use crate::exit::Failure;

/// How what goes to the nodes is compressed. Every version of the protocol knows LZ4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamCompression {
    #[default]
    None,
    Lz4,
}

pub struct Settings {
    pub contact_points: Vec<String>,
    pub cql: SocketAddr,
    pub http: SocketAddr,
    /// Where clients reach it; `None`: where it listens.
    pub advertise: Option<SocketAddr>,
    /// The gateways beside it.
    pub peers: Vec<String>,
    /// The gateway's own role, and the file with its password.
    pub user: Option<(String, PathBuf)>,
    pub local_dc: Option<String>,
    pub local_rack: Option<String>,
    /// Between the signal to stop and the drain.
    pub drain_wait: Duration,
    /// Statements that take as long are logged.
    pub slow: Option<Duration>,
    /// After how long REST asks a second node.
    pub speculate_after: Option<Duration>,
    /// Certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Authorities of client certificates.
    pub tls_client_ca: Option<PathBuf>,
    pub upstream_compression: UpstreamCompression,
    /// How nodes are spoken to over TLS.
    pub upstream_tls: Option<UpstreamTlsFiles>,
    /// Origins whose pages may call the HTTP APIs.
    pub cors_origins: Vec<String>,
    pub security: Security,
    /// `None`: nothing is traced.
    pub traces: Option<TraceOptions>,
}

/// The file, its keys named as the flags are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    contact_points: Option<List>,
    cql: Option<SocketAddr>,
    http: Option<SocketAddr>,
    advertise: Option<SocketAddr>,
    peers: Option<List>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    local_dc: Option<String>,
    local_rack: Option<String>,
    drain_wait: Option<u64>,
    slow: Option<u64>,
    speculate_after: Option<u64>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    cors_origins: Option<List>,
    upstream_compression: Option<UpstreamCompression>,
    upstream_tls_ca: Option<PathBuf>,
    upstream_tls_certificate: Option<PathBuf>,
    upstream_tls_key: Option<PathBuf>,
    upstream_tls_name: Option<String>,
    token_keys: Option<PathBuf>,
    jwt: Option<JwtInFile>,
    certificates: Option<BTreeMap<String, RoleInFile>>,
    limits: Option<LimitsInFile>,
    otlp_endpoint: Option<String>,
}

pub(super) const NAMES: [&str; 26] = [
    "contact-points",
    "cql",
    "http",
    "advertise",
    "peers",
    "user",
    "password-file",
    "local-dc",
    "local-rack",
    "drain-wait",
    "slow",
    "speculate-after",
    "tls-certificate",
    "tls-key",
    "tls-client-ca",
    "cors-origins",
    "upstream-compression",
    "upstream-tls-ca",
    "upstream-tls-certificate",
    "upstream-tls-key",
    "upstream-tls-name",
    "token-keys",
    "jwt",
    "certificates",
    "limits",
    "otlp-endpoint",
];

const KEYS: file::Keys = file::Keys { of: &NAMES, elsewhere: ("ilium up", &super::up::NAMES) };

/// Puts flags and file together. Variables are in the flags already: clap reads them where no flag was given.
pub fn resolve(flags: GatewayFlags) -> Result<Settings, Failure> {
    let shared = flags.shared;
    let file: File = file::read(shared.config.as_deref(), &KEYS)?;
    let contact_points = list(flags.contact_points, file.contact_points);
    if contact_points.is_empty() {
        return Err(Failure::config(
            "contact-points is missing: name a node of the cluster or more, as HOST or HOST:PORT, comma-separated",
        ));
    }
    let peers = list(flags.peers, file.peers);
    for (key, addresses) in [("contact-points", &contact_points), ("peers", &peers)] {
        for address in addresses {
            host_and_port(address).map_err(|error| Failure::config(format!("{key}: {error}")))?;
        }
    }
    let user = match (named("user", flags.user.or(file.user))?, flags.password_file.or(file.password_file)) {
        (Some(name), Some(password)) => Some((name, password)),
        (None, None) => None,
        _ => return Err(Failure::config("the gateway's own role needs both user and password-file")),
    };
    let cql = shared.cql.or(file.cql).unwrap_or(CQL);
    let advertise = flags.advertise.or(file.advertise);
    let told = advertise.unwrap_or(cql);
    if told.ip().is_unspecified() {
        let what = if advertise.is_some() { "wrong" } else { "missing" };
        return Err(Failure::config(format!(
            "advertise is {what}: {told} stands for every address of a machine, and drivers must be told one that they reach"
        )));
    }
    let tls = tls(shared.tls_certificate.or(file.tls_certificate), shared.tls_key.or(file.tls_key))?;
    let tls_client_ca = shared.tls_client_ca.or(file.tls_client_ca);
    if tls_client_ca.is_some() && tls.is_none() {
        return Err(Failure::config("tls-client-ca needs tls-certificate: certificates are shown over TLS"));
    }
    let said = Said {
        token_keys: shared.token_keys.or(file.token_keys),
        jwt: file.jwt,
        certificates: file.certificates,
        limits: file.limits,
    };
    // Whether they do, the cluster says.
    let security = Security::of(said, true)?;
    if !security.certificates.is_empty() && tls_client_ca.is_none() {
        return Err(Failure::config("certificates needs tls-client-ca: nobody is asked for one without"));
    }
    let speculate_after = flags.speculate_after.or(file.speculate_after);
    if speculate_after == Some(0) {
        return Err(Failure::config(
            "speculate-after is 0, so all would be asked twice; give it 1 or more milliseconds, or leave it out for never",
        ));
    }
    let mut upstream_tls = upstream_tls(
        flags.upstream_tls_ca.or(file.upstream_tls_ca),
        flags.upstream_tls_certificate.or(file.upstream_tls_certificate),
        flags.upstream_tls_key.or(file.upstream_tls_key),
        named("upstream-tls-name", flags.upstream_tls_name.or(file.upstream_tls_name))?,
    )?;
    let roles = security.role_certificates()?;
    match (&mut upstream_tls, roles.keys().next()) {
        (None, Some(role)) => {
            return Err(Failure::config(format!(
                "upstream-tls-ca is missing: the certificate of role {role} is shown to the nodes over TLS"
            )));
        }
        (Some(files), _) => files.roles = roles,
        (None, None) => {}
    }
    Ok(Settings {
        contact_points,
        cql,
        http: shared.http.or(file.http).unwrap_or(HTTP),
        advertise,
        peers,
        user,
        local_dc: named("local-dc", flags.local_dc.or(file.local_dc))?,
        local_rack: named("local-rack", flags.local_rack.or(file.local_rack))?,
        drain_wait: Duration::from_secs(flags.drain_wait.or(file.drain_wait).unwrap_or(0)),
        slow: shared.slow.or(file.slow).map(Duration::from_millis),
        speculate_after: speculate_after.map(Duration::from_millis),
        tls,
        tls_client_ca,
        upstream_compression: flags.upstream_compression.or(file.upstream_compression).unwrap_or_default(),
        upstream_tls,
        cors_origins: origins(list(shared.cors_origins, file.cors_origins))?,
        security,
        traces: traces::resolve(shared.otlp_endpoint, file.otlp_endpoint, "ilium-gateway", variable)?,
    })
}

/// TLS towards the nodes: with authorities, or not at all.
fn upstream_tls(
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
) -> Result<Option<UpstreamTlsFiles>, Failure> {
    let Some(authorities) = ca else {
        if certificate.is_some() || key.is_some() || server_name.is_some() {
            return Err(Failure::config(
                "upstream-tls-ca is missing: TLS towards the nodes needs their authorities",
            ));
        }
        return Ok(None);
    };
    let own = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(Failure::config(
                "upstream TLS needs both upstream-tls-certificate and upstream-tls-key",
            ));
        }
    };
    Ok(Some(UpstreamTlsFiles { authorities, server_name, own, roles: BTreeMap::new() }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::SharedFlags;

    /// What a file with this text gives, flags left out.
    fn of_file(name: &str, text: &str) -> Result<Settings, String> {
        let path = std::env::temp_dir().join(format!("ilium-gateway-{name}-{}.yaml", std::process::id()));
        fs::write(&path, text).unwrap();
        let shared = SharedFlags { config: Some(path.clone()), ..SharedFlags::default() };
        let resolved = resolve(GatewayFlags { shared, ..GatewayFlags::default() });
        fs::remove_file(path).unwrap();
        resolved.map_err(|failure| failure.to_string())
    }

    #[test]
    fn addresses_in_the_file_are_a_list_or_have_commas_between() {
        for text in [
            "contact-points: 127.0.0.1:9042, b\npeers: c,d:1\n",
            "contact-points: ['127.0.0.1:9042', b]\npeers:\n  - c\n  - d:1\n",
        ] {
            let settings = of_file("lists", text).map_err(|error| panic!("{error}")).unwrap();
            assert_eq!(settings.contact_points, ["127.0.0.1:9042", "b"]);
            assert_eq!(settings.peers, ["c", "d:1"]);
        }
        let error = of_file("wrong-list", "contact-points: {a: b}\n").map(|_| ()).unwrap_err();
        assert!(error.contains("the value of `contact-points` cannot be read"), "{error}");
    }

    #[test]
    fn what_would_do_nothing_or_harm_is_refused_by_its_name() {
        let jwt = "jwks: /k, issuer: i, audience: a, role-claim: groups";
        for (line, words) in [
            ("speculate-after: 0", "speculate-after is 0"),
            ("advertise: 0.0.0.0:9042", "advertise is wrong: 0.0.0.0:9042"),
            ("cql: 0.0.0.0:9042", "advertise is missing: 0.0.0.0:9042"),
            ("data: /d", "`data` is a key of `ilium up`"),
            ("local-rack: ''", "local-rack is empty"),
            ("local-dc: ' '", "local-dc is empty"),
            ("{user: '', password-file: /p}", "user is empty"),
            (&format!("jwt: {{{jwt}, roles: {{}}}}"), "jwt.roles is empty"),
            ("jwt: {jwks: /k, issuer: '', audience: a, role-claim: g, roles: {}}", "jwt.issuer is empty"),
        ] {
            let text = match line.strip_prefix('{') {
                Some(flow) => format!("{{contact-points: a, {flow}\n"),
                None => format!("contact-points: a\n{line}\n"),
            };
            let error = of_file("empty", &text).map(|_| ()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
