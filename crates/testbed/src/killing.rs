//! Kills a server under load and looks whether it kept what it acknowledged.
//!
//! Vocabulary: a *writer* is one client with one kind of write; it counts what it *attempted* and what was
//! *acknowledged*. After the kill every acknowledged write must be there, nothing that was never attempted, and each
//! batch whole or absent.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::ilium::{Folder, Ilium};
use crate::wire::{Binds, Connection, Outcome, Rows, Settings};

/// What one writer got done.
#[derive(Debug, Default)]
struct Ledger {
    attempted: AtomicU64,
    acknowledged: AtomicU64,
    /// Attempted when the server was killed: there or not, both is right.
    in_doubt: Mutex<BTreeSet<u64>>,
}

impl Ledger {
    fn is_in_doubt(&self, number: u64) -> bool {
        self.in_doubt.lock().is_ok_and(|doubts| doubts.contains(&number))
    }
}

#[derive(Debug, Default)]
struct Ledgers {
    rows: [Ledger; 2],
    batches: Ledger,
    transactions: Ledger,
    counter: Ledger,
    tables: Ledger,
}

/// How much was written and checked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub rounds: usize,
    pub acknowledged: u64,
}

const SCHEMA: [&str; 7] = [
    "CREATE KEYSPACE IF NOT EXISTS k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE IF NOT EXISTS k.rows (writer int, n bigint, v text, PRIMARY KEY (writer, n))",
    "CREATE TABLE IF NOT EXISTS k.left (n bigint PRIMARY KEY, v bigint)",
    "CREATE TABLE IF NOT EXISTS k.right (n bigint, part int, v bigint, PRIMARY KEY (n, part))",
    "CREATE TABLE IF NOT EXISTS k.register (id int PRIMARY KEY, v bigint)",
    "CREATE TABLE IF NOT EXISTS k.counted (id int PRIMARY KEY, c counter)",
    "INSERT INTO k.register (id, v) VALUES (1, 0) IF NOT EXISTS",
];

/// Rows of a batch in the second table.
const PARTS: u64 = 4;

/// Runs rounds of load, kill, restart and check on one folder.
pub fn run(binary: &Path, rounds: usize, seed: u64, flags: &[&str]) -> Result<Report> {
    let folder = Folder::new()?;
    let ledgers = Arc::new(Ledgers::default());
    let mut random = seed | 1;
    let mut report = Report::default();
    for round in 0..rounds {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lifetime = Duration::from_millis(20 + (random >> 33) % 400);
        let server = Ilium::start(binary, &folder, flags).with_context(|| format!("round {round}"))?;
        check(server.address(), &ledgers).with_context(|| format!("after {round} kills, seed {seed}"))?;
        load(server, &ledgers, lifetime)?;
        report.rounds = round + 1;
    }
    let server = Ilium::start(binary, &folder, flags).context("after the last kill")?;
    check(server.address(), &ledgers).with_context(|| format!("after the last kill, seed {seed}"))?;
    server.stop()?;
    let all = [&ledgers.rows[0], &ledgers.rows[1], &ledgers.batches, &ledgers.transactions, &ledgers.counter];
    report.acknowledged = all.iter().map(|ledger| ledger.acknowledged.load(Ordering::SeqCst)).sum();
    ensure!(report.acknowledged > rounds as u64, "next to nothing was written, so nothing was tested");
    Ok(report)
}

/// Writes from several clients until the server is killed after `lifetime`.
fn load(server: Ilium, ledgers: &Arc<Ledgers>, lifetime: Duration) -> Result<()> {
    let address = server.address();
    let mut setup = Connection::open(address, 4)?;
    for statement in SCHEMA {
        done(&mut setup, statement)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: [fn(&mut Connection, &Ledgers) -> Result<()>; 6] = [
        |c, l| write_row(c, &l.rows[0], 0),
        |c, l| write_row(c, &l.rows[1], 1),
        write_batch,
        write_transaction,
        count,
        make_table,
    ];
    let threads: Vec<_> = writers
        .into_iter()
        .map(|write| {
            let (ledgers, stop) = (Arc::clone(ledgers), Arc::clone(&stop));
            std::thread::spawn(move || {
                let Ok(mut connection) = Connection::open(address, 4) else { return Ok(()) };
                while !stop.load(Ordering::SeqCst) {
                    match write(&mut connection, &ledgers) {
                        Ok(()) => {}
                        // The server is gone, as it should be; anything else is a finding.
                        Err(error) if error.downcast_ref::<Refused>().is_some() => return Err(error),
                        Err(_) => return Ok(()),
                    }
                }
                Ok(())
            })
        })
        .collect();
    let until = Instant::now() + lifetime;
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.crash()?;
    stop.store(true, Ordering::SeqCst);
    for thread in threads {
        match thread.join() {
            Ok(result) => result?,
            Err(_) => bail!("a writer panicked"),
        }
    }
    Ok(())
}

/// The server answered a write with an error although nothing was wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{statement}: {answer}")]
struct Refused {
    statement: String,
    answer: String,
}

fn done(connection: &mut Connection, statement: &str) -> Result<Option<Rows>> {
    let answer = connection.query(statement, &Binds::None, &Settings::default())?;
    match answer.outcome {
        Outcome::Error(error) => {
            Err(Refused { statement: statement.to_owned(), answer: format!("{error:?}") }.into())
        }
        Outcome::Rows(rows) => Ok(Some(rows)),
        _ => Ok(None),
    }
}

/// Attempts number after number, and notes each acknowledgement.
fn next(ledger: &Ledger, write: impl FnOnce(u64) -> Result<()>) -> Result<()> {
    let number = ledger.attempted.load(Ordering::SeqCst) + 1;
    ledger.attempted.store(number, Ordering::SeqCst);
    match write(number) {
        Ok(()) => {
            ledger.acknowledged.store(number, Ordering::SeqCst);
            Ok(())
        }
        Err(error) => {
            if let Ok(mut doubts) = ledger.in_doubt.lock() {
                doubts.insert(number);
            }
            Err(error)
        }
    }
}

fn write_row(connection: &mut Connection, ledger: &Ledger, writer: u64) -> Result<()> {
    next(ledger, |n| {
        done(connection, &format!("INSERT INTO k.rows (writer, n, v) VALUES ({writer}, {n}, 'v{n}')"))
            .map(drop)
    })
}

fn write_batch(connection: &mut Connection, ledgers: &Ledgers) -> Result<()> {
    next(&ledgers.batches, |n| {
        let parts: Vec<String> =
            (0..PARTS).map(|p| format!("INSERT INTO k.right (n, part, v) VALUES ({n}, {p}, {n});")).collect();
        let text = format!(
            "BEGIN BATCH INSERT INTO k.left (n, v) VALUES ({n}, {n}); {} APPLY BATCH",
            parts.join(" ")
        );
        done(connection, &text).map(drop)
    })
}

fn write_transaction(connection: &mut Connection, ledgers: &Ledgers) -> Result<()> {
    // An attempt of before the kill may have been applied without an answer, so the register is read first.
    let stored = register(connection)?;
    ledgers.transactions.attempted.fetch_max(stored + 1, Ordering::SeqCst);
    let text = format!("UPDATE k.register SET v = {} WHERE id = 1 IF v = {stored}", stored + 1);
    let rows = done(connection, &text)?.context("a conditional update gave no row")?;
    let applied = rows.rows.first().and_then(|row| row.first().cloned().flatten());
    if applied.as_deref() != Some(&[1]) {
        let answer = format!("it was not applied although nobody else writes: {rows:?}");
        return Err(Refused { statement: text, answer }.into());
    }
    ledgers.transactions.acknowledged.store(stored + 1, Ordering::SeqCst);
    Ok(())
}

fn count(connection: &mut Connection, ledgers: &Ledgers) -> Result<()> {
    let ledger = &ledgers.counter;
    ledger.attempted.fetch_add(1, Ordering::SeqCst);
    done(connection, "UPDATE k.counted SET c = c + 1 WHERE id = 1")?;
    ledger.acknowledged.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

fn make_table(connection: &mut Connection, ledgers: &Ledgers) -> Result<()> {
    next(&ledgers.tables, |n| {
        // Every second table is dropped again: its absence is an acknowledged write, too.
        done(connection, &format!("CREATE TABLE k.t{n} (k int PRIMARY KEY, v{n} int)"))?;
        if n % 2 == 0 {
            done(connection, &format!("DROP TABLE k.t{n}"))?;
        }
        Ok(())
    })
}

fn register(connection: &mut Connection) -> Result<u64> {
    let values = numbers(connection, "SELECT v FROM k.register WHERE id = 1")?;
    values.first().copied().context("the register is gone")
}

/// The numbers in the one column of a whole result.
fn numbers(connection: &mut Connection, text: &str) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut settings = Settings { page: Some(5000), ..Settings::default() };
    loop {
        let answer = connection.query(text, &Binds::None, &settings)?;
        let Outcome::Rows(rows) = answer.outcome else { bail!("{text}: {:?}", answer.outcome) };
        for row in &rows.rows {
            let value = row.first().cloned().flatten().with_context(|| format!("{text}: a null"))?;
            let value: [u8; 8] = value.try_into().ok().with_context(|| format!("{text}: no bigint"))?;
            found.push(u64::from_be_bytes(value));
        }
        settings.state = rows.more;
        if settings.state.is_none() {
            return Ok(found);
        }
    }
}

/// Everything acknowledged is there, nothing else but what was attempted.
fn check(address: SocketAddr, ledgers: &Ledgers) -> Result<()> {
    let mut connection = Connection::open(address, 4)?;
    let connection = &mut connection;
    if ledgers.rows[0].attempted.load(Ordering::SeqCst) == 0 {
        return Ok(());
    }
    for (writer, ledger) in ledgers.rows.iter().enumerate() {
        let found = numbers(connection, &format!("SELECT n FROM k.rows WHERE writer = {writer}"))?;
        compare(&format!("rows of writer {writer}"), ledger, found)?;
    }
    let mut left = numbers(connection, "SELECT n FROM k.left")?;
    let mut right = numbers(connection, "SELECT n FROM k.right")?;
    left.sort_unstable();
    right.sort_unstable();
    let whole: Vec<u64> = left.iter().flat_map(|n| std::iter::repeat_n(*n, PARTS as usize)).collect();
    ensure!(whole == right, "a batch is there in part");
    compare("batches", &ledgers.batches, left)?;

    between("the register", &ledgers.transactions, register(connection)?)?;
    let counted = numbers(connection, "SELECT c FROM k.counted WHERE id = 1")?;
    between("the counter", &ledgers.counter, counted.first().copied().unwrap_or(0))?;
    check_tables(connection, &ledgers.tables)
}

/// `found` holds every acknowledged number and none that was not attempted.
fn compare(what: &str, ledger: &Ledger, mut found: Vec<u64>) -> Result<()> {
    found.sort_unstable();
    let attempted = ledger.attempted.load(Ordering::SeqCst);
    let acknowledged = ledger.acknowledged.load(Ordering::SeqCst);
    let missing =
        (1..=acknowledged).filter(|n| !ledger.is_in_doubt(*n) && found.binary_search(n).is_err()).count();
    ensure!(missing == 0, "{missing} of {acknowledged} acknowledged {what} are gone");
    let greatest = found.last().copied().unwrap_or(0);
    ensure!(greatest <= attempted, "{what}: {greatest} was never attempted, the last one was {attempted}");
    Ok(())
}

fn between(what: &str, ledger: &Ledger, value: u64) -> Result<()> {
    let attempted = ledger.attempted.load(Ordering::SeqCst);
    let acknowledged = ledger.acknowledged.load(Ordering::SeqCst);
    ensure!(
        (acknowledged..=attempted).contains(&value),
        "{what} is {value}; {acknowledged} were acknowledged and {attempted} attempted"
    );
    Ok(())
}

fn check_tables(connection: &mut Connection, ledger: &Ledger) -> Result<()> {
    let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'k'";
    let rows = done(connection, text)?.context("no tables are listed")?;
    let names: Vec<String> = rows
        .rows
        .iter()
        .filter_map(|row| row.first().cloned().flatten())
        .filter_map(|name| String::from_utf8(name).ok())
        .collect();
    let acknowledged = ledger.acknowledged.load(Ordering::SeqCst);
    for n in (1..=acknowledged).filter(|n| !ledger.is_in_doubt(*n)) {
        let there = names.contains(&format!("t{n}"));
        ensure!(there == (n % 2 == 1), "table t{n} is {}", if there { "back" } else { "gone" });
    }
    for name in &names {
        // Whatever is listed can be read.
        done(connection, &format!("SELECT * FROM k.\"{name}\" LIMIT 1"))?;
    }
    Ok(())
}
