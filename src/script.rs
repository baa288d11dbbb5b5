//! `--init`: a file of statements, run once at a folder's first start.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ilium_cql::parser;
use ilium_store::{Binds, Context, DataStore, Error, Principal, ResultKind};

use crate::exit::Failure;

/// Runs the file's statements in order; a wrong one is named with its line, and nothing after it is run.
pub async fn run(store: &dyn DataStore, path: &Path) -> Result<usize, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::io(format!("cannot read the file of --init, {}: {error}", path.display()))
    })?;
    let mut context = Context::new(Principal::System);
    let mut count = 0;
    let at = |line: usize| format!("{}, statement at line {line}", path.display());
    let failed = |line: usize, error: &Error| Failure::in_store(at(line), error);
    let statements = parser::parse_script(&text).map_err(|error| {
        // Cassandra's words for the end of a text have no line of their own.
        let at_end = error.message.strip_prefix("line 0:-1 ");
        Failure::data(match at_end {
            Some(what) => format!("{} ends amid its last statement: {what}", path.display()),
            None => format!("{}: {error}", at(error.line as usize)),
        })
    })?;
    for (statement, span) in statements {
        let line = line_of(&text, span.start as usize);
        let prepared = store
            .prepare(Arc::new(statement), context.keyspace.as_deref())
            .wait()
            .await
            .map_err(|error| failed(line, &error))?;
        let outcome = store.execute(&prepared, Binds::default(), &context).wait().await;
        if let ResultKind::SetKeyspace(keyspace) = outcome.map_err(|error| failed(line, &error))?.result {
            context.keyspace = Some(keyspace);
        }
        count += 1;
    }
    Ok(count)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
