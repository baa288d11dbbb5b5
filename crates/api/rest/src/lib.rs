//! Stargate's REST API v2 over any [`ilium_store::DataStore`].
//!
//! Vocabulary: an *endpoint* is a method and a path with its parameters, listed once in [`endpoints`]; a *call* is one
//! request to it; the *shape* of a call is all of it but the values, so calls of one shape share a prepared statement.
//! Values are JSON as `cql::json` has them in the style of REST.

// The schemas of the document are one literal.
#![recursion_limit = "256"]

mod api;
mod body;
mod call;
mod cql;
mod dispatch;
mod endpoints;
mod openapi;
mod output;
mod parameters;
mod path;
mod rows;
mod schema;
mod shape;
mod statement;
mod value;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use ilium_http::{Access, BodyLimits, Peer, Route};
use ilium_store::DataStore;

use api::Api;

/// The routes under `/v2`.
pub fn routes(store: Arc<dyn DataStore>, access: Arc<Access>, body: BodyLimits) -> Router {
    let api = Arc::new(Api::new(store, access, body));
    // Paths are taken apart here: a router would decode `%2F` before it looks for slashes.
    Router::new().route("/v2/{*rest}", any(serve)).with_state(api)
}

async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    let route = route_of(&request);
    let mut response = match dispatch::answer(&api, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    // Values are what callers wrote: no browser is to take them for a page.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// The endpoint's path, for the span of a request that is traced.
fn route_of(request: &Request) -> Option<Route> {
    let peer = request.extensions().get::<Peer>()?;
    peer.trace.recorded()?;
    let (endpoint, _) = endpoints::find(request.method(), &path::split(request.uri().path())).ok()?;
    Some(Route(endpoints::template(endpoint.path).into()))
}
