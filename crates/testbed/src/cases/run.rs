//! Sending a case file to a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::answers::lines;
use super::file::{Case, CaseFile, How, Step, Values};
use super::golden::{CaseTranscript, SETUP, StepTranscript, Transcript};
use crate::value::{Literal, Type, encode};
use crate::wire::{Answer, BatchItem, Bind, Binds, Connection, Outcome, Prepared, Settings};

/// The newest version, which today's drivers speak.
const PROTOCOL: u8 = 5;
/// A paged read of a case that goes on for longer than this goes on for ever.
const PAGES: usize = 200;

/// A server and the connections to it, which cases share.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// By name and protocol version.
    connections: BTreeMap<(String, u8), Connection>,
}

impl Server {
    pub fn at(address: SocketAddr) -> Server {
        Server { address, connections: BTreeMap::new() }
    }

    fn connection(&mut self, name: &str, version: u8, keyspace: &str) -> Result<&mut Connection> {
        let key = (name.to_owned(), version);
        if !self.connections.contains_key(&key) {
            let mut connection = Connection::open(self.address, version)?;
            done(&connection.query(&format!("USE {keyspace}"), &Binds::None, &Settings::default())?)?;
            self.connections.insert(key.clone(), connection);
        }
        self.connections.get_mut(&key).context("just made")
    }

    /// Drops the keyspaces and makes the first anew.
    pub fn fresh(&mut self, keyspace: &str, others: &[String]) -> Result<()> {
        self.connections.clear();
        let mut connection = Connection::open(self.address, PROTOCOL)?;
        let mut run = |text: &str| done(&connection.query(text, &Binds::None, &Settings::default())?);
        for keyspace in others.iter().map(String::as_str).chain([keyspace]) {
            run(&format!("DROP KEYSPACE IF EXISTS {keyspace}"))?;
        }
        run(&format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ))
    }

    fn drop_keyspaces(&mut self, file: &CaseFile) -> Result<()> {
        self.connections.clear();
        let mut connection = Connection::open(self.address, PROTOCOL)?;
        for keyspace in file.keyspaces.iter().chain([&file.keyspace]) {
            let drop = format!("DROP KEYSPACE IF EXISTS {keyspace}");
            done(&connection.query(&drop, &Binds::None, &Settings::default())?)?;
        }
        Ok(())
    }
}

/// Runs a whole file in fresh keyspaces.
pub fn run_file(server: &mut Server, file: &CaseFile) -> Result<Transcript> {
    run_some(server, file, &file.cases.iter().collect::<Vec<_>>())
}

/// Runs one case of a file, after its setup, in fresh keyspaces.
pub fn run_case(server: &mut Server, file: &CaseFile, case: &Case) -> Result<CaseTranscript> {
    let transcript = run_some(server, file, &[case])?;
    transcript.cases.into_iter().next_back().context("the case was run")
}

/// Runs the setup and these cases in fresh keyspaces.
pub fn run_some(server: &mut Server, file: &CaseFile, cases: &[&Case]) -> Result<Transcript> {
    server
        .fresh(&file.keyspace, &file.keyspaces)
        .with_context(|| format!("cannot make the keyspace of {}", file.name))?;
    let setup = Case { name: SETUP.to_owned(), differs: None, steps: file.setup.clone() };
    let mut transcript = Transcript::default();
    for case in [&setup].into_iter().chain(cases.iter().copied()) {
        let mut steps = Vec::new();
        // Each case starts on connections of its own: what it prepares or USEs is not seen by the next.
        server.connections.clear();
        for step in &case.steps {
            let answer = self::step(server, &file.keyspace, step)
                .with_context(|| format!("in {}, case: {}, at {}", file.name, case.name, step.text))?;
            steps.push(StepTranscript { statement: title(step), lines: answer });
        }
        transcript.cases.push(CaseTranscript { name: case.name.clone(), steps });
    }
    server.drop_keyspaces(file)?;
    Ok(transcript)
}

/// The statement in one line, short enough for one line.
fn title(step: &Step) -> String {
    let words: Vec<&str> = step.text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(150) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// Runs a step and gives the lines of its answers.
pub fn step(server: &mut Server, keyspace: &str, step: &Step) -> Result<Vec<String>> {
    std::thread::sleep(step.wait);
    let version = step.protocol.unwrap_or(PROTOCOL);
    let connection = server.connection(&step.connection, version, keyspace)?;
    let settings = Settings {
        consistency: step.consistency.unwrap_or(crate::wire::Consistency::ONE),
        serial: step.serial,
        page: step.page,
        timestamp: step.timestamp,
        keyspace: step.keyspace.clone(),
        now: step.now,
        ..Settings::default()
    };
    if let Some((kind, items)) = &step.batch {
        let items: Result<Result<Vec<BatchItem>, Answer>> =
            items.iter().map(|(text, values)| item(connection, text, values)).collect();
        return Ok(match items? {
            Ok(items) => lines(step, &connection.batch(*kind, &items, &settings)?),
            Err(refused) => lines(step, &refused),
        });
    }
    let mut out = Vec::new();
    match &step.values {
        How::Text => pages(step, &settings, &mut out, |s| connection.query(&step.text, &Binds::None, s))?,
        How::Sent(values) => {
            let values = bound(values, &[])?;
            pages(step, &settings, &mut out, |s| connection.query(&step.text, &values, s))?;
        }
        How::Prepared | How::Executed(_) => {
            let answer = connection.prepare(&step.text, step.keyspace.as_deref())?;
            out.extend(lines(step, &answer));
            if let (Outcome::Prepared(prepared), How::Executed(all)) = (&answer.outcome, &step.values) {
                for values in all {
                    let values = bound(values, &specs(prepared))?;
                    pages(step, &settings, &mut out, |s| connection.execute(prepared, &values, s))?;
                }
            }
        }
    }
    wait_for_index(connection, step, keyspace, &out)?;
    Ok(out)
}

fn specs(prepared: &Prepared) -> Vec<(String, Type)> {
    prepared.binds.iter().map(|bind| (bind.name.clone(), bind.kind.clone())).collect()
}

/// One answer, or all pages where the step wants pages.
fn pages(
    step: &Step,
    settings: &Settings,
    out: &mut Vec<String>,
    mut ask: impl FnMut(&Settings) -> Result<Answer>,
) -> Result<()> {
    let mut settings = settings.clone();
    for _ in 0..PAGES {
        let answer = ask(&settings)?;
        out.extend(lines(step, &answer));
        settings.state = match &answer.outcome {
            Outcome::Rows(rows) if step.page.is_some() => rows.more.clone(),
            _ => None,
        };
        if settings.state.is_none() {
            return Ok(());
        }
    }
    bail!("more than {PAGES} pages")
}

/// The values for a statement whose binds are these; without them, each literal's own type.
fn bound(values: &Values, specs: &[(String, Type)]) -> Result<Binds> {
    let named = values.iter().any(|(name, _)| name.is_some());
    let mut encoded = Vec::new();
    for (number, (name, literal)) in values.iter().enumerate() {
        let spec = match name {
            Some(name) => specs.iter().find(|(spec, _)| spec == name),
            None => specs.get(number),
        };
        let kind = spec.map_or_else(|| own_type(literal), |(_, kind)| kind.clone());
        encoded.push((name.clone().unwrap_or_default(), encode(&kind, literal)?));
    }
    Ok(match named {
        true => Binds::ByName(encoded),
        false => Binds::ByPosition(encoded.into_iter().map(|(_, value)| value).collect()),
    })
}

/// What a literal is taken for where nothing says what it is bound to.
fn own_type(literal: &Literal) -> Type {
    match literal {
        Literal::Word(word) if word.parse::<i32>().is_ok() => Type::Int,
        Literal::Word(word) if word.parse::<i64>().is_ok() => Type::Bigint,
        Literal::Word(word) if word.parse::<f64>().is_ok() => Type::Double,
        Literal::Word(word) if word == "true" || word == "false" => Type::Boolean,
        Literal::Word(word) if word.len() == 36 => Type::Uuid,
        Literal::Word(_) => Type::Blob,
        Literal::List(all) => Type::List(Box::new(all.first().map_or(Type::Int, own_type))),
        Literal::Set(all) => Type::Set(Box::new(all.first().map_or(Type::Int, own_type))),
        Literal::Tuple(all) => Type::Tuple(all.iter().map(own_type).collect()),
        Literal::Map(all) => {
            let (key, value) =
                all.first().map_or((Type::Int, Type::Int), |(k, v)| (own_type(k), own_type(v)));
            Type::Map(Box::new(key), Box::new(value))
        }
        _ => Type::Text,
    }
}

/// A batch's statement: prepared where it has values, or the answer that refused to prepare it.
fn item(connection: &mut Connection, text: &str, values: &Values) -> Result<Result<BatchItem, Answer>> {
    if values.is_empty() {
        return Ok(Ok(BatchItem::Text(text.to_owned(), Vec::new())));
    }
    let answer = connection.prepare(text, None)?;
    let Outcome::Prepared(prepared) = &answer.outcome else { return Ok(Err(answer)) };
    let values: Vec<Bind> = match bound(values, &specs(prepared))? {
        Binds::ByPosition(values) => values,
        _ => bail!("a batch's values have no names"),
    };
    Ok(Ok(BatchItem::Prepared(prepared.id.clone(), values)))
}

/// Cassandra builds an index after CREATE INDEX has been answered, and refuses to use it before that is done.
fn wait_for_index(
    connection: &mut Connection,
    step: &Step,
    keyspace: &str,
    answered: &[String],
) -> Result<()> {
    let words: Vec<String> = step.text.split_whitespace().take(3).map(str::to_ascii_lowercase).collect();
    let creates = words.first().is_some_and(|w| w == "create") && words.iter().any(|w| w == "index");
    if !creates || !answered.iter().any(|line| line.starts_with("UPDATED TABLE ")) {
        return Ok(());
    }
    let mut count = |table: &str, column: &str| -> Result<Option<usize>> {
        let query = format!("SELECT index_name FROM {table} WHERE {column} = '{keyspace}'");
        Ok(match connection.query(&query, &Binds::None, &Settings::default())?.outcome {
            Outcome::Rows(rows) => Some(rows.rows.len()),
            _ => None,
        })
    };
    for _ in 0..500 {
        let made = count("system_schema.indexes", "keyspace_name")?;
        // In this table the column called table_name has the keyspace.
        let built = count("system.\"IndexInfo\"", "table_name")?;
        match (made, built) {
            (Some(made), Some(built)) if built < made => std::thread::sleep(Duration::from_millis(5)),
            _ => return Ok(()),
        }
    }
    bail!("an index in {keyspace} was not built")
}

fn done(answer: &Answer) -> Result<()> {
    match &answer.outcome {
        Outcome::Error(e) => bail!("error {:04x}: {}", e.code, e.message),
        _ => Ok(()),
    }
}
