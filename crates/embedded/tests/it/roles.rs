//! Roles and what they may do, on the engine alone. What each statement needs is held by `tests/access`, against a
//! real Cassandra too.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ilium_cql::parser;
use ilium_embedded::{Engine, EngineOptions, LoginOptions};
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Context, DataStore as _, Error, ErrorKind, Login as _, Outcome,
    Principal, Result, ResultKind, Role,
};
use tokio::runtime::{Builder, Runtime};

use crate::storage_folder::Folder;

struct Guarded {
    engine: Engine,
    runtime: Runtime,
    superuser_file: PathBuf,
}

impl Guarded {
    fn open(folder: &Path) -> Guarded {
        Guarded::on(folder, Builder::new_current_thread().build().unwrap())
    }

    fn on(folder: &Path, runtime: Runtime) -> Guarded {
        let superuser_file = folder.join("superuser.txt");
        let mut options =
            EngineOptions::new(Some(folder.to_path_buf()), Box::new(()), runtime.handle().clone());
        options.login = Some(LoginOptions { superuser_file: superuser_file.clone() });
        Guarded { engine: Engine::open(options).unwrap(), runtime, superuser_file }
    }

    fn execute(&self, principal: &Principal, text: &str) -> Result<Outcome> {
        self.runtime.block_on(self.begin(principal, text)?.wait())
    }

    fn begin(&self, principal: &Principal, text: &str) -> Result<Answer<Outcome>> {
        let planned = self.engine.prepare(Arc::new(parser::parse(text).unwrap()), None);
        let prepared = self.runtime.block_on(planned.wait())?;
        Ok(self.engine.execute(&prepared, Binds::default(), &Context::new(principal.clone())))
    }

    fn run(&self, role: &str, text: &str) -> Outcome {
        self.execute(&of(role), text).unwrap_or_else(|error| panic!("{role}: {text}: {error}"))
    }

    /// Rows that a superuser gets.
    fn count(&self, text: &str) -> u32 {
        match self.run("cassandra", text).result {
            ResultKind::Rows(rows) => rows.count,
            ResultKind::Void => 0,
            other => panic!("{text} gave {other:?}"),
        }
    }

    fn refused(&self, role: &str, text: &str) -> String {
        let error = self.execute(&of(role), text).err().unwrap_or_else(|| panic!("{role} may {text}"));
        assert_eq!(error.kind, ErrorKind::Unauthorized, "{error}");
        error.message
    }

    fn log_in(&self, name: &str, password: &str) -> Result<Principal> {
        self.runtime.block_on(self.engine.with_password(name, password, None).wait())
    }

    /// What is said to a token that was made for this log-in.
    fn check_again(&self, principal: &Principal) -> Result<()> {
        self.runtime.block_on(self.engine.check_again(principal).wait())
    }

    /// The password in the file.
    fn first_password(&self) -> String {
        let text = std::fs::read_to_string(&self.superuser_file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("password = ")).unwrap().to_owned()
    }
}

fn name(principal: &Principal) -> &str {
    principal.role_name().unwrap()
}

fn of(role: &str) -> Principal {
    Principal::Role(Role::new(role, []))
}

const KEYSPACE: &str =
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";

#[test]
fn the_first_start_makes_a_superuser_whose_password_only_the_owner_reads_and_no_later_start_does() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    let mode = std::fs::metadata(&db.superuser_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let password = db.first_password();
    assert_eq!(name(&db.log_in("cassandra", &password).unwrap()), "cassandra");
    for (name, wrong) in [("cassandra", "cassandra"), ("cassandra", ""), ("nobody", password.as_str())] {
        let error = db.log_in(name, wrong).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadCredentials);
        assert_eq!(error.message, format!("Provided username {name} and/or password are incorrect"));
    }
    std::fs::remove_file(&db.superuser_file).unwrap();
    drop(db);
    let db = Guarded::open(folder.path());
    assert!(!db.superuser_file.exists());
    assert_eq!(name(&db.log_in("cassandra", &password).unwrap()), "cassandra");
}

#[test]
fn roles_grants_memberships_and_identities_are_the_same_after_a_restart() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    for statement in [
        KEYSPACE,
        "CREATE TABLE k.t (a int PRIMARY KEY)",
        "CREATE ROLE readers",
        "GRANT SELECT ON KEYSPACE k TO readers",
        "CREATE ROLE 'Ada Lovelace' WITH LOGIN = true AND PASSWORD = 'secret'",
        "GRANT readers TO 'Ada Lovelace'",
        "ADD IDENTITY 'spiffe://a/b' TO ROLE 'Ada Lovelace'",
        "CREATE ROLE gone WITH LOGIN = true",
        "GRANT MODIFY ON k.t TO gone",
        "DROP ROLE gone",
    ] {
        db.run("cassandra", statement);
    }
    drop(db);
    let db = Guarded::open(folder.path());
    let ada = db.log_in("Ada Lovelace", "secret").unwrap();
    assert_eq!(name(&ada), "Ada Lovelace");
    let by_certificate = db.runtime.block_on(db.engine.with_identity("spiffe://a/b").wait());
    assert_eq!(by_certificate.unwrap(), ada);
    db.run("Ada Lovelace", "SELECT * FROM k.t");
    let refused = db.refused("Ada Lovelace", "INSERT INTO k.t (a) VALUES (1)");
    assert_eq!(refused, "User Ada Lovelace has no MODIFY permission on <table k.t> or any of its parents");
    assert_eq!(db.count("SELECT * FROM system_auth.roles"), 3);
    assert_eq!(db.count("LIST ALL PERMISSIONS OF readers"), 1);
    assert_eq!(db.count("SELECT * FROM system_auth.role_permissions WHERE role = 'gone'"), 0);
}

#[test]
fn what_is_dropped_takes_its_grants_along_and_what_is_made_again_has_none() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", KEYSPACE);
    db.run("cassandra", "CREATE TABLE k.t (a int PRIMARY KEY)");
    db.run("cassandra", "CREATE ROLE r WITH LOGIN = true");
    db.run("cassandra", "GRANT SELECT ON k.t TO r");
    db.run("r", "SELECT * FROM k.t");
    db.run("cassandra", "DROP TABLE k.t");
    db.run("cassandra", "CREATE TABLE k.t (a int PRIMARY KEY)");
    db.refused("r", "SELECT * FROM k.t");
    for on in ["KEYSPACE k", "ALL TABLES IN KEYSPACE k", "k.t"] {
        db.run("cassandra", &format!("GRANT SELECT ON {on} TO r"));
    }
    db.run("cassandra", "GRANT EXECUTE ON ALL FUNCTIONS IN KEYSPACE k TO r");
    db.run("cassandra", "DROP KEYSPACE k");
    assert_eq!(db.count("LIST ALL PERMISSIONS OF r"), 0);
    assert_eq!(db.count("LIST ALL PERMISSIONS ON ALL ROLES"), 0);
    db.run("cassandra", "DROP ROLE r");
    assert_eq!(db.count("LIST ALL PERMISSIONS"), 0, "also what the maker was granted on the role");
}

#[test]
fn who_makes_something_may_do_everything_with_it() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", "CREATE ROLE maker WITH LOGIN = true");
    db.run("cassandra", "GRANT CREATE ON ALL KEYSPACES TO maker");
    db.run("maker", KEYSPACE);
    db.run("maker", "CREATE TABLE k.t (a int PRIMARY KEY)");
    db.run("maker", "INSERT INTO k.t (a) VALUES (1)");
    db.run("maker", "CREATE TABLE IF NOT EXISTS k.t (a int PRIMARY KEY)");
    db.run("cassandra", "CREATE ROLE other");
    db.run("maker", "GRANT SELECT ON k.t TO other");
    db.run("maker", "DROP KEYSPACE k");
    db.run("cassandra", KEYSPACE);
    db.refused("maker", "DROP KEYSPACE k");
}

#[test]
fn a_connection_whose_role_is_gone_or_may_not_log_in_any_more_is_refused() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", "CREATE ROLE r WITH LOGIN = true AND SUPERUSER = true AND PASSWORD = 'x'");
    db.run("r", "SELECT * FROM system.local");
    let logged_in = db.log_in("r", "x").unwrap();
    assert!(db.check_again(&logged_in).is_ok());
    db.run("cassandra", "ALTER ROLE r WITH LOGIN = false");
    for statement in ["SELECT * FROM system.local", "LIST ROLES", "USE system", "DESCRIBE KEYSPACES"] {
        assert_eq!(db.refused("r", statement), "r is not permitted to log in");
    }
    assert!(db.check_again(&logged_in).is_err());
    assert_eq!(db.log_in("r", "x").unwrap_err().message, "r is not permitted to log in");
    db.run("cassandra", "DROP ROLE r");
    assert!(db.refused("r", "SELECT * FROM system.local").contains("does not exist any more"));
    assert!(db.check_again(&logged_in).is_err());
}

#[test]
fn a_proof_is_another_after_a_new_password_and_for_a_role_made_again_and_lasts_otherwise() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", "CREATE ROLE r WITH LOGIN = true AND PASSWORD = 'x'");
    let outcome = db.run("cassandra", "SELECT salted_hash FROM system_auth.roles WHERE role = 'r'");
    let ResultKind::Rows(rows) = outcome.result else { panic!("no rows") };
    let hash = String::from_utf8(rows.data[4..].to_vec()).unwrap();
    let first = db.log_in("r", "x").unwrap();
    db.run("cassandra", "CREATE ROLE other");
    db.run("cassandra", "GRANT other TO r");
    db.run("cassandra", "ALTER ROLE r WITH LOGIN = true AND SUPERUSER = true");
    drop(db);
    let db = Guarded::open(folder.path());
    db.check_again(&first).unwrap();
    let mut seen = vec![first];
    for (password, statements) in [
        ("y", &["ALTER ROLE r WITH PASSWORD = 'y'"][..]),
        ("x", &["ALTER ROLE r WITH PASSWORD = 'x'"]),
        ("x", &["DROP ROLE r", "CREATE ROLE r WITH LOGIN = true AND PASSWORD = 'x'"]),
        // The first hash and name again, but another role.
        ("x", &["DROP ROLE r", &format!("CREATE ROLE r WITH LOGIN = true AND HASHED PASSWORD = '{hash}'")]),
    ] {
        statements.iter().for_each(|statement| drop(db.run("cassandra", statement)));
        for old in &seen {
            let error = db.check_again(old).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadCredentials, "{statements:?}");
        }
        let logged_in = db.log_in("r", password).unwrap();
        db.check_again(&logged_in).unwrap();
        seen.push(logged_in);
    }
    drop(db);
    let db = Guarded::open(folder.path());
    assert_eq!(db.log_in("r", "x").unwrap(), seen[4]);
}

#[test]
fn a_change_that_waited_for_its_turn_needs_what_it_does_to_be_permitted_then() {
    let folder = Folder::new();
    // One thread for all that waits: what is begun runs in this order, once the thread is let go.
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let db = Guarded::on(folder.path(), runtime);
    for statement in [
        KEYSPACE,
        "CREATE TABLE k.t (a int PRIMARY KEY, b int)",
        "CREATE TABLE k.own (a int PRIMARY KEY)",
        "INSERT INTO k.own (a) VALUES (1)",
        "CREATE ROLE r WITH LOGIN = true",
        "GRANT ALL PERMISSIONS ON k.own TO r",
    ] {
        db.run("cassandra", statement);
    }
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    db.runtime.spawn_blocking(move || held.recv());
    let begun = [
        ("cassandra", "CREATE INDEX i ON k.t (b)"),
        ("cassandra", "REVOKE ALL PERMISSIONS ON k.own FROM r"),
        // Nothing of this name is there yet, so nothing is needed yet.
        ("r", "DROP INDEX IF EXISTS k.i"),
        ("r", "TRUNCATE k.own"),
        ("r", "ALTER TABLE k.own ADD b int"),
    ]
    .map(|(role, text)| (role, text, db.begin(&of(role), text).unwrap()));
    assert!(begun.iter().all(|(.., answer)| matches!(answer, Answer::Later(_))));
    let_go.send(()).unwrap();
    for (role, text, answer) in begun {
        match (role, db.runtime.block_on(answer.wait())) {
            ("r", Ok(_)) => panic!("{text} ran"),
            ("r", Err(error)) => assert_eq!(error.kind, ErrorKind::Unauthorized, "{text}: {error}"),
            (_, done) => drop(done.unwrap()),
        }
    }
    assert_eq!(db.count("SELECT * FROM system_schema.indexes WHERE keyspace_name = 'k'"), 1);
    assert_eq!(db.count("SELECT * FROM k.own"), 1);
}

#[test]
fn every_statement_of_a_batch_is_looked_at_and_none_runs_if_one_may_not() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", KEYSPACE);
    for table in ["mine", "other"] {
        db.run("cassandra", &format!("CREATE TABLE k.{table} (a int PRIMARY KEY)"));
    }
    db.run("cassandra", "CREATE ROLE r WITH LOGIN = true");
    db.run("cassandra", "GRANT MODIFY ON k.mine TO r");
    let entries = |names: &[&str]| -> Vec<BatchEntry> {
        let entry = |name: &&str| {
            let text = format!("INSERT INTO k.{name} (a) VALUES (1)");
            let planned = db.engine.prepare(Arc::new(parser::parse(&text).unwrap()), None);
            let prepared = db.runtime.block_on(planned.wait()).unwrap();
            BatchEntry { prepared, binds: Binds::default() }
        };
        names.iter().map(entry).collect()
    };
    let batch = |names: &[&str]| -> std::result::Result<Outcome, Error> {
        let context = Context::new(of("r"));
        let answer = db.engine.execute_batch(BatchKind::Logged, entries(names), &context);
        db.runtime.block_on(answer.wait())
    };
    assert_eq!(batch(&["mine", "other"]).unwrap_err().kind, ErrorKind::Unauthorized);
    assert_eq!(db.count("SELECT * FROM k.mine"), 0);
    batch(&["mine"]).unwrap();
    assert_eq!(db.count("SELECT * FROM k.mine"), 1);
}

#[test]
fn without_authentication_nobody_is_asked_and_with_it_nobody_is_anonymous() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    let error = db.execute(&Principal::Anonymous, "SELECT * FROM system.local").unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unauthorized, "You have not logged in"));
    db.execute(&Principal::System, KEYSPACE).unwrap();
    drop(db);
    let runtime = Builder::new_current_thread().build().unwrap();
    let options =
        EngineOptions::new(Some(folder.path().to_path_buf()), Box::new(()), runtime.handle().clone());
    let engine = Engine::open(options).unwrap();
    assert!(!engine.is_required());
    let planned = engine.prepare(Arc::new(parser::parse("DROP KEYSPACE k").unwrap()), None);
    let prepared = runtime.block_on(planned.wait()).unwrap();
    let context = Context::new(Principal::Anonymous);
    runtime.block_on(engine.execute(&prepared, Binds::default(), &context).wait()).unwrap();
    assert_eq!(
        runtime.block_on(engine.with_password("who", "ever", None).wait()).unwrap(),
        Principal::Anonymous
    );
}

#[test]
fn a_hash_logs_in_wherever_it_is_taken_and_does_not_hold_the_password() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", "CREATE ROLE one WITH LOGIN = true AND PASSWORD = 'a secret'");
    let outcome = db.run("cassandra", "SELECT salted_hash FROM system_auth.roles WHERE role = 'one'");
    let ResultKind::Rows(rows) = outcome.result else { panic!("no rows") };
    let hash = String::from_utf8(rows.data[4..].to_vec()).unwrap();
    assert!(hash.starts_with("$2a$10$") && !hash.contains("secret"), "{hash}");
    db.run("cassandra", &format!("CREATE ROLE two WITH LOGIN = true AND HASHED PASSWORD = '{hash}'"));
    assert_eq!(name(&db.log_in("two", "a secret").unwrap()), "two");
    db.run("cassandra", "ALTER ROLE two WITH PASSWORD = 'another'");
    assert!(db.log_in("two", "a secret").is_err());
    assert_eq!(name(&db.log_in("two", "another").unwrap()), "two");
}

#[test]
fn log_ins_past_those_that_may_wait_are_refused_and_those_that_wait_are_answered() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", "CREATE ROLE r WITH LOGIN = true AND PASSWORD = 'x'");
    // 15 s of comparing at 50 ms each: half of what the CQL API waits for a log-in.
    let turns = std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
    let places = 300 * turns;
    // Nothing is compared before it is waited for.
    let mut waiting: Vec<_> = (0..places).map(|_| db.engine.with_password("r", "x", None)).collect();
    assert!(waiting.iter().all(|answer| matches!(answer, Answer::Later(_))));
    let Answer::Ready(Err(error)) = db.engine.with_password("r", "x", None) else {
        panic!("one more may wait")
    };
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.message.contains(&format!("{places} log-ins wait already")), "{error}");
    assert_eq!(name(&db.runtime.block_on(waiting.remove(0).wait()).unwrap()), "r");
    // Who gave up waiting leaves the place to others; a password that was right before needs none.
    drop(waiting);
    assert!(matches!(db.engine.with_password("r", "x", None), Answer::Ready(Ok(_))));
    assert!(db.log_in("r", "y").is_err());
}

#[test]
fn limits_by_data_centre_and_network_are_refused_and_none_are_what_there_is() {
    let folder = Folder::new();
    let db = Guarded::open(folder.path());
    db.run("cassandra", "CREATE ROLE r WITH ACCESS TO ALL DATACENTERS AND ACCESS FROM ALL CIDRS");
    for statement in [
        "CREATE ROLE s WITH ACCESS TO DATACENTERS {'datacenter1'}",
        "CREATE ROLE s WITH ACCESS FROM CIDRS {'here'}",
        "ALTER ROLE r WITH ACCESS TO DATACENTERS {'datacenter1'}",
        "ALTER ROLE r WITH ACCESS FROM CIDRS {'here'}",
    ] {
        let error = db.execute(&of("cassandra"), statement).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{error}");
        assert!(error.message.contains("is not supported by Ilium"), "{error}");
    }
}
