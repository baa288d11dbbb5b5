//! Running case files against a target.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

use super::file::{Answer, Body, Case, CaseFile, Content, Request, Rows, Step, Store, place};

use super::json::{Json, Kept, missing};
use crate::cases::suite::{LANES, lanes};
use crate::http::{self, Response, component};
use crate::value::show;
use crate::wire::{Binds, Connection, Outcome, Settings};

/// Who asks for a token where none is given. Without `--auth` any credentials get one; a gateway in front of a
/// Cassandra as it comes knows these.
const CREDENTIALS: &str = r#"{"username": "cassandra", "password": "cassandra"}"#;

/// Where the same data answers HTTP and CQL.
#[derive(Debug, Clone)]
pub struct Target {
    pub http: SocketAddr,
    pub cql: SocketAddr,
    /// What is behind it.
    pub store: Store,
    /// Sent as `X-Cassandra-Token`.
    pub token: String,
}

/// How a file fared.
#[derive(Debug)]
pub struct FileResult {
    pub name: String,
    pub cases: usize,
    pub passed: usize,
    /// What was wrong, for a person to read.
    pub details: String,
}

impl FileResult {
    pub fn well(&self) -> bool {
        self.details.is_empty()
    }
}

impl fmt::Display for FileResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.well() { "ok  " } else { "FAIL" };
        write!(f, "{mark} {:>4}/{:<4} {}", self.passed, self.cases, self.name)
    }
}

impl Target {
    /// Asks the target for a token.
    pub fn new(http: SocketAddr, cql: SocketAddr, store: Store) -> Result<Target> {
        let request = http::Request {
            method: "POST".to_owned(),
            target: "/v1/auth".to_owned(),
            headers: vec![
                ("Host".to_owned(), http.to_string()),
                ("Content-Type".to_owned(), "application/json".to_owned()),
                ("Content-Length".to_owned(), CREDENTIALS.len().to_string()),
            ],
            body: CREDENTIALS.as_bytes().to_vec(),
        };
        let response = http::ask(http, &request)?;
        let text = String::from_utf8(response.body)?;
        let answer = Json::read(&text).with_context(|| format!("POST /v1/auth gave {text:?}"))?;
        match answer.get("authToken") {
            Some(Json::String(token)) => Ok(Target { http, cql, store, token: token.clone() }),
            _ => bail!("POST /v1/auth gave no token: {} {text}", response.status),
        }
    }
}

/// Runs the files, some at a time.
pub fn run(target: &Target, files: Vec<CaseFile>) -> Result<Vec<FileResult>> {
    let mut files = files;
    let is_for = |case: &Case| case.only.is_none_or(|store| store == target.store);
    files.iter_mut().for_each(|file| file.cases.retain(is_for));
    lanes(LANES, files, |file| {
        let mut result = FileResult {
            name: file.name.clone(),
            cases: file.cases.len(),
            passed: 0,
            details: String::new(),
        };
        if let Err(e) = run_file(target, file, &mut result) {
            result.details += &format!("\n== {}: could not be run\n  {e:#}\n", file.name);
        }
        Ok(result)
    })
}

fn run_file(target: &Target, file: &CaseFile, result: &mut FileResult) -> Result<()> {
    let mut cql = Connection::open(target.cql, 5)?;
    let own = [&file.keyspace].into_iter().chain(&file.keyspaces);
    let drops: Vec<String> = own.map(|name| format!("DROP KEYSPACE IF EXISTS {name}")).collect();
    let make = format!(
        "CREATE KEYSPACE {} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}",
        file.keyspace
    );
    let settings = Settings { keyspace: Some(file.keyspace.clone()), ..Settings::default() };
    for statement in &drops {
        wanted(&mut cql, statement, &Settings::default(), &Rows::Done)?;
    }
    wanted(&mut cql, &make, &Settings::default(), &Rows::Done)?;
    for statement in &file.setup {
        wanted(&mut cql, statement, &settings, &Rows::Done)?;
    }
    for case in &file.cases {
        match run_case(target, &mut cql, &settings, case) {
            Ok(()) => result.passed += 1,
            Err(e) => {
                result.details += &format!("\n== {}: {}\n{e:#}\n", file.name, case.name);
                if let Some(why) = &case.differs {
                    result.details += &format!("(differs from Stargate: {why})\n");
                }
            }
        }
    }
    for statement in &drops {
        wanted(&mut cql, statement, &Settings::default(), &Rows::Done)?;
    }
    Ok(())
}

fn run_case(target: &Target, cql: &mut Connection, settings: &Settings, case: &Case) -> Result<()> {
    let mut kept = Kept::new();
    for step in &case.steps {
        match step {
            Step::Request(request) => {
                let response =
                    send(target, request, &kept).with_context(|| format!("> {}\n", request.line))?;
                if let Err(wrong) = compare(&request.answer, &response, &mut kept) {
                    let said = String::from_utf8_lossy(&response.body);
                    bail!("> {}\n  {wrong}\n  answered: {} {said}", request.line, response.status);
                }
            }
            Step::Cql { statement, wanted: rows } => {
                wanted(cql, &filled(statement, &kept, str::to_owned), settings, rows)?;
            }
        }
    }
    Ok(())
}

/// With the kept values in their places, each as `write` writes it.
fn filled(text: &str, kept: &Kept, write: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = place(rest) {
        out += before;
        match kept.iter().rev().find(|(kept, _)| kept == name) {
            Some((_, value)) => out += &write(value),
            None => out += &format!("{{{name}}}"),
        }
        rest = after;
    }
    out + rest
}

fn send(target: &Target, request: &Request, kept: &Kept) -> Result<Response> {
    let body = match &request.body {
        Some(Body::Text(text)) => filled(text, kept, str::to_owned).into_bytes(),
        Some(Body::Bytes(bytes)) => bytes.clone(),
        None => Vec::new(),
    };
    let mut headers = vec![
        ("Host".to_owned(), target.http.to_string()),
        ("X-Cassandra-Token".to_owned(), target.token.clone()),
    ];
    if request.body.is_some() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    if request.body.is_some() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
        headers.push(("Content-Length".to_owned(), body.len().to_string()));
    }
    for (name, value) in &request.headers {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if value != "none" {
            headers.push((name.clone(), filled(value, kept, str::to_owned)));
        }
    }
    let request = http::Request {
        method: request.method.clone(),
        target: filled(&request.target, kept, component),
        headers,
        body,
    };
    http::ask(target.http, &request)
}

fn compare(wanted: &Answer, response: &Response, kept: &mut Kept) -> Result<(), String> {
    if wanted.status != response.status {
        return Err(format!("status {} was wanted", wanted.status));
    }
    for (name, words) in &wanted.headers {
        let value = response.header(name).ok_or_else(|| format!("there is no header {name}"))?;
        if let Some(word) = missing(value, words) {
            return Err(format!("the header {name} is {value:?}, without {word:?}"));
        }
    }
    let text = || std::str::from_utf8(&response.body).map_err(|e| format!("the answer is no UTF-8: {e}"));
    match &wanted.content {
        Content::Nothing if response.body.is_empty() => Ok(()),
        Content::Nothing => Err("no body was wanted".to_owned()),
        Content::Json(pattern) => pattern.compare(Some(&json(response)?), "$", kept),
        Content::Error { grpc, words } => error(&json(response)?, wanted.status, grpc.as_deref(), words),
        Content::Lines(lines) => {
            let said: Vec<&str> = text()?.lines().collect();
            match said.iter().eq(lines.iter()) {
                true => Ok(()),
                false => Err(format!("these lines were wanted:\n  {}", lines.join("\n  "))),
            }
        }
    }
}

fn json(response: &Response) -> Result<Json, String> {
    let kind = response.header("content-type").unwrap_or("none");
    if !kind.starts_with("application/json") {
        return Err(format!("the content type is {kind}"));
    }
    let text = std::str::from_utf8(&response.body).map_err(|e| format!("the answer is no UTF-8: {e}"))?;
    Json::read(text).map_err(|e| format!("the answer is no JSON: {e:#}"))
}

/// Stargate's error body: `description` (a text), `code` (the status), `grpcStatus` (a name, or null).
fn error(body: &Json, status: u16, grpc: Option<&str>, words: &[String]) -> Result<(), String> {
    let Json::Object(fields) = body else { return Err("an error is a JSON object".to_owned()) };
    let known = ["description", "code", "grpcStatus", "internalTxId"];
    if let Some((name, _)) = fields.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(format!("an error has no field {name:?}"));
    }
    let Some(Json::String(description)) = body.get("description") else {
        return Err("an error has a description".to_owned());
    };
    if let Some(word) = missing(description, words) {
        return Err(format!("the description has no {word:?}"));
    }
    if body.get("code") != Some(&Json::Number(status.to_string())) {
        return Err("an error's code is its status".to_owned());
    }
    match (body.get("grpcStatus"), grpc) {
        (_, Some("*")) => Ok(()),
        (Some(Json::String(name)), Some(wanted)) if name == wanted => Ok(()),
        (None | Some(Json::Null), None) => Ok(()),
        (other, wanted) => Err(format!("grpcStatus is {other:?}, not {wanted:?}")),
    }
}

/// Runs a statement and compares its rows.
fn wanted(cql: &mut Connection, statement: &str, with: &Settings, wanted: &Rows) -> Result<()> {
    let answer = cql.query(statement, &Binds::None, with).with_context(|| format!("cql> {statement}"))?;
    let rows = match answer.outcome {
        Outcome::Rows(rows) => rows,
        Outcome::Error(e) => match wanted {
            Rows::Error(words) if missing(&e.message, words).is_none() => return Ok(()),
            _ => bail!("cql> {statement}\n  gave an error: {}", e.message),
        },
        _ if *wanted == Rows::Done => return Ok(()),
        other => bail!("cql> {statement}\n  gave {other:?}"),
    };
    let lines: Vec<String> = rows
        .rows
        .iter()
        .map(|row| {
            let cells =
                rows.columns.iter().zip(row).map(|(column, cell)| show(&column.kind, cell.as_deref()));
            format!("| {}", cells.collect::<Vec<String>>().join(" | "))
        })
        .collect();
    match wanted {
        Rows::Exactly(wanted) if *wanted == lines => Ok(()),
        Rows::Exactly(wanted) => {
            bail!("cql> {statement}\n- {}\n+ {}", wanted.join("\n- "), lines.join("\n+ "))
        }
        _ => bail!(
            "cql> {statement}\n  gives rows, and the case does not say which:\n  {}",
            lines.join("\n  ")
        ),
    }
}
