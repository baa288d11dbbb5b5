//! The case file.
//!
//! ```text
//! -- What this file is about: any comment that is no directive.
//!
//! -- setup
//! CREATE TABLE t (k int PRIMARY KEY, v text);
//!
//! -- case: a missing row is no row
//! SELECT * FROM t WHERE k = 1;
//!
//! -- case: a text cannot be compared with a number
//! -- bind: 1, 'a'
//! SELECT * FROM t WHERE k = ? AND v = ?;
//! ```
//!
//! Each file runs in a keyspace of its own, named `<area>_<feature>` and made fresh. The statements before the first
//! case are its setup. Cases of a file share its tables, so each uses keys of its own, or only reads.
//!
//! Of the whole file: `-- keyspaces: a, b` are dropped before and after it, beside its own; `-- each: x = a, b` makes
//! cases out of one ([`super::template`]).
//!
//! Of a case, after its `-- case:` line: `-- differs: why` says that Ilium answers otherwise on purpose; the steps
//! where it does have `-- ilium:` lines.
//!
//! Of the next statement:
//! - `-- bind: 1, 'a', null, unset` prepares it and executes it with these values (`a = 1` binds by name; see
//!   [`Literal`] for what can be written); `-- send: ...` sends the values with the text, unprepared;
//!   `-- prepare` only prepares. A second `-- bind:` line executes it again.
//! - `-- page: 2` gets all pages of that many rows.
//! - `-- consistency: QUORUM`, `-- serial: LOCAL_SERIAL`, `-- timestamp: 123`, `-- keyspace: x`, `-- now: 1700000000`
//! - `-- connection: b` uses another connection of that name, `-- protocol: 4` one of that protocol version.
//! - `-- batch: unlogged`, followed by statements and `-- apply`, sends one batch message.
//! - `-- wait: 1500ms` waits first.
//! - `-- mask: column` compares whether there is a value, not which. `-- near: column 100` wants an integer of at
//!   most 100 and not far below (what is left of a TTL).
//! - `-- unordered` compares rows as a set.
//! - `-- loud` shows the warning that prepared statements and `USE` do not go together.
//! - `-- essence: word, ...` wants an error or a warning on both sides with these words, instead of the same words.
//! - `-- ilium: line` is a line of Ilium's answer where it differs; `error CODE: words` wants the words.
//! - `-- startup: NAME=VALUE` is an option of the connection it goes through.
//! - `-- pages: 1` gets only so many pages; `-- more` goes on where the connection's last read stopped (in a file about
//!   rings also from where one of the setup stopped).
//! - `-- again` executes what an earlier step prepared by this text on this connection; `-- unknown: 0x00ff` executes an id
//!   that nobody prepared, whatever the statement says.
//! - `-- together: 8` sends it over so many connections of its own at once, and counts the answers.
//! - `-- nodes: 3 stopped` (`2 held, 3 stopped`, `up`) is the state of the ring from here on; a case begins with all up, or
//!   in the state of its first statement. See [`super::nodes`].
//! - `-- raw: text` is itself a statement, sent as it stands, for what has no proper end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::nodes::Nodes;
use super::{statement, template};
use crate::value::Literal;
use crate::wire::{BatchKind, Consistency};

/// A file of cases.
#[derive(Debug, Clone)]
pub struct CaseFile {
    pub path: PathBuf,
    /// `area/feature`.
    pub name: String,
    pub keyspace: String,
    /// Further keyspaces that the cases make.
    pub keyspaces: Vec<String>,
    pub setup: Vec<Step>,
    pub cases: Vec<Case>,
}

/// A named group of steps.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Why Ilium answers otherwise, where it does.
    pub differs: Option<String>,
    pub steps: Vec<Step>,
}

/// One statement (or batch) and what goes along with it.
#[derive(Debug, Clone, Default)]
pub struct Step {
    pub text: String,
    /// The statements of a batch message, with their values.
    pub batch: Option<(BatchSort, Vec<(String, Values)>)>,
    pub values: How,
    pub page: Option<i32>,
    pub consistency: Option<Consistency>,
    pub serial: Option<Consistency>,
    pub timestamp: Option<i64>,
    pub keyspace: Option<String>,
    pub now: Option<i32>,
    pub connection: String,
    pub protocol: Option<u8>,
    pub wait: Duration,
    pub masks: Vec<String>,
    pub near: Vec<(String, i64)>,
    pub unordered: bool,
    pub loud: bool,
    /// Of STARTUP, on the connection it goes through.
    pub startup: Vec<(String, String)>,
    /// At most so many pages.
    pub pages: Option<usize>,
    /// From where the connection's last read stopped.
    pub more: bool,
    /// As it was prepared before on this connection.
    pub again: bool,
    /// On so many connections at once, if not 0.
    pub together: usize,
    /// What the ring's nodes are to do from here on.
    pub nodes: Option<Nodes>,
    pub essence: Vec<String>,
    /// Ilium's own answer, where it differs.
    pub ilium: Vec<String>,
}

pub type Values = Vec<(Option<String>, Literal)>;
pub type BatchSort = BatchKind;

/// How a statement's values travel.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum How {
    #[default]
    Text,
    /// With the text.
    Sent(Values),
    Prepared,
    /// Prepared, then executed with each of these.
    Executed(Vec<Values>),
    /// An execution by this id, which nobody prepared.
    Unknown(Vec<u8>),
}

impl CaseFile {
    pub fn read(path: &Path) -> Result<CaseFile> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let part = |p: Option<&Path>| p.and_then(|p| p.file_stem()).map(|s| s.to_string_lossy().into_owned());
        let feature = part(Some(path)).context("a case file has a name")?;
        let area = part(path.parent()).context("a case file is in an area's folder")?;
        let mut file = template::expand(&text)
            .and_then(|text| parse(&text))
            .with_context(|| format!("in {area}/{feature}.cql"))?;
        file.path = path.to_path_buf();
        file.name = format!("{area}/{feature}");
        file.keyspace = format!("{area}_{feature}");
        Ok(file)
    }

    /// Where its goldens are.
    pub fn goldens(&self) -> PathBuf {
        self.path.with_extension("answers")
    }
}

/// Reads a case file's text; names and paths are left empty.
pub fn parse(text: &str) -> Result<CaseFile> {
    let mut parser = Parser {
        file: CaseFile {
            path: PathBuf::new(),
            name: String::new(),
            keyspace: String::new(),
            keyspaces: Vec::new(),
            setup: Vec::new(),
            cases: Vec::new(),
        },
        next: Step::default(),
        touched: false,
        batch: None,
    };
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let used = parser.one(rest).with_context(|| format!("line {line}"))?;
        let (done, after) = rest.split_at_checked(used).unwrap_or((rest, ""));
        line += done.matches('\n').count();
        rest = after;
    }
    parser.finish()
}

struct Parser {
    file: CaseFile,
    /// The step that the directives so far belong to.
    next: Step,
    touched: bool,
    batch: Option<Step>,
}

impl Parser {
    /// Takes a blank, a comment line or a statement, and says how long it was.
    fn one(&mut self, rest: &str) -> Result<usize> {
        let line = rest.lines().next().unwrap_or_default();
        let whole = (line.len() + 1).min(rest.len());
        if line.trim().is_empty() {
            return Ok(whole);
        }
        if let Some(comment) = line.strip_prefix("--") {
            self.comment(comment)?;
            return Ok(whole);
        }
        let length = statement::end(rest).context("a statement has no end")?;
        let (text, after) = rest.split_at_checked(length).context("a statement has no end")?;
        let trailing = after.lines().next().unwrap_or_default();
        if !trailing.trim().is_empty() {
            bail!("after a statement the line ends, and here follows: {trailing}");
        }
        self.statement(text.trim_end_matches(';').trim())?;
        Ok(length)
    }

    fn comment(&mut self, comment: &str) -> Result<()> {
        let comment = comment.strip_prefix(' ').unwrap_or(comment).trim_end();
        let (word, rest) = match comment.split_once(':') {
            Some((word, rest)) => (word, rest.trim()),
            None => (comment, ""),
        };
        let directive = word.chars().all(|c| c.is_ascii_lowercase());
        if !directive
            || (rest.is_empty()
                && !matches!(word, "setup" | "prepare" | "apply" | "unordered" | "loud" | "more" | "again"))
        {
            return Ok(());
        }
        if matches!(word, "case" | "setup") && self.touched {
            bail!("the directives before this line have no statement");
        }
        match word {
            "setup" => return Ok(()),
            "keyspaces" => {
                self.file.keyspaces = words(rest);
                return Ok(());
            }
            "case" => {
                let case = Case { name: rest.to_owned(), differs: None, steps: Vec::new() };
                if self.file.cases.iter().any(|c| c.name == case.name) {
                    bail!("there are two cases called: {rest}");
                }
                self.file.cases.push(case);
                return Ok(());
            }
            "differs" => {
                let case = self.file.cases.last_mut().context("no case differs before the first")?;
                case.differs = Some(rest.to_owned());
                return Ok(());
            }
            "raw" => return self.statement(rest),
            "apply" => {
                let step = self.batch.take().context("no batch to apply")?;
                return self.push(step);
            }
            // Ilium's answer is written after the statement it belongs to.
            "ilium" => {
                let step = self.steps().last_mut().context("no statement that Ilium answers")?;
                step.ilium.push(rest.to_owned());
                return Ok(());
            }
            _ => {}
        }
        self.touched = true;
        let next = &mut self.next;
        match word {
            "bind" => {
                let values = Literal::list(rest)?;
                match &mut next.values {
                    How::Executed(all) => all.push(values),
                    other => *other = How::Executed(vec![values]),
                }
            }
            "send" => next.values = How::Sent(Literal::list(rest)?),
            "prepare" => next.values = How::Prepared,
            "page" => next.page = Some(rest.parse()?),
            "consistency" => next.consistency = Some(Consistency::named(rest)?),
            "serial" => next.serial = Some(Consistency::named(rest)?),
            "timestamp" => next.timestamp = Some(rest.parse()?),
            "keyspace" => next.keyspace = Some(rest.to_owned()),
            "now" => next.now = Some(rest.parse()?),
            "connection" => next.connection = rest.to_owned(),
            "protocol" => next.protocol = Some(rest.parse()?),
            "wait" => {
                let millis = rest.strip_suffix("ms").context("a wait is in ms")?;
                next.wait = Duration::from_millis(millis.parse()?);
            }
            "mask" => next.masks.push(rest.to_owned()),
            "near" => {
                let (column, most) = rest.rsplit_once(' ').context("near: column number")?;
                next.near.push((column.to_owned(), most.parse()?));
            }
            "unordered" => next.unordered = true,
            "loud" => next.loud = true,
            "startup" => {
                let (name, value) = rest.split_once('=').context("startup: NAME=VALUE")?;
                next.startup.push((name.to_owned(), value.to_owned()));
            }
            "pages" => next.pages = Some(rest.parse()?),
            "more" => next.more = true,
            "again" => next.again = true,
            "unknown" => match Literal::list(&format!("raw({rest})"))?.pop() {
                Some((_, Literal::Raw(id))) => next.values = How::Unknown(id),
                _ => bail!("unknown: 0x00ff"),
            },
            "together" => next.together = rest.parse()?,
            "nodes" => next.nodes = Some(rest.parse()?),
            "essence" => next.essence = words(rest),
            "batch" => {
                let kind = match rest {
                    "logged" => BatchKind::Logged,
                    "unlogged" => BatchKind::Unlogged,
                    "counter" => BatchKind::Counter,
                    other => bail!("a batch is logged, unlogged or counter, not {other}"),
                };
                next.batch = Some((kind, Vec::new()));
                next.text = format!("BATCH {rest}");
                self.batch = Some(std::mem::take(next));
                self.touched = false;
            }
            other => bail!("no directive is called {other}"),
        }
        Ok(())
    }

    fn statement(&mut self, text: &str) -> Result<()> {
        let mut step = std::mem::take(&mut self.next);
        self.touched = false;
        step.text = text.to_owned();
        let Some(batch) = &mut self.batch else { return self.push(step) };
        let Some((_, items)) = &mut batch.batch else { bail!("a batch without items") };
        match step.values {
            How::Unknown(_) => bail!("a batch has no unknown statements"),
            How::Text | How::Prepared => items.push((step.text, Vec::new())),
            How::Sent(values) => items.push((step.text, values)),
            How::Executed(all) => {
                items.extend(all.into_iter().map(|values| (step.text.clone(), values)));
            }
        }
        Ok(())
    }

    fn steps(&mut self) -> &mut Vec<Step> {
        match self.file.cases.last_mut() {
            Some(case) => &mut case.steps,
            None => &mut self.file.setup,
        }
    }

    fn push(&mut self, step: Step) -> Result<()> {
        self.steps().push(step);
        Ok(())
    }

    fn finish(self) -> Result<CaseFile> {
        if self.touched {
            bail!("the last directives have no statement");
        }
        if self.batch.is_some() {
            bail!("the last batch is not applied");
        }
        for case in &self.file.cases {
            if case.steps.is_empty() {
                bail!("a case without a statement: {}", case.name);
            }
            let answers = case.steps.iter().any(|s| !s.ilium.is_empty());
            if answers != case.differs.is_some() {
                bail!("differs and ilium go together, which is not so in: {}", case.name);
            }
        }
        Ok(self.file)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect()
}
