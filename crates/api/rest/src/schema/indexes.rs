//! Indexes.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{
    CreateIndex, IndexOn, IndexTarget, Name, Property, PropertyValue, QualifiedName, Selection, Statement,
};
use ilium_http::Refusal;
use serde_json::Value;

use super::object::Object;
use super::{bad, run};
use crate::api::{Api, table};
use crate::call::{Call, empty, json, object};
use crate::output;
use crate::rows::rows_of;
use crate::shape::Planned;
use crate::statement::{Markers, qualified, select};
use crate::value::Values;

/// The rows of `system_schema.indexes`, without a wrapper, as Stargate gives them.
pub async fn list(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let (keyspace, name) = (call.keyspace()?, call.table()?);
    let schema = api.store.schema();
    table(&schema, &keyspace, &name)?;
    let indexes = table(&schema, "system_schema", "indexes")?;
    let mut markers = Markers::default();
    let restrictions = ["keyspace_name", "table_name"].into_iter().filter_map(|name| indexes.column(name));
    let restrictions = restrictions.map(|column| markers.equal(column)).collect();
    let statement = select(indexes, Selection::All, restrictions, Vec::new(), false);
    let planned = Planned::new(api.store.prepare(Arc::new(statement), None).wait().await?);
    let mut values = Values::default();
    values.bytes(keyspace.as_bytes());
    values.bytes(name.as_bytes());
    let mut context = call.context();
    // A table has a handful.
    context.page_size = None;
    let rows = rows_of(api, call, &planned.prepared, values.binds(), &context).await?;
    let text = output::page(&rows, &planned.columns(&rows), call.style(), true)?;
    Ok(json(StatusCode::OK, text))
}

pub async fn create(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let (keyspace, table_name) = (call.keyspace()?, call.table()?);
    let (map, _) = object(api, body).await?;
    let body = Object { map: &map, what: "IndexAddRequest" };
    let column = body.required("column")?;
    let using = body.text("type")?;
    let options = body.object("options", "options")?.filter(|options| !options.map.is_empty());
    if options.is_some() && using.is_none() {
        return Err(bad("Index 'type' must be specified if 'options' are specified"));
    }
    let schema = api.store.schema();
    let table = table(&schema, &keyspace, &table_name)?;
    if table.column(column).is_none() {
        return Err(Refusal::not_found(format!("Column '{column}' not found in table '{table_name}'")));
    }
    let statement = Statement::CreateIndex(CreateIndex {
        // The index is in its table's keyspace, and Cassandra takes none before its name.
        name: body.text("name")?.map(|name| QualifiedName { keyspace: None, name: Name::new(name) }),
        custom: using.is_some(),
        if_not_exists: body.flag("ifNotExists")?,
        table: qualified(&keyspace, &table_name),
        targets: vec![IndexTarget { column: Name::new(column), on: kind(body)? }],
        using: using.map(str::to_owned),
        options: options.map(index_options).into_iter().collect(),
    });
    run(api, call, statement).await?;
    Ok(json(StatusCode::CREATED, "{\"success\":true}"))
}

pub async fn drop(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let (keyspace, table_name) = (call.keyspace()?, call.table()?);
    let schema = api.store.schema();
    let table = table(&schema, &keyspace, &table_name)?;
    let index = call.named("indexName")?;
    // CQL takes the name of an index alone, one keyspace having it once; the path says of which table it must be.
    if let Some((of, _)) = schema.index(&keyspace, &index)
        && of.name != table.name
    {
        if call.parameters.if_exists {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        return Err(Refusal::not_found(format!(
            "Index '{index}' not found in table '{table_name}'; it is of table '{}'",
            of.name
        )));
    }
    let name = qualified(&keyspace, &index);
    run(api, call, Statement::DropIndex { name, if_exists: call.parameters.if_exists }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn kind(body: Object<'_>) -> Result<IndexOn, Refusal> {
    Ok(match body.text("kind")?.map(str::to_ascii_uppercase).as_deref() {
        None => IndexOn::Simple,
        Some("KEYS" | "KEY") => IndexOn::Keys,
        Some("VALUES") => IndexOn::Values,
        Some("ENTRIES") => IndexOn::Entries,
        Some("FULL") => IndexOn::Full,
        Some(other) => {
            return Err(bad(format!("Index 'kind' must be KEYS, VALUES, ENTRIES or FULL, not {other}")));
        }
    })
}

fn index_options(options: Object<'_>) -> Property {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = options.map.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Property { name: Name::new("options"), value: PropertyValue::Map(entries) }
}
