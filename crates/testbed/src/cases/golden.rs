//! The golden file: a transcript of a case file's run on Cassandra.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};

/// What a server answered to the steps of a file, by case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transcript {
    /// The setup comes first, under the name `SETUP`.
    pub cases: Vec<CaseTranscript>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CaseTranscript {
    pub name: String,
    pub steps: Vec<StepTranscript>,
}

/// The shortened statement and the lines of its answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepTranscript {
    pub statement: String,
    pub lines: Vec<String>,
    /// The answers' bytes, which are compared within a run and not kept.
    pub frames: Vec<Vec<u8>>,
}

/// The name under which a setup's answers are kept.
pub const SETUP: &str = "(setup)";

impl CaseTranscript {
    /// Whether one of its answers is an error.
    pub fn has_error(&self) -> bool {
        self.steps.iter().any(|step| step.lines.iter().any(|line| line.starts_with("error ")))
    }
}

impl Transcript {
    pub fn case(&self, name: &str) -> Option<&CaseTranscript> {
        self.cases.iter().find(|case| case.name == name)
    }

    /// As the golden file's text.
    pub fn write(&self, version: &str, name: &str) -> String {
        let mut out =
            format!("# What Apache Cassandra {version} answers to {name}.cql; recorded, not written.\n");
        for case in &self.cases {
            let _ = write!(out, "\n== {}\n", case.name);
            for step in &case.steps {
                let _ = writeln!(out, "> {}", step.statement);
                for line in &step.lines {
                    let _ = writeln!(out, "  {line}");
                }
            }
        }
        out
    }

    pub fn read(text: &str) -> Result<Transcript> {
        let mut transcript = Transcript::default();
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if let Some(name) = line.strip_prefix("== ") {
                transcript.cases.push(CaseTranscript { name: name.to_owned(), steps: Vec::new() });
                continue;
            }
            let case = transcript.cases.last_mut().context("a golden file begins with a case")?;
            if let Some(statement) = line.strip_prefix("> ") {
                let statement = statement.to_owned();
                case.steps.push(StepTranscript { statement, ..StepTranscript::default() });
                continue;
            }
            let step = case.steps.last_mut().context("a case in a golden file begins with a statement")?;
            match line.strip_prefix("  ") {
                Some(answer) => step.lines.push(answer.to_owned()),
                None => bail!("a line of no known form in a golden file: {line}"),
            }
        }
        Ok(transcript)
    }
}
