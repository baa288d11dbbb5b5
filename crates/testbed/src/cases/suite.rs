//! Many case files at once: run against a server, compared with the goldens, or recorded as the goldens.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;

use anyhow::{Context as _, Error, Result, anyhow};

use super::compare::{Difference, Side, compare};
use super::file::{Case, CaseFile, Step};
use super::golden::{SETUP, Transcript};
use super::run::{Server, run_file};
use crate::cassandra::VERSION;

/// Files run side by side, so that the waits of one (for a TTL to pass) cost the others nothing.
pub const LANES: usize = 6;

/// How a file fared.
#[derive(Debug)]
pub struct FileResult {
    pub name: String,
    pub cases: usize,
    pub passed: usize,
    pub differences: Vec<Difference>,
    /// Why it could not be run at all.
    pub broken: Option<String>,
    /// The names of the cases that passed.
    pub good: Vec<String>,
}

impl FileResult {
    pub fn well(&self) -> bool {
        self.differences.is_empty() && self.broken.is_none()
    }

    /// The differences for a person to read.
    pub fn details(&self) -> String {
        let mut out = String::new();
        let mut last = "";
        for difference in &self.differences {
            if difference.case != last {
                out += &format!("\n== {}: {}\n", self.name, difference.case);
                last = &difference.case;
            }
            out += &format!("> {}\n", difference.statement);
            for line in diff(&difference.expected, &difference.answered) {
                out += &format!("{line}\n");
            }
        }
        if let Some(reason) = &self.broken {
            out += &format!("\n== {}: could not be run\n  {reason}\n", self.name);
        }
        out
    }
}

impl fmt::Display for FileResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.well() { "ok  " } else { "FAIL" };
        write!(f, "{mark} {:>4}/{:<4} {}", self.passed, self.cases, self.name)
    }
}

/// Lines that both have are indented, those expected begin with `-`, those answered with `+`.
fn diff(expected: &[String], answered: &[String]) -> Vec<String> {
    let same = expected.iter().zip(answered).take_while(|(e, a)| e == a).count();
    let rest = expected.len().min(answered.len()) - same;
    let tail =
        expected.iter().rev().zip(answered.iter().rev()).take(rest).take_while(|(e, a)| e == a).count();
    let middle = |lines: &[String], mark: &str| -> Vec<String> {
        lines.iter().take(lines.len() - tail).skip(same).map(|l| format!("{mark} {l}")).collect()
    };
    let plain = |lines: &mut dyn Iterator<Item = &String>| -> Vec<String> {
        lines.map(|l| format!("  {l}")).collect()
    };
    [
        plain(&mut expected.iter().take(same)),
        middle(expected, "-"),
        middle(answered, "+"),
        plain(&mut expected.iter().skip(expected.len() - tail)),
    ]
    .concat()
}

/// Runs the files and compares the answers with the goldens.
pub fn run(address: SocketAddr, files: Vec<CaseFile>, side: Side) -> Result<Vec<FileResult>> {
    lanes(LANES, files, |file| Ok(judge(file, run_file(&mut Server::at(address), file).as_ref(), side)))
}

/// Compares what a server answered to a file with the goldens.
pub fn judge(file: &CaseFile, answered: Result<&Transcript, &Error>, side: Side) -> FileResult {
    let mut result = FileResult {
        name: file.name.clone(),
        cases: file.cases.len(),
        passed: 0,
        differences: Vec::new(),
        broken: None,
        good: Vec::new(),
    };
    let golden = match read_goldens(file) {
        Ok(golden) => golden,
        Err(e) => {
            result.broken = Some(format!("{e:#}"));
            return result;
        }
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(e) => {
            result.broken = Some(format!("{e:#}"));
            return result;
        }
    };
    let setup = Case { name: SETUP.to_owned(), differs: None, steps: file.setup.clone() };
    for case in [&setup].into_iter().chain(&file.cases) {
        let Some(answer) = answered.case(&case.name) else { continue };
        let differences = compare(case, golden.case(&case.name), answer, side);
        if differences.is_empty() && case.name != SETUP {
            result.passed += 1;
            result.good.push(case.name.clone());
        }
        result.differences.extend(differences);
    }
    result
}

/// The recorded answers of a file.
pub fn read_goldens(file: &CaseFile) -> Result<Transcript> {
    let path = file.goldens();
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} has no goldens: record them", file.name))?;
    Transcript::read(&text).with_context(|| format!("in {}", path.display()))
}

/// Steps that were answered alike to the eye and not to the byte, as `file: case: statement`. Left out are those that say
/// what may differ, and those whose words are cut because Cassandra itself says them otherwise the next time.
pub fn unlike_bytes(file: &CaseFile, direct: &Transcript, other: &Transcript) -> Vec<String> {
    let mut unlike = Vec::new();
    for case in &file.cases {
        let (Some(one), Some(two)) = (direct.case(&case.name), other.case(&case.name)) else { continue };
        for ((step, one), two) in case.steps.iter().zip(&one.steps).zip(&two.steps) {
            let free = may_differ_in_bytes(step, &one.lines);
            if !free && one.lines == two.lines && one.frames != two.frames {
                unlike.push(format!("{}: {}: {}", file.name, case.name, one.statement));
            }
        }
    }
    unlike
}

/// Whether answers whose lines are these may be other bytes the next time.
pub(crate) fn may_differ_in_bytes(step: &Step, lines: &[String]) -> bool {
    !step.masks.is_empty()
        || !step.near.is_empty()
        || step.unordered
        || lines.iter().any(|line| line.ends_with('…'))
}

/// Records the answers of a real Cassandra as the goldens, and names the files.
pub fn record(address: SocketAddr, files: Vec<CaseFile>) -> Result<Vec<String>> {
    lanes(LANES, files, |file| keep(file, &run_file(&mut Server::at(address), file)?))
}

/// Writes a transcript down as the goldens, and says what is in it.
pub fn keep(file: &CaseFile, transcript: &Transcript) -> Result<String> {
    let errors = transcript.cases.iter().filter(|c| c.has_error()).count();
    std::fs::write(file.goldens(), transcript.write(VERSION, &file.name))?;
    Ok(format!("{}: {} cases, {errors} with an error", file.name, file.cases.len()))
}

/// Works on so many files side by side and gives the results in their order.
pub(crate) fn lanes<F: Send, T: Send>(
    count: usize,
    files: Vec<F>,
    work: impl Fn(&F) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let waiting = Mutex::new(files.into_iter().enumerate());
    let results = Mutex::new(Vec::new());
    let poisoned = || anyhow!("another lane panicked");
    std::thread::scope(|scope| {
        let lane = || -> Result<()> {
            loop {
                let next = waiting.lock().map_err(|_| poisoned())?.next();
                let Some((number, file)) = next else { return Ok(()) };
                let result = work(&file)?;
                results.lock().map_err(|_| poisoned())?.push((number, result));
            }
        };
        let running: Vec<_> = (0..count).map(|_| scope.spawn(lane)).collect();
        running.into_iter().try_for_each(|lane| lane.join().map_err(|_| poisoned())?)
    })?;
    let mut results = results.into_inner().map_err(|_| poisoned())?;
    results.sort_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
