//! A keyspace's tables as paths, and their rows as schemas.

use ilium_cql::schema::{Column, Keyspace, Table};
use serde_json::{Map, Value, json};

use super::{column_schema, frame, query_parameter, reference, schemas};
use crate::endpoints::{ENDPOINTS, Operation};
use crate::path::encode;

/// The schema of errors; no table can have a name with a dash.
const ERROR: &str = "api-error";

pub fn keyspace(keyspace: &Keyspace) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    schemas.insert(ERROR.to_owned(), schemas::error());
    for table in keyspace.tables.values() {
        let base = format!("/v2/keyspaces/{}/{}", encode(&keyspace.name), encode(&table.name));
        let mut at_table = json!({"get": operation(table, Operation::FindRows, Vec::new())});
        if let (false, Value::Object(methods)) = (table.flags.counter || keyspace.is_virtual, &mut at_table) {
            methods.insert("post".to_owned(), operation(table, Operation::AddRow, Vec::new()));
        }
        paths.insert(base.clone(), at_table);
        paths
            .insert(format!("{base}/rows"), json!({"get": operation(table, Operation::AllRows, Vec::new())}));
        let partition = table.partition_key().count();
        let columns: Vec<_> = table.partition_key().chain(table.clustering()).collect();
        let mut path = base;
        let mut keys = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            path.push_str(&format!("/{{{}}}", column.name));
            keys.push(json!({
                "name": &*column.name, "in": "path", "required": true, "schema": column_schema::of(&column.column_type)
            }));
            if at + 1 < partition {
                continue;
            }
            let mut methods = json!({"get": operation(table, Operation::RowsByKey, keys.clone())});
            if let (false, Value::Object(methods)) = (keyspace.is_virtual, &mut methods) {
                if at + 1 == columns.len() {
                    methods.insert("put".to_owned(), operation(table, Operation::ReplaceRow, keys.clone()));
                    methods.insert("patch".to_owned(), operation(table, Operation::PatchRow, keys.clone()));
                }
                methods.insert("delete".to_owned(), operation(table, Operation::DeleteRows, keys.clone()));
            }
            paths.insert(path.clone(), methods);
        }
        let is_key = |column: &Column| columns.iter().any(|key| key.name == column.name);
        let of = |column: &Column| (column.name.to_string(), column_schema::nullable(&column.column_type));
        let all: Map<String, Value> = table.columns.iter().map(of).collect();
        let changed: Map<String, Value> =
            table.columns.iter().filter(|column| !is_key(column)).map(of).collect();
        let mut new = all.clone();
        for key in &columns {
            new.insert(key.name.to_string(), column_schema::of(&key.column_type));
        }
        let key: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        schemas.insert(
            format!("{}-new", table.name),
            json!({"type": "object", "properties": new, "required": key, "additionalProperties": false}),
        );
        schemas.insert(
            format!("{}-changes", table.name),
            json!({"type": "object", "properties": changed, "minProperties": 1, "additionalProperties": false}),
        );
        schemas.insert(format!("{}-rows", table.name), schemas::rows(reference(&table.name)));
        schemas.insert(table.name.to_string(), json!({"type": "object", "properties": all}));
    }
    let title = format!("Tables of {}", keyspace.name);
    frame(&title, "Made from the schema as it was when this was asked for.", paths, Value::Object(schemas))
}

fn operation(table: &Table, operation: Operation, mut parameters: Vec<Value>) -> Value {
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.operation == operation);
    let Some(endpoint) = endpoint else { return Value::Null };
    let depth = parameters.len();
    parameters.extend(endpoint.parameters.iter().map(query_parameter));
    let json_of = |schema: &str| json!({"application/json": {"schema": reference(schema)}});
    let (status, success) = endpoint.success;
    let mut done = json!({"description": "done"});
    if let (Some(name), Value::Object(done)) = (success, &mut done) {
        let schema = if name == "Rows" { format!("{}-rows", table.name) } else { table.name.to_string() };
        done.insert(
            "content".to_owned(),
            match name {
                "Changed" => json!({"application/json": {"schema": {"type": "object"}}}),
                _ => json_of(&schema),
            },
        );
    }
    let error = json!({"description": "refused or failed", "content": json_of(ERROR)});
    let mut out = json!({
        "operationId": format!("{}-{}-{depth}", endpoint.id, table.name),
        "summary": endpoint.summary,
        "tags": [&*table.name],
        "parameters": parameters,
        "responses": {(status.to_string()): done, "default": error}
    });
    if let (Some(_), Value::Object(out)) = (endpoint.body, &mut out) {
        let part = if operation == Operation::AddRow { "new" } else { "changes" };
        let content = json_of(&format!("{}-{part}", table.name));
        out.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    out
}
