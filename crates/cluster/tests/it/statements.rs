//! Statements through the store, beside another client that changes things under it.

use std::sync::Arc;
use std::time::Duration;

use ilium_cluster::{ClusterStore, Credentials, Options, StoreOptions, Upstream};
use ilium_cql::schema::ColumnKind;
use ilium_protocol::ProtocolVersion;
use ilium_store::{
    BatchEntry, BatchKind, Bind, Binds, Consistency, Context, DataStore, Error, ErrorKind, Outcome,
    PageState, Prepared, Principal, ResultKind, Role, Rows, SchemaChangeKind, SchemaTarget, Tokens,
    WriteType,
};
use ilium_testbed::cassandra::Release;
use ilium_testbed::{Cassandra, Ring, RingOptions, require};
use tokio::runtime::Runtime;

use crate::described::Upstream as Client;

/// A store in front of a Cassandra, and how to wait for it.
struct Site {
    store: ClusterStore,
    upstream: Upstream,
    runtime: Runtime,
}

fn connect(address: std::net::SocketAddr, user: Option<Credentials>, store: StoreOptions) -> Site {
    let options = Options { user, ..Options::new(vec![address.to_string()]) };
    connect_with(options, store)
}

fn connect_with(options: Options, store: StoreOptions) -> Site {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tokens = Arc::new(Tokens::new(&[[7; 32]], Duration::from_secs(60)).unwrap());
    let (store, upstream) = runtime.block_on(async {
        let upstream = Upstream::connect(options).await.unwrap();
        (ClusterStore::open(&upstream, store, tokens).await.unwrap(), upstream)
    });
    Site { store, upstream, runtime }
}

/// In front of the Cassandra that the tests of this process share, with a keyspace of this name, and another client.
fn site(keyspace: &str) -> Option<(Site, Client)> {
    let cassandra = require("Cassandra", Cassandra::shared())?;
    let mut client = Client::connect(cassandra.address());
    client.run(&format!(
        "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    ));
    Some((connect(cassandra.address(), None, StoreOptions::default()), client))
}

fn context() -> Context {
    let deadline = std::time::Instant::now().checked_add(Duration::from_secs(20));
    Context { deadline, ..Context::new(Principal::Anonymous) }
}

fn int(value: i32) -> [u8; 4] {
    value.to_be_bytes()
}

fn ints(values: &[i32]) -> Binds {
    let values: Vec<[u8; 4]> = values.iter().map(|value| int(*value)).collect();
    Binds::from_values(values.iter().map(|value| Bind::Value(value)))
}

impl Site {
    fn prepare(&self, text: &str) -> Result<Arc<Prepared>, Error> {
        let statement = Arc::new(ilium_cql::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")));
        self.runtime.block_on(self.store.prepare(statement, None).wait())
    }

    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Result<Outcome, Error> {
        self.runtime.block_on(self.store.execute(prepared, binds, context).wait())
    }

    fn run_with(&self, text: &str, binds: Binds, context: &Context) -> Result<Outcome, Error> {
        self.execute(&self.prepare(text)?, binds, context)
    }

    fn run(&self, text: &str) -> Outcome {
        self.run_with(text, Binds::default(), &context()).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    }

    fn error(&self, text: &str, context: &Context) -> Error {
        match self.run_with(text, Binds::default(), context) {
            Err(error) => error,
            Ok(outcome) => panic!("{text} was not refused: {outcome:?}"),
        }
    }

    fn rows(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Rows {
        match self.execute(prepared, binds, context).unwrap().result {
            ResultKind::Rows(rows) => rows,
            other => panic!("{other:?}"),
        }
    }

    /// The cells of a statement's rows.
    fn cells(&self, text: &str) -> Vec<Vec<Option<Vec<u8>>>> {
        cells(&self.rows(&self.prepare(text).unwrap(), Binds::default(), &context()))
    }

    /// Waits until the store answers as `holds` wants it; what must happen takes a moment elsewhere.
    fn until(&self, what: &str, mut holds: impl FnMut(&Site) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(std::time::Instant::now() < deadline, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn cells(rows: &Rows) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut data = &rows.data[..];
    let mut cell = || {
        let (length, rest) = data.split_first_chunk::<4>().unwrap();
        let length = i32::from_be_bytes(*length);
        let (value, rest) = rest.split_at(length.max(0) as usize);
        data = rest;
        (length >= 0).then(|| value.to_vec())
    };
    let rows: Vec<_> =
        (0..rows.count).map(|_| (0..rows.metadata.columns.len()).map(|_| cell()).collect()).collect();
    assert!(data.is_empty());
    rows
}

fn names(rows: &Rows) -> Vec<&str> {
    rows.metadata.columns.iter().map(|column| &*column.name).collect()
}

#[test]
fn a_prepared_select_of_all_columns_follows_its_table() {
    let Some((site, mut client)) = site("follows") else { return };
    client.run("CREATE TABLE follows.t (k int PRIMARY KEY, v int)");
    client.run("INSERT INTO follows.t (k, v) VALUES (1, 2)");
    let select = site.prepare("SELECT * FROM follows.t WHERE k = ?").unwrap();
    assert_eq!(select.partition_key_binds, [0]);
    let rows = site.rows(&select, ints(&[1]), &context());
    assert!(Arc::ptr_eq(&rows.metadata, select.rows.as_ref().unwrap()), "callers know the columns again");
    client.run("ALTER TABLE follows.t ADD a text");
    client.run("UPDATE follows.t SET a = 'new' WHERE k = 1");
    for _ in 0..2 {
        let rows = site.rows(&select, ints(&[1]), &context());
        assert_eq!(names(&rows), ["k", "a", "v"]);
        assert_eq!(cells(&rows), [[Some(int(1).to_vec()), Some(b"new".to_vec()), Some(int(2).to_vec())]]);
    }
    client.run("ALTER TABLE follows.t DROP v");
    let rows = site.rows(&select, ints(&[1]), &context());
    assert_eq!((names(&rows), rows.count), (vec!["k", "a"], 1));
    site.until("the new columns in the schema", |site| {
        site.store.schema().table("follows", "t").is_some_and(|table| table.columns.len() == 2)
    });
    let again = site.prepare("SELECT * FROM follows.t WHERE k = ?").unwrap();
    assert_eq!(again.rows.as_ref().unwrap().columns.len(), 2);
}

#[test]
fn a_statement_whose_table_is_dropped_fails_in_cassandras_words_and_runs_again_once_it_is_back() {
    let Some((site, mut client)) = site("dropped") else { return };
    let create = "CREATE TABLE dropped.t (k int PRIMARY KEY, v int)";
    client.run(create);
    let insert = site.prepare("INSERT INTO dropped.t (k, v) VALUES (?, ?)").unwrap();
    let select = site.prepare("SELECT v FROM dropped.t WHERE k = ?").unwrap();
    site.execute(&insert, ints(&[1, 2]), &context()).unwrap();
    client.run("DROP TABLE dropped.t");
    for (prepared, binds) in [(&insert, ints(&[1, 2])), (&select, ints(&[1]))] {
        let error = site.execute(prepared, binds, &context()).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Invalid, "table t does not exist"));
    }
    client.run(create);
    site.execute(&insert, ints(&[1, 3]), &context()).unwrap();
    assert_eq!(cells(&site.rows(&select, ints(&[1]), &context())), [[Some(int(3).to_vec())]]);
}

#[test]
fn a_table_that_changes_between_pages_is_read_to_its_end() {
    let Some((site, mut client)) = site("between") else { return };
    client.run("CREATE TABLE between.t (p int, c int, v int, PRIMARY KEY (p, c))");
    for c in 0..7 {
        client.run(&format!("INSERT INTO between.t (p, c, v) VALUES (1, {c}, {c})"));
    }
    let select = site.prepare("SELECT * FROM between.t WHERE p = ?").unwrap();
    let mut context = Context { page_size: Some(3), page_bytes: Some(1 << 20), ..context() };
    let (mut seen, mut widths) = (Vec::new(), Vec::new());
    loop {
        let rows = site.rows(&select, ints(&[1]), &context);
        widths.push(rows.metadata.columns.len());
        let of_page = cells(&rows).into_iter().map(|cells| cells[1].clone().unwrap());
        seen.extend(of_page.map(|c| i32::from_be_bytes(c.try_into().unwrap())));
        if widths.len() == 1 {
            client.run("ALTER TABLE between.t ADD w int");
        }
        context.page_state = rows.next;
        if context.page_state.is_none() {
            break;
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(widths, [3, 4, 4]);
}

#[test]
fn a_page_state_goes_on_where_it_was_made_and_nowhere_else() {
    let Some((site, mut client)) = site("paged") else { return };
    client.run("CREATE TABLE paged.t (p int, c int, PRIMARY KEY (p, c))");
    for c in 0..5 {
        client.run(&format!("INSERT INTO paged.t (p, c) VALUES (1, {c})"));
    }
    let select = site.prepare("SELECT c FROM paged.t WHERE p = ?").unwrap();
    let paged = |state: Option<PageState>| Context { page_size: Some(2), page_state: state, ..context() };
    let state = site.rows(&select, ints(&[1]), &paged(None)).next.unwrap();
    let refused = |prepared: &Arc<Prepared>, binds: Binds, context: &Context| {
        let error = site.execute(prepared, binds, context).unwrap_err();
        assert_eq!(
            (error.kind, &*error.message),
            (ErrorKind::Protocol, "Invalid value for the paging state")
        );
    };
    let other = site.prepare("SELECT p, c FROM paged.t WHERE p = ?").unwrap();
    refused(&other, ints(&[1]), &paged(Some(state.clone())));
    refused(&select, ints(&[2]), &paged(Some(state.clone())));
    let somebody = Principal::Role(Role::new("somebody", *b"else"));
    refused(&select, ints(&[1]), &Context { principal: somebody, ..paged(Some(state.clone())) });
    let mut altered = state.0.to_vec();
    altered[20] ^= 1;
    refused(&select, ints(&[1]), &paged(Some(PageState(altered.into()))));
    refused(&select, ints(&[1]), &paged(Some(PageState(vec![].into()))));
    let rows = site.rows(&select, ints(&[1]), &paged(Some(state)));
    assert_eq!(cells(&rows), [[Some(int(2).to_vec())], [Some(int(3).to_vec())]]);
    assert!(rows.next.is_some());
}

#[test]
fn pages_of_large_rows_are_bounded_in_bytes() {
    let Some((site, mut client)) = site("large") else { return };
    client.run("CREATE TABLE large.t (p int, c int, v blob, PRIMARY KEY (p, c))");
    let insert = site.prepare("INSERT INTO large.t (p, c, v) VALUES (1, ?, ?)").unwrap();
    let value = vec![5; 4000];
    for c in 0..300 {
        let binds = Binds::from_values([Bind::Value(&int(c)), Bind::Value(&value)]);
        site.execute(&insert, binds, &context()).unwrap();
    }
    let select = site.prepare("SELECT c, v FROM large.t WHERE p = 1").unwrap();
    let budget = 64 << 10;
    let mut context = Context { page_size: Some(5000), page_bytes: Some(budget), ..context() };
    let mut pages: Vec<(u32, usize)> = Vec::new();
    loop {
        let rows = site.rows(&select, Binds::default(), &context);
        pages.push((rows.count, rows.data.len()));
        context.page_state = rows.next;
        if context.page_state.is_none() {
            break;
        }
    }
    assert_eq!(pages.iter().map(|(rows, _)| rows).sum::<u32>(), 300);
    assert_eq!(pages[0].0, 100, "nothing was known of the rows");
    assert!(pages[1..].iter().all(|(_, bytes)| *bytes <= budget), "{pages:?}");
    assert!(pages.len() > 12, "{pages:?}");
    let again = site.rows(&select, Binds::default(), &Context { page_state: None, ..context.clone() });
    assert!(again.data.len() <= budget, "now it is known: {}", again.data.len());
    // Small rows fill the page that was asked for, in parts.
    let keys = site.prepare("SELECT c FROM large.t WHERE p = 1").unwrap();
    let rows = site.rows(&keys, Binds::default(), &Context { page_state: None, ..context.clone() });
    assert_eq!((rows.count, rows.next), (300, None));
    let few =
        site.rows(&keys, Binds::default(), &Context { page_size: Some(250), page_state: None, ..context });
    assert_eq!(few.count, 250);
    assert!(few.next.is_some());
    let last = cells(&few).pop().unwrap();
    assert_eq!(last, [Some(int(249).to_vec())]);
}

#[test]
fn null_unset_time_stamp_and_conditions_reach_the_cluster() {
    let Some((site, mut client)) = site("bound") else { return };
    client.run("CREATE TABLE bound.t (k int PRIMARY KEY, a int, b int)");
    let insert = site.prepare("INSERT INTO bound.t (k, a, b) VALUES (?, ?, ?)").unwrap();
    let with = |a: Bind<'_>, b: Bind<'_>, timestamp: i64| {
        let context = Context { timestamp: Some(timestamp), ..context() };
        site.execute(&insert, Binds::from_values([Bind::Value(&int(1)), a, b]), &context).unwrap();
    };
    with(Bind::Value(&int(2)), Bind::Value(&int(3)), 100);
    with(Bind::Unset, Bind::Null, 200);
    let read = "SELECT a, b, writetime(a) FROM bound.t WHERE k = 1";
    let stamp = Some(100i64.to_be_bytes().to_vec());
    assert_eq!(site.cells(read), [[Some(int(2).to_vec()), None, stamp]]);

    let apply = site.prepare("UPDATE bound.t SET a = ? WHERE k = ? IF a = ?").unwrap();
    assert!(apply.rows.is_none(), "its columns depend on what comes of it");
    let applied = site.rows(&apply, ints(&[7, 1, 2]), &context());
    assert_eq!((names(&applied), cells(&applied)), (vec!["[applied]"], vec![vec![Some(vec![1])]]));
    let refused = site.rows(&apply, ints(&[8, 1, 2]), &context());
    assert_eq!(names(&refused), ["[applied]", "a"]);
    assert_eq!(cells(&refused), [[Some(vec![0]), Some(int(7).to_vec())]]);
    let before = Context { now_in_seconds: Some(1), ..context() };
    site.run("INSERT INTO bound.t (k, a) VALUES (5, 5) USING TTL 60");
    let select = site.prepare("SELECT ttl(a) FROM bound.t WHERE k = 5").unwrap();
    let ttl = cells(&site.rows(&select, Binds::default(), &before));
    assert!(i32::from_be_bytes(ttl[0][0].clone().unwrap().try_into().unwrap()) > 60, "judged by another now");
}

#[test]
fn a_batch_of_prepared_statements_is_done_whole_also_where_the_node_forgot_them() {
    let Some((site, mut client)) = site("batched") else { return };
    client.run("CREATE TABLE batched.t (k int PRIMARY KEY, v int)");
    client.run("CREATE TABLE batched.n (k int PRIMARY KEY, n counter)");
    let insert = site.prepare("INSERT INTO batched.t (k, v) VALUES (?, ?)").unwrap();
    let delete = site.prepare("DELETE FROM batched.t WHERE k = ?").unwrap();
    let add = site.prepare("UPDATE batched.n SET n = n + 1 WHERE k = ?").unwrap();
    // A node forgets what was prepared of a table that changes.
    client.run("ALTER TABLE batched.t ADD w int");
    let entry = |prepared: &Arc<Prepared>, values: &[i32]| BatchEntry {
        prepared: Arc::clone(prepared),
        binds: ints(values),
    };
    let batch =
        |kind, entries| site.runtime.block_on(site.store.execute_batch(kind, entries, &context()).wait());
    site.run("INSERT INTO batched.t (k, v) VALUES (9, 9)");
    let entries = vec![entry(&insert, &[1, 10]), entry(&insert, &[2, 20]), entry(&delete, &[9])];
    batch(BatchKind::Logged, entries).unwrap();
    let mut keys = site.cells("SELECT k, v FROM batched.t");
    keys.sort();
    assert_eq!(keys, [[1, 10], [2, 20]].map(|row| row.map(|value| Some(int(value).to_vec()))));
    batch(BatchKind::Counter, vec![entry(&add, &[1]), entry(&add, &[1])]).unwrap();
    assert_eq!(site.cells("SELECT n FROM batched.n"), [[Some(2i64.to_be_bytes().to_vec())]]);
    let error = batch(BatchKind::Logged, vec![entry(&add, &[1])]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    let use_it = site.prepare("USE batched").unwrap();
    let refused = batch(BatchKind::Logged, vec![entry(&use_it, &[])]).unwrap_err();
    assert!(refused.message.contains("only UPDATE, INSERT and DELETE"), "{refused}");
}

#[test]
fn a_cluster_of_an_older_version_of_the_protocol_is_served_as_well() {
    let Some((_, mut client)) = site("older") else { return };
    let address = Cassandra::shared().unwrap().address();
    for version in [ProtocolVersion::V4, ProtocolVersion::V3] {
        let options = Options { newest_version: version, ..Options::new(vec![address.to_string()]) };
        let site = connect_with(options, StoreOptions::default());
        client.run("DROP TABLE IF EXISTS older.t");
        client.run("CREATE TABLE older.t (p int, c int, v int, PRIMARY KEY (p, c))");
        let prepare = |text: &str| {
            let statement = Arc::new(ilium_cql::parse(text).unwrap());
            site.runtime.block_on(site.store.prepare(statement, Some("older")).wait()).unwrap()
        };
        // Its name is in the connection's keyspace: the version has none for a request.
        let insert = prepare("INSERT INTO t (p, c, v) VALUES (?, ?, ?)");
        for c in 0..5 {
            site.execute(&insert, ints(&[1, c, c]), &context()).unwrap();
        }
        let unset = Binds::from_values([Bind::Value(&int(1)), Bind::Value(&int(0)), Bind::Unset]);
        let kept = site.execute(&insert, unset, &context());
        assert_eq!(kept.is_ok(), version == ProtocolVersion::V4, "{kept:?}");
        let now = Context { now_in_seconds: Some(1), ..context() };
        assert_eq!(site.execute(&insert, ints(&[1, 0, 0]), &now).unwrap_err().kind, ErrorKind::Protocol);
        let select = prepare("SELECT * FROM t WHERE p = ?");
        let page = Context { page_size: Some(2), page_bytes: Some(1 << 20), ..context() };
        let first = site.rows(&select, ints(&[1]), &page);
        assert!(Arc::ptr_eq(&first.metadata, select.rows.as_ref().unwrap()));
        client.run("ALTER TABLE older.t ADD a int");
        let next = site.rows(&select, ints(&[1]), &Context { page_state: first.next, ..page });
        assert_eq!((names(&next), next.count), (vec!["p", "c", "a", "v"], 2));
        let entry = |c: i32| BatchEntry { prepared: Arc::clone(&insert), binds: ints(&[2, c, c]) };
        let entries = vec![entry(1), entry(2)];
        site.runtime
            .block_on(site.store.execute_batch(BatchKind::Logged, entries, &context()).wait())
            .unwrap();
        assert_eq!(site.rows(&select, ints(&[2]), &context()).count, 2);
        let applied = prepare("INSERT INTO t (p, c) VALUES (3, 3) IF NOT EXISTS");
        assert_eq!(names(&site.rows(&applied, Binds::default(), &context())), ["[applied]"]);
        let statement = Arc::new(ilium_cql::parse("TRUNCATE t").unwrap());
        let truncate = site.runtime.block_on(site.store.prepare(statement, Some("older")).wait()).unwrap();
        site.execute(&truncate, Binds::default(), &context()).unwrap();
        assert_eq!(site.rows(&select, ints(&[2]), &context()).count, 0);
    }
}

#[test]
fn errors_of_the_cluster_keep_their_class_and_their_fields() {
    let Some((site, mut client)) = site("errors") else { return };
    client.run("CREATE TABLE errors.t (k int PRIMARY KEY, v int)");
    client.run(
        "CREATE KEYSPACE errors3 WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
    );
    client.run("CREATE TABLE errors3.t (k int PRIMARY KEY, v int)");
    client.run(
        "CREATE FUNCTION errors.broken(a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java \
         AS 'throw new RuntimeException(\"broken\");'",
    );
    client.run("INSERT INTO errors.t (k, v) VALUES (1, 1)");
    let kind = |text: &str, consistency| site.error(text, &Context { consistency, ..context() }).kind;
    let quorum = Consistency::Quorum;
    for text in ["SELECT * FROM errors3.t WHERE k = 1", "INSERT INTO errors3.t (k) VALUES (1)"] {
        let unavailable = ErrorKind::Unavailable { consistency: quorum as u16, required: 2, alive: 1 };
        assert_eq!(kind(text, quorum), unavailable);
    }
    let failed = ErrorKind::FunctionFailure {
        keyspace: "errors".into(),
        name: "broken".into(),
        arguments: vec!["int".to_owned()],
    };
    assert_eq!(kind("SELECT errors.broken(v) FROM errors.t WHERE k = 1", Consistency::One), failed);
    let exists = ErrorKind::AlreadyExists { keyspace: "errors".into(), table: "t".into() };
    assert_eq!(kind("CREATE TABLE errors.t (k int PRIMARY KEY)", Consistency::One), exists);
    assert_eq!(kind("SELECT nosuch FROM errors.t", Consistency::One), ErrorKind::Invalid);
    assert_eq!(kind("SELECT * FROM errors.t", Consistency::Any), ErrorKind::Invalid);
    let late = Context { deadline: Some(std::time::Instant::now()), ..context() };
    let select = site.prepare("SELECT * FROM errors.t").unwrap();
    let insert = site.prepare("INSERT INTO errors.t (k) VALUES (1)").unwrap();
    let one = Consistency::One as u16;
    let error = site.execute(&select, Binds::default(), &late).unwrap_err();
    let timed_out =
        ErrorKind::ReadTimeout { consistency: one, received: 0, required: 1, data_present: false };
    assert_eq!(error.kind, timed_out, "{error}");
    let error = site.execute(&insert, Binds::default(), &late).unwrap_err();
    let write_type = WriteType::Simple;
    assert_eq!(
        error.kind,
        ErrorKind::WriteTimeout { consistency: one, received: 0, required: 1, write_type }
    );
}

#[test]
fn a_change_of_the_schema_is_known_when_it_is_answered_and_listeners_hear_of_each() {
    let Some((site, mut client)) = site("told") else { return };
    let (sender, told) = std::sync::mpsc::channel();
    site.store.listen(Box::new(move |change| drop(sender.send(change.clone()))));
    let outcome = site.run("CREATE TABLE told.t (p int, c int, s int static, v int, PRIMARY KEY (p, c))");
    assert!(matches!(outcome.result, ResultKind::SchemaChange(_)));
    let schema = site.store.schema();
    let table = schema.table("told", "t").expect("it is there when the statement is done");
    let kinds: Vec<ColumnKind> = table.columns.iter().map(|column| column.kind).collect();
    use ColumnKind as K;
    assert_eq!(kinds, [K::PartitionKey, K::Clustering, K::Static, K::Regular]);
    // Another client's.
    client.run("CREATE TYPE told.u (a int)");
    client.run("DROP TABLE told.t");
    site.until("what another client changed", |site| site.store.schema().table("told", "t").is_none());
    let heard: Vec<_> = told
        .try_iter()
        .filter(|change| &*change.keyspace == "told")
        .map(|change| (change.kind, change.target))
        .collect();
    let table = || SchemaTarget::Table("t".into());
    assert!(heard.contains(&(SchemaChangeKind::Created, table())), "{heard:?}");
    assert_eq!(heard.last(), Some(&(SchemaChangeKind::Dropped, table())));
    assert!(heard.contains(&(SchemaChangeKind::Created, SchemaTarget::Type("u".into()))), "{heard:?}");
}

#[test]
fn ranges_of_tokens_cover_a_table_once() {
    let Some((site, mut client)) = site("splits") else { return };
    client.run("CREATE TABLE splits.t (k int PRIMARY KEY)");
    let insert = site.prepare("INSERT INTO splits.t (k) VALUES (?)").unwrap();
    (0..200).for_each(|k| drop(site.execute(&insert, ints(&[k]), &context()).unwrap()));
    site.until("the table", |site| site.store.schema().table("splits", "t").is_some());
    let splits = site.runtime.block_on(site.store.token_splits("splits", "t", 16).wait()).unwrap();
    assert!(splits.len() >= 16);
    let part = site.prepare("SELECT k FROM splits.t WHERE token(k) > ? AND token(k) <= ?").unwrap();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for split in &splits {
        let (after, through) = (split.after.to_be_bytes(), split.through.to_be_bytes());
        let binds = Binds::from_values([Bind::Value(&after[..]), Bind::Value(&through[..])]);
        keys.extend(
            cells(&site.rows(&part, binds, &context())).into_iter().map(|row| row[0].clone().unwrap()),
        );
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 200);
    let missing = site.runtime.block_on(site.store.token_splits("splits", "nothing", 1).wait()).unwrap_err();
    assert_eq!(missing.message, "table splits.nothing does not exist");
}

#[test]
fn a_statement_runs_as_the_role_of_its_principal() {
    let Some(cassandra) = require("Cassandra with log-in", Cassandra::with_login()) else { return };
    let superuser = cassandra.target().superuser;
    let user = Credentials::new(&superuser.name, &superuser.password);
    let site = connect(cassandra.address(), Some(user), StoreOptions::default());
    let as_role = |name: &str, password: &str| Context {
        principal: Principal::Role(Role::new(name, password.as_bytes())),
        ..context()
    };
    let admin = as_role(&superuser.name, &superuser.password);
    for text in [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE k.t (p int PRIMARY KEY)",
        "CREATE ROLE reader WITH LOGIN = true AND PASSWORD = 'a secret'",
        "GRANT SELECT ON k.t TO reader",
    ] {
        site.run_with(text, Binds::default(), &admin).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    }
    let reader = as_role("reader", "a secret");
    let (select, insert) = ("SELECT * FROM k.t", "INSERT INTO k.t (p) VALUES (1)");
    site.run_with(select, Binds::default(), &reader).unwrap();
    for text in [insert, "DROP TABLE k.t", "CREATE TABLE k.u (p int PRIMARY KEY)"] {
        assert_eq!(site.error(text, &reader).kind, ErrorKind::Unauthorized, "{text}");
    }
    site.run_with(insert, Binds::default(), &admin).unwrap();
    assert_eq!(site.error(select, &as_role("reader", "another")).kind, ErrorKind::BadCredentials);
    assert_eq!(site.error(select, &context()).kind, ErrorKind::Unauthorized, "nobody is not the gateway");
}

#[test]
fn a_cluster_that_is_gone_is_said_to_be_at_once_and_is_used_again_when_it_is_back() {
    let one = RingOptions { nodes: 1, ..RingOptions::default() };
    let Some(mut ring) = require("a ring", Ring::start(&one)) else { return };
    let site = connect(ring.address(0).unwrap(), None, StoreOptions::default());
    site.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    site.run("CREATE TABLE k.t (p int PRIMARY KEY, v int)");
    let insert = site.prepare("INSERT INTO k.t (p, v) VALUES (?, ?)").unwrap();
    let select = site.prepare("SELECT v FROM k.t WHERE p = ?").unwrap();
    site.execute(&insert, ints(&[1, 2]), &context()).unwrap();
    assert!(site.upstream.check().is_ok());
    ring.kill(0).unwrap();
    site.until("readiness to go", |site| site.upstream.check().is_err());
    let started = std::time::Instant::now();
    let error = site.execute(&select, ints(&[1]), &context()).unwrap_err();
    let one = Consistency::One as u16;
    assert_eq!(error.kind, ErrorKind::Unavailable { consistency: one, required: 1, alive: 0 }, "{error}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(site.store.schema().table("k", "t").is_some(), "what is known stays known");
    ring.restart(0).unwrap();
    site.until("readiness to come back", |site| site.upstream.check().is_ok());
    // The node has forgotten what was prepared.
    assert_eq!(cells(&site.rows(&select, ints(&[1]), &context())), [[Some(int(2).to_vec())]]);
    site.until("the control link", |site| {
        site.run_with("CREATE TABLE IF NOT EXISTS k.u (p int PRIMARY KEY)", Binds::default(), &context())
            .is_ok()
    });
    site.until("the schema", |site| site.store.schema().table("k", "u").is_some());
}

#[test]
fn a_slow_node_holds_up_no_read_where_a_second_may_be_asked_and_no_write_is_sent_twice() {
    let two = RingOptions { nodes: 2, ..RingOptions::default() };
    let Some(mut ring) = require("a ring of two", Ring::start(&two)) else { return };
    let asks_twice =
        StoreOptions { speculate_after: Some(Duration::from_millis(50)), ..StoreOptions::default() };
    let site = connect(ring.address(0).unwrap(), None, asks_twice);
    site.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}");
    site.run("CREATE TABLE k.t (p int PRIMARY KEY, v int)");
    let insert = site.prepare("INSERT INTO k.t (p, v) VALUES (?, ?)").unwrap();
    let select = site.prepare("SELECT v FROM k.t WHERE p = ?").unwrap();
    let all = Context { consistency: Consistency::All, ..context() };
    for p in 0..20 {
        site.execute(&insert, ints(&[p, p]), &all).unwrap();
        site.rows(&select, ints(&[p]), &context());
    }
    site.until("links to both nodes", |site| site.upstream.check().unwrap().starts_with("2 of 2"));
    ring.pause(1).unwrap();
    let soon = || {
        let deadline = std::time::Instant::now().checked_add(Duration::from_millis(500));
        Context { deadline, ..context() }
    };
    // Equal nodes are asked in turn, until one has something to do.
    let written: Vec<_> = (0..4).map(|p| site.execute(&insert, ints(&[p, p]), &soon())).collect();
    let held = written.iter().filter_map(|outcome| outcome.as_ref().err()).collect::<Vec<_>>();
    assert!(matches!(held[..], [Error { kind: ErrorKind::WriteTimeout { .. }, .. }]), "{written:?}");
    ring.resume(1).unwrap();
    site.until("both nodes to write", |site| site.execute(&insert, ints(&[0, 0]), &all).is_ok());

    ring.pause(1).unwrap();
    let started = std::time::Instant::now();
    for p in 0..20 {
        let rows = site.rows(&select, ints(&[p]), &context());
        assert_eq!(cells(&rows), [[Some(int(p).to_vec())]]);
        // With a time stamp of its own a write gives the same when it is done twice.
        let stamped = Context { timestamp: Some(1 << 60), ..context() };
        site.execute(&insert, ints(&[p, p]), &stamped).unwrap();
    }
    // A silent node is given up after 5 s.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    ring.resume(1).unwrap();
}

#[test]
fn older_cassandras_are_read_and_named_where_they_lack_something() {
    for release in [Release::V4_1, Release::V4_0] {
        let mut options = RingOptions { nodes: 1, ..RingOptions::default() };
        options.node.release = release;
        let Some(ring) = require("an older Cassandra", Ring::start(&options)) else { continue };
        let site = connect(ring.address(0).unwrap(), None, StoreOptions::default());
        let capabilities = site.store.capabilities();
        assert_eq!(
            (&*capabilities.product, &*capabilities.release_version),
            ("Apache Cassandra", release.version())
        );
        assert!(!capabilities.vectors && !capabilities.storage_attached_indexes);
        for text in [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TYPE k.u (a int, b text)",
            "CREATE TABLE k.t (p int, c int, s text static, u frozen<u>, l list<frozen<u>>, PRIMARY KEY (p, c)) \
             WITH CLUSTERING ORDER BY (c DESC) AND default_time_to_live = 60",
            "CREATE INDEX ON k.t (u)",
            "ALTER TABLE k.t ADD gone int",
            "ALTER TABLE k.t DROP gone",
            "INSERT INTO k.t (p, c, s) VALUES (1, 2, 'three')",
        ] {
            site.run(text);
        }
        let schema = site.store.schema();
        let table = schema.table("k", "t").unwrap();
        let described: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
        assert_eq!(described, ["p int", "c int", "s text", "l list<frozen<u>>", "u frozen<u>"]);
        assert!(table.columns[1].descending);
        assert_eq!((table.indexes.len(), table.options.default_time_to_live), (1, 60));
        assert_eq!(table.dropped_columns["gone"].kind, ColumnKind::Regular);
        assert!(schema.keyspace("system_views").is_some_and(|keyspace| keyspace.is_virtual));
        assert_eq!(site.cells("SELECT s FROM k.t WHERE p = 1"), [[Some(b"three".to_vec())]]);
        let error = site.error("CREATE TABLE k.v (p int PRIMARY KEY, v vector<float, 3>)", &context());
        let wanted = format!("this cluster is Apache Cassandra {}: vector needs 5.0", release.version());
        assert_eq!((error.kind, error.message), (ErrorKind::Invalid, wanted));
    }
}
