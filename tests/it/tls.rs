//! The CQL port over TLS, with a certificate made for the test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::require;

use crate::clients::dialogue::binary;
use crate::clients::obtained::{source, tool};
use crate::clients::python;

/// A certificate for the loopback address with its key, as PEM files.
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    pub fn made(name: &str) -> Certificate {
        let folder = std::env::temp_dir().join(format!("ilium-tls-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let made =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let certificate = Certificate { folder };
        std::fs::write(certificate.chain(), made.cert.pem()).unwrap();
        std::fs::write(certificate.key(), made.signing_key.serialize_pem()).unwrap();
        certificate
    }

    pub fn chain(&self) -> String {
        self.folder.join("certificate.pem").display().to_string()
    }

    pub fn key(&self) -> String {
        self.folder.join("key.pem").display().to_string()
    }

    pub fn serve(&self) -> (Ilium, Folder) {
        let folder = Folder::new().unwrap();
        let flags = ["--tls-certificate", &self.chain(), "--tls-key", &self.key()];
        (Ilium::start(binary(), &folder, &flags).unwrap(), folder)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_python_driver_writes_and_reads_over_tls() {
    let Some(python) = require("the Python driver", python::driver()) else { return };
    let certificate = Certificate::made("driver");
    let (server, _folder) = certificate.serve();
    let program = source("python/tls.py");
    let chain = certificate.chain();
    let said = tool(&mut python.command(&program, &[chain.as_ref()], server.address())).unwrap();
    assert!(said.trim_end().ends_with("all checked"), "{said}");
    server.stop().unwrap();
}

#[test]
fn a_plain_client_on_a_tls_port_gets_a_clean_end_and_others_are_served() {
    let certificate = Certificate::made("plain");
    let (server, _folder) = certificate.serve();
    for words in [&[4, 0, 0, 1, 5, 0, 0, 0, 0][..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100_000]] {
        assert_eq!(answer_to(server.address(), words).first(), Some(&21), "no TLS alert");
    }
    server.stop().unwrap();
}

/// What a server says to these bytes before it ends the connection in good order.
fn answer_to(server: SocketAddr, words: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.write_all(words).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the connection was reset");
    answer
}

#[test]
fn a_certificate_or_key_that_cannot_be_used_is_named_at_the_start() {
    let (one, other) = (Certificate::made("one"), Certificate::made("other"));
    let absent = one.folder.join("absent.pem").display().to_string();
    let nonsense = one.folder.join("nonsense.pem").display().to_string();
    std::fs::write(&nonsense, "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n")
        .unwrap();
    let empty = one.folder.join("empty.pem").display().to_string();
    std::fs::write(&empty, "").unwrap();
    for (chain, key, words) in [
        (&absent, &one.key(), [absent.as_str(), "certificate"]),
        (&nonsense, &one.key(), [nonsense.as_str(), "certificate"]),
        (&empty, &one.key(), [empty.as_str(), "no certificate"]),
        (&one.key(), &one.key(), [one.key().as_str(), "no certificate"]),
        (&one.chain(), &absent, [absent.as_str(), "private key"]),
        (&one.chain(), &one.chain(), [one.chain().as_str(), "private key"]),
        (&one.chain(), &other.key(), [one.chain().as_str(), other.key().as_str()]),
    ] {
        let output = started(&["--tls-certificate", chain, "--tls-key", key]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{error} without {words:?}");
    }
    let output = started(&["--tls-certificate", &one.chain()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stderr).unwrap().contains("TLS needs both tls-certificate and tls-key"));
}

fn started(flags: &[&str]) -> Output {
    Command::new(binary())
        .args(["up", "--in-memory", "--cql", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .args(flags)
        .output()
        .unwrap()
}
