//! Who comes in through a gateway: tokens that carry credentials, certificates and JWTs that stand for roles, limits, the
//! audit log; over TLS towards the cluster, which asks for a certificate itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use ilium_store::{DEFAULT_LIFETIME, Principal, Role, Tokens};
use ilium_testbed::cassandra::{Certificates, Options, Tls, identity};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings, TlsFiles};
use ilium_testbed::{Cassandra, Ring, RingOptions, require};
use serde_json::json;

use super::faults::{refused, until};
use crate::clients::dialogue::binary;
use crate::clients::obtained::tool;
use crate::http::metric;
use crate::issuer::{self, Issuer, claims, unsigned};
use crate::rest::get;
use crate::security::{log_in, read, run, send, token};

/// The flags by which a gateway shows nodes a certificate, by its key.
fn shown_to_nodes(certificates: &Certificates, (certificate, key): &(PathBuf, PathBuf)) -> [String; 6] {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    [
        "--upstream-tls-ca".to_owned(),
        text(&certificates.authority()),
        "--upstream-tls-certificate".to_owned(),
        text(certificate),
        "--upstream-tls-key".to_owned(),
        text(key),
    ]
}

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the gateways under test go by the machine's clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Of the warning that a certificate may be taken for a log-in.
const COUNTS: &str = "a certificate may count for a log-in here";

const ROW: &str = "/v2/keyspaces/s/t/1?raw=true";

#[test]
fn gateways_with_the_same_keys_act_as_whoever_logged_in_at_one_of_them_until_the_cluster_says_no() {
    let node = Options { login: true, tls: Tls::Mutual, ..RingOptions::default().node };
    let options = RingOptions { nodes: 1, proxied: true, node, ..RingOptions::default() };
    let Some(ring) = require("a Cassandra with log-ins and TLS", Ring::start(&options)) else { return };
    let (certificates, superuser) = (ring.certificates().unwrap().clone(), ring.superuser());
    let folders = [Folder::new().unwrap(), Folder::new().unwrap(), Folder::new().unwrap()];
    let file = |name: &str, text: &str| {
        let file = folders[0].data().with_file_name(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let issuer = Issuer::new("one");
    let jwks = folders[0].data().with_file_name("keys.json");
    issuer.publish(&jwks);
    let loader = file("loader.password", "l");
    let wrong = file("wrong.password", "hush-wrong");
    let mut config = json!({
        "jwt": {
            "jwks": jwks, "issuer": issuer::NAME, "audience": "ilium", "role-claim": "groups",
            "roles": {
                "readers": {"role": "loader", "password-file": loader},
                "stale": {"role": "ada", "password-file": wrong},
            },
        },
        "limits": {"roles": {"hasty": {"requests-per-second": 1}}},
    });
    let plain = file("plain.yaml", &config.to_string());
    // The common name of the ring's client certificate.
    config["certificates"] = json!({"client": {"role": "loader", "password-file": loader}});
    let config = file("certificates.yaml", &config.to_string());
    let password = file("superuser.password", &superuser.password);
    let (one, other) = ("11".repeat(32), "22".repeat(32));
    let (keys, other_keys) = (file("tokens.keys", &one), file("other.keys", &other));
    let own = crate::tls::Certificate::made("gateway-security");
    let authority = certificates.authority().to_str().unwrap().to_owned();
    let pair = certificates.client();
    let by_tls = shown_to_nodes(&certificates, &pair);
    let by_tls = by_tls.each_ref().map(String::as_str);
    let upstream = [&["--user", &superuser.name, "--password-file", &password][..], &by_tls].concat();
    // The gateway's own role.
    let points = ring.addresses()[0].to_string();
    for (own, expected, words) in [
        (&["--user", &superuser.name, "--password-file", &wrong][..], 77, "and/or password are incorrect"),
        (&["--user", "nobody", "--password-file", &password], 77, "and/or password are incorrect"),
        (&[], 78, "asks for a log-in; give the gateway's role with --user"),
    ] {
        let (code, said) = refused(&points, &[own, &by_tls].concat());
        assert!(code == Some(expected) && said.contains(words), "{code:?} {said} without {words}");
    }
    let gateway = |folder: &Folder, keys: &str| {
        let flags = [&upstream[..], &["--token-keys", keys, "--config", &plain]].concat();
        // All that can be logged, for what must not be in it.
        let env = [("ILIUM_LOG", "trace")];
        Ilium::gateway_with(binary(), folder, &ring.addresses(), &flags, &env).unwrap()
    };
    let [first, second, foreign] =
        [(0, &keys), (1, &keys), (2, &other_keys)].map(|(at, keys)| gateway(&folders[at], keys));
    let is_stale = |line: &str| {
        [
            "the role that tokens or certificates stand for cannot be logged in",
            r#"role="ada""#,
            "wrong.password",
        ]
        .iter()
        .all(|part| line.contains(part))
    };
    until("the password that is wrong is told of", || foreign.output().unwrap().lines().any(is_stale));
    let (at, beside, elsewhere) = (first.http(), second.http(), foreign.http());

    let root = token(at, &superuser.name, &superuser.password);
    let mut direct = ring.connect(0, 5).unwrap();
    for statement in [
        "CREATE KEYSPACE s WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE s.t (p int PRIMARY KEY)",
        "INSERT INTO s.t (p) VALUES (1)",
        "CREATE ROLE ada WITH PASSWORD = 'hush-ada' AND LOGIN = true",
        "CREATE ROLE loader WITH PASSWORD = 'l' AND LOGIN = true",
        "CREATE ROLE hasty WITH PASSWORD = 'h' AND LOGIN = true AND SUPERUSER = true",
        "GRANT SELECT ON s.t TO ada",
        "GRANT SELECT ON s.t TO loader",
    ] {
        let done = direct.query(statement, &Binds::None, &Settings::default()).unwrap().outcome;
        assert!(!matches!(done, Outcome::Error(_)), "{statement}: {done:?}");
    }

    // A token of one gateway on the other, which never saw the log-in; not where other keys are.
    let ada = token(at, "ada", "hush-ada");
    assert_eq!(metric(at, "ilium_upstream_logins"), 2.0);
    let knows_the_table = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        [at, beside].iter().all(|gateway| read(*gateway, ROW, &ada).0 != 400)
    });
    assert!(knows_the_table, "the gateways were not told of the table");
    for gateway in [at, beside] {
        assert_eq!(read(gateway, ROW, &ada), (200, r#"[{"p":1}]"#.to_owned()));
        let write = send(gateway, "POST", "/v2/keyspaces/s/t", r#"{"p": 2}"#, &[("X-Cassandra-Token", &ada)]);
        assert_eq!(write.status, 403, "{}", String::from_utf8_lossy(&write.body));
    }
    assert_eq!(read(elsewhere, ROW, &ada).0, 401);
    assert_eq!(read(at, ROW, &format!("{}A", &ada[..ada.len() - 1])).0, 401);
    let issued = |at: u64| {
        let keys = Tokens::new(&[[0x11; 32]], DEFAULT_LIFETIME).unwrap();
        keys.issue(&Principal::Role(Role::new("ada", *b"hush-ada")), at).unwrap()
    };
    assert_eq!(read(at, ROW, &issued(now())).0, 200);
    let (status, said) = read(at, ROW, &issued(now() - DEFAULT_LIFETIME.as_secs() - 1));
    assert!(status == 401 && said.contains("expired"), "{status} {said}");
    assert_eq!(log_in(at, "ada", "hush-wrong").status, 401);
    let basic = |name: &str, password: &str| {
        let value = data_encoding::BASE64.encode(format!("{name}:{password}").as_bytes());
        send(at, "GET", ROW, "", &[("Authorization", &format!("Basic {value}"))]).status
    };
    assert_eq!((basic("ada", "hush-ada"), basic("ada", "hush-wrong")), (200, 401));

    // A JWT, with the password that only the gateway has.
    assert_eq!(read(beside, ROW, &issuer.token(&claims(&["readers"]))).0, 200);
    assert_eq!(read(beside, ROW, &Issuer::new("one").token(&claims(&["readers"]))).0, 401);
    let nobody_signed = format!("{}.", unsigned("none", "one", &claims(&["readers"])));
    let (status, said) = read(beside, ROW, &nobody_signed);
    assert!(status == 401 && said.contains("another algorithm"), "{status} {said}");

    // A role past its limit, by either API.
    let hasty = token(at, "hasty", "h");
    let answers = (0..20).map(|_| send(at, "GET", ROW, "", &[("X-Cassandra-Token", &hasty)]));
    let refused = answers.into_iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    let mut cql = Connection::open_as(second.address(), 4, Some(("hasty", "h"))).unwrap();
    let mut ask = |text: &str| cql.query(text, &Binds::None, &Settings::default()).unwrap().outcome;
    let refused = (0..20).map(|_| ask("SELECT * FROM s.t")).find_map(|outcome| match outcome {
        Outcome::Error(error) => Some(error),
        _ => None,
    });
    let refused = refused.unwrap();
    assert!(refused.code == 0x1001 && refused.message.contains("role hasty"), "{refused:?}");

    // What is forwarded is audited as what is not.
    let mut cql = Connection::open_as(second.address(), 5, Some(("ada", "hush-ada"))).unwrap();
    let mut ask = |text: &str| cql.query(text, &Binds::None, &Settings::default()).unwrap().outcome;
    assert!(matches!(ask("/**/ DROP TABLE s.t"), Outcome::Error(_)));
    assert!(matches!(ask("INSERT INTO s.t (p) VALUES (7)"), Outcome::Error(_)));
    assert!(!matches!(ask("USE s"), Outcome::Error(_)));
    assert!(matches!(ask("DROP TABLE t"), Outcome::Error(_)));
    assert!(matches!(ask("ALTER ROLE ada WITH PASSWORD = 'hush-new'"), Outcome::Void));
    let log = second.output().unwrap();
    for words in [
        r#"event="login" verdict="accepted" api="cql" from=127.0.0.1:"#,
        r#"role="ada" statement="/**/ DROP TABLE s.t" error="#,
        r#"role="ada" error="User ada has no MODIFY permission"#,
        r#"role="ada" statement="DROP TABLE t" keyspace="s" error="#,
        r#"statement="ALTER ROLE ada WITH PASSWORD = '*******'""#,
    ] {
        assert!(log.lines().any(|line| line.contains(words)), "no {words} in {log}");
    }

    // The password is another now: the old token and the old password end within the time that log-ins stand.
    let until_refused = |what: &str, status: &dyn Fn() -> u16| {
        let refused = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            status() == 401
        });
        assert!(refused, "{what} is still good");
    };
    until_refused("a token of an old password", &|| read(at, ROW, &ada).0);
    until_refused("an old password", &|| basic("ada", "hush-ada"));
    let ada = token(beside, "ada", "hush-new");
    assert_eq!(read(at, ROW, &ada).0, 200);
    run(at, &root, &["DROP ROLE ada"]);
    until_refused("a token of a role that is gone", &|| read(at, ROW, &ada).0);
    assert_eq!(log_in(at, "ada", "hush-new").status, 401);

    // Other passwords of roles whose passwords are in files: the old ones do until they are read again, or until a
    // connection must be opened.
    let jwt = issuer.token(&claims(&["readers"]));
    for (role, password, changed) in
        [(&*superuser.name, &password, "hush-rotated"), ("loader", &loader, "hush-loader")]
    {
        let alter = format!("ALTER ROLE {role} WITH PASSWORD = '{changed}'");
        let done = direct.query(&alter, &Binds::None, &Settings::default()).unwrap().outcome;
        assert_eq!(done, Outcome::Void, "{role}");
        fs::write(password, changed).unwrap();
    }
    until("the files are read again", || {
        let log = first.output().unwrap();
        log.contains("own role cassandra: read again") && log.contains("mapped roles: read again")
    });
    assert_eq!(read(at, ROW, &jwt).0, 200);
    ring.proxy(0).unwrap().sever();
    until("it is ready again", || get(at, "/health/ready").status == 200);
    until("mapped roles are logged in again", || read(at, ROW, &jwt).0 == 200);

    for gateway in [first, second, foreign] {
        let said = gateway.output().unwrap();
        // This cluster looks at passwords, whatever else is shown.
        assert!(!said.contains(COUNTS));
        let sent = data_encoding::BASE64.encode(b"ada:hush-ada");
        for secret in ["hush-", &root, &ada, &hasty, &one, &sent] {
            assert!(!said.contains(secret), "{secret} is in the log");
        }
        gateway.stop().unwrap();
    }

    // A certificate that the gateway maps to a role, on its own TLS port.
    let (chain, key) = (own.chain(), own.key());
    let listening =
        ["--tls-certificate", &chain, "--tls-key", &key, "--tls-client-ca", &authority, "--config", &config];
    let flags = [&upstream[..], &listening].concat();
    let gateway = Ilium::gateway(binary(), &folders[0], &ring.addresses(), &flags).unwrap();
    let files = TlsFiles { authority: chain.as_ref(), client: Some(&pair) };
    let mut cql = Connection::open_tls(gateway.address(), 5, None, &files).unwrap();
    let read = cql.query("SELECT * FROM s.t", &Binds::None, &Settings::default()).unwrap().outcome;
    assert!(matches!(read, Outcome::Rows(_)), "{read:?}");
    let nobody = TlsFiles { authority: chain.as_ref(), client: None };
    assert!(Connection::open_tls(gateway.address(), 5, None, &nobody).is_err());
    if require("curl", tool(Command::new("curl").arg("--version"))).is_some() {
        let url = format!("https://{}{ROW}", gateway.http());
        let curl = |more: &[&str]| {
            let mut command = Command::new("curl");
            command.args(["-sS", "--cacert", &chain, "-w", " %{http_code}", &url]).args(more);
            tool(&mut command).unwrap()
        };
        let certificate = ["--cert", pair.0.to_str().unwrap(), "--key", pair.1.to_str().unwrap()];
        assert!(curl(&certificate).ends_with(" 200"));
        assert!(curl(&[]).ends_with(" 401"));
        // What a page of anywhere could make a browser send.
        // A stream of HTTP/2 that ends before its body was read is an error to some curls.
        let form = curl(&[&certificate[..], &["--http1.1", "--data", "p=1"]].concat());
        assert!(form.ends_with(" 415"), "{form}");
    }
    gateway.stop().unwrap();
}

const MINE: &str = "/v2/keyspaces/mine/t/1?raw=true";

/// Cassandra takes a certificate for a log-in, and looks at no password beside it: what the gateway shows for itself must not
/// make it log in others.
#[test]
fn a_role_is_logged_in_by_the_certificate_shown_for_it_and_nobody_by_that_of_the_gateway() {
    let node = Options { login: true, identities: true, tls: Tls::Mutual, ..RingOptions::default().node };
    let options = RingOptions { nodes: 1, node, ..RingOptions::default() };
    let Some(ring) = require("a Cassandra that knows certificates", Ring::start(&options)) else { return };
    let mut direct = ring.connect(0, 5).unwrap();
    for statement in [
        "CREATE KEYSPACE mine WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE mine.t (p int PRIMARY KEY)",
        "INSERT INTO mine.t (p) VALUES (1)",
        "CREATE ROLE gateway WITH LOGIN = true AND SUPERUSER = true",
        "CREATE ROLE reader WITH LOGIN = true",
        "CREATE ROLE ada WITH PASSWORD = 'hush-ada' AND LOGIN = true",
        "GRANT SELECT ON mine.t TO reader",
        &format!("ADD IDENTITY '{}' TO ROLE 'gateway'", identity("gateway")),
        &format!("ADD IDENTITY '{}' TO ROLE 'reader'", identity("reader")),
    ] {
        let done = direct.query(statement, &Binds::None, &Settings::default()).unwrap().outcome;
        assert!(!matches!(done, Outcome::Error(_)), "{statement}: {done:?}");
    }

    let certificates = ring.certificates().unwrap();
    let folder = Folder::new().unwrap();
    let beside = |name: &str| folder.data().with_file_name(name);
    let issuer = Issuer::new("one");
    issuer.publish(&beside("keys.json"));
    let (chain, key) = certificates.of("reader");
    let config = |role: serde_json::Value| {
        let file = beside("ilium.yaml");
        let config = json!({"jwt": {
            "jwks": beside("keys.json"), "issuer": issuer::NAME, "audience": "ilium", "role-claim": "groups",
            "roles": {"readers": role},
        }});
        fs::write(&file, config.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let upstream = shown_to_nodes(certificates, &certificates.of("gateway"));
    let upstream = upstream.each_ref().map(String::as_str);
    let start = |config: &str, upstream: &[&str]| {
        Ilium::gateway(binary(), &folder, &ring.addresses(), &[upstream, &["--config", config]].concat())
    };
    for (role, upstream, words) in [
        (json!({"role": "reader"}), &upstream[..], "no password-file"),
        (json!({"role": "reader", "certificate": chain}), &upstream, "needs both certificate and key"),
        (
            json!({"role": "reader", "certificate": chain, "key": key, "password-file": key}),
            &upstream,
            "both a",
        ),
        (json!({"role": "", "certificate": chain, "key": key}), &upstream, "is empty"),
        (json!({"role": "reader", "certificate": chain, "key": key}), &[], "upstream-tls-ca is missing"),
        (json!({"role": "reader", "certificate": "/nowhere.pem", "key": key}), &upstream, "/nowhere.pem"),
    ] {
        let failed = start(&config(role), upstream).unwrap_err().to_string();
        assert!(failed.contains(words) && failed.contains("78"), "{failed} without {words}");
    }

    let flags = [&upstream[..], &["--cors-origins", "https://app.example"]].concat();
    let gateway =
        start(&config(json!({"role": "reader", "certificate": chain, "key": key})), &flags).unwrap();
    let at = gateway.http();
    let log = gateway.output().unwrap();
    let warned =
        |line: &str| line.contains(COUNTS) && line.contains("MutualTlsWithPasswordFallbackAuthenticator");
    assert_eq!(log.lines().filter(|line| warned(line)).count(), 1, "{log}");
    // What a browser asks before a page of another origin may call.
    let may_call = |origin: &str| {
        let asked = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        let answer = send(at, "OPTIONS", MINE, "", &asked);
        answer.header("access-control-allow-origin") == Some(origin)
    };
    assert!(may_call("https://app.example") && !may_call("https://other.example"));
    let jwt = issuer.token(&claims(&["readers"]));
    assert_eq!(read(at, MINE, &jwt), (200, r#"[{"p":1}]"#.to_owned()));
    // It is the role of that certificate, not of the gateway's own, which may do everything.
    let write = send(at, "POST", "/v2/keyspaces/mine/t", r#"{"p": 2}"#, &[("X-Cassandra-Token", &jwt)]);
    assert_eq!(write.status, 403, "{}", String::from_utf8_lossy(&write.body));
    for (name, password) in [
        ("ada", "hush-wrong"),
        ("ada", "hush-ada"),
        ("gateway", "x"),
        ("reader", "\0certificate"),
        ("", "\0certificate"),
    ] {
        let refused = Connection::open_as(gateway.address(), 5, Some((name, password)));
        assert!(refused.is_err(), "{name} came in with {password:?}");
        let refused = log_in(at, name, password);
        assert!([400, 401, 503].contains(&refused.status), "{}", String::from_utf8_lossy(&refused.body));
    }
    gateway.stop().unwrap();
}

/// What a node that asks nobody to log in thinks of a certificate shows only in what it refuses.
#[test]
fn a_cluster_that_wants_a_certificate_and_no_log_in_is_open_to_everybody() {
    let node = Options { tls: Tls::Mutual, ..RingOptions::default().node };
    let options = RingOptions { nodes: 1, node, ..RingOptions::default() };
    let Some(ring) = require("a Cassandra with TLS", Ring::start(&options)) else { return };
    let certificates = ring.certificates().unwrap();
    let upstream = shown_to_nodes(certificates, &certificates.client());
    let upstream = upstream.each_ref().map(String::as_str);
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &ring.addresses(), &upstream).unwrap();
    let mut cql = Connection::open(gateway.address(), 5).unwrap();
    let read = cql.query("SELECT key FROM system.local", &Binds::None, &Settings::default()).unwrap();
    assert!(matches!(read.outcome, Outcome::Rows(_)), "{read:?}");
    let keyspaces = send(gateway.http(), "GET", "/v2/schemas/keyspaces", "", &[]);
    assert_eq!(keyspaces.status, 200, "{}", String::from_utf8_lossy(&keyspaces.body));
    gateway.stop().unwrap();
}

#[test]
fn what_needs_log_ins_is_refused_where_the_cluster_asks_for_none() {
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return };
    let folder = Folder::new().unwrap();
    let beside = |name: &str| folder.data().with_file_name(name);
    Issuer::new("one").publish(&beside("keys.json"));
    fs::write(beside("reader.password"), "r").unwrap();
    let config = json!({"jwt": {
        "jwks": beside("keys.json"), "issuer": issuer::NAME, "audience": "ilium", "role-claim": "groups",
        "roles": {"readers": {"role": "reader", "password-file": beside("reader.password")}},
    }});
    fs::write(beside("ilium.yaml"), config.to_string()).unwrap();
    // What is of no use there is only told of.
    let password = beside("reader.password");
    let unused =
        ["--user", "reader", "--password-file", password.to_str().unwrap(), "--local-rack", "norack"];
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &unused).unwrap();
    let said = gateway.output().unwrap();
    for words in [
        "the gateway's own role is not used",
        "the cluster asks nobody to log in",
        r#"rack="norack" datacenter="datacenter1" known="rack1""#,
    ] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    gateway.stop().unwrap();
    let everywhere = ["--cql", "0.0.0.0:0", "--advertise", "127.0.0.1:9042"];
    for (flags, words) in [
        (&["--config", beside("ilium.yaml").to_str().unwrap()][..], "this cluster asks nobody to log in"),
        (&["--cors-origins", "https://app.example"], "any page that may call"),
        (&everywhere, "or have the cluster ask for log-ins (its `authenticator`)"),
        (&["--local-dc", "moon"], "the cluster has no data centre `moon`; it has datacenter1"),
    ] {
        let (code, said) = refused(&cassandra.address().to_string(), flags);
        assert!(code == Some(78) && said.contains(words), "{code:?} {said} without {words}");
    }
}
