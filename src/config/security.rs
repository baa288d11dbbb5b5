//! What both commands have of security: keys of tokens, tokens of others, certificates, limits. All but the first are keys
//! of the configuration file alone, as they have parts:
//! ```yaml
//! jwt:
//!   jwks: https://issuer.example/keys.json
//!   issuer: https://issuer.example
//!   audience: ilium
//!   role-claim: groups
//!   roles:
//!     readers: {role: app_reader, password-file: /run/secrets/app_reader}
//! certificates:
//!   spiffe://example/loader: {role: loader, password-file: /run/secrets/loader}
//!   spiffe://example/batch: {role: batch, certificate: /etc/ilium/batch.pem, key: /etc/ilium/batch.key}
//! limits:
//!   each-role: {requests-per-second: 1000, in-flight: 256, bytes-in-flight: 67108864}
//!   roles:
//!     loader: {in-flight: 32}
//!   each-address: {requests-per-second: 500}
//!   adaptive-in-flight: {min: 32, max: 4096, target-milliseconds: 50}
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ilium_http::jwt::JwtRules;
use ilium_server::{AdaptiveLimit, CertificateFiles, Limit, LimitOptions, MappedRole, RoleProof};
use serde::Deserialize;

use crate::exit::Failure;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// Keys of tokens that the operator keeps.
    pub token_keys: Option<PathBuf>,
    pub jwt: Option<Jwt>,
    /// Roles by the identity of a certificate.
    pub certificates: BTreeMap<String, MappedRole>,
    pub limits: LimitOptions,
}

/// Whose JWTs are taken, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    pub jwks: String,
    pub ca: Option<PathBuf>,
    pub rules: JwtRules,
    pub role_claim: String,
    /// Roles by the value of the claim.
    pub roles: BTreeMap<String, MappedRole>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JwtInFile {
    jwks: String,
    ca: Option<PathBuf>,
    issuer: String,
    audience: String,
    role_claim: String,
    roles: BTreeMap<String, RoleInFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RoleInFile {
    role: String,
    password_file: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsInFile {
    each_role: LimitInFile,
    roles: BTreeMap<String, LimitInFile>,
    each_address: LimitInFile,
    adaptive_in_flight: Option<AdaptiveInFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct LimitInFile {
    requests_per_second: Option<u32>,
    in_flight: Option<u32>,
    bytes_in_flight: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AdaptiveInFile {
    min: usize,
    max: usize,
    target_milliseconds: u64,
}

/// What flags and file say.
pub struct Said {
    pub token_keys: Option<PathBuf>,
    pub jwt: Option<JwtInFile>,
    pub certificates: Option<BTreeMap<String, RoleInFile>>,
    pub limits: Option<LimitsInFile>,
}

impl Security {
    /// `logs_in` tells whether clients log in, as far as that is known.
    pub fn of(said: Said, logs_in: bool) -> Result<Security, Failure> {
        let Said { token_keys, jwt, certificates, limits } = said;
        if !logs_in && (jwt.is_some() || certificates.is_some()) {
            return Err(Failure::config("jwt and certificates need auth: they are other ways to log in"));
        }
        let jwt = jwt.map(|jwt| {
            let JwtInFile { jwks, ca, issuer, audience, role_claim, roles } = jwt;
            let texts = [("jwks", &jwks), ("issuer", &issuer), ("audience", &audience), ("role-claim", &role_claim)];
            if let Some((key, _)) = texts.into_iter().find(|(_, text)| text.trim().is_empty()) {
                return Err(Failure::config(format!("jwt.{key} is empty; no JWT could be taken by it")));
            }
            if roles.is_empty() {
                return Err(Failure::config(
                    "jwt.roles is empty, so nobody could log in by a JWT; map values of the claim to roles, or leave jwt out",
                ));
            }
            let roles = mapped("jwt.roles", roles)?;
            Ok::<_, Failure>(Jwt { jwks, ca, rules: JwtRules { issuer, audience }, role_claim, roles })
        });
        Ok(Security {
            token_keys,
            jwt: jwt.transpose()?,
            certificates: mapped("certificates", certificates.unwrap_or_default())?,
            limits: limits.unwrap_or_default().options()?,
        })
    }
}

fn mapped(key: &str, roles: BTreeMap<String, RoleInFile>) -> Result<BTreeMap<String, MappedRole>, Failure> {
    let mapped = roles.into_iter().map(|(who, RoleInFile { role, password_file, certificate, key: of_it })| {
        let wrong = |what: &str| Err(Failure::config(format!("role {role} of {key}.{who} has {what}")));
        let proof = match (password_file, certificate, of_it) {
            (Some(file), None, None) => RoleProof::Password(file),
            (None, Some(chain), Some(key)) => RoleProof::Certificate { chain, key },
            (None, None, None) => {
                return wrong(
                    "no password-file: nobody could log in as it; name the file that holds its password, or the \
                     certificate and key by which a cluster knows it",
                );
            }
            (None, ..) => return wrong("half of a pair: it needs both certificate and key"),
            (Some(_), ..) => return wrong("both a password-file and a certificate: one is to log it in"),
        };
        if role.is_empty() {
            return Err(Failure::config(format!("role of {key}.{who} is empty: name whom it stands for")));
        }
        Ok((who, MappedRole { role, proof }))
    });
    mapped.collect()
}

impl Security {
    /// The certificates that are shown to a cluster for roles, by their names.
    pub fn role_certificates(&self) -> Result<BTreeMap<String, CertificateFiles>, Failure> {
        let by_claim = self.jwt.iter().flat_map(|jwt| jwt.roles.values());
        let mut found = BTreeMap::new();
        for MappedRole { role, proof } in self.certificates.values().chain(by_claim) {
            let RoleProof::Certificate { chain, key } = proof else { continue };
            let files = (chain.clone(), key.clone());
            if found.insert(role.clone(), files.clone()).is_some_and(|other| other != files) {
                return Err(Failure::config(format!(
                    "role {role} has two certificates: one is to be shown for it"
                )));
            }
        }
        Ok(found)
    }
}

impl LimitsInFile {
    fn options(self) -> Result<LimitOptions, Failure> {
        let LimitsInFile { each_role, roles, each_address, adaptive_in_flight } = self;
        let roles = roles.into_iter().map(|(name, limit)| {
            let limit = limit.limit(&format!("limits.roles.{name}"))?;
            Ok((name, limit))
        });
        let shared = adaptive_in_flight.map(|AdaptiveInFile { min, max, target_milliseconds }| {
            if min == 0 || max < min || target_milliseconds == 0 {
                return Err(Failure::config(
                    "limits.adaptive-in-flight needs a min of 1 or more, a max no less, and target-milliseconds of 1 or more",
                ));
            }
            Ok(AdaptiveLimit { min, max, target: Duration::from_millis(target_milliseconds) })
        });
        Ok(LimitOptions {
            each_role: each_role.limit("limits.each-role")?,
            roles: roles.collect::<Result<_, Failure>>()?,
            each_address: each_address.limit("limits.each-address")?,
            shared: shared.transpose()?,
        })
    }
}

impl LimitInFile {
    fn limit(self, key: &str) -> Result<Limit, Failure> {
        let LimitInFile { requests_per_second, in_flight, bytes_in_flight } = self;
        if requests_per_second == Some(0) || in_flight == Some(0) || bytes_in_flight == Some(0) {
            return Err(Failure::config(format!(
                "a limit of {key} is 0, which nothing passes; leave it out for none"
            )));
        }
        Ok(Limit { requests_per_second, in_flight, bytes_in_flight })
    }
}
