//! Tables.

use std::collections::{HashMap, HashSet};

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use ilium_cql::ast::{
    AlterTable, CreateTable, Direction, Name, PrimaryKey, Property, PropertyValue, Statement, TableChange,
    TableOptions,
};
use ilium_cql::json::push_string;
use ilium_cql::schema::{Column, Table};
use ilium_http::Refusal;

use super::columns::{definition, push_column};
use super::object::Object;
use super::{array, bad, named, run, wrapped};
use crate::api::{Api, no_keyspace, table};
use crate::call::{Call, empty, object};
use crate::statement::qualified;

pub fn list(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let name = call.keyspace()?;
    let schema = api.store.schema();
    let keyspace = schema.keyspace(&name).ok_or_else(|| no_keyspace(&name))?;
    Ok(wrapped(call, array(keyspace.tables.values(), |table, out| push_table(table, out))))
}

pub fn get(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let (keyspace, name) = (call.keyspace()?, call.table()?);
    let schema = api.store.schema();
    let keyspace = schema.keyspace(&keyspace).ok_or_else(|| no_keyspace(&keyspace))?;
    let table = keyspace.tables.get(&*name).ok_or_else(|| {
        Refusal::not_found(format!("Table '{name}' not found (in keyspace {})", keyspace.name))
    })?;
    let mut out = String::new();
    push_table(table, &mut out);
    Ok(wrapped(call, out))
}

pub async fn create(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let keyspace = call.keyspace()?;
    let (map, _) = object(api, body).await?;
    let body = Object { map: &map, what: "TableAdd" };
    let name = body.required("name")?;
    let columns = body.list("columnDefinitions")?.filter(|columns| !columns.is_empty());
    let columns = columns.ok_or_else(|| bad("TableAdd.columnDefinitions must be provided"))?;
    let columns = columns
        .iter()
        .map(|column| definition(Object::of(column, "columnDefinition")?))
        .collect::<Result<Vec<_>, _>>()?;
    let key = body
        .object("primaryKey", "primaryKey")?
        .ok_or_else(|| bad("Request invalid: TableAdd.primaryKey must be provided."))?;
    let (partition, clustering) = (key.names("partitionKey")?, key.names("clusteringKey")?);
    if partition.is_empty() {
        return Err(bad("Request invalid: primaryKey.partitionKey must name at least one column."));
    }
    let known: HashSet<&str> = columns.iter().map(|column| &*column.name.text).collect();
    if let Some(unknown) = partition.iter().chain(&clustering).find(|name| !known.contains(**name)) {
        return Err(bad(format!(
            "primaryKey names the column '{unknown}', which columnDefinitions have not"
        )));
    }
    let options = body.object("tableOptions", "tableOptions")?;
    let statement = Statement::CreateTable(CreateTable {
        name: qualified(&keyspace, name),
        if_not_exists: body.flag("ifNotExists")?,
        columns,
        primary_keys: vec![PrimaryKey {
            partition: partition.into_iter().map(Name::new).collect(),
            clustering: clustering.iter().copied().map(Name::new).collect(),
        }],
        options: match options {
            Some(options) => table_options(options, &clustering)?,
            None => TableOptions::default(),
        },
    });
    run(api, call, statement).await?;
    Ok(named(StatusCode::CREATED, name))
}

/// Changes the default time to live, which is all that Stargate changes.
pub async fn alter(api: &Api, call: &Call<'_>, body: Body) -> Result<Response, Refusal> {
    let (keyspace, name) = (call.keyspace()?, call.table()?);
    let (map, _) = object(api, body).await?;
    let body = Object { map: &map, what: "TableAdd" };
    // Stargate reads it as a table to add, of which the path says the name; the one in the body must be there all the same.
    body.required("name")?;
    let options = body.object("tableOptions", "tableOptions")?;
    let order = options.map(|options| options.list("clusteringExpression")).transpose()?.flatten();
    if order.is_some_and(|order| !order.is_empty()) {
        return Err(bad("Cannot update the clustering order of a table"));
    }
    let seconds = options.map(|options| options.integer("defaultTimeToLive")).transpose()?.flatten();
    let seconds = seconds.ok_or_else(|| bad("No update provided for defaultTTL"))?;
    table(&api.store.schema(), &keyspace, &name)?;
    let change = TableChange::Options(vec![time_to_live(seconds)]);
    let statement = AlterTable { name: qualified(&keyspace, &name), if_exists: false, change };
    run(api, call, Statement::AlterTable(statement)).await?;
    Ok(named(StatusCode::OK, &name))
}

pub async fn drop(api: &Api, call: &Call<'_>) -> Result<Response, Refusal> {
    let name = qualified(&call.keyspace()?, &call.table()?);
    run(api, call, Statement::DropTable { name, if_exists: true }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn time_to_live(seconds: u32) -> Property {
    Property { name: Name::new("default_time_to_live"), value: PropertyValue::Simple(seconds.to_string()) }
}

/// Columns of the clustering key that the order leaves out are ascending.
fn table_options(options: Object<'_>, clustering: &[&str]) -> Result<TableOptions, Refusal> {
    let known: HashSet<&str> = clustering.iter().copied().collect();
    let mut given = HashMap::new();
    for item in options.list("clusteringExpression")?.unwrap_or_default() {
        let item = Object::of(item, "clusteringExpression")?;
        let direction = match item.required("order")? {
            order if order.eq_ignore_ascii_case("asc") => Direction::Ascending,
            order if order.eq_ignore_ascii_case("desc") => Direction::Descending,
            other => {
                return Err(bad(format!("Unrecognized ordering value '{other}'; it must be ASC or DESC")));
            }
        };
        let column = item.required("column")?;
        if !known.contains(column) {
            return Err(bad(format!("clusteringExpression names '{column}', which is not in clusteringKey")));
        }
        // The first counts.
        given.entry(column).or_insert(direction);
    }
    let mut clustering_order = Vec::new();
    if !given.is_empty() {
        clustering_order.extend(
            clustering
                .iter()
                .map(|name| (Name::new(*name), given.get(name).copied().unwrap_or(Direction::Ascending))),
        );
    }
    let seconds = options.integer("defaultTimeToLive")?;
    Ok(TableOptions {
        properties: seconds.map(time_to_live).into_iter().collect(),
        clustering_order,
        compact_storage: false,
    })
}

fn push_table(table: &Table, out: &mut String) {
    out.push_str("{\"name\":");
    push_string(&table.name, out);
    out.push_str(",\"keyspace\":");
    push_string(&table.keyspace, out);
    out.push_str(",\"columnDefinitions\":");
    out.push_str(&array(table.columns.iter(), push_column));
    out.push_str(",\"primaryKey\":{\"partitionKey\":");
    let push_name = |column: &Column, out: &mut String| push_string(&column.name, out);
    out.push_str(&array(table.partition_key(), push_name));
    out.push_str(",\"clusteringKey\":");
    out.push_str(&array(table.clustering(), push_name));
    out.push_str(&format!(
        "}},\"tableOptions\":{{\"defaultTimeToLive\":{}",
        table.options.default_time_to_live
    ));
    out.push_str(",\"clusteringExpression\":");
    out.push_str(&array(table.clustering(), |column, out| {
        out.push_str("{\"column\":");
        push_string(&column.name, out);
        out.push_str(if column.descending { ",\"order\":\"DESC\"}" } else { ",\"order\":\"ASC\"}" });
    }));
    out.push_str("}}");
}
