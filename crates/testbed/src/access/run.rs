//! Trying the rows of a table on a server.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::table::{Row, Table, Verdict};
use crate::value::show;
use crate::wire::{Answer, BatchItem, BatchKind, Binds, Connection, Outcome, Rows, Settings};

/// What is there before each row, made anew where an earlier one may have changed it: the schema and all of it,
const SCHEMA: [&str; 8] = [
    "DROP KEYSPACE IF EXISTS k",
    "DROP KEYSPACE IF EXISTS made",
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TYPE k.y (a int)",
    "CREATE TABLE k.t (p int, c int, v int, PRIMARY KEY (p, c))",
    "CREATE TABLE k.u (p int PRIMARY KEY, v int)",
    "CREATE TABLE k.n (p int PRIMARY KEY, hits counter)",
    "CREATE INDEX t_v ON k.t (v)",
];
/// its rows,
const ROWS: [&str; 3] = [
    "DELETE FROM k.t WHERE p IN (2, 3)",
    "DELETE FROM k.u WHERE p IN (1, 3)",
    "INSERT INTO k.t (p, c, v) VALUES (1, 1, 1)",
];
/// and the roles.
const ROLES: [&str; 9] = [
    "DROP IDENTITY IF EXISTS 'spiffe://ilium/made'",
    "DROP ROLE IF EXISTS other",
    "DROP ROLE IF EXISTS root",
    "DROP ROLE IF EXISTS mine",
    "DROP ROLE IF EXISTS made",
    "CREATE ROLE other WITH LOGIN = true",
    "CREATE ROLE root WITH SUPERUSER = true AND LOGIN = true",
    "CREATE ROLE mine",
    "ADD IDENTITY 'spiffe://ilium/other' TO ROLE 'other'",
];

/// What is left at the end.
const LEFT: [&str; 6] = [
    "DROP KEYSPACE IF EXISTS k",
    "DROP KEYSPACE IF EXISTS made",
    "DROP ROLE IF EXISTS other",
    "DROP ROLE IF EXISTS root",
    "DROP ROLE IF EXISTS mine",
    "DROP ROLE IF EXISTS me",
];

/// Of `secret`, with the fewest rounds there may be: a log-in for each row is quick.
const PASSWORD: &str = "secret";
const HASH: &str = "$2a$04$IliumAccessTablesSalt.T0ZKKIV4hkaBOkynNdSV.YBLMQvUPSm";

/// Protocol version: the newest.
const VERSION: u8 = 5;

/// A name and a password.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub name: String,
    pub password: String,
}

impl Credentials {
    /// Those in a file as `cqlsh --credentials` reads it, which the first superuser's is.
    pub fn read(file: &Path) -> Result<Credentials> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let value = |key: &str| -> Result<String> {
            let mut values = text.lines().filter_map(|line| line.split_once('='));
            let found = values.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned());
            found.with_context(|| format!("{} has no {key}", file.display()))
        };
        Ok(Credentials { name: value("username")?, password: value("password")? })
    }
}

/// A server and its superuser.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub superuser: Credentials,
}

/// Tries every row, and says of each that does not hold what was answered.
pub fn run(target: &Target, tables: &[Table]) -> Result<Vec<String>> {
    let Credentials { name, password } = &target.superuser;
    let mut superuser = Connection::open_as(target.address, VERSION, Some((name, password)))?;
    let mut wrong = Vec::new();
    let mut stale = Stale { schema: true, rows: true, roles: true };
    for table in tables {
        for row in &table.rows {
            stale.renew().try_for_each(|text| must(&mut superuser, text))?;
            let place = format!("{}.txt, line {}: {}", table.name, row.line, row.statement);
            prepare_for(&mut superuser, row).with_context(|| place.clone())?;
            let mut connection = Connection::open_as(target.address, VERSION, Some(("me", PASSWORD)))?;
            let answer = ask(&mut connection, &row.statement).with_context(|| place.clone())?;
            if let Some(difference) = difference(&row.verdict, &answer) {
                wrong.push(format!("{place}\n    {difference}"));
            }
            stale = Stale::after(row, &answer);
        }
    }
    LEFT.iter().try_for_each(|text| must(&mut superuser, text))?;
    Ok(wrong)
}

/// What of the fixture has to be made anew.
struct Stale {
    schema: bool,
    rows: bool,
    roles: bool,
}

impl Stale {
    fn after(row: &Row, answer: &Answer) -> Stale {
        let done = !matches!(answer.outcome, Outcome::Error(_));
        let first = row.grants.iter().filter_map(|grant| grant.strip_prefix("admin: "));
        let ran: Vec<&str> = first.chain(done.then_some(row.statement.as_str())).collect();
        let begins = |text: &str, verbs: &[&str]| verbs.iter().any(|verb| text.starts_with(verb));
        let of_roles = |text: &str| {
            let mut words = text.split_whitespace();
            begins(text, &["GRANT", "REVOKE"]) || matches!(words.nth(1), Some("ROLE" | "USER" | "IDENTITY"))
        };
        let reads = |text: &str| begins(text, &["SELECT", "LIST", "DESCRIBE", "USE", "prepared: SELECT"]);
        let writes = |text: &str| {
            let text = text.trim_start_matches("prepared: ");
            begins(text, &["INSERT", "UPDATE", "DELETE", "BEGIN", "TRUNCATE", "batch: "])
        };
        let schema = ran.iter().any(|text| !of_roles(text) && !reads(text) && !writes(text));
        Stale {
            schema,
            rows: schema || ran.iter().any(|text| writes(text)),
            roles: ran.iter().any(|text| of_roles(text)) || row.grants.iter().any(|g| g.starts_with("mine:")),
        }
    }

    fn renew(&self) -> impl Iterator<Item = &'static str> + use<> {
        let parts: [(bool, &[&str]); 3] = [(self.schema, &SCHEMA), (self.rows, &ROWS), (self.roles, &ROLES)];
        parts.into_iter().filter(|(stale, _)| *stale).flat_map(|(_, statements)| statements.iter().copied())
    }
}

fn must(connection: &mut Connection, text: &str) -> Result<()> {
    match connection.query(text, &Binds::None, &Settings::default())?.outcome {
        Outcome::Error(error) => bail!("{text}: {}", error.message),
        _ => Ok(()),
    }
}

fn prepare_for(superuser: &mut Connection, row: &Row) -> Result<()> {
    must(superuser, "DROP ROLE IF EXISTS me")?;
    must(superuser, &format!("CREATE ROLE me WITH LOGIN = true AND HASHED PASSWORD = '{HASH}'"))?;
    let mut has_mine = false;
    for grant in &row.grants {
        let (to, what) = match grant.split_once(": ") {
            Some(("admin", statement)) => {
                must(superuser, statement)?;
                continue;
            }
            Some(("mine", what)) => ("mine", what),
            Some((other, _)) => bail!("{other} is no role of the rows"),
            None => ("me", grant.as_str()),
        };
        if to == "mine" && !has_mine {
            must(superuser, "GRANT mine TO me")?;
            has_mine = true;
        }
        match what {
            "superuser" => must(superuser, &format!("ALTER ROLE {to} WITH SUPERUSER = true"))?,
            what => must(superuser, &format!("GRANT {what} TO {to}"))?,
        }
    }
    Ok(())
}

fn ask(connection: &mut Connection, statement: &str) -> Result<Answer> {
    let with = Settings::default();
    if let Some(text) = statement.strip_prefix("prepared: ") {
        let answer = connection.prepare(text, None)?;
        return match &answer.outcome {
            Outcome::Prepared(prepared) => connection.execute(prepared, &Binds::None, &with),
            _ => Ok(answer),
        };
    }
    if let Some(texts) = statement.strip_prefix("batch: ") {
        let item = |text: &str| BatchItem::Text(text.trim().to_owned(), Vec::new());
        let items: Vec<BatchItem> = texts.split(";;").map(item).collect();
        return connection.batch(BatchKind::Logged, &items, &with);
    }
    connection.query(statement, &Binds::None, &with)
}

/// How an answer differs from the verdict, in words.
fn difference(verdict: &Verdict, answer: &Answer) -> Option<String> {
    let answered = match &answer.outcome {
        Outcome::Error(error) => format!("error {:04x}: {}", error.code, error.message),
        Outcome::Rows(rows) => format!("rows: {}", cells(rows).join("; ")),
        _ => "no error".to_owned(),
    };
    let rows = match &answer.outcome {
        Outcome::Rows(rows) => Some(cells(rows)),
        Outcome::Void => Some(Vec::new()),
        _ => None,
    };
    let holds = match verdict {
        Verdict::Yes => !matches!(answer.outcome, Outcome::Error(_)),
        Verdict::Error(code, message) => {
            matches!(&answer.outcome, Outcome::Error(e) if e.code == *code && e.message.trim() == *message)
        }
        Verdict::Warned(words) => {
            !matches!(answer.outcome, Outcome::Error(_)) && answer.warnings.iter().any(|w| w == words)
        }
        Verdict::Rows(expected) => rows.is_some_and(|rows| rows == *expected),
        Verdict::Count(expected) => rows.is_some_and(|rows| rows.len() == *expected),
    };
    let warnings: String = answer.warnings.iter().map(|warning| format!("; warned: {warning}")).collect();
    (!holds).then(|| format!("{answered}{warnings}"))
}

fn cells(rows: &Rows) -> Vec<String> {
    let row = |row: &Vec<Option<Vec<u8>>>| {
        let cells = row.iter().zip(&rows.columns);
        cells.map(|(cell, column)| shown(cell.as_deref(), column)).collect::<Vec<_>>().join(",")
    };
    rows.rows.iter().map(row).collect()
}

/// Texts as they are, without quotes: most cells are names.
fn shown(cell: Option<&[u8]>, column: &crate::wire::Column) -> String {
    show(&column.kind, cell).trim_matches('\'').to_owned()
}
