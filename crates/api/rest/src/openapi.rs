//! The OpenAPI 3.1 documents: one of the endpoints, and one of a keyspace's tables as they are now.

mod column_schema;
mod live;
mod schemas;

use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ilium_http::{Refusal, with_etag};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::endpoints::{ENDPOINTS, Endpoint, Operation, Part, template};
use crate::parameters::{Form, Parameter};

/// GET /v2/openapi.json
pub fn document(headers: &HeaderMap) -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| Bytes::from(endpoints().to_string()));
    with_etag(headers, "application/json", document.clone())
}

/// GET /v2/schemas/keyspaces/{keyspaceName}/openapi.json
pub fn live(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let name = call.keyspace()?;
    let schema = api.store.schema();
    let keyspace = schema
        .keyspace(&name)
        .ok_or_else(|| Refusal::not_found(format!("Unable to describe keyspace '{name}'")))?;
    let document = Bytes::from(live::keyspace(keyspace).to_string());
    Ok(with_etag(call.headers, "application/json", document))
}

/// GET /v2/docs
pub fn page() -> Response {
    // Everything is in the page; nothing is loaded from elsewhere, and nothing else may be.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
    ];
    (StatusCode::OK, headers, include_str!("openapi/page.html")).into_response()
}

fn endpoints() -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(template(endpoint.path)).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(endpoint.method.as_str().to_lowercase(), operation(endpoint));
        }
    }
    frame("Ilium REST API", "Stargate's REST API v2, and what Ilium adds to it.", paths, schemas::all())
}

/// A whole document.
fn frame(title: &str, description: &str, paths: Map<String, Value>, schemas: Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": "2"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Cassandra-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"}
            }
        },
        "security": [{}, {"token": []}, {"bearer": []}, {"basic": []}]
    })
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut parameters: Vec<Value> = endpoint.path.iter().filter_map(path_parameter).collect();
    parameters.extend(endpoint.parameters.iter().map(query_parameter));
    let tag = if endpoint.path.get(1) == Some(&Part::Literal("schemas")) { "schemas" } else { "data" };
    let mut out = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "tags": [tag],
        "parameters": parameters,
        "responses": responses(endpoint)
    });
    if let (Some(body), Value::Object(operation)) = (endpoint.body, &mut out) {
        let mut content = json!({"application/json": {"schema": reference(body)}});
        if let (Operation::RunCql, Value::Object(content)) = (endpoint.operation, &mut content) {
            content.insert("text/plain".to_owned(), json!({"schema": {"type": "string"}}));
        }
        operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    out
}

fn path_parameter(part: &Part) -> Option<Value> {
    let (name, description) = match part {
        Part::Literal(_) => return None,
        Part::Keyspace => ("keyspaceName", "a keyspace, as it is spelled"),
        Part::Table => ("tableName", "a table, as it is spelled"),
        Part::Named(name) => (*name, "a name, as it is spelled"),
        Part::Key => (
            "primaryKey",
            "values of the primary key's columns in order, with slashes between; a slash in a value is %2F",
        ),
    };
    Some(json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": {"type": "string", "minLength": 1}
    }))
}

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.form() {
        Form::Text => json!({"type": "string"}),
        Form::Integer => json!({"type": "integer"}),
        Form::Flag => json!({"type": "boolean"}),
        Form::Pattern(pattern) => json!({"type": "string", "pattern": pattern}),
        Form::OneOf(values) => json!({"type": "string", "enum": values}),
    };
    json!({
        "name": parameter.name(), "in": "query", "required": *parameter == Parameter::Where,
        "description": parameter.description(), "schema": schema
    })
}

fn responses(endpoint: &Endpoint) -> Value {
    let (status, schema) = endpoint.success;
    let asides = asides(endpoint);
    let mut success = json!({"description": "done", "headers": asides});
    if let (Some(schema), Value::Object(success)) = (schema, &mut success) {
        let mut content = Map::new();
        content.insert("application/json".to_owned(), json!({"schema": reference(schema)}));
        if matches!(endpoint.operation, Operation::AllRows | Operation::RowsByKey | Operation::FindRows) {
            for form in ["application/x-ndjson", "text/csv"] {
                content.insert(form.to_owned(), json!({"schema": {"type": "string"}}));
            }
        }
        success.insert("content".to_owned(), Value::Object(content));
    }
    if let (Operation::Page, Value::Object(success)) = (endpoint.operation, &mut success) {
        success.insert("content".to_owned(), json!({"text/html": {"schema": {"type": "string"}}}));
    }
    let error = |description: &str| {
        let content = json!({"application/json": {"schema": reference("Error")}});
        json!({"description": description, "headers": asides, "content": content})
    };
    let mut out = Map::new();
    out.insert(status.to_string(), success);
    out.insert("400".to_owned(), error("the request makes no sense; the description says what of it"));
    out.insert("default".to_owned(), error("refused or failed; the description says why"));
    if matches!(endpoint.operation, Operation::ReplaceRow | Operation::PatchRow) {
        out.insert(
            "204".to_owned(),
            json!({"description": "done, and the caller prefers no body", "headers": asides}),
        );
    }
    Value::Object(out)
}

/// The headers in which the store says something beside its answer.
fn asides(endpoint: &Endpoint) -> Value {
    let header = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let mut out = Map::new();
    if !matches!(endpoint.operation, Operation::Document | Operation::LiveDocument | Operation::Page) {
        let description =
            "one for each warning of the store; percent-encoded where it is not printable ASCII";
        out.insert("cassandra-warning".to_owned(), header(description));
    }
    if endpoint.parameters.contains(&Parameter::Tracing) {
        let description =
            "with tracing=true: the session_id in system_traces, one for each statement that was run";
        out.insert("cassandra-tracing-id".to_owned(), header(description));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that `$ref` gives, wherever they stand.
    fn references(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    out.push(reference.rsplit('/').next().unwrap().to_owned());
                }
                map.values().for_each(|value| references(value, out));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, out)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there_and_every_one_that_is_there_is_named() {
        let document = endpoints();
        let mut named = Vec::new();
        references(&document, &mut named);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in &named {
            assert!(schemas.contains_key(name), "{name}");
        }
        for name in schemas.keys() {
            assert!(named.contains(name), "{name}");
        }
    }

    #[test]
    fn every_endpoint_is_in_the_document_once() {
        let document = endpoints();
        let operations: Vec<&Value> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|methods| methods.as_object().unwrap().values())
            .collect();
        assert_eq!(operations.len(), ENDPOINTS.len());
        let mut ids: Vec<&str> = operations.iter().map(|one| one["operationId"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ENDPOINTS.len());
    }
}
