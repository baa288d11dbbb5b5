//! Logging in and what roles may do, through the built binary: the tables of `tests/access` here and on a real Cassandra,
//! real clients, certificates, and a kill.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use ilium_testbed::access::{self, Credentials, Target};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, require};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};

use crate::clients::dialogue::binary;
use crate::clients::obtained::{source, tool};
use crate::clients::python;

/// What the tables must hold at least; a lower number says that rows were lost.
const ROWS: usize = 360;

fn superuser_file(folder: &Folder) -> PathBuf {
    folder.data().join("superuser.txt")
}

fn guarded(flags: &[&str]) -> (Ilium, Folder) {
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &[&["--auth"], flags].concat()).unwrap();
    (server, folder)
}

fn as_superuser(address: SocketAddr, folder: &Folder) -> Connection {
    let Credentials { name, password } = Credentials::read(&superuser_file(folder)).unwrap();
    Connection::open_as(address, 5, Some((&name, &password))).unwrap()
}

fn outcome(connection: &mut Connection, text: &str) -> Outcome {
    connection.query(text, &Binds::None, &Settings::default()).unwrap().outcome
}

fn run(connection: &mut Connection, text: &str) {
    if let Outcome::Error(error) = outcome(connection, text) {
        panic!("{text}: {}", error.message);
    }
}

#[test]
fn every_row_of_the_tables_of_access_holds() {
    let tables = access::all("").unwrap();
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
    assert!(rows >= ROWS, "{rows} rows");
    let (server, folder) = guarded(&[]);
    let superuser = Credentials::read(&superuser_file(&folder)).unwrap();
    let wrong = access::run(&Target { address: server.address(), superuser }, &tables).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.stop().unwrap();
}

#[test]
fn every_row_of_the_tables_of_access_holds_on_a_real_cassandra_and_through_a_gateway_and_hashes_go_from_one_to_the_other()
 {
    let Some(cassandra) = require("Apache Cassandra", Cassandra::with_login()) else { return };
    let target = cassandra.target();
    let wrong = access::run(&target, &access::all("").unwrap()).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let folder = Folder::new().unwrap();
    let password_file = folder.data().with_file_name("password");
    std::fs::write(&password_file, format!("{}\n", target.superuser.password)).unwrap();
    let flags = ["--user", &target.superuser.name, "--password-file", password_file.to_str().unwrap()];
    let gateway = Ilium::gateway(binary(), &folder, &[target.address], &flags).unwrap();
    let through = Target { address: gateway.address(), superuser: target.superuser.clone() };
    let wrong = access::run(&through, &access::all("").unwrap()).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    gateway.stop().unwrap();

    let (server, folder) = guarded(&[]);
    let Credentials { name, password } = &target.superuser;
    let mut theirs = Connection::open_as(target.address, 5, Some((name, password))).unwrap();
    let mut ours = as_superuser(server.address(), &folder);
    let hash_made_by = |superuser: &mut Connection| {
        run(superuser, "CREATE ROLE wanderer WITH LOGIN = true AND PASSWORD = 'w\u{f6}rter'");
        let read = "SELECT salted_hash FROM system_auth.roles WHERE role = 'wanderer'";
        let Outcome::Rows(rows) = outcome(superuser, read) else { panic!("no rows") };
        run(superuser, "DROP ROLE wanderer");
        String::from_utf8(rows.rows[0][0].clone().unwrap()).unwrap()
    };
    let hashes = [hash_made_by(&mut theirs), hash_made_by(&mut ours)];
    let into = [(ours, server.address()), (theirs, target.address)];
    for ((mut superuser, address), hash) in into.into_iter().zip(hashes) {
        let made = format!("CREATE ROLE wanderer WITH LOGIN = true AND HASHED PASSWORD = '{hash}'");
        run(&mut superuser, &made);
        Connection::open_as(address, 5, Some(("wanderer", "w\u{f6}rter"))).unwrap();
        assert!(Connection::open_as(address, 5, Some(("wanderer", "worter"))).is_err());
    }
    server.stop().unwrap();
}

#[test]
fn the_python_driver_logs_in_with_the_right_password_only() {
    let Some(python) = require("the Python driver", python::driver()) else { return };
    let (server, folder) = guarded(&[]);
    let file = superuser_file(&folder);
    let program = source("python/login.py");
    let said = tool(&mut python.command(&program, &[file.as_ref()], server.address())).unwrap();
    assert!(said.trim_end().ends_with("all checked"), "{said}");
    // Neither what it says nor what it logs has a password in it.
    let output = server.output().unwrap();
    let password = Credentials::read(&file).unwrap().password;
    assert!(!output.contains(&password) && !output.contains("a secret"), "{output}");
    assert!(output.contains(&file.display().to_string()), "{output}");
    server.stop().unwrap();
}

#[test]
fn cqlsh_logs_in_with_the_superusers_file_and_not_with_a_wrong_password() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let (server, folder) = guarded(&[]);
    let (ip, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let cqlsh = || Command::new(python.programs().join("cqlsh"));
    let statements = "CREATE ROLE ada; LIST ROLES";
    let said =
        tool(cqlsh().arg("--credentials").arg(superuser_file(&folder)).args([&ip, &port, "-e", statements]))
            .unwrap();
    assert!(said.contains("cassandra") && said.contains("ada"), "{said}");
    let refused = cqlsh().args(["-u", "cassandra", "-p", "cassandra", &ip, &port]).output().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("and/or password are incorrect"), "{error}");
    server.stop().unwrap();
}

#[test]
fn acknowledged_changes_of_roles_survive_a_kill_while_more_are_made() {
    let folder = Folder::new().unwrap();
    let acknowledged = AtomicU32::new(0);
    for round in 1..=3 {
        let server = Ilium::start(binary(), &folder, &["--auth"]).unwrap();
        let address = server.address();
        let enough = acknowledged.load(Ordering::SeqCst) + 20;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut connection = as_superuser(address, &folder);
                loop {
                    let number = acknowledged.load(Ordering::SeqCst);
                    let made = format!("CREATE ROLE IF NOT EXISTS r{number} WITH LOGIN = true");
                    let granted = format!("GRANT CREATE ON ALL ROLES TO r{number}");
                    for text in [made, granted] {
                        if connection.query(&text, &Binds::None, &Settings::default()).is_err() {
                            return;
                        }
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
            while acknowledged.load(Ordering::SeqCst) < enough {
                std::thread::yield_now();
            }
            server.crash().unwrap();
        });
        let server = Ilium::start(binary(), &folder, &["--auth"]).unwrap();
        let mut connection = as_superuser(server.address(), &folder);
        for number in 0..acknowledged.load(Ordering::SeqCst) {
            let Outcome::Rows(rows) = outcome(&mut connection, &format!("LIST ALL PERMISSIONS OF r{number}"))
            else {
                panic!("round {round}: what was granted to r{number} is gone");
            };
            assert_eq!(rows.rows.len(), 1, "round {round}, r{number}");
        }
        server.stop().unwrap();
    }
}

#[test]
fn with_log_ins_others_may_reach_it_and_without_tls_that_is_said() {
    let folder = Folder::new().unwrap();
    fs::create_dir_all(folder.data()).unwrap();
    let mut child = Command::new(binary())
        .args(["up", "--auth", "--cql", "0.0.0.0:0", "--http", "127.0.0.1:0", "--data"])
        .arg(folder.data())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(first.starts_with("CQL on 0.0.0.0:"), "{first}{log}");
    assert!(log.contains("there is no TLS") && log.contains("WARN"), "{log}");
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

#[test]
fn in_memory_the_superusers_file_is_its_owners_alone_and_goes_with_the_data() {
    let mut child = Command::new(binary())
        .args(["up", "--auth", "--in-memory", "--cql", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.filter_map(|line| line.split_once("password are in ").map(|(_, file)| file.to_owned()));
    let file = PathBuf::from(told.into_iter().next().unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(Credentials::read(&file).unwrap().name, "cassandra");
    tool(Command::new("kill").args(["-TERM", &child.id().to_string()])).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!file.parent().unwrap().exists());
}

/// An authority, and what it signs.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path) -> Authority {
        fs::create_dir_all(folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = named("authority");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        Authority { folder: folder.to_path_buf(), issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The files of a certificate and its key.
    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> [String; 2] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [self.file(&format!("{name}.pem")), self.file(&format!("{name}.key"))];
        let [certificate_file, key_file] = &files;
        fs::write(certificate_file, certificate.pem()).unwrap();
        fs::write(key_file, key.serialize_pem()).unwrap();
        files
    }

    fn of_client(&self, name: &str, uri: Option<&str>) -> [String; 2] {
        self.sign(name, |params| {
            params.distinguished_name = named(name);
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
            params.subject_alt_names.extend(uri.map(|uri| SanType::URI(uri.try_into().unwrap())));
        })
    }
}

#[test]
fn a_certificate_that_stands_for_a_role_needs_no_password_and_others_come_no_further() {
    let Some(python) = require("the Python driver", python::driver()) else { return };
    let folder = Folder::new().unwrap();
    let (ours, strange) =
        (Authority::new(&folder.data().join("../ca")), Authority::new(&folder.data().join("../strange")));
    let [certificate, key] = ours.sign("server", |params| {
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    });
    let (chain, authorities) = (ours.file("ca.pem"), ours.file("ca.pem"));
    let flags = ["--auth", "--tls-certificate", &certificate, "--tls-key", &key];
    let flags = [&flags[..], &["--tls-client-ca", &authorities]].concat();
    // Before TLS is asked for, the roles: over a plain start.
    let plain = Ilium::start(binary(), &folder, &["--auth"]).unwrap();
    let mut connection = as_superuser(plain.address(), &folder);
    for statement in [
        "CREATE ROLE ada WITH LOGIN = true",
        "CREATE ROLE bob WITH LOGIN = true",
        "CREATE ROLE locked",
        "ADD IDENTITY 'spiffe://ilium/ada' TO ROLE 'ada'",
        "ADD IDENTITY 'bob' TO ROLE 'bob'",
        "ADD IDENTITY 'locked' TO ROLE 'locked'",
    ] {
        run(&mut connection, statement);
    }
    plain.stop().unwrap();
    let server = Ilium::start(binary(), &folder, &flags).unwrap();
    let program = source("python/certificate.py");
    let connects = |[certificate, key]: &[String; 2], role: Option<&str>| {
        let mut first = vec![chain.as_ref(), certificate.as_ref(), key.as_ref()];
        first.extend(role.map(OsStr::new));
        let said = tool(&mut python.command(&program, &first, server.address()));
        said.map(|said| said.trim_end().ends_with("all checked"))
    };
    let spiffe = ours.of_client("somebody", Some("spiffe://ilium/ada"));
    assert!(connects(&spiffe, Some("ada")).unwrap());
    assert!(connects(&ours.of_client("bob", None), Some("bob")).unwrap(), "by its common name");
    assert!(connects(&ours.of_client("bob", Some("spiffe://ilium/x")), None).unwrap(), "SPIFFE goes first");
    assert!(connects(&ours.of_client("nobody", None), None).unwrap());
    assert!(connects(&ours.of_client("locked", None), None).unwrap());
    let forged = strange.of_client("bob", Some("spiffe://ilium/ada"));
    assert!(connects(&forged, Some("ada")).is_err() && connects(&forged, None).is_err());
    server.stop().unwrap();
}
