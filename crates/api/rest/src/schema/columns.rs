//! Columns.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{AlterTable, ColumnDefinition, Name, Statement, TableChange};
use ilium_cql::json::push_string;
use ilium_cql::schema::{Column, ColumnKind, Table};
use ilium_http::Refusal;

use super::object::Object;
use super::type_text::{push_type, read_type};
use super::{array, bad, named, run, wrapped};
use crate::api::{Api, table};
use crate::call::{Call, empty, object};
use crate::statement::qualified;

pub fn list(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    Ok(wrapped(call, array(table.columns.iter(), push_column)))
}

pub fn get(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let schema = api.store.schema();
    let table = table(&schema, &call.keyspace()?, &call.table()?)?;
    let name = call.named("columnName")?;
    let column = table.column(&name).ok_or_else(|| Refusal::not_found(missing(&name, table)))?;
    let mut out = String::new();
    push_column(column, &mut out);
    Ok(wrapped(call, out))
}

pub async fn add(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let (keyspace, table_name) = (call.keyspace()?, call.table()?);
    let (map, _) = object(api, body).await?;
    let column = definition(Object { map: &map, what: "columnDefinition" })?;
    table(&api.store.schema(), &keyspace, &table_name)?;
    let name = column.name.text.clone();
    let change = TableChange::Add { if_not_exists: false, columns: vec![column] };
    alter(api, call, &keyspace, &table_name, change).await?;
    Ok(named(StatusCode::CREATED, &name))
}

/// Renames a column; the other properties of the body are not looked at, as in Stargate.
pub async fn rename(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let (keyspace, table_name) = (call.keyspace()?, call.table()?);
    let old = call.named("columnName")?;
    let (map, _) = object(api, body).await?;
    let new = Object { map: &map, what: "columnDefinition" }.required("name")?;
    let schema = api.store.schema();
    let table = table(&schema, &keyspace, &table_name)?;
    table.column(&old).ok_or_else(|| bad(missing(&old, table)))?;
    if *old != *new {
        let renames = vec![(Name::new(&*old), Name::new(new))];
        let change = TableChange::Rename { if_exists: false, renames };
        alter(api, call, &keyspace, &table_name, change).await?;
    }
    Ok(named(StatusCode::OK, new))
}

pub async fn drop(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let (keyspace, table_name) = (call.keyspace()?, call.table()?);
    let name = call.named("columnName")?;
    let schema = api.store.schema();
    let table = table(&schema, &keyspace, &table_name)?;
    table.column(&name).ok_or_else(|| bad(missing(&name, table)))?;
    let change = TableChange::Drop { if_exists: false, columns: vec![Name::new(&*name)], timestamp: None };
    alter(api, call, &keyspace, &table_name, change).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn alter(
    api: &Api,
    call: &Call<'_>,
    keyspace: &str,
    table: &str,
    change: TableChange,
) -> Result<(), Refusal> {
    let statement = AlterTable { name: qualified(keyspace, table), if_exists: false, change };
    Ok(run(api, call, Statement::AlterTable(statement)).await?)
}

fn missing(column: &str, table: &Table) -> String {
    format!("Column '{column}' not found in table '{}'", table.name)
}

/// `{"name": ..., "typeDefinition": ..., "static": ...}`
pub fn definition(body: Object<'_>) -> Result<ColumnDefinition, Refusal> {
    let name = body.required("name")?;
    let column_type = body.required("typeDefinition")?;
    let column_type = read_type(column_type).map_err(|problem| bad(format!("column '{name}': {problem}")))?;
    Ok(ColumnDefinition { name: Name::new(name), column_type, is_static: body.flag("static")?, mask: None })
}

pub fn push_column(column: &Column, out: &mut String) {
    out.push_str("{\"name\":");
    push_string(&column.name, out);
    out.push_str(",\"typeDefinition\":");
    let mut type_text = String::new();
    push_type(&column.column_type, &mut type_text);
    push_string(&type_text, out);
    out.push_str(if column.kind == ColumnKind::Static { ",\"static\":true}" } else { ",\"static\":false}" });
}
