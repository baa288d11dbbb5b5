//! Sending a case file to a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::answers::lines;
use super::file::{Case, CaseFile, How, Step, Values};
use super::golden::{CaseTranscript, SETUP, StepTranscript, Transcript};
use super::nodes::RingUnderCases;
use super::together;
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
    /// The ring behind the address, for cases that stop and hold its nodes.
    ring: Option<Arc<RingUnderCases>>,
    /// By name and protocol version.
    connections: BTreeMap<(String, u8), Channel>,
    /// Where the last read of a connection stopped, by its name.
    stopped: BTreeMap<String, Vec<u8>>,
    /// Where those of the setup stopped, from which each case may go on.
    begun: BTreeMap<String, Vec<u8>>,
}

/// A connection and what was prepared on it, by text.
#[derive(Debug)]
struct Channel {
    connection: Connection,
    prepared: BTreeMap<String, Prepared>,
}

impl Server {
    pub fn at(address: SocketAddr) -> Server {
        let none = BTreeMap::new;
        Server { address, ring: None, connections: BTreeMap::new(), stopped: none(), begun: none() }
    }

    /// One with this ring behind it.
    pub fn before(address: SocketAddr, ring: Arc<RingUnderCases>) -> Server {
        Server { ring: Some(ring), ..Server::at(address) }
    }

    /// Another, whose cases may go on where reads of this one stopped.
    pub(super) fn after(&self) -> Server {
        Server { ring: self.ring.clone(), begun: self.stopped.clone(), ..Server::at(self.address) }
    }

    fn channel(&mut self, step: &Step, version: u8, keyspace: &str) -> Result<&mut Channel> {
        let key = (step.connection.clone(), version);
        if !self.connections.contains_key(&key) {
            let channel = open(self.address, version, &step.startup, keyspace)?;
            self.connections.insert(key.clone(), channel);
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

    /// Drops each table by itself, then the keyspaces. A write that reaches a node late, amid the drop of a keyspace, and is for a
    /// table that is dropped already beside one that is not yet, fails that drop on the node, which then has another schema
    /// than the others until it is started again (Cassandra 5.0.9: `CommitLogSegmentManager.flushDataFrom` asks for a store
    /// that `Keyspace.dropCf` has removed).
    pub(super) fn drop_one_by_one(&mut self, file: &CaseFile) -> Result<()> {
        self.connections.clear();
        let mut connection = Connection::open(self.address, PROTOCOL)?;
        for keyspace in file.keyspaces.iter().chain([&file.keyspace]) {
            let tables =
                format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'");
            let Outcome::Rows(tables) =
                connection.query(&tables, &Binds::None, &Settings::default())?.outcome
            else {
                bail!("no rows tell the tables of {keyspace}");
            };
            for name in tables.rows.into_iter().flatten().flatten() {
                let drop = format!("DROP TABLE {keyspace}.\"{}\"", String::from_utf8(name)?);
                done(&connection.query(&drop, &Binds::None, &Settings::default())?)?;
            }
        }
        self.drop_keyspaces(file)
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

fn open(address: SocketAddr, version: u8, options: &[(String, String)], keyspace: &str) -> Result<Channel> {
    let mut connection = Connection::open_with(address, version, options)?;
    done(&connection.query(&format!("USE {keyspace}"), &Binds::None, &Settings::default())?)?;
    Ok(Channel { connection, prepared: BTreeMap::new() })
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
        transcript.cases.push(run_steps(server, file, case)?);
    }
    server.drop_keyspaces(file)?;
    Ok(transcript)
}

/// Runs the steps of one case in the keyspaces as they are.
pub(super) fn run_steps(server: &mut Server, file: &CaseFile, case: &Case) -> Result<CaseTranscript> {
    // Each case starts on connections of its own: what it prepares or USEs is not seen by the next.
    server.connections.clear();
    server.stopped = server.begun.clone();
    let mut steps = Vec::new();
    for step in &case.steps {
        let answers = self::step(server, &file.keyspace, step)
            .with_context(|| format!("in {}, case: {}, at {}", file.name, case.name, step.text))?;
        steps.push(StepTranscript { statement: title(step), lines: answers.lines, frames: answers.frames });
    }
    Ok(CaseTranscript { name: case.name.clone(), steps })
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

/// The answers to a step, for people and to the byte.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub lines: Vec<String>,
    pub frames: Vec<Vec<u8>>,
}

impl Answers {
    fn add(&mut self, step: &Step, answer: &Answer) {
        self.lines.extend(lines(step, answer));
        self.frames.push(answer.frame.clone());
    }
}

/// Runs a step and gives its answers.
pub fn step(server: &mut Server, keyspace: &str, step: &Step) -> Result<Answers> {
    std::thread::sleep(step.wait);
    if let Some(nodes) = &step.nodes {
        server.ring.as_ref().context("there is no ring behind the server")?.reach(nodes)?;
    }
    let version = step.protocol.unwrap_or(PROTOCOL);
    let settings = Settings {
        consistency: step.consistency.unwrap_or(crate::wire::Consistency::ONE),
        serial: step.serial,
        page: step.page,
        state: if step.more { server.stopped.get(&step.connection).cloned() } else { None },
        timestamp: step.timestamp,
        keyspace: step.keyspace.clone(),
        now: step.now,
        ..Settings::default()
    };
    let mut out = Answers::default();
    if step.together > 0 {
        out.lines = together::ask(step.together, |start| {
            let channel = open(server.address, version, &step.startup, keyspace);
            start.wait();
            let mut out = Answers::default();
            ask(&mut channel?, step, &settings, &mut out)?;
            Ok(out.lines)
        })?;
    } else {
        let channel = server.channel(step, version, keyspace)?;
        let stopped = ask(channel, step, &settings, &mut out)?;
        wait_for_index(&mut channel.connection, step, keyspace, &out.lines)?;
        if step.page.is_some() {
            match stopped {
                Some(state) => server.stopped.insert(step.connection.clone(), state),
                None => server.stopped.remove(&step.connection),
            };
        }
    }
    if let Some(ring) = &server.ring {
        if out.lines.iter().any(|line| is_change(line)) {
            ring.agree()?;
        }
        out.lines.iter_mut().for_each(|line| *line = ring.unnamed(line));
    }
    Ok(out)
}

/// Sends what the step says, adds the answers and tells where a read stopped before its end.
fn ask(
    channel: &mut Channel,
    step: &Step,
    settings: &Settings,
    out: &mut Answers,
) -> Result<Option<Vec<u8>>> {
    let Channel { connection, prepared: known } = channel;
    if let Some((kind, items)) = &step.batch {
        let items: Result<Result<Vec<BatchItem>, Answer>> =
            items.iter().map(|(text, values)| item(connection, text, values)).collect();
        match items? {
            Ok(items) => out.add(step, &connection.batch(*kind, &items, settings)?),
            Err(refused) => out.add(step, &refused),
        }
        return Ok(None);
    }
    let mut stopped = None;
    match &step.values {
        How::Text => {
            stopped = pages(step, settings, out, |s| connection.query(&step.text, &Binds::None, s))?;
        }
        How::Sent(values) => {
            let values = bound(values, &[])?;
            stopped = pages(step, settings, out, |s| connection.query(&step.text, &values, s))?;
        }
        How::Unknown(id) => {
            let nobody = Prepared { id: id.clone(), ..Prepared::default() };
            out.add(step, &connection.execute(&nobody, &Binds::None, settings)?);
        }
        How::Prepared | How::Executed(_) => {
            if !step.again {
                let answer = connection.prepare(&step.text, step.keyspace.as_deref())?;
                out.add(step, &answer);
                match answer.outcome {
                    Outcome::Prepared(prepared) => known.insert(step.text.clone(), prepared),
                    _ => known.remove(&step.text),
                };
            }
            if let (Some(prepared), How::Executed(all)) = (known.get(&step.text), &step.values) {
                for values in all {
                    let values = bound(values, &specs(prepared))?;
                    stopped = pages(step, settings, out, |s| connection.execute(prepared, &values, s))?;
                }
            }
        }
    }
    Ok(stopped)
}

fn is_change(line: &str) -> bool {
    ["CREATED ", "UPDATED ", "DROPPED "].iter().any(|change| line.starts_with(change))
}

fn specs(prepared: &Prepared) -> Vec<(String, Type)> {
    prepared.binds.iter().map(|bind| (bind.name.clone(), bind.kind.clone())).collect()
}

/// One answer, or all pages where the step wants pages; and where the next would begin, if it wants no more of them.
fn pages(
    step: &Step,
    settings: &Settings,
    out: &mut Answers,
    mut ask: impl FnMut(&Settings) -> Result<Answer>,
) -> Result<Option<Vec<u8>>> {
    let mut settings = settings.clone();
    for page in 1..=PAGES {
        let answer = ask(&settings)?;
        out.add(step, &answer);
        settings.state = match answer.outcome {
            Outcome::Rows(rows) if step.page.is_some() => rows.more,
            _ => None,
        };
        if settings.state.is_none() || step.pages == Some(page) {
            return Ok(settings.state);
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
