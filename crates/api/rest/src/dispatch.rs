//! A call from its head to its answer: who asks, which endpoint, what it does.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use ilium_http::{Peer, Refusal};
use ilium_store::EngineTrace;

use crate::api::Api;
use crate::call::{self, Call, Warnings};
use crate::endpoints::{self, Operation};
use crate::parameters::{MAX_TIMEOUT, Parameters};
use crate::{cql, openapi, path, rows, schema};

pub async fn answer(api: &Api, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let segments = path::split(head.uri.path());
    let found = endpoints::find(&head.method, &segments);
    // The same for everyone, and a browser that opens the page has nothing to present yet.
    match found.as_ref().map(|(endpoint, _)| endpoint.operation) {
        Ok(Operation::Document) => return Ok(openapi::document(&head.headers)),
        Ok(Operation::Page) => return Ok(openapi::page()),
        _ => {}
    }
    let begun = Instant::now();
    let (endpoint, places) = match found {
        Ok(found) => found,
        Err(refusal) => {
            api.access.caller_within(&head, MAX_TIMEOUT).await?;
            return Ok(endpoints::refused(refusal, &segments));
        }
    };
    let read = Parameters::read(head.uri.query(), endpoint);
    // What is wrong with a request is told to those alone who may send one.
    let patience = read.as_ref().map_or(MAX_TIMEOUT, |read| read.timeout);
    let principal = api.access.caller_within(&head, patience).await?;
    let parameters = read?;
    let log_in_took = begun.elapsed();
    if endpoint.body.is_some() {
        call::check_content_type(&head.headers, endpoint.operation == Operation::RunCql)?;
    }
    let Peer { address: client, trace, .. } = Peer::of(&head.extensions);
    let (headers, stop) = (&head.headers, Default::default());
    let engine_trace = if parameters.tracing { EngineTrace::wanted() } else { EngineTrace::default() };
    let warnings = Warnings::default();
    let call = Call {
        principal,
        client,
        trace,
        places,
        parameters,
        log_in_took,
        headers,
        stop,
        engine_trace,
        warnings,
    };
    let mut response =
        perform(api, endpoint.operation, &call, body).await.unwrap_or_else(IntoResponse::into_response);
    call.push_asides(response.headers_mut());
    Ok(response)
}

async fn perform(api: &Api, operation: Operation, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    match operation {
        Operation::RowsByKey => rows::by_key(api, call).await,
        Operation::AddRow => rows::add(api, call, body).await,
        Operation::ReplaceRow | Operation::PatchRow => rows::change(api, call, body).await,
        Operation::FindRows => rows::find(api, call).await,
        Operation::AllRows => rows::all(api, call).await,
        Operation::DeleteRows => rows::delete(api, call).await,
        // What comes seldom has a future of its own, so that the others need not be as large as the largest.
        Operation::RunCql => Box::pin(cql::run(api, call, body)).await,
        Operation::ListKeyspaces => schema::keyspaces::list(api, call),
        Operation::GetKeyspace => schema::keyspaces::get(api, call),
        Operation::CreateKeyspace => Box::pin(schema::keyspaces::create(api, call, body)).await,
        Operation::AlterKeyspace => Box::pin(schema::keyspaces::alter(api, call, body)).await,
        Operation::DropKeyspace => Box::pin(schema::keyspaces::drop(api, call)).await,
        Operation::ListTables => schema::tables::list(api, call),
        Operation::GetTable => schema::tables::get(api, call),
        Operation::CreateTable => Box::pin(schema::tables::create(api, call, body)).await,
        Operation::AlterTable => Box::pin(schema::tables::alter(api, call, body)).await,
        Operation::DropTable => Box::pin(schema::tables::drop(api, call)).await,
        Operation::ListColumns => schema::columns::list(api, call),
        Operation::GetColumn => schema::columns::get(api, call),
        Operation::AddColumn => Box::pin(schema::columns::add(api, call, body)).await,
        Operation::RenameColumn => Box::pin(schema::columns::rename(api, call, body)).await,
        Operation::DropColumn => Box::pin(schema::columns::drop(api, call)).await,
        Operation::ListIndexes => Box::pin(schema::indexes::list(api, call)).await,
        Operation::CreateIndex => Box::pin(schema::indexes::create(api, call, body)).await,
        Operation::DropIndex => Box::pin(schema::indexes::drop(api, call)).await,
        Operation::ListTypes => schema::types::list(api, call),
        Operation::GetType => schema::types::get(api, call),
        Operation::CreateType => Box::pin(schema::types::create(api, call, body)).await,
        Operation::AlterType => Box::pin(schema::types::alter(api, call, body)).await,
        Operation::DropType => Box::pin(schema::types::drop(api, call)).await,
        Operation::Document => Ok(openapi::document(call.headers)),
        Operation::LiveDocument => openapi::live(api, call),
        Operation::Page => Ok(openapi::page()),
    }
}
