//! `POST /v1/auth`: a token for a name and password, as Stargate gives them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ilium_cql::json::push_string;
use serde_json::Value;

use crate::{Access, BodyLimits, Peer, Refusal, parse_json, read_body};

/// A name and a password are short; more is not read.
const LIMITS: BodyLimits = BodyLimits { bytes: 64 << 10, patience: std::time::Duration::from_secs(30) };

/// `/v1/auth` with a JSON object of `username` and `password`, answered by 201 and `{"authToken": "..."}`. Stargate's
/// other address for it, `/v1/auth/token/generate`, wants `key` and `secret` and does the same.
pub fn auth_routes(access: Arc<Access>) -> Router {
    Router::new()
        .route("/v1/auth", post(with_username))
        .route("/v1/auth/token/generate", post(with_key))
        .with_state(access)
}

async fn with_username(State(access): State<Arc<Access>>, request: Request) -> Result<Response, Refusal> {
    give(&access, request, "username", "password").await
}

async fn with_key(State(access): State<Arc<Access>>, request: Request) -> Result<Response, Refusal> {
    give(&access, request, "key", "secret").await
}

async fn give(access: &Access, request: Request, name: &str, password: &str) -> Result<Response, Refusal> {
    let peer = Peer::of(request.extensions());
    let body = read_body(request.into_body(), &LIMITS).await?;
    // What is missing is said in Stargate's words.
    if body.is_empty() {
        return Err(Refusal::bad_request("Must provide a body to the request"));
    }
    let Value::Object(body) = parse_json(&body)
        .map_err(|fault| Refusal::bad_request(format!("the body is not usable JSON: {fault}")))?
    else {
        return Err(Refusal::bad_request(format!(
            "the body must be a JSON object with `{name}` and `{password}`"
        )));
    };
    let field = |field: &str| match body.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        None | Some(Value::Null | Value::String(_)) => {
            Err(Refusal::bad_request(format!("Must provide {field} in request")))
        }
        Some(_) => Err(Refusal::bad_request(format!("`{field}` must be a string"))),
    };
    let token = access.token(field(name)?, field(password)?, &peer).await?;
    let mut json = "{\"authToken\":".to_owned();
    push_string(&token, &mut json);
    json.push('}');
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, json).into_response())
}
