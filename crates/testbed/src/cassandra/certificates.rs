//! Certificates for TLS: an authority made for the run, a certificate for a server's addresses, one for a client, and some with
//! an identity in them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Where they are, as PEM.
#[derive(Debug, Clone)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes all of them; the server's is valid for these addresses and `localhost`.
    pub fn make(folder: &Path, servers: &[IpAddr]) -> Result<Certificates> {
        std::fs::create_dir_all(folder)?;
        let made = Certificates { folder: folder.to_path_buf() };
        let key = KeyPair::generate()?;
        let mut params = named("Ilium test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        made.write("ca.pem", &params.self_signed(&key)?.pem())?;
        let authority = Issuer::new(params, key);

        let mut server = named("node");
        server.subject_alt_names = servers.iter().map(|ip| SanType::IpAddress(*ip)).collect();
        server.subject_alt_names.push(SanType::DnsName("localhost".try_into()?));
        server.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        made.issue("node", &server, &authority)?;

        let mut client = named("client");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        made.issue("client", &client, &authority)?;
        for name in IDENTIFIED {
            let mut bearer = client.clone();
            bearer.subject_alt_names = vec![SanType::URI(identity(name).as_str().try_into()?)];
            made.issue(name, &bearer, &authority)?;
        }
        Ok(made)
    }

    /// The certificate of the authority that signed the others.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A client's certificate and its key; the certificate's common name is `client`.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.folder.join("client.pem"), self.folder.join("client.key"))
    }

    /// The certificate of one of [`IDENTIFIED`], and its key.
    pub fn of(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")))
    }

    /// A server's key and certificate in one file, as Cassandra's PEM factory wants them.
    pub(super) fn keystore(&self) -> PathBuf {
        self.folder.join("node.both")
    }

    fn issue(&self, name: &str, params: &CertificateParams, authority: &Issuer<'_, KeyPair>) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?.pem();
        self.write(&format!("{name}.pem"), &certificate)?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        self.write(&format!("{name}.both"), &(key.serialize_pem() + &certificate))
    }

    fn write(&self, name: &str, pem: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, pem).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Who has a certificate with a SPIFFE identity in it.
const IDENTIFIED: [&str; 2] = ["gateway", "reader"];

/// The identity in the certificate of one of them.
pub fn identity(name: &str) -> String {
    format!("spiffe://ilium.test/{name}")
}

fn named(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common);
    params
}
