//! Schemas: `/v2/schemas/keyspaces`. What is read comes from the store's snapshot; what is changed is a statement.

pub mod columns;
pub mod indexes;
pub mod keyspaces;
mod object;
pub mod tables;
pub mod type_text;
pub mod types;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::Statement;
use ilium_cql::json::push_string;
use ilium_http::Refusal;
use ilium_store::{Binds, Error};

use crate::api::Api;
use crate::call::{Call, json};

/// Runs a statement that changes the schema.
async fn run(api: &Api, call: &Call<'_>, statement: Statement) -> Result<(), Error> {
    let prepared = api.store.prepare(Arc::new(statement), None).wait().await?;
    call.execute(api, &prepared, Binds::default(), &call.context()).await?;
    Ok(())
}

/// `{"name": "..."}`, what creating and changing answer.
fn named(status: StatusCode, name: &str) -> Response {
    let mut out = String::from("{\"name\":");
    push_string(name, &mut out);
    out.push('}');
    json(status, out)
}

/// What was read, in its wrapper unless the call wants it raw.
fn wrapped(call: &Call<'_>, value: String) -> Response {
    if call.parameters.raw {
        return json(StatusCode::OK, value);
    }
    json(StatusCode::OK, format!("{{\"data\":{value}}}"))
}

/// A JSON array of what `push` writes of each item.
fn array<T>(items: impl Iterator<Item = T>, mut push: impl FnMut(T, &mut String)) -> String {
    let mut out = String::from("[");
    for (at, item) in items.enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        push(item, &mut out);
    }
    out.push(']');
    out
}

fn bad(description: impl Into<String>) -> Refusal {
    Refusal::bad_request(description)
}
