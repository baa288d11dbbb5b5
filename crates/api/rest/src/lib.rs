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

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use ilium_http::{Access, Answering, BodyLimits, Peer, Route};
use ilium_store::DataStore;

pub use api::Api;

/// What all paths of this API begin with.
pub const PREFIX: &str = "/v2/";

/// The API, for the paths under [`PREFIX`].
pub fn api(store: Arc<dyn DataStore>, access: Arc<Access>, body: BodyLimits) -> Arc<Api> {
    Arc::new(Api::new(store, access, body))
}

// Paths are taken apart here: a router would decode `%2F` before it looks for slashes.
impl ilium_http::Api for Api {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        Box::pin(async move {
            let route = route_of(&request);
            let mut response = match dispatch::answer(&self, request).await {
                Ok(response) => response,
                Err(refusal) => refusal.into_response(),
            };
            // Values are what callers wrote: no browser is to take them for a page.
            response
                .headers_mut()
                .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            if let Some(route) = route {
                response.extensions_mut().insert(route);
            }
            response
        })
    }
}

/// The endpoint's path, for the span of a request that is traced.
fn route_of(request: &Request) -> Option<Route> {
    let peer = request.extensions().get::<Peer>()?;
    peer.trace.recorded()?;
    let (endpoint, _) = endpoints::find(request.method(), &path::split(request.uri().path())).ok()?;
    Some(Route(endpoints::template(endpoint.path).into()))
}
