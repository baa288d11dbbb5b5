//! What `ilium up` runs with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use ilium_server::TraceOptions;
use serde::Deserialize;

use super::file::{List, list};
use super::security::{JwtInFile, LimitsInFile, RoleInFile, Said, Security};
use super::{CQL, HTTP, ORIGINS_NEED_LOG_INS, file, named, origins, tls, traces, variable};
use crate::cli::UpFlags;
use crate::exit::Failure;

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Group,
    Periodic,
}

/// What `ilium up` runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `None`: in memory.
    pub data: Option<PathBuf>,
    /// Whether clients must log in.
    pub auth: bool,
    pub cql: SocketAddr,
    pub http: SocketAddr,
    pub durability: Durability,
    pub dc: String,
    pub init: Option<PathBuf>,
    /// Certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Authorities of client certificates.
    pub tls_client_ca: Option<PathBuf>,
    /// Origins whose pages may call the HTTP APIs.
    pub cors_origins: Vec<String>,
    pub security: Security,
    /// Statements that take as long are logged.
    pub slow: Option<Duration>,
    /// `None`: nothing is traced.
    pub traces: Option<TraceOptions>,
}

/// The file, its keys named as the flags are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    data: Option<PathBuf>,
    in_memory: Option<bool>,
    auth: Option<bool>,
    cql: Option<SocketAddr>,
    http: Option<SocketAddr>,
    durability: Option<Durability>,
    dc: Option<String>,
    init: Option<PathBuf>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    cors_origins: Option<List>,
    token_keys: Option<PathBuf>,
    jwt: Option<JwtInFile>,
    certificates: Option<BTreeMap<String, RoleInFile>>,
    limits: Option<LimitsInFile>,
    slow: Option<u64>,
    otlp_endpoint: Option<String>,
}

pub(super) const NAMES: [&str; 18] = [
    "data",
    "in-memory",
    "auth",
    "cql",
    "http",
    "durability",
    "dc",
    "init",
    "tls-certificate",
    "tls-key",
    "tls-client-ca",
    "cors-origins",
    "token-keys",
    "jwt",
    "certificates",
    "limits",
    "slow",
    "otlp-endpoint",
];

const KEYS: file::Keys = file::Keys { of: &NAMES, elsewhere: ("ilium gateway", &super::gateway::NAMES) };

/// Puts flags and file together. Variables are in the flags already: clap reads them where no flag was given.
pub fn resolve(flags: UpFlags) -> Result<Settings, Failure> {
    let shared = flags.shared;
    let file: File = file::read(shared.config.as_deref(), &KEYS)?;
    let tls = tls(shared.tls_certificate.or(file.tls_certificate), shared.tls_key.or(file.tls_key))?;
    let auth = flags.auth.or(file.auth).unwrap_or(false);
    let tls_client_ca = shared.tls_client_ca.or(file.tls_client_ca);
    if tls_client_ca.is_some() && !(auth && tls.is_some()) {
        return Err(Failure::config(
            "tls-client-ca needs auth and tls-certificate: a certificate is another way to log in",
        ));
    }
    let cors_origins = origins(list(shared.cors_origins, file.cors_origins))?;
    if !cors_origins.is_empty() && !auth {
        return Err(Failure::config(ORIGINS_NEED_LOG_INS));
    }
    let said = Said {
        token_keys: shared.token_keys.or(file.token_keys),
        jwt: file.jwt,
        certificates: file.certificates,
        limits: file.limits,
    };
    let security = Security::of(said, auth)?;
    if let Some(role) = security.role_certificates()?.keys().next() {
        return Err(Failure::config(format!(
            "role {role} has a certificate, and here is no cluster to show it to; give it a password-file"
        )));
    }
    let data = flags.data.or(file.data);
    let in_memory = flags.in_memory.or(file.in_memory).unwrap_or(false);
    Ok(Settings {
        data: if in_memory { None } else { Some(data.unwrap_or_else(|| PathBuf::from("ilium-data"))) },
        auth,
        cql: shared.cql.or(file.cql).unwrap_or(CQL),
        http: shared.http.or(file.http).unwrap_or(HTTP),
        durability: flags.durability.or(file.durability).unwrap_or(Durability::Group),
        dc: named("dc", flags.dc.or(file.dc))?.unwrap_or_else(|| "datacenter1".to_owned()),
        init: flags.init.or(file.init),
        tls,
        tls_client_ca,
        cors_origins,
        security,
        slow: shared.slow.or(file.slow).map(Duration::from_millis),
        traces: traces::resolve(shared.otlp_endpoint, file.otlp_endpoint, "ilium", variable)?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::SharedFlags;

    fn parse(text: &str) -> Result<File, String> {
        file::parse(text, &KEYS)
    }

    #[test]
    fn a_file_says_what_flags_say() {
        let file =
            parse("data: /d\nin-memory: true\ncql: 127.0.0.2:1\ndurability: periodic\ndc: dc9\n").unwrap();
        assert_eq!(file.data, Some(PathBuf::from("/d")));
        assert_eq!(file.in_memory, Some(true));
        assert_eq!(file.cql, Some(SocketAddr::from(([127, 0, 0, 2], 1))));
        assert_eq!(file.durability, Some(Durability::Periodic));
        assert_eq!(file.dc.as_deref(), Some("dc9"));
        assert!(parse("# nothing\n\n").unwrap().data.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let error = parse("durabilty: group\n").unwrap_err();
        assert!(error.contains("`durabilty`") && error.contains("did you mean `durability`"), "{error}");
    }

    #[test]
    fn a_key_of_the_other_command_is_said_to_be_that() {
        let error = parse("contact-points: [10.0.0.5]\n").unwrap_err();
        assert!(error.contains("`contact-points` is a key of `ilium gateway`"), "{error}");
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_refused() {
        for (text, key) in [
            ("durability: sometimes\n", "durability"),
            ("dc: x\ncql: nowhere\n", "cql"),
            ("limits:\n  each-role: {in-flight: many}\n", "limits.each-role.in-flight"),
            ("jwt: {jwks: a}\n", "jwt"),
            ("cors-origins: {a: b}\n", "cors-origins"),
            ("{cors-origins: [a, [b]]}\n", "cors-origins[1]"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("the value of `{key}` cannot be read: ")), "{error}");
            assert!(error.contains("line "), "{error}");
        }
        let error = parse("cors-origins: {a: b}\n").unwrap_err();
        assert!(error.contains("a list, or one text with commas between"), "{error}");
    }

    #[test]
    fn a_list_is_written_as_a_list_or_with_commas_and_means_the_same() {
        for text in [
            "cors-origins: [a, b]\n",
            "cors-origins:\n  - a\n  - b\n",
            "cors-origins: a,b\n",
            "cors-origins: ' a, b,'\n",
        ] {
            assert_eq!(list(None, parse(text).unwrap().cors_origins), ["a", "b"], "{text}");
        }
        for text in ["cors-origins: a\n", "cors-origins: [a]\n"] {
            assert_eq!(list(None, parse(text).unwrap().cors_origins), ["a"], "{text}");
        }
        for text in ["cors-origins:\n", "cors-origins: ''\n", "cors-origins: []\n", "dc: x\n"] {
            assert!(list(None, parse(text).unwrap().cors_origins).is_empty(), "{text}");
        }
        let flag = vec!["c".to_owned(), " d".to_owned()];
        assert_eq!(list(Some(flag), parse("cors-origins: a\n").unwrap().cors_origins), ["c", "d"]);
    }

    #[test]
    fn web_origins_are_checked_and_need_authentication() {
        let with = |auth, origin: &str| {
            let shared =
                SharedFlags { cors_origins: Some(vec![origin.to_owned()]), ..SharedFlags::default() };
            let flags = UpFlags { auth: Some(auth), shared, ..UpFlags::default() };
            resolve(flags).map(|settings| settings.cors_origins).map_err(|failure| failure.to_string())
        };
        for origin in ["https://app.example", "http://localhost:3000", "*"] {
            assert_eq!(with(true, origin).unwrap(), [origin]);
        }
        for origin in ["app.example", "https://app.example/", "https://", "ftp://x", "https://a b"] {
            assert!(with(true, origin).unwrap_err().contains("no web origin"), "{origin}");
        }
        assert!(with(false, "*").unwrap_err().contains("with auth"));
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let folder = std::env::temp_dir().join(format!("ilium-config-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("ilium.yaml");
        fs::write(&path, "dc: from-file\ndurability: periodic\n").unwrap();
        let shared = SharedFlags { config: Some(path), ..SharedFlags::default() };
        let flags = UpFlags { dc: Some("from-flag".into()), shared, ..UpFlags::default() };
        let settings = resolve(flags).unwrap();
        assert_eq!((settings.dc.as_str(), settings.durability), ("from-flag", Durability::Periodic));
        fs::remove_dir_all(folder).unwrap();
    }
}
