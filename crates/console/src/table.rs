//! The rows of a table, a page at a time, of all partitions or of one.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use ilium_cql::CqlType;
use ilium_cql::ast::{Describe, DescribeTarget, Name, QualifiedName, Statement};
use ilium_cql::json::from_json;
use ilium_cql::schema::{Schema, Table};
use ilium_cql::value::text::from_string;
use ilium_http::{Refusal, parse_json, status_of};
use ilium_store::{Bind, Binds, Error, Result, ResultKind, Rows};

use crate::caller::Caller;
use crate::form::Fields;
use crate::grid::{Grid, cells};
use crate::page::{Failure, Frame, respond};
use crate::place::{self, Place};
use crate::select::select;
use crate::sizes::{self, Size};
use crate::{Console, figure, link};

#[derive(Template)]
#[template(path = "table.html")]
struct TablePage {
    frame: Frame,
    keyspace: Arc<str>,
    keyspace_link: String,
    table: Arc<str>,
    link: String,
    query_link: String,
    size: Size,
    /// `CREATE TABLE ...`, where the store tells.
    definition: String,
    key: Vec<KeyField>,
    is_sought: bool,
    shown: std::result::Result<Shown, String>,
    place: Place,
}

/// A column of the partition key, and the value that is looked for.
struct KeyField {
    name: Arc<str>,
    /// The form's name for it.
    field: String,
    type_name: String,
    hint: &'static str,
    value: String,
}

struct Shown {
    grid: Grid,
    warnings: Vec<String>,
    took: String,
    first: Option<String>,
    back: Option<String>,
    next: Option<String>,
    /// There are more rows, but no link can lead to them.
    is_next_too_long: bool,
}

pub async fn show(
    State(console): State<Arc<Console>>,
    Path((keyspace, name)): Path<(String, String)>,
    uri: Uri,
    caller: Caller,
) -> std::result::Result<Response, Failure> {
    let schema = console.store.schema();
    let Some(table) = schema.table(&keyspace, &name) else {
        return Err(Failure::not_found(format!("There is no table {name} in keyspace {keyspace}.")));
    };
    let fields = Fields::of_query(&uri);
    let place = Place::of(&fields);
    let key: Vec<KeyField> = key_fields(table, &fields);
    let is_sought = key.iter().any(|field| !field.value.is_empty());
    let read = read(&console, &caller, table, &key, is_sought, &place).await;
    let (status, shown) = match read {
        Ok((rows, warnings, took)) => {
            (StatusCode::OK, Ok(shown(table, &schema, &key, &place, rows, warnings, took)?))
        }
        Err(error) => (status_of(&error.kind).0, Err(Refusal::from(error).description)),
    };
    let name = (Arc::clone(&table.keyspace), Arc::clone(&table.name));
    let size = sizes::of(&console.store, &caller, &[name]).await.pop().unwrap_or_default();
    let page = TablePage {
        frame: Frame::new(format!("{}.{}", table.keyspace, table.name), &caller, ""),
        keyspace: Arc::clone(&table.keyspace),
        keyspace_link: link::keyspace(&table.keyspace),
        table: Arc::clone(&table.name),
        link: link::table(&table.keyspace, &table.name),
        query_link: link::query(&table.keyspace, &table.name),
        size,
        definition: definition(&console, &caller, table).await.unwrap_or_default(),
        key,
        is_sought,
        shown,
        place,
    };
    Ok(respond(status, &page))
}

fn key_fields(table: &Table, fields: &Fields) -> Vec<KeyField> {
    let columns = table.partition_key().enumerate().map(|(at, column)| {
        let field = format!("key{at}");
        KeyField {
            name: Arc::clone(&column.name),
            type_name: column.column_type.to_string(),
            hint: if column.column_type.is_freezable() { "as JSON" } else { "" },
            value: fields.get(&field).to_owned(),
            field,
        }
    });
    columns.collect()
}

/// The rows of a page, what the store warned of, and how long it took.
async fn read(
    console: &Console,
    caller: &Caller,
    table: &Table,
    key: &[KeyField],
    is_sought: bool,
    place: &Place,
) -> Result<(Rows, Vec<String>, String)> {
    let sought = if is_sought { key } else { &[] };
    let values = sought.iter().zip(table.partition_key()).map(|(field, column)| {
        value(&column.column_type, &field.value)
            .map_err(|fault| Error::invalid(format!("Column {}: {fault}", column.name)))
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    let started = Instant::now();
    let select = select((&table.keyspace, &table.name), &[], sought.iter().map(|field| &*field.name));
    let prepared = console.store.prepare(Arc::new(Statement::Select(select)), None).wait().await?;
    let binds = Binds::from_values(values.iter().map(|value| Bind::Value(value)));
    let (mut context, _stop) = crate::context(caller);
    context.page_state = place.state()?;
    let outcome = console.store.execute(&prepared, binds, &context).wait().await?;
    match outcome.result {
        ResultKind::Rows(rows) => Ok((rows, outcome.warnings, figure::took(started.elapsed()))),
        _ => Err(Error::internal("a SELECT gave no rows")),
    }
}

/// What a text stands for: JSON where the type has parts, else the value as CQL writes it, without quotes.
fn value(column_type: &CqlType, text: &str) -> std::result::Result<Vec<u8>, String> {
    if !column_type.is_freezable() {
        return from_string(column_type, text).map_err(|error| error.to_string());
    }
    let json = parse_json(text.as_bytes()).map_err(|fault| format!("it is not usable JSON: {fault}"))?;
    let value = from_json(column_type, &json).map_err(|error| error.to_string())?;
    value.ok_or_else(|| "a key cannot be null".to_owned())
}

fn shown(
    table: &Table,
    schema: &Schema,
    key: &[KeyField],
    place: &Place,
    rows: Rows,
    warnings: Vec<String>,
    took: String,
) -> Result<Shown> {
    let link = |place: &Place| {
        let sought =
            key.iter().map(|field| (&*field.field, &*field.value)).filter(|(_, value)| !value.is_empty());
        let (page, states) = (place.page.to_string(), place.states());
        let at = [(place::PAGE, &*page), (place::STATES, &*states)];
        let at = at.into_iter().filter(|_| !place.is_first());
        link::with(&link::table(&table.keyspace, &table.name), sought.chain(at))
    };
    let next = rows.next.as_ref().map(|state| place.next(state));
    Ok(Shown {
        grid: Grid::of(&rows, schema)?,
        warnings,
        took,
        first: (!place.is_first()).then(|| link(&Place::first())),
        back: place.back().as_ref().map(link),
        is_next_too_long: matches!(next, Some(None)),
        next: next.flatten().as_ref().map(link),
    })
}

/// What DESCRIBE TABLE says, for those who may ask.
async fn definition(console: &Console, caller: &Caller, table: &Table) -> Result<String> {
    let name = QualifiedName { keyspace: Some(Name::new(&*table.keyspace)), name: Name::new(&*table.name) };
    let describe = Describe { what: DescribeTarget::Table(name), with_internals: false };
    let prepared = console.store.prepare(Arc::new(Statement::Describe(describe)), None).wait().await?;
    let (mut context, _stop) = crate::context(caller);
    context.page_size = None;
    let outcome = console.store.execute(&prepared, Binds::default(), &context).wait().await?;
    let ResultKind::Rows(rows) = outcome.result else { return Ok(String::new()) };
    let mut texts = Vec::new();
    for row in cells(&rows) {
        // `create_statement` is the last column.
        if let Some(Some(text)) = row?.last() {
            texts.push(String::from_utf8_lossy(text).into_owned());
        }
    }
    Ok(texts.join("\n\n"))
}
