//! The table of `docs/compatibility.md`: rows, and the cases they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::file::CaseFile;
use super::suite::FileResult;

/// The file in this checkout.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md")
}

/// What a row says of its feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Works,
    Differs,
    NotYet,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub feature: String,
    pub state: State,
    pub names: Vec<Name>,
    pub note: String,
}

/// What a row names: a case file, and words of which a case's name has one; without words all of its cases.
#[derive(Debug, Clone)]
pub struct Name {
    pub file: String,
    pub words: Vec<String>,
}

/// All rows of the file's tables.
pub fn rows(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in
        text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| ---") && !l.starts_with("| Feature"))
    {
        // A bar within a cell is escaped in Markdown.
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<String> = line.split('|').map(|c| c.trim().replace('\u{0}', "|")).collect();
        let [_, feature, state, names, note, _] = cells.as_slice() else { bail!("not four cells: {line}") };
        let state = match state.as_str() {
            "works" => State::Works,
            "differs" => State::Differs,
            "not yet" => State::NotYet,
            other => bail!("{feature}: {other} is no state"),
        };
        let names = names.split('`').skip(1).step_by(2).map(name).collect();
        rows.push(Row { feature: feature.clone(), state, names, note: note.clone() });
    }
    Ok(rows)
}

fn name(text: &str) -> Name {
    match text.split_once(':') {
        Some((file, words)) => {
            Name { file: file.to_owned(), words: words.split('|').map(str::to_owned).collect() }
        }
        None => Name { file: text.to_owned(), words: Vec::new() },
    }
}

impl Row {
    /// The cases it names, as `area/feature: case`. Each of its names must name one at least.
    pub fn cases(&self, files: &BTreeMap<String, CaseFile>) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for name in &self.names {
            let file =
                files.get(&name.file).with_context(|| format!("{}: no file {}", self.feature, name.file))?;
            let has = |case: &str| {
                name.words.is_empty() || name.words.iter().any(|word| case.contains(word.as_str()))
            };
            let before = all.len();
            let named = file.cases.iter().filter(|case| has(&case.name));
            all.extend(named.map(|case| format!("{}: {}", file.name, case.name)));
            for word in &name.words {
                if !file.cases.iter().any(|case| case.name.contains(word.as_str())) {
                    bail!("{}: no case of {} is called {word}", self.feature, name.file);
                }
            }
            if all.len() == before {
                bail!("{}: {} names no case", self.feature, name.file);
            }
        }
        all.sort();
        all.dedup();
        Ok(all)
    }
}

/// Files by `area/feature`.
pub fn by_name(files: Vec<CaseFile>) -> BTreeMap<String, CaseFile> {
    files.into_iter().map(|file| (file.name.clone(), file)).collect()
}

/// What a server's answers say against the table: rows that say they work and have a case that does not pass.
pub fn wrong_rows(results: &[FileResult]) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path()).context("cannot read docs/compatibility.md")?;
    let files = by_name(super::all("")?);
    let mut passed = BTreeSet::new();
    for result in results {
        passed.extend(result.good.iter().map(|case| format!("{}: {case}", result.name)));
    }
    let mut wrong = Vec::new();
    for row in rows(&text)?.iter().filter(|row| row.state == State::Works) {
        let cases = row.cases(&files)?;
        let failed: Vec<&str> =
            cases.iter().filter(|case| !passed.contains(*case)).map(String::as_str).collect();
        if !failed.is_empty() {
            wrong.push(format!("{} does not work: {}", row.feature, failed.join("; ")));
        }
    }
    Ok(wrong)
}
