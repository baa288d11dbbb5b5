//! Tokens of other servers, roles by configuration, and limits, of `ilium up`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use ilium_testbed::http::{Request, Response, ask};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use serde_json::{Value, json};

use crate::clients::dialogue::binary;
use crate::http::metric;
use crate::issuer::{self, Issuer, claims, unsigned};

pub fn send(at: SocketAddr, method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("Host".to_owned(), "localhost".to_owned())];
    if !body.is_empty() {
        all.push(("Content-Type".to_owned(), "application/json".to_owned()));
        all.push(("Content-Length".to_owned(), body.len().to_string()));
    }
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let body = body.as_bytes().to_vec();
    let request = Request { method: method.to_owned(), target: target.to_owned(), headers: all, body };
    ask(at, &request).unwrap()
}

/// What `POST /v1/auth` answers.
pub fn log_in(at: SocketAddr, name: &str, password: &str) -> Response {
    let body = json!({"username": name, "password": password}).to_string();
    send(at, "POST", "/v1/auth", &body, &[])
}

pub fn token(at: SocketAddr, name: &str, password: &str) -> String {
    let given = log_in(at, name, password);
    let said: Value = serde_json::from_slice(&given.body).unwrap();
    said["authToken"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// The status of a read with a token, and what was said.
pub fn read(at: SocketAddr, target: &str, token: &str) -> (u16, String) {
    let answer = send(at, "GET", target, "", &[("Authorization", &format!("Bearer {token}"))]);
    (answer.status, String::from_utf8(answer.body).unwrap())
}

pub fn run(at: SocketAddr, token: &str, statements: &[&str]) {
    for statement in statements {
        let body = json!({ "query": statement }).to_string();
        let done = send(at, "POST", "/v2/cql", &body, &[("X-Cassandra-Token", token)]);
        assert_eq!(done.status, 200, "{statement}: {}", String::from_utf8_lossy(&done.body));
    }
}

/// A server that asks for log-ins and has this configuration, its folder, and its superuser's token.
fn start(folder: Folder, config: &str) -> (Ilium, Folder, String) {
    let file = beside(&folder, "ilium.yaml");
    fs::write(&file, config).unwrap();
    let server = Ilium::start(binary(), &folder, &["--auth", "--config", file.to_str().unwrap()]).unwrap();
    let superuser = token(server.http(), "cassandra", &superuser_password(&folder));
    (server, folder, superuser)
}

fn superuser_password(folder: &Folder) -> String {
    let said = fs::read_to_string(folder.data().join("superuser.txt")).unwrap();
    said.lines().find_map(|line| line.strip_prefix("password = ")).unwrap().to_owned()
}

/// A file in the folder, outside of the data.
fn beside(folder: &Folder, name: &str) -> PathBuf {
    folder.data().with_file_name(name)
}

const TABLE: [&str; 3] = [
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE k.t (p int PRIMARY KEY)",
    "INSERT INTO k.t (p) VALUES (1)",
];

const ROW: &str = "/v2/keyspaces/k/t/1?raw=true";

#[test]
fn a_jwt_of_the_issuer_acts_as_the_role_its_claim_stands_for_and_no_other_does() {
    let folder = Folder::new().unwrap();
    let (keys, password) = (beside(&folder, "keys.json"), beside(&folder, "reader.password"));
    let issuer = Issuer::new("one");
    issuer.publish(&keys);
    fs::write(&password, "r\n").unwrap();
    let config = json!({"jwt": {
        "jwks": keys, "issuer": issuer::NAME, "audience": "ilium", "role-claim": "groups",
        "roles": {"readers": {"role": "reader", "password-file": password}},
    }});
    let (server, folder, superuser) = start(folder, &config.to_string());
    let at = server.http();
    run(at, &superuser, &TABLE);
    let role = ["CREATE ROLE reader WITH PASSWORD = 'r' AND LOGIN = true", "GRANT SELECT ON k.t TO reader"];
    run(at, &superuser, &role);

    let good = claims(&["others", "readers"]);
    let jwt = issuer.token(&good);
    assert_eq!(read(at, ROW, &jwt), (200, r#"[{"p":1}]"#.to_owned()));
    let write = send(at, "POST", "/v2/keyspaces/k/t", r#"{"p": 2}"#, &[("X-Cassandra-Token", &jwt)]);
    assert_eq!(write.status, 403, "{}", String::from_utf8_lossy(&write.body));

    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        issuer.token(&claims)
    };
    for (token, words) in [
        (format!("{}.", unsigned("none", "one", &good)), "another algorithm"),
        (issuer.token_by_public_key(&good), "another algorithm"),
        (Issuer::new("one").token(&good), "signature is wrong"),
        (Issuer::new("nobody").token(&good), "not known here"),
        (with("exp", json!(1_000_000_000)), "expired"),
        (with("nbf", json!(4_000_000_000_u64)), "not good yet"),
        (with("aud", json!("other")), "another audience"),
        (with("iss", json!("https://other.example")), "another issuer"),
        (issuer.token(&claims(&["writers"])), "stands for a role"),
        (jwt[..jwt.len() - 2].to_owned(), ""),
    ] {
        let (status, said) = read(at, ROW, &token);
        assert!(status == 401 && said.contains(words), "{status} {said} without {words}");
        assert!(!said.contains(&token), "{said}");
    }

    run(at, &superuser, &["DROP ROLE reader"]);
    assert_eq!(read(at, ROW, &jwt).0, 401);
    server.stop().unwrap();
    drop(folder);
}

#[test]
fn a_new_key_of_the_issuer_is_asked_for_once_when_a_token_names_it() {
    let folder = Folder::new().unwrap();
    let (keys, password) = (beside(&folder, "keys.json"), beside(&folder, "reader.password"));
    let (one, two, three) = (Issuer::new("one"), Issuer::new("two"), Issuer::new("three"));
    one.publish(&keys);
    fs::write(&password, "r").unwrap();
    let config = json!({"jwt": {
        "jwks": keys, "issuer": issuer::NAME, "audience": "ilium", "role-claim": "groups",
        "roles": {"readers": {"role": "reader", "password-file": password}},
    }});
    let (server, _folder, superuser) = start(folder, &config.to_string());
    let at = server.http();
    run(at, &superuser, &["CREATE ROLE reader WITH PASSWORD = 'r' AND LOGIN = true"]);
    let status = |issuer: &Issuer| read(at, "/v2/schemas/keyspaces", &issuer.token(&claims(&["readers"]))).0;
    assert_eq!(status(&one), 200);
    two.publish(&keys);
    assert_eq!((status(&two), status(&one)), (200, 401));
    // Not again so soon.
    assert_eq!(status(&three), 401);
    server.stop().unwrap();
}

#[test]
fn a_role_past_its_limit_is_told_when_to_come_again_by_either_api_and_others_go_on() {
    let folder = Folder::new().unwrap();
    // One in a thousand seconds would be a burst of one, too; one a second is the least there is.
    let config = "limits: {roles: {ada: {requests-per-second: 1}}}";
    let (server, _folder, superuser) = start(folder, config);
    let at = server.http();
    run(at, &superuser, &TABLE);
    for role in ["ada", "bob"] {
        let made = format!("CREATE ROLE {role} WITH PASSWORD = 'x' AND LOGIN = true AND SUPERUSER = true");
        run(at, &superuser, &[&made]);
    }
    let (ada, bob) = (token(at, "ada", "x"), token(at, "bob", "x"));
    // Twenty of them take less than ten seconds.
    let answers: Vec<Response> =
        (0..20).map(|_| send(at, "GET", ROW, "", &[("X-Cassandra-Token", &ada)])).collect();
    assert!(answers.iter().any(|answer| answer.status == 200));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    let said = String::from_utf8_lossy(&refused.body);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(
        said.contains("role ada sends more than 1 requests per second") && said.contains("try again in"),
        "{said}"
    );
    assert!((0..20).all(|_| read(at, ROW, &bob).0 == 200));
    let too_many = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!(metric(at, "ilium_limits_refused_total"), too_many as f64);
    // These two and the superuser.
    assert_eq!(metric(at, "ilium_limits_accounts"), 3.0);

    let mut cql = Connection::open_as(server.address(), 5, Some(("ada", "x"))).unwrap();
    let mut ask = || {
        let text = "SELECT * FROM k.t WHERE p = 1";
        cql.query(text, &Binds::None, &Settings::default()).unwrap().outcome
    };
    let refused = (0..20).map(|_| ask()).find_map(|outcome| match outcome {
        Outcome::Error(error) => Some(error),
        _ => None,
    });
    let refused = refused.unwrap();
    assert_eq!(refused.code, 0x1001, "{refused:?}");
    assert!(refused.message.contains("role ada") && refused.message.contains("try again in"), "{refused:?}");
    server.stop().unwrap();
}

#[test]
fn log_ins_count_for_their_address_before_anybody_looks_at_the_password() {
    let config = "limits: {each-address: {requests-per-second: 1}}";
    let (server, _folder, _superuser) = start(Folder::new().unwrap(), config);
    let at = server.http();
    // All at once: how long it takes to look at a password then says nothing of how many are refused.
    let first_refused = |what: &str, attempt: &(dyn Fn() -> Response + Sync)| {
        let answers = at_once(attempt);
        assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status)), "{what}");
        let refused = answers.iter().find(|answer| answer.status == 429);
        let refused = refused.unwrap_or_else(|| panic!("{what}: all were looked at"));
        let said = String::from_utf8_lossy(&refused.body);
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert!(said.contains("address 127.0.0.1 sends more than 1 requests per second"), "{said}");
        assert!(said.contains("try again in"), "{said}");
    };
    first_refused("POST /v1/auth", &|| log_in(at, "cassandra", "wrong"));
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"cassandra:wrong"));
    first_refused("Basic", &|| send(at, "GET", "/v2/schemas/keyspaces", "", &[("Authorization", &basic)]));
    let failed = at_once(&|| {
        let failed = Connection::open_as(server.address(), 5, Some(("cassandra", "wrong"))).unwrap_err();
        format!("{failed:#}")
    });
    let refused = failed.iter().find(|said| said.contains("address 127.0.0.1"));
    // OVERLOADED.
    assert!(refused.is_some_and(|said| said.contains("code: 4097")), "AUTH_RESPONSE: {failed:?}");
    server.stop().unwrap();
}

#[test]
fn a_request_with_http_basic_counts_once_for_its_address() {
    let config = "limits: {each-address: {requests-per-second: 1}}";
    let (server, folder, _superuser) = start(Folder::new().unwrap(), config);
    let login = format!("cassandra:{}", superuser_password(&folder));
    let basic = format!("Basic {}", data_encoding::BASE64.encode(login.as_bytes()));
    let row = "/v2/keyspaces/system/local/local?raw=true";
    let read = || send(server.http(), "GET", row, "", &[("Authorization", &basic)]);
    let first = read();
    assert_eq!(first.status, 200, "{}", String::from_utf8_lossy(&first.body));
    // It did count.
    let statuses = at_once(&|| read().status);
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    server.stop().unwrap();
}

/// What comes of twenty tries at the same time.
fn at_once<T: Send>(attempt: &(dyn Fn() -> T + Sync)) -> Vec<T> {
    std::thread::scope(|scope| {
        let tries: Vec<_> = (0..20).map(|_| scope.spawn(attempt)).collect();
        tries.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    })
}

#[test]
fn what_cannot_work_is_refused_at_the_start_with_its_name() {
    let folder = Folder::new().unwrap();
    let file = beside(&folder, "ilium.yaml");
    let keys = beside(&folder, "keys.json");
    Issuer::new("one").publish(&keys);
    let jwt = |roles: Value| json!({"jwt": {"jwks": keys, "issuer": "i", "audience": "a", "role-claim": "c", "roles": roles}});
    for (flags, config, words) in [
        (&["--auth"][..], jwt(json!({"x": {"role": "ada"}})), "role ada of jwt.roles.x has no password-file"),
        (
            &["--auth"],
            jwt(json!({"x": {"role": "ada", "password-file": "/nowhere/ada"}})),
            "cannot read the password file /nowhere/ada of role ada",
        ),
        (
            &["--auth"],
            json!({"certificates": {"spiffe://x": {"role": "bob"}}}),
            "role bob of certificates.spiffe://x has no password-file",
        ),
        (&[], jwt(json!({})), "need auth"),
        (&["--auth"], json!({"jwt": {"jwks": "/nowhere.json"}}), "missing field"),
        (&["--auth", "--token-keys", "/nowhere.keys"], json!({}), "/nowhere.keys"),
        (&[], json!({"limits": {"each-role": {"in-flight": 0}}}), "limits.each-role is 0"),
        (&[], json!({"limits": {"each-rolle": {}}}), "each-rolle"),
    ] {
        fs::write(&file, config.to_string()).unwrap();
        let flags: Vec<&str> = [flags, &["--config", file.to_str().unwrap()]].concat();
        let failed = Ilium::start(binary(), &folder, &flags).unwrap_err().to_string();
        assert!(failed.contains(words) && failed.contains("78"), "{failed} without {words}");
    }
}
