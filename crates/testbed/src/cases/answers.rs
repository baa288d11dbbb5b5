//! Answers as lines of text.

use super::file::Step;
use crate::value::{Type, show};
use crate::wire::{Answer, Column, Outcome, Prepared, Rows, error_name};

/// What was left of a TTL may be this much less by the time it is read.
const NEAR: i64 = 60;

/// Comes with the first prepared statement of a connection that has USEd a keyspace, which is most of them here.
const USE_WARNING: &str = "`USE <keyspace>` with prepared statements";

/// From here on Cassandra's words are of its Java classes, or a list in the order of a hash table, which is another in
/// each process: what stands before is enough.
const BEYOND: [&str; 8] = [
    " in DC ",
    "java.",
    ": class java.",
    "com.fasterxml.",
    "org.apache.cassandra.serializers.",
    ", but got a ",
    "(known type signatures",
    "(can be matched by",
];

/// Words for a person in one line, without what says nothing.
fn words(message: &str) -> String {
    let end = BEYOND.iter().filter_map(|beyond| message.find(beyond)).min();
    let cut = match end {
        Some(end) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    };
    cut.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}

/// The lines of an answer, warnings last.
pub fn lines(step: &Step, answer: &Answer) -> Vec<String> {
    let mut lines = match &answer.outcome {
        Outcome::Void => vec!["done".to_owned()],
        Outcome::Keyspace(name) => vec![format!("keyspace {name}")],
        Outcome::Schema(change) => vec![format!("{} {}", change.what, change.names.join("."))],
        Outcome::Rows(rows) => rows_lines(step, rows),
        Outcome::Prepared(prepared) => prepared_lines(prepared),
        Outcome::Error(e) => {
            let message = words(&e.message);
            let mut lines = vec![format!("error {:04x} {}: {message}", e.code, error_name(e.code))];
            lines.extend(e.details.iter().map(|detail| format!("  {detail}")));
            lines
        }
    };
    let warnings = answer.warnings.iter().filter(|w| step.loud || !w.starts_with(USE_WARNING));
    lines.extend(warnings.map(|w| format!("warning: {}", words(w))));
    lines
}

fn prepared_lines(prepared: &Prepared) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, bind) in (0u16..).zip(&prepared.binds) {
        let key = match prepared.key.iter().position(|k| *k == number) {
            Some(at) => format!(" (partition key {at})"),
            None => String::new(),
        };
        lines.push(format!("bind {} {}{key}", bind.name, bind.kind));
    }
    if !prepared.columns.is_empty() {
        lines.push(format!("gives {}", header(&prepared.columns)));
    }
    if lines.is_empty() {
        lines.push("prepared".to_owned());
    }
    lines
}

/// `keyspace.table: column type, ...`
fn header(columns: &[Column]) -> String {
    let table = match columns.first() {
        Some(first) => format!("{}.{}", first.keyspace, first.table),
        None => "nothing".to_owned(),
    };
    let columns: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.kind)).collect();
    format!("{table}: {}", columns.join(", "))
}

fn rows_lines(step: &Step, page: &Rows) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &page.rows {
        let cells: Vec<String> =
            page.columns.iter().zip(row).map(|(column, cell)| shown(step, column, cell.as_deref())).collect();
        lines.push(format!("| {}", cells.join(" | ")));
    }
    if step.unordered {
        lines.sort();
    }
    lines.insert(0, header(&page.columns));
    let count = page.rows.len();
    let more = if page.more.is_some() { ", more follow" } else { "" };
    lines.push(format!("{count} row{}{more}", if count == 1 { "" } else { "s" }));
    lines
}

fn shown(step: &Step, column: &Column, cell: Option<&[u8]>) -> String {
    let value = show(&column.kind, cell);
    if cell.is_some() && step.masks.contains(&column.name) {
        // The form of a value is still seen: a masked list says how many elements it has.
        return match &column.kind {
            Type::List(_) | Type::Set(_) | Type::Tuple(_) => format!("masked x{}", value.split(", ").count()),
            _ => "masked".to_owned(),
        };
    }
    if let Some((_, most)) = step.near.iter().find(|(name, _)| *name == column.name)
        && let Ok(number) = value.parse::<i64>()
        && (most - NEAR..=*most).contains(&number)
    {
        return format!("near {most}");
    }
    value
}
