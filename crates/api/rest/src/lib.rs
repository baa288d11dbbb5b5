//! Stargate's REST API v2 over any [`ilium_store::DataStore`].

mod rows;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use ilium_http::{Access, BodyLimits};
use ilium_store::DataStore;

/// What all requests share.
pub struct Api {
    store: Arc<dyn DataStore>,
    access: Arc<Access>,
    body: BodyLimits,
}

/// The routes under `/v2`.
pub fn routes(store: Arc<dyn DataStore>, access: Arc<Access>, body: BodyLimits) -> Router {
    let api = Arc::new(Api { store, access, body });
    Router::new()
        .route("/v2/keyspaces/{keyspace}/{table}", post(rows::insert))
        .route("/v2/keyspaces/{keyspace}/{table}/{*key}", get(rows::read_by_key))
        .with_state(api)
}
