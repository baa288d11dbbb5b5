//! What an application does with the Rust driver, once for each compression, on a server that the test started.
//!
//! Usage: scylla-client ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
//! (The driver speaks version 4 of the protocol alone.)

mod columns;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::TryStreamExt;
use scylla::client::Compression;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::cluster::ClusterState;
use scylla::cluster::metadata::PeriodicFetchMode;
use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::response::PagingState;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{Counter, CqlValue, MaybeUnset, Row};
use scylla::{DeserializeRow, DeserializeValue, SerializeRow, SerializeValue};

/// What ends the program: a mismatch, or an error that was not expected.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Clone, PartialEq, SerializeValue, DeserializeValue)]
struct Address {
    street: String,
    numbers: Option<Vec<i32>>,
    labels: Option<HashMap<String, String>>,
}

#[derive(Debug, PartialEq, SerializeRow, DeserializeRow)]
struct Typed {
    id: i32,
    a_tuple: Option<(i32, String, Option<bool>)>,
    a_type: Address,
    a_vector: Vec<f32>,
    a_map: HashMap<String, i64>,
    a_set: BTreeSet<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    for compression in [None, Some(Compression::Lz4), Some(Compression::Snappy)] {
        println!("protocol v4, compression {compression:?}");
        let session = open(compression).await?;
        schema(&session).await?;
        every_type(&session).await?;
        own_types(&session).await?;
        paging(&session).await?;
        batches(&session).await?;
        transactions(&session).await?;
        errors(&session).await?;
        schema_events(&session, compression).await?;
    }
    reconnect().await?;
    println!("all checked");
    Ok(())
}

async fn open(compression: Option<Compression>) -> Result<Session> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("usage: scylla-client ADDRESS PORT".into());
    };
    // No retries: an error that a second try would hide is a mismatch too.
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .request_timeout(Some(Duration::from_secs(60)))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .build();
    let session = SessionBuilder::new()
        .known_node(format!("{address}:{port}"))
        .compression(compression)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(Duration::from_secs(60))
        // Each refresh reads only the keyspaces that an event named since the last one.
        .periodic_metadata_fetch_mode(PeriodicFetchMode::AffectedKeyspaces)
        .cluster_metadata_refresh_interval(Duration::from_millis(200))
        .build()
        .await?;
    Ok(session)
}

async fn schema(session: &Session) -> Result<()> {
    run(session, "DROP KEYSPACE IF EXISTS app").await?;
    let replicas = std::env::var("REPLICATION_FACTOR").unwrap_or_else(|_| "3".to_owned());
    let replication = format!("{{'class': 'NetworkTopologyStrategy', 'datacenter1': {replicas}}}");
    run(session, &format!("CREATE KEYSPACE app WITH replication = {replication}")).await?;
    session.use_keyspace("app", false).await?;
    run(
        session,
        "CREATE TYPE address (street text, numbers frozen<list<int>>, labels frozen<map<text, text>>)",
    )
    .await?;
    let columns = columns::all();
    let definitions: Vec<String> =
        columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
    run(session, &format!("CREATE TABLE every_type (id int PRIMARY KEY, {})", definitions.join(", ")))
        .await?;
    run(session, "CREATE INDEX by_text ON every_type (a_text)").await?;
    run(session, "CREATE TABLE pages (part int, n int, v text, PRIMARY KEY (part, n))").await?;
    run(session, "CREATE TABLE counted (id int PRIMARY KEY, c counter)").await?;
    run(session, "CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance int)").await?;
    session.await_schema_agreement().await?;
    session.refresh_metadata().await?;
    let cluster = session.get_cluster_state();
    let app = cluster.get_keyspace("app").ok_or("the keyspace is not in the metadata")?;
    let tables: BTreeSet<&str> = app.tables.keys().map(String::as_str).collect();
    same("the tables in the metadata", &tables, &["accounts", "counted", "every_type", "pages"].into())?;
    let mut wanted: BTreeSet<&str> = columns.iter().map(|column| column.name).collect();
    wanted.insert("id");
    let table = app.tables.get("every_type").ok_or("the table is not in the metadata")?;
    let read: BTreeSet<&str> = table.columns.keys().map(String::as_str).collect();
    same("the columns in the metadata", &read, &wanted)?;
    let pages = app.tables.get("pages").ok_or("the table of pages is not in the metadata")?;
    same(
        "a key in the metadata",
        &(&pages.partition_key, &pages.clustering_key),
        &(&vec!["part".to_owned()], &vec!["n".to_owned()]),
    )?;
    let address = app.user_defined_types.get("address").ok_or("the type is not in the metadata")?;
    let fields: Vec<&str> = address.field_types.iter().map(|(name, _)| name.as_ref()).collect();
    same("the fields of the type", &fields, &vec!["street", "numbers", "labels"])?;
    println!("  schema: keyspace, type, tables, index, all in the metadata");
    Ok(())
}

async fn every_type(session: &Session) -> Result<()> {
    let columns = columns::all();
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let markers = vec!["?"; names.len() + 1].join(", ");
    let insert = format!("INSERT INTO every_type (id, {}) VALUES ({markers})", names.join(", "));
    let insert = session.prepare(insert).await?;
    let select = session.prepare(format!("SELECT {} FROM every_type WHERE id = ?", names.join(", "))).await?;
    for id in 1..=3 {
        let written: Vec<Option<CqlValue>> = columns
            .iter()
            .map(|column| match id {
                1 => Some(column.ordinary.clone()),
                2 => Some(column.extreme.clone()),
                _ => None,
            })
            .collect();
        let mut binds = vec![Some(CqlValue::Int(id))];
        binds.extend(written.iter().cloned());
        session.execute_unpaged(&insert, binds).await?;
        let row: Row = one(session, &select, (id,)).await?;
        for ((name, read), written) in names.iter().zip(&row.columns).zip(&written) {
            same(&format!("{name} of row {id}"), read, written)?;
        }
    }
    let partly = session.prepare("INSERT INTO every_type (id, an_int, a_text) VALUES (?, ?, ?)").await?;
    session.execute_unpaged(&partly, (1, 8, MaybeUnset::<&str>::Unset)).await?;
    let found = session.prepare("SELECT id, an_int, a_text FROM every_type WHERE a_text = ?").await?;
    let row: (i32, i32, String) = one(session, &found, ("Straße 東京 🌆",)).await?;
    same("a row with a value left unset, by the index", &row, &(1, 8, "Straße 東京 🌆".to_owned()))?;
    println!(
        "  types: {} columns written and read prepared, ordinary, extreme and null; found by index",
        names.len()
    );
    Ok(())
}

/// Rows and user-defined types as structs, which the driver checks against the columns the server describes.
async fn own_types(session: &Session) -> Result<()> {
    let written = Typed {
        id: 10,
        a_tuple: Some((1, "two".to_owned(), None)),
        a_type: Address {
            street: "Main Street".to_owned(),
            numbers: Some(vec![1, 2]),
            labels: Some(HashMap::from([("home".to_owned(), "1".to_owned())])),
        },
        a_vector: vec![1.0, -2.5, 0.25],
        a_map: HashMap::from([("one".to_owned(), 1)]),
        a_set: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
    };
    let columns = "id, a_tuple, a_type, a_vector, a_map, a_set";
    let insert =
        session.prepare(format!("INSERT INTO every_type ({columns}) VALUES (?, ?, ?, ?, ?, ?)")).await?;
    session.execute_unpaged(&insert, &written).await?;
    let select = session.prepare(format!("SELECT {columns} FROM every_type WHERE id = ?")).await?;
    let read: Typed = one(session, &select, (10,)).await?;
    same("a row as a struct", &read, &written)?;
    println!("  structs: a row and a user-defined type");
    Ok(())
}

async fn paging(session: &Session) -> Result<()> {
    let insert = session.prepare("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)").await?;
    try_join_all((0..1000).map(|n| session.execute_unpaged(&insert, (n % 4, n, format!("value {n}")))))
        .await?;
    let all =
        session.prepare(Statement::new("SELECT n, v FROM pages").with_page_size(90.try_into()?)).await?;
    let (mut pages, mut seen, mut state) = (0, BTreeSet::new(), PagingState::start());
    loop {
        let (page, next) = session.execute_single_page(&all, (), state).await?;
        let page = page.into_rows_result()?;
        pages += 1;
        if page.rows_num() > 90 {
            return Err(format!("a page of {} rows where 90 were asked for", page.rows_num()).into());
        }
        for row in page.rows::<(i32, String)>()? {
            let (n, v) = row?;
            same("a value", &v, &format!("value {n}"))?;
            seen.insert(n);
        }
        match next.into_paging_control_flow() {
            ControlFlow::Break(()) => break,
            ControlFlow::Continue(next) => state = next,
        }
    }
    same("the rows of all pages", &seen, &(0..1000).collect())?;
    if pages != 12 && pages != 13 {
        return Err(format!("1000 rows came in {pages} pages of 90").into());
    }
    let part = Statement::new("SELECT n FROM pages WHERE part = ? AND n > ?").with_page_size(7.try_into()?);
    let part = session.prepare(part).await?;
    let rows: Vec<(i32,)> =
        session.execute_iter(part, (1, 500)).await?.rows_stream::<(i32,)>()?.try_collect().await?;
    let rows: Vec<i32> = rows.into_iter().map(|(n,)| n).collect();
    same("one partition row by row", &rows, &(501..1000).step_by(4).collect())?;
    println!("  paging: 1000 rows in {pages} pages, and one partition row by row");
    Ok(())
}

async fn batches(session: &Session) -> Result<()> {
    let insert = session.prepare("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)").await?;
    let mut logged = Batch::new(BatchType::Logged);
    for _ in 0..10 {
        logged.append_statement(insert.clone());
    }
    logged.append_statement("INSERT INTO every_type (id, a_text) VALUES (100, 'batched')");
    let mut values: Vec<Vec<CqlValue>> = (100..110)
        .map(|part| vec![CqlValue::Int(part), CqlValue::Int(1), CqlValue::Text("batched".to_owned())])
        .collect();
    values.push(Vec::new());
    session.batch(&logged, values).await?;
    same(
        "rows of a logged batch",
        &number(session, "SELECT count(*) FROM pages WHERE part IN (100, 104, 109)").await?,
        &3,
    )?;
    let simple = number(session, "SELECT count(*) FROM every_type WHERE a_text = 'batched'").await?;
    same("its simple statement", &simple, &1)?;
    let mut unlogged = Batch::new(BatchType::Unlogged);
    let mut values = Vec::new();
    for n in 0..50 {
        unlogged.append_statement(insert.clone());
        values.push((200, n, "unlogged"));
    }
    session.batch(&unlogged, values).await?;
    let count = number(session, "SELECT count(*) FROM pages WHERE part = 200").await?;
    same("rows of an unlogged batch", &count, &50)?;
    let add = session.prepare("UPDATE counted SET c = c + ? WHERE id = ?").await?;
    for _ in 0..3 {
        let mut counters = Batch::new(BatchType::Counter);
        counters.append_statement(add.clone());
        counters.append_statement(add.clone());
        session.batch(&counters, ((Counter(5), 1), (Counter(-2), 2))).await?;
    }
    let select = session.prepare("SELECT c FROM counted WHERE id = ?").await?;
    for (id, wanted) in [(1, 15), (2, -6)] {
        let (read,): (Counter,) = one(session, &select, (id,)).await?;
        same("a counter after three batches", &read, &Counter(wanted))?;
    }
    println!("  batches: logged over two tables, unlogged, counter");
    Ok(())
}

async fn transactions(session: &Session) -> Result<()> {
    /// The columns of an answer that was not applied.
    type Refused = (bool, Option<i32>, Option<i32>, Option<String>);
    let insert = "INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?) IF NOT EXISTS";
    let insert = session.prepare(insert).await?;
    let first: Row = one(session, &insert, (1, "Ada", 10)).await?;
    same("a first insert", &first.columns.first(), &Some(&Some(CqlValue::Boolean(true))))?;
    let second: Refused = one(session, &insert, (1, "Eve", 99)).await?;
    same("a second", &second, &(false, Some(1), Some(10), Some("Ada".to_owned())))?;
    let mut update = session.prepare("UPDATE accounts SET balance = ? WHERE id = ? IF balance = ?").await?;
    update.set_serial_consistency(Some(SerialConsistency::LocalSerial));
    let held: Row = one(session, &update, (20, 1, 10)).await?;
    same("an update whose condition holds", &held.columns.first(), &Some(&Some(CqlValue::Boolean(true))))?;
    let failed: (bool, Option<i32>) = one(session, &update, (30, 1, 10)).await?;
    same("one whose condition fails", &failed, &(false, Some(20)))?;
    let mut batch = Batch::new(BatchType::Logged);
    batch.append_statement("UPDATE accounts SET balance = 1 WHERE id = 1 IF balance = 20");
    batch.append_statement("UPDATE accounts SET owner = 'Bob' WHERE id = 1");
    let answer = session.batch(&batch, ((), ())).await?.into_rows_result()?;
    let applied = answer.first_row::<Row>()?;
    same("a conditional batch", &applied.columns.first(), &Some(&Some(CqlValue::Boolean(true))))?;
    println!("  transactions: insert, update and batch, applied and not");
    Ok(())
}

async fn errors(session: &Session) -> Result<()> {
    refused(session, "SELEC * FROM every_type", &DbError::SyntaxError, "line 1:0").await?;
    refused(session, "SELECT * FROM nosuch", &DbError::Invalid, "nosuch").await?;
    refused(session, "SELECT * FROM every_type WHERE an_int = 1", &DbError::Invalid, "ALLOW FILTERING")
        .await?;
    let exists = DbError::AlreadyExists { keyspace: "app".to_owned(), table: "every_type".to_owned() };
    refused(session, "CREATE TABLE every_type (id int PRIMARY KEY)", &exists, "every_type").await?;
    match session.prepare("SELECT nosuch FROM every_type").await {
        Err(PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(DbError::Invalid, words),
        }) => holds("the error of a wrong prepare", &words, "nosuch")?,
        other => return Err(format!("a wrong prepare gives {other:?}").into()),
    }
    println!("  errors: syntax, invalid, already exists, at prepare too");
    Ok(())
}

async fn refused(session: &Session, statement: &str, error: &DbError, words: &str) -> Result<()> {
    match session.query_unpaged(statement, ()).await {
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(kind, message))) => {
            same(&format!("the error of {statement:?}"), &kind, error)?;
            holds(&format!("the error of {statement:?}"), &message, words)
        }
        other => Err(format!("{statement:?} gives {other:?}").into()),
    }
}

/// Another session's table, column, type and drop come to this one as events; nothing here asks for a refresh.
async fn schema_events(session: &Session, compression: Option<Compression>) -> Result<()> {
    let other = open(compression).await?;
    other.use_keyspace("app", false).await?;
    let table = |cluster: &ClusterState, column: &str| {
        let table = cluster.get_keyspace("app").and_then(|app| app.tables.get("from_elsewhere"));
        table.is_some_and(|table| table.columns.contains_key(column))
    };
    run(&other, "CREATE TABLE from_elsewhere (id int PRIMARY KEY)").await?;
    until("the event of a new table", || table(&session.get_cluster_state(), "id")).await?;
    run(&other, "ALTER TABLE from_elsewhere ADD added text").await?;
    until("the event of a new column", || table(&session.get_cluster_state(), "added")).await?;
    run(&other, "CREATE TYPE seen (a int)").await?;
    until("the event of a new type", || {
        let cluster = session.get_cluster_state();
        cluster.get_keyspace("app").is_some_and(|app| app.user_defined_types.contains_key("seen"))
    })
    .await?;
    run(&other, "DROP TABLE from_elsewhere").await?;
    until("the event of a dropped table", || !table(&session.get_cluster_state(), "id")).await?;
    println!("  schema events: table, column, type and drop by another session");
    Ok(())
}

async fn reconnect() -> Result<()> {
    let session = open(Some(Compression::Lz4)).await?;
    session.use_keyspace("app", false).await?;
    let insert = session.prepare("INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?)").await?;
    let select = session.prepare("SELECT owner FROM accounts WHERE id = ?").await?;
    session.execute_unpaged(&insert, (7, "before", 1)).await?;
    println!("restart the server");
    let mut word = String::new();
    io::stdin().read_line(&mut word)?;
    same("the answer of the test", &word.trim(), &"restarted")?;
    for attempt in 0.. {
        match one::<(String,)>(&session, &select, (7,)).await {
            Ok(read) => {
                same("a row written before the restart", &read.0.as_str(), &"before")?;
                break;
            }
            Err(error) if attempt == 1200 => return Err(error),
            // The driver has not yet reconnected.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    // The server does not know the statement: the driver prepares again.
    session.execute_unpaged(&insert, (8, "after", 2)).await?;
    let (owner,): (String,) = one(&session, &select, (8,)).await?;
    same("a row written after the restart", &owner.as_str(), &"after")?;
    println!("reconnect: what was written before the kill is read, prepared statements go on");
    Ok(())
}

async fn run(session: &Session, statement: &str) -> Result<()> {
    session.query_unpaged(statement, ()).await.map_err(|error| format!("{statement}: {error}"))?;
    Ok(())
}

async fn one<R>(
    session: &Session,
    statement: &PreparedStatement,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<R>
where
    R: for<'r> scylla::deserialize::row::DeserializeRow<'r, 'r>,
{
    Ok(session.execute_unpaged(statement, values).await?.into_rows_result()?.single_row::<R>()?)
}

async fn number(session: &Session, statement: &str) -> Result<i64> {
    let (number,) = session.query_unpaged(statement, ()).await?.into_rows_result()?.single_row::<(i64,)>()?;
    Ok(number)
}

/// Waits up to a minute for what comes from the driver's own tasks.
async fn until(what: &str, holds: impl Fn() -> bool) -> Result<()> {
    for _ in 0..1200 {
        if holds() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("waited a minute for {what}").into())
}

fn holds(what: &str, text: &str, words: &str) -> Result<()> {
    match text.contains(words) {
        true => Ok(()),
        false => Err(format!("{what} says {text:?}, without {words:?}").into()),
    }
}

fn same<T: PartialEq + Debug + ?Sized>(what: &str, read: &T, wanted: &T) -> Result<()> {
    match read == wanted {
        true => Ok(()),
        false => Err(format!("{what}: read {read:?}, wanted {wanted:?}").into()),
    }
}
