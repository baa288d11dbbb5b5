//! A statement that the user typed: its form, its run, what it gave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use ilium_cql::ast::Statement;
use ilium_cql::parser::{SyntaxError, SyntaxErrorKind, parse};
use ilium_cql::schema::Schema;
use ilium_http::{BodyLimits, Refusal, status_of};
use ilium_store::{
    Binds, Consistency, Error, Outcome, Result, ResultKind, SchemaChange, SchemaChangeKind, SchemaTarget,
};

use crate::caller::Caller;
use crate::form::Fields;
use crate::grid::Grid;
use crate::overview::is_system;
use crate::page::{Failure, Frame, respond};
use crate::place::Place;
use crate::select::select;
use crate::{Console, figure};

/// Bytes of a statement, as for the CQL API.
const MAX_STATEMENT: usize = 1 << 20;

/// A form writes a byte as up to three; the rest is for page states.
const LIMITS: BodyLimits =
    BodyLimits { bytes: 3 * MAX_STATEMENT + (256 << 10), patience: Duration::from_secs(30) };

/// The levels a statement may ask for, the default first.
const CONSISTENCIES: [(&str, Consistency); 10] = [
    ("ONE", Consistency::One),
    ("LOCAL_ONE", Consistency::LocalOne),
    ("TWO", Consistency::Two),
    ("THREE", Consistency::Three),
    ("QUORUM", Consistency::Quorum),
    ("LOCAL_QUORUM", Consistency::LocalQuorum),
    ("EACH_QUORUM", Consistency::EachQuorum),
    ("ALL", Consistency::All),
    ("ANY", Consistency::Any),
    ("SERIAL", Consistency::Serial),
];

/// What the form is filled with.
pub struct Form {
    pub statement: String,
    pub keyspaces: Vec<Choice>,
    pub consistencies: Vec<Choice>,
    /// Where the statement is wrong, in UTF-16 code units as scripts count.
    pub error_at: Option<(usize, usize)>,
}

pub struct Choice {
    pub name: String,
    pub is_chosen: bool,
}

impl Form {
    pub fn new(schema: &Schema, keyspace: &str, consistency: &str) -> Form {
        let names = |system| {
            let keyspaces = schema.keyspaces.values().filter(move |keyspace| is_system(keyspace) == system);
            keyspaces.map(|keyspace| keyspace.name.to_string())
        };
        let choices = |name: String, chosen: &str| Choice { is_chosen: name == chosen, name };
        Form {
            statement: String::new(),
            keyspaces: names(false).chain(names(true)).map(|name| choices(name, keyspace)).collect(),
            consistencies: CONSISTENCIES.map(|(name, _)| choices(name.to_owned(), consistency)).into(),
            error_at: None,
        }
    }
}

#[derive(Template)]
#[template(path = "statement.html")]
struct StatementPage {
    frame: Frame,
    form: Form,
    shown: Shown,
}

/// What is below the form.
enum Shown {
    Nothing,
    Done { sentence: String, warnings: Vec<String>, took: String },
    Rows(Box<ShownRows>),
    Failed(Box<Failed>),
}

struct ShownRows {
    grid: Grid,
    warnings: Vec<String>,
    took: String,
    place: Place,
    back: Option<Place>,
    next: Option<Place>,
    is_next_too_long: bool,
    keyspace: String,
    consistency: String,
}

struct Failed {
    status: StatusCode,
    message: String,
    warnings: Vec<String>,
    /// The line that is wrong.
    excerpt: Option<Excerpt>,
    took: String,
}

/// A line of the statement with what is wrong in it.
struct Excerpt {
    /// From 1.
    line: u32,
    before: String,
    wrong: String,
    after: String,
}

/// Characters of a line that are shown before what is wrong in it, in it, and after it. A line of a terminal.
const EXCERPT_CHARACTERS: usize = 80;

pub async fn show(State(console): State<Arc<Console>>, uri: Uri, caller: Caller) -> Response {
    let fields = Fields::of_query(&uri);
    let (keyspace, table) = (fields.get("keyspace"), fields.get("table"));
    let schema = console.store.schema();
    let mut form = Form::new(&schema, keyspace, "");
    if schema.table(keyspace, table).is_some() {
        form.statement = Statement::Select(select((keyspace, table), &[], [])).to_string();
    }
    let page = StatementPage { frame: frame(&caller), form, shown: Shown::Nothing };
    respond(StatusCode::OK, &page)
}

fn frame(caller: &Caller) -> Frame {
    Frame::new("Statement", caller, "/console/statement")
}

/// What the form asked for.
struct Asked {
    text: String,
    keyspace: String,
    consistency: (&'static str, Consistency),
    place: Place,
}

impl Asked {
    fn of(fields: &Fields) -> Result<Asked> {
        let name = fields.get("consistency");
        let known = CONSISTENCIES.into_iter().find(|(known, _)| *known == name || name.is_empty());
        let Some(consistency) = known else {
            return Err(Error::invalid(format!("there is no consistency level {name}")));
        };
        // Browsers send each line break of a text area as two characters.
        let text = fields.get("statement").replace("\r\n", "\n").trim().to_owned();
        let keyspace = fields.get("keyspace").to_owned();
        Ok(Asked { text, keyspace, consistency, place: Place::of(fields) })
    }
}

pub async fn run(
    State(console): State<Arc<Console>>,
    caller: Caller,
    body: Body,
) -> std::result::Result<Response, Failure> {
    let mut asked = Asked::of(&Fields::of_body(body, &LIMITS).await?)?;
    let started = Instant::now();
    let (outcome, error_at, excerpt) = match parsed(&asked.text) {
        Ok(statement) => (execute(&console, &caller, &asked, statement).await, None, None),
        Err(Unparsed::TooLong(error)) => (Err(error), None, None),
        Err(Unparsed::Wrong(error)) => {
            let (at, excerpt) = (utf16(&asked.text, &error), Excerpt::of(&asked.text, &error));
            (Err(in_words(&error)), Some(at), excerpt)
        }
    };
    let took = figure::took(started.elapsed());
    // As it is now: the statement may have changed it.
    let schema = console.store.schema();
    let shown = match outcome {
        Ok(outcome) => shown(&schema, &mut asked, outcome, took)?,
        Err(error) => {
            let (status, warnings) = (status_of(&error.kind).0, error.warnings.to_vec());
            let message = Refusal::from(error).description;
            Shown::Failed(Box::new(Failed { status, message, warnings, excerpt, took }))
        }
    };
    let status = match &shown {
        Shown::Failed(failed) => failed.status,
        _ => StatusCode::OK,
    };
    let mut form = Form::new(&schema, &asked.keyspace, asked.consistency.0);
    (form.statement, form.error_at) = (asked.text, error_at);
    Ok(respond(status, &StatementPage { frame: frame(&caller), form, shown }))
}

/// Why a text is no statement.
enum Unparsed {
    TooLong(Error),
    Wrong(SyntaxError),
}

fn parsed(text: &str) -> std::result::Result<Statement, Unparsed> {
    if text.len() > MAX_STATEMENT {
        return Err(Unparsed::TooLong(Error::invalid(format!(
            "the statement has {} bytes, the limit is {MAX_STATEMENT}; split it",
            text.len()
        ))));
    }
    parse(text).map_err(Unparsed::Wrong)
}

fn in_words(error: &SyntaxError) -> Error {
    match error.kind {
        SyntaxErrorKind::Syntax => Error::syntax(error.to_string()),
        SyntaxErrorKind::Invalid => Error::invalid(error.to_string()),
    }
}

async fn execute(console: &Console, caller: &Caller, asked: &Asked, statement: Statement) -> Result<Outcome> {
    let keyspace = Some(&*asked.keyspace).filter(|keyspace| !keyspace.is_empty());
    let prepared = console.store.prepare(Arc::new(statement), keyspace).wait().await?;
    if !prepared.binds.is_empty() {
        return Err(Error::invalid(
            "Invalid amount of bind variables: nothing is bound here; write the values in place of the markers",
        ));
    }
    let (mut context, _stop) = crate::context(caller);
    context.keyspace = keyspace.map(Arc::from);
    context.consistency = asked.consistency.1;
    context.page_state = asked.place.state()?;
    console.store.execute(&prepared, Binds::default(), &context).wait().await
}

fn shown(schema: &Schema, asked: &mut Asked, outcome: Outcome, took: String) -> Result<Shown> {
    let warnings = outcome.warnings;
    let sentence = match outcome.result {
        ResultKind::Rows(rows) => {
            let next = rows.next.as_ref().map(|state| asked.place.next(state));
            return Ok(Shown::Rows(Box::new(ShownRows {
                grid: Grid::of(&rows, schema)?,
                warnings,
                took,
                place: asked.place.clone(),
                back: asked.place.back(),
                is_next_too_long: matches!(next, Some(None)),
                next: next.flatten(),
                keyspace: asked.keyspace.clone(),
                consistency: asked.consistency.0.to_owned(),
            })));
        }
        ResultKind::Void => "Done.".to_owned(),
        ResultKind::SetKeyspace(keyspace) => {
            asked.keyspace = keyspace.to_string();
            format!("Statements of this page now run in keyspace {keyspace}.")
        }
        ResultKind::SchemaChange(change) => changed(&change),
    };
    Ok(Shown::Done { sentence, warnings, took })
}

fn changed(change: &SchemaChange) -> String {
    let keyspace = &change.keyspace;
    let what = match &change.target {
        SchemaTarget::Keyspace => format!("keyspace {keyspace}"),
        SchemaTarget::Table(name) => format!("table {keyspace}.{name}"),
        SchemaTarget::Type(name) => format!("type {keyspace}.{name}"),
        SchemaTarget::Function { name, arguments } => {
            format!("function {keyspace}.{name}({})", arguments.join(", "))
        }
        SchemaTarget::Aggregate { name, arguments } => {
            format!("aggregate {keyspace}.{name}({})", arguments.join(", "))
        }
    };
    match change.kind {
        SchemaChangeKind::Created => format!("Created {what}."),
        SchemaChangeKind::Updated => format!("Changed {what}."),
        SchemaChangeKind::Dropped => format!("Dropped {what}."),
    }
}

/// The place of an error in UTF-16 code units: its start and end.
fn utf16(text: &str, error: &SyntaxError) -> (usize, usize) {
    let units = |end: u32| text.get(..end as usize).unwrap_or(text).encode_utf16().count();
    (units(error.span.start), units(error.span.end))
}

impl Excerpt {
    /// Nothing where the statement may hold a password, which no error repeats.
    fn of(text: &str, error: &SyntaxError) -> Option<Excerpt> {
        if text.to_ascii_lowercase().contains("password") {
            return None;
        }
        let (start, end) = (error.span.start as usize, error.span.end as usize);
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let line_start = part(0, start).rfind('\n').map_or(0, |at| at + 1);
        let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
        let before: Vec<char> = part(line_start, start).chars().collect();
        let cut = before.len().saturating_sub(EXCERPT_CHARACTERS);
        Some(Excerpt {
            line: error.line,
            before: before.into_iter().skip(cut).collect(),
            wrong: part(start, end.min(line_end)).chars().take(EXCERPT_CHARACTERS).collect(),
            after: part(end.min(line_end), line_end).chars().take(EXCERPT_CHARACTERS).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> SyntaxError {
        parse(text).unwrap_err()
    }

    #[test]
    fn the_line_of_an_error_is_shown_with_what_is_wrong_in_it() {
        let text = "SELECT *\n  FORM k.t\nWHERE a = 1";
        let excerpt = Excerpt::of(text, &wrong(text)).unwrap();
        assert_eq!(
            (excerpt.line, &*excerpt.before, &*excerpt.wrong, &*excerpt.after),
            (2, "  ", "FORM", " k.t")
        );
        let ends = Excerpt::of("SELECT * FROM", &wrong("SELECT * FROM")).unwrap();
        assert_eq!((&*ends.before, &*ends.wrong, &*ends.after), ("SELECT * FROM", "", ""));
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let text = format!("SELECT {} FORM {}", "a, ".repeat(500), "b".repeat(500));
        let excerpt = Excerpt::of(&text, &wrong(&text)).unwrap();
        for part in [&excerpt.before, &excerpt.wrong, &excerpt.after] {
            assert!(part.chars().count() <= EXCERPT_CHARACTERS);
        }
    }

    #[test]
    fn a_password_is_in_no_error() {
        let text = "CREATE ROLE r WITH Password = 'secret' FORM";
        let error = wrong(text);
        assert!(Excerpt::of(text, &error).is_none() && !error.message.contains("secret"), "{error}");
    }

    #[test]
    fn a_place_is_counted_as_scripts_count() {
        let text = "SELECT '𝄞' FORM";
        assert_eq!(utf16(text, &wrong(text)), (12, 16));
    }
}
