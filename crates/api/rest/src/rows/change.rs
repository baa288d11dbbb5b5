//! PUT, PATCH and DELETE under a key.
//!
//! PUT and PATCH do the same, as in Stargate: the columns that are given are written, others stay. Both are idempotent
//! unless the table counts.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{Assignment, Change, Name, Statement, Update};
use ilium_cql::schema::Table;
use ilium_http::Refusal;
use ilium_store::DataStore;

use super::add::{push_using, using};
use super::by_key::{key_columns, push_key};
use super::condition::{self, Conditions};
use crate::api::{Api, table};
use crate::body;
use crate::call::{Call, empty, json, minimal};
use crate::shape::{Key, Verb};
use crate::statement::{self, Markers, of_table};
use crate::value::{Values, column, misfit};

/// Answers 200 with the columns as they were sent.
pub async fn change(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let bytes = body::read(api, body).await?;
    let columns = body::columns(&bytes)?;
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let refuse =
        |problem| Refusal::bad_request(format!("Invalid path for row to update, problem: {problem}"));
    if columns.is_empty() {
        return Err(refuse("the object has no column to write".to_owned()));
    }
    let mut key = Key::new(&schema, table, Verb::Change);
    key.count(columns.len());
    let mut values = Values::default();
    // Markers are counted as the statement is written: USING, SET, WHERE, IF.
    push_using(call, &mut values);
    for (name, value) in &columns {
        let (index, column) = column(table, name).map_err(refuse)?;
        key.column(index);
        values
            .given(&column.column_type, value, call.style())
            .map_err(|error| refuse(misfit(table, column, &error)))?;
    }
    let parts = push_key(call, table, &mut values).map_err(refuse)?;
    key.count(parts);
    let conditions = Conditions::of(call, table, &mut values, &mut key)?;
    push_options(call, &mut key);
    let planned = api
        .shapes
        .plan(&key, &*api.store, || {
            let mut markers = Markers::default();
            let using = using(call, &mut markers);
            let mut assign = |name: &str| {
                let value = markers.next();
                let counts = table.column(name).is_some_and(|column| column.column_type.is_counter());
                let change = if counts { Change::Add(value) } else { Change::Set(value) };
                Assignment { column: Name::new(name), change }
            };
            let assignments = columns.iter().map(|(name, _)| assign(name)).collect();
            let restrictions = key_columns(table).take(parts).map(|column| markers.equal(column)).collect();
            let condition = conditions.clause(&mut markers);
            let table = of_table(table);
            Ok(Statement::Update(Update { table, using, assignments, restrictions, condition }))
        })
        .await?;
    let outcome = call.execute(api, &planned.prepared, values.binds(), &call.context()).await?;
    if conditions.are_any()
        && let Some(refused) =
            condition::refused(&outcome, &planned, call.style(), StatusCode::PRECONDITION_FAILED)?
    {
        return Ok(refused);
    }
    if call.is_minimal() {
        return Ok(minimal(StatusCode::NO_CONTENT));
    }
    if call.parameters.raw {
        drop(columns);
        return Ok(json(StatusCode::OK, bytes));
    }
    let mut out = Vec::with_capacity(bytes.len() + 12);
    out.extend_from_slice(b"{\"data\":");
    out.extend_from_slice(bytes.trim_ascii());
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

/// Answers 204, whether or not there was such a row.
pub async fn delete(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let mut key = Key::new(&schema, table, Verb::Delete);
    let mut values = Values::default();
    push_using(call, &mut values);
    let parts = push_key(call, table, &mut values).map_err(|problem| {
        Refusal::bad_request(format!("Invalid path for row to delete, problem: {problem}"))
    })?;
    key.count(parts);
    let conditions = Conditions::of(call, table, &mut values, &mut key)?;
    push_options(call, &mut key);
    let planned = api
        .shapes
        .plan(&key, &*api.store as &dyn DataStore, || {
            let mut markers = Markers::default();
            let using = using(call, &mut markers);
            let restrictions = restrict(table, parts, &mut markers);
            let mut delete = statement::delete(table, using, restrictions);
            delete.condition = conditions.clause(&mut markers);
            Ok(Statement::Delete(delete))
        })
        .await?;
    let outcome = call.execute(api, &planned.prepared, values.binds(), &call.context()).await?;
    if conditions.are_any()
        && let Some(refused) =
            condition::refused(&outcome, &planned, call.style(), StatusCode::PRECONDITION_FAILED)?
    {
        return Ok(refused);
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

fn restrict(table: &Table, parts: usize, markers: &mut Markers) -> Vec<ilium_cql::ast::Relation> {
    key_columns(table).take(parts).map(|column| markers.equal(column)).collect()
}

fn push_options(call: &Call<'_>, key: &mut Key) {
    let parameters = &call.parameters;
    key.byte(u8::from(parameters.timestamp.is_some()) | u8::from(parameters.ttl.is_some()) << 1);
}
