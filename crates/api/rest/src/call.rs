//! One request on its way.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ilium_cql::json::Style;
use ilium_http::{BodyLimits, Refusal, parse_json, read_body};
use ilium_store::{
    Binds, Cancellation, Consistency, Context, EngineTrace, Error, Outcome, Prepared, Principal, Trace,
};
use serde_json::{Map, Value};

use crate::api::Api;
use crate::endpoints::Places;
use crate::parameters::Parameters;
use crate::path::decode;

/// Rows a page, unless the request says otherwise (Stargate's `RestResourceBase.DEFAULT_PAGE_SIZE`).
pub const DEFAULT_PAGE_SIZE: u32 = 100;

/// Bytes of a page, at most, as the CQL API has it: a page of large rows ends early and says that more follow.
pub const MAX_PAGE_BYTES: usize = 16 << 20;

/// Stops what is still read for a caller that is gone: its request's future is dropped, and this with it.
pub struct StopWhenDropped(Cancellation);

impl Default for StopWhenDropped {
    fn default() -> StopWhenDropped {
        StopWhenDropped(Cancellation::new())
    }
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl StopWhenDropped {
    pub fn cancellation(&self) -> Cancellation {
        self.0.clone()
    }
}

/// Bytes of the body of a change of the schema, at most: some thousand columns, where a table has dozens.
const MAX_SCHEMA_BODY: usize = 1 << 20;

/// What the store warned of so far in answers; of an error the error itself tells.
#[derive(Default)]
pub struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    fn note(&self, warnings: &mut Vec<String>) {
        if !warnings.is_empty()
            && let Ok(mut noted) = self.0.lock()
        {
            noted.append(warnings);
        }
    }
}

pub struct Call<'r> {
    pub principal: Principal,
    pub client: Option<SocketAddr>,
    pub trace: Trace,
    pub places: Places<'r, 'r>,
    pub parameters: Parameters<'r>,
    /// So much less time have its statements; the pages of a stream have theirs anew.
    pub log_in_took: Duration,
    pub headers: &'r HeaderMap,
    pub stop: StopWhenDropped,
    pub engine_trace: EngineTrace,
    pub warnings: Warnings,
}

impl<'r> Call<'r> {
    pub fn keyspace(&self) -> Result<Cow<'r, str>, Refusal> {
        name(self.places.keyspace, "keyspaceName")
    }

    pub fn table(&self) -> Result<Cow<'r, str>, Refusal> {
        name(self.places.table, "tableName")
    }

    /// The column, index or type.
    pub fn named(&self, what: &str) -> Result<Cow<'r, str>, Refusal> {
        name(self.places.named, what)
    }

    pub fn style(&self) -> Style {
        Style::Rest { compact_maps: self.parameters.compact_maps }
    }

    /// The circumstances of a statement of this call.
    pub fn context(&self) -> Context {
        let parameters = &self.parameters;
        let mut context = Context::new(self.principal.clone());
        context.client = self.client;
        context.trace = self.trace;
        context.engine_trace = self.engine_trace.clone();
        // What Stargate asks of the cluster.
        context.consistency = parameters.consistency.unwrap_or(Consistency::LocalQuorum);
        context.serial_consistency = parameters.serial_consistency.unwrap_or_default();
        context.deadline = Instant::now().checked_add(parameters.timeout.saturating_sub(self.log_in_took));
        context.page_size = Some(parameters.page_size.unwrap_or(DEFAULT_PAGE_SIZE));
        context.page_bytes = Some(MAX_PAGE_BYTES);
        context.page_state = parameters.page_state.clone();
        context.cancellation = self.stop.cancellation();
        context
    }

    /// Executes a statement.
    pub async fn execute(
        &self,
        api: &Api,
        prepared: &Arc<Prepared>,
        binds: Binds,
        context: &Context,
    ) -> Result<Outcome, Error> {
        let mut outcome = api.store.execute(prepared, binds, context).wait().await?;
        self.warnings.note(&mut outcome.warnings);
        Ok(outcome)
    }

    /// Adds to an answer what the store said beside it.
    pub fn push_asides(&self, headers: &mut HeaderMap) {
        if let Ok(warnings) = self.warnings.0.lock() {
            ilium_http::push_warnings(headers, &warnings);
        }
        ilium_http::push_tracing_ids(headers, &self.engine_trace.ids());
    }

    /// Whether the caller wants no body where there is nothing to learn from it (RFC 7240, section 4.2).
    pub fn is_minimal(&self) -> bool {
        let preferences = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        preferences.flat_map(|value| value.split(',')).any(|one| {
            one.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("return") && value.trim().trim_matches('"') == "minimal"
            })
        })
    }
}

/// A name in the path.
fn name<'p>(segment: &'p str, what: &str) -> Result<Cow<'p, str>, Refusal> {
    let name = decode(segment)?;
    if name.trim().is_empty() {
        return Err(Refusal::bad_request(format!("Request invalid: {what} must be provided.")));
    }
    Ok(name)
}

/// A body that says what it is must say JSON; a statement may be a plain text as well.
pub fn check_content_type(headers: &HeaderMap, takes_text: bool) -> Result<(), Refusal> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let given = String::from_utf8_lossy(given.as_bytes());
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (takes_text && essence == "text/plain") {
        return Ok(());
    }
    let takes = if takes_text { "text/plain or application/json" } else { "application/json" };
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("the body must be {takes}, and the header Content-Type says {given}"),
    ))
}

/// The body of a change of the schema: the JSON object that it must be, and its bytes.
pub async fn object(api: &Api, body: Body) -> Result<(Map<String, Value>, Bytes), Refusal> {
    let limits = BodyLimits { bytes: api.body.bytes.min(MAX_SCHEMA_BODY), ..api.body };
    let bytes = read_body(body, &limits).await?;
    let value =
        parse_json(&bytes).map_err(|fault| Refusal::bad_request(format!("Invalid JSON payload: {fault}")))?;
    match value {
        Value::Object(object) => Ok((object, bytes)),
        _ => Err(Refusal::bad_request("Invalid JSON payload: it must be a JSON object")),
    }
}

pub fn json(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// 204, or the given answer: as the caller prefers.
pub fn minimal(status: StatusCode) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert("preference-applied", HeaderValue::from_static("return=minimal"));
    response
}
