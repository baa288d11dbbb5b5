//! The case file.
//!
//! ```text
//! # What this file is about: any line that begins with `# `.
//! base: /v2/keyspaces/{ks}
//!
//! CREATE TABLE t (k int PRIMARY KEY, v text);
//!
//! == a row is written
//! POST t
//! {"k": 1, "v": "one"}
//! 201 {"k": 1, "v": "one"}
//! cql> SELECT * FROM t
//! | 1 | 'one'
//!
//! == a text is no key
//! GET t/one
//! 400: Invalid path for row to find ... 'one'
//! ```
//!
//! Each file runs in a keyspace of its own, `rest_<name>`, made fresh; `{ks}` stands for it everywhere. Before the
//! first case come `base:` (what paths that do not begin with `/` follow), `keyspaces: a, b` (dropped before and after,
//! beside its own) and the setup, CQL statements. Cases of a file share its tables, so each uses keys of its own, or
//! only reads.
//!
//! A case is `== name`, then steps. `differs: why` says where Stargate answers otherwise and is not followed; `embedded: why`
//! and `cluster: why` say that the case is for this store alone.
//!
//! - A *request* is a line `METHOD path?query`, headers, the body, and the answer. In the path a person writes spaces,
//!   braces and quotes as they are; they are sent percent-encoded. Header lines are `Name: value`, and `Name: none`
//!   leaves out one that is sent otherwise: `X-Cassandra-Token`, `Content-Type` (JSON) and `Host`. The body is the lines
//!   up to the answer; `body: 123` is one that looks like an answer, `body-hex: ff` one that is no text. `{[*1000}`
//!   stands for a thousand `[`.
//! - The *answer* is a status, and the JSON as a [`Pattern`](super::json::Pattern); nothing after the status wants no
//!   body. `400: some ... words` is an error whose description has these words in this order, and `400
//!   INVALID_ARGUMENT: words` one with that gRPC status (`*`: with any, or none). `< Name: words` after it wants a header, `> line` a line of a
//!   body that is not JSON.
//! - `cql> statement` is run in the file's keyspace; the lines `| a | b` after it are its rows, `| none` is no row.
//!   `error: words` wants an error.
//!
//! What a pattern keeps (`string as state`) is `{state}` in later steps of the case.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::json::Pattern;
use crate::cases::statement;
use crate::http::encoded;

/// A file of cases.
#[derive(Debug, Clone)]
pub struct CaseFile {
    pub path: PathBuf,
    pub name: String,
    pub keyspace: String,
    /// Further keyspaces that the cases make.
    pub keyspaces: Vec<String>,
    pub setup: Vec<String>,
    pub cases: Vec<Case>,
}

/// A named group of steps.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Why Stargate's answer is not followed, where it is not.
    pub differs: Option<String>,
    /// The only store that it is for.
    pub only: Option<Store>,
    pub steps: Vec<Step>,
}

/// What is behind the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Embedded,
    Cluster,
}

#[derive(Debug, Clone)]
pub enum Step {
    Request(Request),
    Cql { statement: String, wanted: Rows },
}

/// A request and the answer it must get.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Encoded, but for what earlier steps kept.
    pub target: String,
    /// In the case's own words, for the report.
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Body>,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content: Content,
    /// Headers and the words they must have.
    pub headers: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone)]
pub enum Content {
    Nothing,
    Json(Pattern),
    Error {
        grpc: Option<String>,
        words: Vec<String>,
    },
    /// Lines as they stand.
    Lines(Vec<String>),
}

/// What a CQL statement must give.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// No rows are given: a write.
    Done,
    Exactly(Vec<String>),
    Error(Vec<String>),
}

impl CaseFile {
    pub fn read(path: &Path) -> Result<CaseFile> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_stem().context("a case file has a name")?.to_string_lossy().into_owned();
        let mut file = parse(&name, &text).with_context(|| format!("in {name}.case"))?;
        file.path = path.to_path_buf();
        Ok(file)
    }
}

/// Reads a case file's text; the path is left empty.
pub fn parse(name: &str, text: &str) -> Result<CaseFile> {
    let keyspace = format!("rest_{name}");
    let text = text.replace("{ks}", &keyspace);
    let (head, cases) = match text.find("\n== ") {
        Some(at) => text.split_at(at + 1),
        None => bail!("there is no case"),
    };
    let mut file = CaseFile {
        path: PathBuf::new(),
        name: name.to_owned(),
        keyspace,
        keyspaces: Vec::new(),
        setup: Vec::new(),
        cases: Vec::new(),
    };
    let mut base = String::new();
    let mut rest = head;
    while !rest.is_empty() {
        let line = rest.lines().next().unwrap_or_default();
        let whole = (line.len() + 1).min(rest.len());
        if let Some(given) = line.strip_prefix("base: ") {
            base = given.trim_end_matches('/').to_owned();
        } else if let Some(given) = line.strip_prefix("keyspaces: ") {
            file.keyspaces = given.split(',').map(|k| k.trim().to_owned()).collect();
        } else if !line.trim().is_empty() && !is_comment(line) {
            let length = statement::end(rest).context("a setup statement has no end")?;
            let (text, after) = rest.split_at_checked(length).context("a setup statement has no end")?;
            file.setup.push(text.trim_end_matches(';').trim().to_owned());
            rest = after;
            continue;
        }
        rest = rest.get(whole..).unwrap_or_default();
    }
    let before = head.lines().count();
    let mut lines = Lines { lines: cases.lines().collect(), at: 0 };
    while let Some(line) = lines.next() {
        let number = before + lines.at;
        let done = if let Some(name) = line.strip_prefix("== ") {
            if file.cases.iter().any(|case| case.name == name) {
                bail!("line {number}: there are two cases called: {name}");
            }
            file.cases.push(Case { name: name.to_owned(), differs: None, only: None, steps: Vec::new() });
            continue;
        } else if line.trim().is_empty() || is_comment(line) {
            continue;
        } else if let Some(case) = file.cases.last_mut() {
            step(case, &base, line, &mut lines)
        } else {
            bail!("line {number}: a step before the first case");
        };
        done.with_context(|| format!("line {number}: {line}"))?;
    }
    for case in &file.cases {
        if case.steps.is_empty() {
            bail!("a case without a step: {}", case.name);
        }
    }
    Ok(file)
}

fn is_comment(line: &str) -> bool {
    line == "#" || line.starts_with("# ")
}

struct Lines<'t> {
    lines: Vec<&'t str>,
    at: usize,
}

impl<'t> Lines<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.lines.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'t str> {
        let line = self.peek()?;
        self.at += 1;
        Some(line)
    }

    /// The lines from here on that `take` something from.
    fn while_some<T>(&mut self, mut take: impl FnMut(&'t str) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        while let Some(one) = self.peek().and_then(&mut take) {
            taken.push(one);
            self.at += 1;
        }
        taken
    }
}

fn step(case: &mut Case, base: &str, line: &str, lines: &mut Lines<'_>) -> Result<()> {
    if let Some(why) = line.strip_prefix("differs: ") {
        case.differs = Some(why.to_owned());
        return Ok(());
    }
    for (start, store) in [("embedded: ", Store::Embedded), ("cluster: ", Store::Cluster)] {
        if line.starts_with(start) {
            case.only = Some(store);
            return Ok(());
        }
    }
    if let Some(text) = line.strip_prefix("cql> ") {
        let statement = text.trim_end_matches(';').to_owned();
        let rows = lines.while_some(|line| line.starts_with("| ").then(|| line.trim_end().to_owned()));
        let error = lines.while_some(|line| line.strip_prefix("error: ").map(Pattern::words));
        let wanted = match (rows.as_slice(), error.into_iter().next()) {
            (_, Some(words)) => Rows::Error(words),
            ([], None) => Rows::Done,
            ([one], None) if one == "| none" => Rows::Exactly(Vec::new()),
            (_, None) => Rows::Exactly(rows),
        };
        case.steps.push(Step::Cql { statement, wanted });
        return Ok(());
    }
    let (method, path) = line.split_once(' ').context("neither a request nor a statement")?;
    if !method.bytes().all(|b| b.is_ascii_uppercase()) {
        bail!("a request begins with its method");
    }
    let path = repeated(path);
    let target = match path.starts_with('/') {
        true => encoded_target(&path),
        false => encoded_target(&format!("{base}/{path}")),
    };
    let mut request = Request {
        method: method.to_owned(),
        target,
        line: line.to_owned(),
        headers: lines.while_some(header),
        body: None,
        answer: Answer { status: 0, content: Content::Nothing, headers: Vec::new() },
    };
    let mut body = Vec::new();
    let status = loop {
        let line = lines.next().context("the request has no answer")?;
        if let Some(text) = line.strip_prefix("body: ") {
            body.push(repeated(text));
        } else if let Some(hex) = line.strip_prefix("body-hex: ") {
            request.body = Some(Body::Bytes(bytes(hex)?));
        } else if let Some(status) = status(line) {
            break status;
        } else if line.trim().is_empty() {
            bail!("the request has no answer");
        } else {
            body.push(repeated(line));
        }
    };
    if !body.is_empty() {
        request.body = Some(Body::Text(body.join("\n")));
    }
    request.answer = answer(status, lines)?;
    case.steps.push(Step::Request(request));
    Ok(())
}

/// As [`encoded`], but for the places of kept values.
fn encoded_target(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, name, after)) = place(rest) {
        out += &encoded(before);
        out += &format!("{{{name}}}");
        rest = after;
    }
    out + &encoded(rest)
}

/// The first `{name}` of a text, with what is before and after it.
pub fn place(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text.get(from..)?.find('{')?;
        let (before, rest) = text.split_at_checked(open)?;
        let (name, after) = rest.get(1..)?.split_once('}')?;
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) {
            return Some((before, name, after));
        }
        from = open + 1;
    }
}

/// `Name: value`; names begin with a capital, and nothing else in a case does so and has a colon.
fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

fn status(line: &str) -> Option<(u16, &str)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let is_status = rest.is_empty() || rest.starts_with([' ', ':']);
    let status = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    is_status.then_some((status, rest))
}

fn answer((status, rest): (u16, &str), lines: &mut Lines<'_>) -> Result<Answer> {
    let content = if let Some(words) = rest.strip_prefix(": ") {
        Content::Error { grpc: None, words: Pattern::words(words) }
    } else if let Some((grpc, words)) = rest.trim_start().split_once(": ").filter(|(name, _)| is_grpc(name)) {
        Content::Error { grpc: Some(grpc.to_owned()), words: Pattern::words(words) }
    } else if !rest.trim().is_empty() {
        let more = lines.while_some(|line| line.starts_with([' ', '{', '}', '[', ']']).then_some(line));
        Content::Json(Pattern::read(&format!("{rest}\n{}", more.join("\n")))?)
    } else {
        Content::Nothing
    };
    let headers = lines.while_some(|line| {
        let (name, words) = header(line.strip_prefix("< ")?)?;
        Some((name, Pattern::words(&words)))
    });
    let text = lines.while_some(|line| line.strip_prefix("> ").map(str::to_owned));
    let content = if text.is_empty() { content } else { Content::Lines(text) };
    Ok(Answer { status, content, headers })
}

fn is_grpc(name: &str) -> bool {
    name == "*" || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

/// With `{x*3}` written out as `xxx`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at_checked(open).unwrap_or((rest, ""));
        out += before;
        let mut inside = from.chars().skip(1);
        let written_out = inside.next().filter(|_| inside.next() == Some('*')).and_then(|c| {
            let digits = from.get(2 + c.len_utf8()..)?;
            let (count, after) = digits.split_once('}')?;
            Some((c.to_string().repeat(count.parse().ok()?), after))
        });
        match written_out {
            Some((text, after)) => {
                out += &text;
                rest = after;
            }
            None => {
                out.push('{');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::{Body, Content, Rows, Step, parse};

    #[test]
    fn a_file_is_read_as_its_documentation_says() {
        let text = "# About it.\nbase: /v2/keyspaces/{ks}\n\nCREATE TABLE t (\n k int PRIMARY KEY);\n\n\
            == one\ndiffers: why\nPUT t/a b?where={\"k\": 1}&page-state={state}\nAccept: x\n{\"v\":\n\"{a*3}\"}\n\
            200 {\"data\":\n  {\"v\": \"aaa\"}}\n< ETag: a\ncql> SELECT * FROM t;\n| 1\n\n\
            == two\nGET /health\n400 INVALID_ARGUMENT: a ... b\n";
        let file = parse("x", text).unwrap();
        assert_eq!(file.setup, ["CREATE TABLE t (\n k int PRIMARY KEY)"]);
        let [one, two] = file.cases.as_slice() else { panic!("{:?}", file.cases) };
        let [Step::Request(put), Step::Cql { statement, wanted }] = one.steps.as_slice() else {
            panic!("{one:?}")
        };
        assert_eq!(put.target, "/v2/keyspaces/rest_x/t/a%20b?where=%7B%22k%22:%201%7D&page-state={state}");
        assert_eq!(put.headers, [("Accept".to_owned(), "x".to_owned())]);
        assert_eq!(put.body, Some(Body::Text("{\"v\":\n\"aaa\"}".to_owned())));
        assert_eq!(put.answer.headers, [("ETag".to_owned(), vec!["a".to_owned()])]);
        assert_eq!((statement.as_str(), wanted), ("SELECT * FROM t", &Rows::Exactly(vec!["| 1".to_owned()])));
        let [Step::Request(get)] = two.steps.as_slice() else { panic!("{two:?}") };
        let Content::Error { grpc, words } = &get.answer.content else { panic!("{get:?}") };
        assert_eq!((grpc.as_deref(), words.len()), (Some("INVALID_ARGUMENT"), 2));
    }
}
