//! POST: a row from a JSON object.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{Insert, InsertValues, Name, Statement, Using};
use ilium_http::Refusal;

use super::condition;
use crate::api::{Api, table};
use crate::body;
use crate::call::{Call, json, minimal};
use crate::shape::{Key, Verb};
use crate::statement::{Markers, of_table};
use crate::value::{Values, column, misfit};

/// Answers 201 with the row as it was sent.
pub async fn add(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let bytes = body::read(api, body).await?;
    let row = body::columns(&bytes)?;
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let refuse =
        |problem| Refusal::bad_request(format!("Invalid path for row to create, problem: {problem}"));
    if row.is_empty() {
        return Err(refuse("the object has no column".to_owned()));
    }
    let parameters = &call.parameters;
    let mut key = Key::new(&schema, table, Verb::Add);
    key.byte(u8::from(parameters.if_not_exists));
    key.byte(u8::from(parameters.timestamp.is_some()) | u8::from(parameters.ttl.is_some()) << 1);
    let mut values = Values::default();
    for (name, value) in &row {
        let (index, column) = column(table, name).map_err(refuse)?;
        key.column(index);
        values
            .given(&column.column_type, value, call.style())
            .map_err(|error| refuse(misfit(table, column, &error)))?;
    }
    push_using(call, &mut values);
    let planned = api
        .shapes
        .plan(&key, &*api.store, || {
            let mut markers = Markers::default();
            Ok(Statement::Insert(Insert {
                table: of_table(table),
                values: InsertValues::Columns {
                    columns: row.iter().map(|(name, _)| Name::new(&**name)).collect(),
                    values: row.iter().map(|_| markers.next()).collect(),
                },
                if_not_exists: parameters.if_not_exists,
                using: using(call, &mut markers),
            }))
        })
        .await?;
    let outcome = call.execute(api, &planned.prepared, values.binds(), &call.context()).await?;
    if parameters.if_not_exists
        && let Some(refused) = condition::refused(&outcome, &planned, call.style(), StatusCode::CONFLICT)?
    {
        return Ok(refused);
    }
    if call.is_minimal() {
        return Ok(minimal(StatusCode::CREATED));
    }
    drop(row);
    Ok(json(StatusCode::CREATED, bytes))
}

/// The clause for the parameters `timestamp` and `ttl`; [`push_using`] appends their values.
pub fn using(call: &Call<'_>, markers: &mut Markers) -> Using {
    let timestamp = markers.next_if(call.parameters.timestamp.is_some());
    let ttl = markers.next_if(call.parameters.ttl.is_some());
    Using { timestamp, ttl }
}

pub fn push_using(call: &Call<'_>, values: &mut Values) {
    if let Some(timestamp) = call.parameters.timestamp {
        values.bytes(&timestamp.to_be_bytes());
    }
    if let Some(ttl) = call.parameters.ttl {
        values.bytes(&ttl.to_be_bytes());
    }
}
