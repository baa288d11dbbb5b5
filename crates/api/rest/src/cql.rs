//! POST /v2/cql: a statement as text, or as JSON with values.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use ilium_cql::ast::{Selection, Statement};
use ilium_cql::parser::{SyntaxErrorKind, parse};
use ilium_http::{Refusal, parse_json, read_body};
use ilium_store::{BindMarker, Error, ResultKind};
use serde_json::Value;

use crate::api::Api;
use crate::call::{Call, json};
use crate::output;
use crate::shape::Planned;
use crate::statement::MAX_ALIAS;
use crate::value::Values;

/// Bytes of a statement, at most, as the CQL API has it: what is larger should bind its values.
const MAX_STATEMENT: usize = 1 << 20;

pub async fn run(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let bytes = read_body(body, &api.body).await?;
    let (text, values) = request(call, &bytes)?;
    if text.trim().is_empty() {
        return Err(Refusal::bad_request("Request invalid: CQL query body required."));
    }
    if text.len() > MAX_STATEMENT {
        return Err(Refusal::bad_request(format!(
            "the statement has {} bytes, the limit is {MAX_STATEMENT}; bind large values instead of writing them out",
            text.len()
        )));
    }
    let statement = parse(&text).map_err(|error| match error.kind {
        SyntaxErrorKind::Syntax => Error::syntax(error.to_string()),
        SyntaxErrorKind::Invalid => Error::invalid(error.to_string()),
    })?;
    if matches!(statement, Statement::Use { .. }) {
        return Err(Refusal::bad_request(
            "USE does nothing here, as no request knows of another; give each its keyspace, as /v2/cql?keyspace=NAME",
        ));
    }
    check_aliases(&statement)?;
    let mut context = call.context();
    context.keyspace = call.parameters.keyspace.as_deref().map(Arc::from);
    context.timestamp = call.parameters.timestamp;
    let prepared = api.store.prepare(Arc::new(statement), context.keyspace.as_deref()).wait().await?;
    let planned = Planned::new(prepared);
    let binds = bind(call, &planned.prepared.binds, &values)?.binds();
    let outcome = call.execute(api, &planned.prepared, binds, &context).await?;
    let raw = call.parameters.raw;
    let text = match &outcome.result {
        ResultKind::Rows(rows) => output::page(rows, &planned.columns(rows), call.style(), raw)?,
        _ if raw => "[]".to_owned(),
        _ => "{\"count\":0,\"data\":[]}".to_owned(),
    };
    Ok(json(StatusCode::OK, text))
}

fn check_aliases(statement: &Statement) -> Result<(), Refusal> {
    let Statement::Select(select) = statement else { return Ok(()) };
    let Selection::Items(items) = &select.selection else { return Ok(()) };
    let long = items.iter().filter_map(|item| item.alias.as_ref()).find(|alias| alias.text.len() > MAX_ALIAS);
    match long {
        Some(alias) => Err(Refusal::bad_request(format!(
            "a name after AS has {} bytes, the limit is {MAX_ALIAS}: it is written in every row",
            alias.text.len()
        ))),
        None => Ok(()),
    }
}

/// The statement and its values: a JSON object of `query` and perhaps `values`, or the text alone.
fn request(call: &Call<'_>, bytes: &[u8]) -> Result<(String, Vec<Value>), Refusal> {
    let content_type = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type
        .is_some_and(|given| given.trim_start().to_ascii_lowercase().starts_with("application/json"));
    let bad = |problem: &str| Refusal::bad_request(format!("Invalid JSON payload: {problem}"));
    if !is_json {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Refusal::bad_request(format!("the statement is not UTF-8: {error}")))?;
        return Ok((text.to_owned(), Vec::new()));
    }
    if bytes.trim_ascii().is_empty() {
        return Ok((String::new(), Vec::new()));
    }
    let body = parse_json(bytes).map_err(|fault| bad(&fault.to_string()))?;
    let (query, values) = match body {
        Value::String(query) => return Ok((query, Vec::new())),
        Value::Object(mut object) => (object.remove("query"), object.remove("values")),
        _ => return Err(bad("it must be an object with \"query\"")),
    };
    let Some(Value::String(query)) = query else { return Err(bad("\"query\" must be a string")) };
    match values {
        None | Some(Value::Null) => Ok((query, Vec::new())),
        Some(Value::Array(values)) => Ok((query, values)),
        Some(_) => Err(bad("\"values\" must be an array, with a value for each ? of the query")),
    }
}

fn bind(call: &Call<'_>, markers: &[BindMarker], given: &[Value]) -> Result<Values, Refusal> {
    if markers.len() != given.len() {
        return Err(Refusal::bad_request(format!(
            "Invalid amount of bind variables: the query has {} markers, \"values\" has {}",
            markers.len(),
            given.len()
        )));
    }
    let mut values = Values::default();
    for (at, (marker, value)) in markers.iter().zip(given).enumerate() {
        values.json(&marker.column_type, value, call.style()).map_err(|error| {
            Refusal::bad_request(format!(
                "values[{at}] for '{}' of type {}: {error}",
                marker.name, marker.column_type
            ))
        })?;
    }
    Ok(values)
}
