//! A table as it is written.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// A file of rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone)]
pub struct Row {
    /// In its file, from 1.
    pub line: usize,
    pub grants: Vec<String>,
    pub statement: String,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    /// An error of this code with this message.
    Error(i32, String),
    Warned(String),
    Rows(Vec<String>),
    Count(usize),
}

const UNAUTHORIZED: i32 = 0x2100;
const INVALID: i32 = 0x2200;
const CONFIG: i32 = 0x2300;

/// All tables of this checkout whose name contains the filter, in order.
pub fn all(filter: &str) -> Result<Vec<Table>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/access");
    let mut tables = Vec::new();
    for file in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "txt") && name.contains(filter) {
            let text = std::fs::read_to_string(&path)?;
            tables.push(Table { rows: rows(&text).with_context(|| format!("in {name}.txt"))?, name });
        }
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

fn rows(text: &str) -> Result<Vec<Row>> {
    let written = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    written.map(|(line, text)| row(line, text).with_context(|| format!("line {line}"))).collect()
}

fn row(line: usize, text: &str) -> Result<Row> {
    let cells: Vec<&str> = text.split(" | ").map(str::trim).collect();
    let [grants, statement, verdict] = cells.as_slice() else {
        bail!("a row has three cells with \" | \" between them");
    };
    let grants = grants.split(';').map(str::trim).filter(|grant| *grant != "-");
    Ok(Row {
        line,
        grants: grants.map(str::to_owned).collect(),
        statement: (*statement).to_owned(),
        verdict: read_verdict(verdict)?,
    })
}

fn read_verdict(text: &str) -> Result<Verdict> {
    let words = |rest: &str| rest.trim().to_owned();
    if text == "yes" {
        return Ok(Verdict::Yes);
    }
    if let Some((kind, rest)) = text.split_once(": ") {
        return Ok(match kind {
            "no" => Verdict::Error(UNAUTHORIZED, words(rest)),
            "invalid" => Verdict::Error(INVALID, words(rest)),
            "config" => Verdict::Error(CONFIG, words(rest)),
            "warned" => Verdict::Warned(words(rest)),
            "rows" if rest == "none" => Verdict::Rows(Vec::new()),
            "rows" => Verdict::Rows(rest.split(';').map(words).collect()),
            other => bail!("{other} is no verdict"),
        });
    }
    if let Some(rest) = text.strip_prefix("no ") {
        let (permission, resource) = rest.split_once(" on ").context("no PERMISSION on <resource>")?;
        let message = format!("User me has no {permission} permission on {resource} or any of its parents");
        return Ok(Verdict::Error(UNAUTHORIZED, message));
    }
    let count = text.strip_suffix(" rows").and_then(|count| count.parse().ok());
    count.map(Verdict::Count).with_context(|| format!("{text} is no verdict"))
}
