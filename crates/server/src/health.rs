//! `/health/live` and `/health/ready`: whether this process runs, and whether to send it requests, each with reasons.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ilium_cql::json::push_string;
use tokio::sync::watch;

/// One reason for readiness, or against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub passes: bool,
    /// A sentence for a person.
    pub reason: String,
}

/// What is asked at each request; quick, and without the disk.
pub type Checks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;

struct Health {
    checks: Checks,
    stopping: watch::Receiver<bool>,
}

/// `/health/live` answers 200 as long as the process answers at all. `/health/ready` answers 200 while all checks pass and
/// the server is not draining, else 503.
pub fn health_routes(checks: Checks, stopping: watch::Receiver<bool>) -> Router {
    let health = Arc::new(Health { checks, stopping });
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready)).with_state(health)
}

async fn live() -> Response {
    answer(
        "live",
        true,
        &[Check { name: "process", passes: true, reason: "this answer was made".to_owned() }],
    )
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let stopping = *health.stopping.borrow();
    let draining = Check {
        name: "serving",
        passes: !stopping,
        reason: if stopping { "the server is stopping" } else { "requests are taken" }.to_owned(),
    };
    let mut checks = vec![draining];
    checks.extend((health.checks)());
    answer("ready", checks.iter().all(|check| check.passes), &checks)
}

fn answer(what: &str, passes: bool, checks: &[Check]) -> Response {
    let status = if passes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut json = format!("{{\"{what}\":{passes},\"checks\":[");
    for (at, check) in checks.iter().enumerate() {
        json.push_str(if at == 0 { "{\"name\":" } else { ",{\"name\":" });
        push_string(check.name, &mut json);
        json.push_str(if check.passes {
            ",\"passes\":true,\"reason\":"
        } else {
            ",\"passes\":false,\"reason\":"
        });
        push_string(&check.reason, &mut json);
        json.push('}');
    }
    json.push_str("]}\n");
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, json).into_response()
}
